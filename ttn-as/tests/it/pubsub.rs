//! Pub/subs over a broker in memory (AS-47 to AS-52).

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use prost::Message as _;
use tokio::sync::{Notify, mpsc};
use tonic::Code;
use ttn_as::{
    QueueOperation,
    config::ProviderStatus,
    integration::pubsub::{
        Incoming, Message, NatsSettings, Provider, ProviderError, PubSub, PubSubProvider,
        Publisher, Session, Subscription,
    },
};
use ttn_core::store::Replaces;
use ttn_proto::{
    service::ApplicationPubSubRegistry,
    v3::{self, application_pub_sub as api_message},
};

use crate::{
    api::{Tokens, api, application, bearer},
    world::{World, settle, uplink},
};

/// A broker in memory that may be away, and may lose connections.
#[derive(Debug, Default)]
pub(crate) struct Broker {
    pub(crate) published: Mutex<Vec<Message>>,
    pub(crate) away: Mutex<bool>,
    pub(crate) subscriptions: Mutex<Vec<Subscription>>,
    pub(crate) connections: Mutex<u32>,
    sender: Mutex<Option<mpsc::Sender<Incoming>>>,
    lose: Arc<Notify>,
}

/// A provider of a broker.
#[derive(Debug)]
pub(crate) struct Shared(pub(crate) Arc<Broker>);

#[async_trait]
impl PubSubProvider for Shared {
    async fn connect(
        &self,
        _: &PubSub,
        subscriptions: Vec<Subscription>,
    ) -> Result<Session, ProviderError> {
        let broker = &self.0;
        if *broker.away.lock() {
            return Err(ProviderError::Connect { reason: "nobody there".to_owned() });
        }
        *broker.connections.lock() += 1;
        *broker.subscriptions.lock() = subscriptions;
        let (sender, incoming) = mpsc::channel(4);
        *broker.sender.lock() = Some(sender);
        let lose = broker.lose.clone();
        let driver = async move {
            lose.notified().await;
            ProviderError::Lost { reason: "a test".to_owned() }
        };
        Ok(Session {
            driver: Box::pin(driver),
            publisher: Box::new(Hand(broker.clone())),
            incoming,
        })
    }
}

struct Hand(Arc<Broker>);

#[async_trait]
impl Publisher for Hand {
    async fn publish(
        &mut self,
        messages: Vec<Message>,
    ) -> Result<Vec<(Message, ProviderError)>, ProviderError> {
        if *self.0.away.lock() {
            return Err(ProviderError::Lost { reason: "a test".to_owned() });
        }
        let is_refused = |message: &Message| message.topic.contains(' ');
        let refuse = |message: Message| {
            let (topic, reason) = (message.topic.clone(), "a space".to_owned());
            (message, ProviderError::Publish { topic, reason })
        };
        let (refused, taken): (Vec<_>, Vec<_>) = messages.into_iter().partition(is_refused);
        self.0.published.lock().extend(taken);
        Ok(refused.into_iter().map(refuse).collect())
    }
}

impl Broker {
    /// The topics and counters of what was published.
    fn seen(&self) -> Vec<(String, u64)> {
        let of = |message: &Message| {
            let json: serde_json::Value = serde_json::from_slice(&message.payload).unwrap();
            let f_cnt = json["uplink_message"]["f_cnt"].as_u64().unwrap_or_default();
            (message.topic.clone(), f_cnt)
        };
        self.published.lock().iter().map(of).collect()
    }

    async fn send(&self, operation: QueueOperation, payload: &[u8]) {
        let sender = self.sender.lock().clone().unwrap();
        let payload = Bytes::copy_from_slice(payload);
        sender.send(Incoming { operation, payload }).await.unwrap();
        settle().await;
    }
}

fn pubsub(topics: &[(&str, &str)]) -> PubSub {
    let topics = topics.iter().map(|(kind, topic)| ((*kind).to_owned(), (*topic).to_owned()));
    PubSub {
        format: "json".to_owned(),
        base_topic: "base".to_owned(),
        topics: topics.collect(),
        provider: Some(Provider::Nats(NatsSettings { server_url: "nats://broker".to_owned() })),
        ..PubSub::default()
    }
}

async fn set(world: &World, pubsub: &PubSub) {
    let application = "my-app".parse().unwrap();
    world.server.set_pubsub(&application, "my-pubsub", pubsub, Replaces::Any).await.unwrap();
    settle().await;
}

fn up(f_cnt: u64) -> (String, u64) {
    ("base.up".to_owned(), f_cnt)
}

// AS-50
#[tokio::test(start_paused = true)]
async fn messages_with_a_topic_are_published_in_order() {
    let world = World::new().await;
    world.deliver(vec![uplink(1, b"before")]);
    set(&world, &pubsub(&[("uplink_message", "up")])).await;
    world.deliver((2..=200).map(|f_cnt| uplink(f_cnt, b"x")).collect());
    world.deliver(vec![ttn_core::msg::Up::ServiceData(ttn_as::testing::service_data())]);
    settle().await;
    assert_eq!(world.broker.seen(), (2..=200).map(up).collect::<Vec<_>>());
    assert_eq!(world.event_names("as.pubsub"), ["as.pubsub.set", "as.pubsub.start"]);
}

// AS-50
#[tokio::test(start_paused = true)]
async fn messages_are_written_as_protocol_buffers() {
    let world = World::new().await;
    let settings = pubsub(&[("uplink_message", "up")]);
    set(&world, &PubSub { format: "protobuf".to_owned(), ..settings }).await;
    world.deliver(vec![uplink(7, b"payload")]);
    settle().await;
    let published = world.broker.published.lock().clone();
    let message = v3::ApplicationUp::decode(published[0].payload.clone()).unwrap();
    let Some(v3::application_up::Up::UplinkMessage(uplink)) = message.up else { panic!() };
    assert_eq!((uplink.f_cnt, uplink.frm_payload), (7, b"payload".to_vec()));
}

// AS-51
#[tokio::test(start_paused = true)]
async fn nothing_is_lost_while_the_broker_is_away() {
    let world = World::new().await;
    *world.broker.away.lock() = true;
    set(&world, &pubsub(&[("uplink_message", "up")])).await;
    world.deliver(vec![uplink(1, b"x")]);
    tokio::time::sleep(Duration::from_secs(600)).await;
    world.deliver(vec![uplink(2, b"x")]);
    *world.broker.away.lock() = false;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(world.broker.seen(), [up(1), up(2)]);
    *world.broker.away.lock() = true;
    world.deliver(vec![uplink(3, b"x")]);
    settle().await;
    assert_eq!(world.broker.seen().len(), 2);
    *world.broker.away.lock() = false;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(world.broker.seen(), [up(1), up(2), up(3)]);
    let events = world.event_names("as.pubsub");
    assert_eq!(events[..2], ["as.pubsub.set", "as.pubsub.fail"]);
    assert_eq!(events.last().unwrap(), "as.pubsub.start");
    let failures = events.iter().filter(|name| *name == "as.pubsub.fail").count();
    assert!((8..30).contains(&failures), "pauses grow: {failures} attempts in ten minutes");
}

// AS-51
#[tokio::test(start_paused = true)]
async fn a_restart_goes_on_where_it_was() {
    let world = World::new().await;
    set(&world, &pubsub(&[("uplink_message", "up")])).await;
    world.deliver(vec![uplink(1, b"x")]);
    // The place is kept within a second.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let world = world.restarted(None).await;
    world.deliver(vec![uplink(2, b"x")]);
    settle().await;
    assert_eq!(world.broker.seen(), [up(2)]);
}

// AS-51
#[tokio::test(start_paused = true)]
async fn a_lost_connection_is_made_again_and_a_deleted_one_not() {
    let world = World::new().await;
    set(&world, &pubsub(&[("uplink_message", "up")])).await;
    world.broker.lose.notify_one();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(*world.broker.connections.lock(), 2);
    let application = "my-app".parse().unwrap();
    world.server.delete_pubsub(&application, "my-pubsub").await.unwrap();
    settle().await;
    world.deliver(vec![uplink(1, b"x")]);
    settle().await;
    assert!(world.broker.seen().is_empty());
    let expected = ["set", "start", "fail", "start", "delete", "stop"];
    assert_eq!(world.event_names("as.pubsub"), expected.map(|name| format!("as.pubsub.{name}")));
}

// AS-50
#[tokio::test(start_paused = true)]
async fn downlinks_of_the_broker_are_pushed_and_replaced() {
    let world = World::new().await;
    set(&world, &pubsub(&[("downlink_push", "push"), ("downlink_replace", "replace")])).await;
    let topics: Vec<_> =
        world.broker.subscriptions.lock().iter().map(|s| s.topic.clone()).collect();
    assert_eq!(topics, ["base.push", "base.replace"]);
    let request =
        br#"{"end_device_ids":{"device_id":"my-dev","application_ids":{"application_id":"my-app"}},
        "downlinks":[{"f_port":5,"frm_payload":"aGVsbG8="}]}"#;
    world.broker.send(QueueOperation::Push, request).await;
    assert_eq!(world.ns.pushed.lock().len(), 1);
    world.broker.send(QueueOperation::Replace, request).await;
    assert_eq!(world.ns.replaced.lock().len(), 1);
    world.broker.send(QueueOperation::Push, b"nonsense").await;
    assert_eq!(world.event_names("as.pubsub").last().unwrap(), "as.pubsub.fail");
    assert_eq!(*world.broker.connections.lock(), 1, "bad downlinks end no connection");
}

// AS-51: what the broker never takes does not hold up the rest
#[tokio::test(start_paused = true)]
async fn a_refused_message_is_told_and_passed_over() {
    let world = World::new().await;
    set(&world, &pubsub(&[("uplink_message", "a b")])).await;
    world.deliver(vec![uplink(1, b"x")]);
    settle().await;
    assert_eq!(world.event_names("as.pubsub").last().unwrap(), "as.pubsub.fail");
    set(&world, &pubsub(&[("uplink_message", "up")])).await;
    world.deliver(vec![uplink(2, b"x")]);
    settle().await;
    assert_eq!(world.broker.seen(), [up(2)]);
}

const SETTINGS: &str = "RIGHT_APPLICATION_SETTINGS_BASIC";
const ALL: &str = "RIGHT_APPLICATION_SETTINGS_BASIC,RIGHT_APPLICATION_TRAFFIC_READ,\
                   RIGHT_APPLICATION_TRAFFIC_DOWN_WRITE";

fn ids() -> v3::ApplicationPubSubIdentifiers {
    v3::ApplicationPubSubIdentifiers {
        application_ids: Some(application()),
        pub_sub_id: "my-pubsub".to_owned(),
    }
}

fn mask(paths: &[&str]) -> Option<prost_types::FieldMask> {
    Some(prost_types::FieldMask { paths: paths.iter().map(ToString::to_string).collect() })
}

fn request(provider: api_message::Provider, format: &str) -> v3::SetApplicationPubSubRequest {
    let topic = |topic: &str| Some(api_message::Message { topic: topic.to_owned() });
    let pubsub = v3::ApplicationPubSub {
        ids: Some(ids()),
        format: format.to_owned(),
        base_topic: "base".to_owned(),
        uplink_message: topic("up"),
        provider: Some(provider),
        ..Default::default()
    };
    let paths = ["format", "base_topic", "uplink_message", "provider"];
    v3::SetApplicationPubSubRequest { pubsub: Some(pubsub), field_mask: mask(&paths) }
}

fn nats() -> api_message::Provider {
    let server_url = "nats://broker".to_owned();
    api_message::Provider::Nats(api_message::NatsProvider { server_url })
}

// AS-47, AS-50
#[tokio::test(start_paused = true)]
async fn a_pubsub_is_set_read_listed_and_deleted() {
    let (world, access) = (World::new().await, Arc::new(Tokens));
    let api = api(&world, &access);
    let refused = api.set(bearer(request(nats(), "json"), SETTINGS)).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    api.set(bearer(request(nats(), "json"), ALL)).await.unwrap();
    // One topic more; the others stay.
    let mut more = request(nats(), "json");
    more.field_mask = mask(&["join_accept"]);
    more.pubsub.as_mut().unwrap().join_accept =
        Some(api_message::Message { topic: "join".to_owned() });
    api.set(bearer(more, ALL)).await.unwrap();
    let get = v3::GetApplicationPubSubRequest {
        ids: Some(ids()),
        field_mask: mask(&["base_topic", "uplink_message", "join_accept"]),
    };
    let found = api.get(bearer(get.clone(), SETTINGS)).await.unwrap().into_inner();
    assert_eq!(found.base_topic, "base");
    assert_eq!(found.uplink_message.unwrap().topic, "up");
    assert_eq!(found.join_accept.unwrap().topic, "join");
    assert!(found.provider.is_none() && found.created_at.is_some());
    let list = v3::ListApplicationPubSubsRequest {
        application_ids: Some(application()),
        field_mask: mask(&["provider"]),
    };
    let list = api.list(bearer(list, SETTINGS)).await.unwrap().into_inner();
    assert_eq!(list.pubsubs[0].provider, Some(nats()));
    api.delete(bearer(ids(), ALL)).await.unwrap();
    assert_eq!(api.get(bearer(get, SETTINGS)).await.unwrap_err().code(), Code::NotFound);
    let formats = api.get_formats(tonic::Request::new(())).await.unwrap().into_inner();
    assert_eq!(formats.formats.keys().collect::<Vec<_>>(), ["json", "protobuf"]);
}

// AS-49, AS-52
#[tokio::test(start_paused = true)]
async fn providers_may_be_disabled_discouraged_or_missing() {
    let access = Arc::new(Tokens);
    let with = async |nats: ProviderStatus| {
        let mut config = ttn_as::Config::default();
        config.pubsub.nats = nats;
        World::empty(config).await
    };
    let world = with(ProviderStatus::Disabled).await;
    let refused = api(&world, &access).set(bearer(request(nats(), "json"), ALL)).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert_eq!(ttn_rpc::status::to_body(&refused).name, "provider_disabled");
    let world = with(ProviderStatus::Warning).await;
    let api = api(&world, &access);
    let set = api.set(bearer(request(nats(), "json"), ALL)).await.unwrap();
    assert!(set.metadata().contains_key("warning"));
    let aws = api_message::Provider::AwsIot(api_message::AwsIoTProvider::default());
    let refused = api.set(bearer(request(aws, "json"), ALL)).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented);
    assert_eq!(ttn_rpc::status::to_body(&refused).name, "provider_not_implemented");
    let refused = api.set(bearer(request(nats(), "xml"), ALL)).await.unwrap_err();
    assert_eq!(ttn_rpc::status::to_body(&refused).name, "format_not_found");
}
