//! An MQTT 3.1.1 client (AS-48).

use std::sync::Arc;

use async_trait::async_trait;
use data_encoding::HEXLOWER;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use rumqttc::{
    AsyncClient, Broker, Event, EventLoop, Incoming as Packet, MqttOptions, PublishNotice,
    PublishOptions, QoS, SubscribeFilterInput, SubscribeReasonCode, TlsConfiguration, Transport,
};
use tokio::sync::mpsc;
use ttn_core::{net::Reach, rand::Entropy};

use super::{
    Incoming, Message, MqttSettings, Provider, ProviderError, PubSub, PubSubProvider, Publisher,
    Session, Subscription,
    target::{self, Target},
};

/// Connects to MQTT brokers: `mqtt://` (or `tcp://`), `mqtts://` (or `ssl://`, `tls://`), and through WebSockets with
/// `ws://` and `wss://`.
#[derive(Clone, Debug)]
pub struct MqttProvider {
    reach: Reach,
    entropy: Arc<dyn Entropy>,
}

const SCHEMES: [(&str, u16); 7] = [
    ("mqtt", 1883),
    ("tcp", 1883),
    ("mqtts", 8883),
    ("ssl", 8883),
    ("tls", 8883),
    ("ws", 80),
    ("wss", 443),
];
/// The longest packet that is read or written, in octets.
const PACKET_SIZE_MAX: usize = 1 << 20;
/// How many messages wait for the socket.
const OUTGOING_MAX: usize = 64;
/// How many downlinks of a connection wait to be queued; the broker waits with further ones.
const INCOMING_MAX: usize = 64;
/// How often the broker hears from us, in seconds.
const KEEP_ALIVE: u16 = 30;

impl MqttProvider {
    /// Connects as far as `reach` allows; `entropy` makes ids of clients that have none.
    #[must_use]
    pub const fn new(reach: Reach, entropy: Arc<dyn Entropy>) -> Self {
        Self { reach, entropy }
    }

    fn options(&self, settings: &MqttSettings) -> Result<MqttOptions, ProviderError> {
        let target = Target::parse(&settings.server_url, &SCHEMES)?;
        let client_id = match settings.client_id.as_str() {
            "" => format!("ttn-{}", HEXLOWER.encode(&self.entropy.next_u64().to_be_bytes())),
            id => id.to_owned(),
        };
        let mut options = match target.scheme.as_str() {
            "ws" | "wss" => over_websocket(client_id, &target, settings)?,
            scheme => {
                let broker = (target.host.as_str(), target.port);
                let mut options = MqttOptions::new(client_id, broker);
                if settings.use_tls || !matches!(scheme, "mqtt" | "tcp") {
                    options.set_transport(Transport::tls_with_config(tls(settings)?));
                }
                options
            }
        };
        options.set_keep_alive(KEEP_ALIVE).set_clean_session(true);
        options.set_max_packet_size(PACKET_SIZE_MAX, PACKET_SIZE_MAX);
        let (user, password) = match (&settings.username, &target.user) {
            (user, None) => (user.clone(), settings.password.clone()),
            (user, Some((name, password))) if user.is_empty() => {
                (name.clone(), password.clone().unwrap_or_default())
            }
            (user, Some(_)) => (user.clone(), settings.password.clone()),
        };
        if !user.is_empty() {
            options.set_credentials(user, password);
        }
        let reach = self.reach;
        options.set_socket_connector(move |_, _| {
            let (host, port) = (target.host.clone(), target.port);
            async move { target::connect((host.as_str(), port), reach).await }
        });
        Ok(options)
    }
}

#[async_trait]
impl PubSubProvider for MqttProvider {
    async fn connect(
        &self,
        pubsub: &PubSub,
        subscriptions: Vec<Subscription>,
    ) -> Result<Session, ProviderError> {
        let Some(Provider::Mqtt(settings)) = &pubsub.provider else {
            return Err(refused("the settings are not those of MQTT"));
        };
        let options = self.options(settings)?;
        let (client, mut events) = AsyncClient::builder(options).capacity(OUTGOING_MAX).build();
        connected(&mut events).await?;
        if !subscriptions.is_empty() {
            let qos = quality(settings.subscribe_qos);
            let filters = subscriptions.iter().map(|s| SubscribeFilterInput::new(&*s.topic, qos));
            let sent = client.subscribe_many(filters.collect::<Vec<_>>()).await;
            sent.map_err(|error| refused(&error.to_string()))?;
            subscribed(&mut events, &subscriptions).await?;
        }
        let (sender, incoming) = mpsc::channel(INCOMING_MAX);
        let publisher = MqttPublisher { client, qos: quality(settings.publish_qos) };
        let driver = Box::pin(drive(events, subscriptions, sender));
        Ok(Session { driver, publisher: Box::new(publisher), incoming })
    }
}

/// Waits until the broker accepts the connection.
async fn connected(events: &mut EventLoop) -> Result<(), ProviderError> {
    loop {
        match events.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(_))) => return Ok(()),
            Ok(_) => {}
            Err(error) => return Err(refused(&error.to_string())),
        }
    }
}

/// Waits until the broker accepts the subscriptions.
async fn subscribed(
    events: &mut EventLoop,
    subscriptions: &[Subscription],
) -> Result<(), ProviderError> {
    loop {
        match events.poll().await {
            Ok(Event::Incoming(Packet::SubAck(ack))) => {
                let codes = ack.return_codes.iter().zip(subscriptions);
                let mut failed = codes.filter(|(code, _)| **code == SubscribeReasonCode::Failure);
                return failed.next().map_or(Ok(()), |(_, subscription)| {
                    let reason = "the broker says no".to_owned();
                    Err(ProviderError::Subscribe { topic: subscription.topic.clone(), reason })
                });
            }
            // A retained message may come first; nobody asked for old downlinks.
            Ok(_) => {}
            Err(error) => return Err(refused(&error.to_string())),
        }
    }
}

async fn drive(
    mut events: EventLoop,
    subscriptions: Vec<Subscription>,
    sender: mpsc::Sender<Incoming>,
) -> ProviderError {
    loop {
        let publish = match events.poll().await {
            Ok(Event::Incoming(Packet::Publish(publish))) if !publish.retain => publish,
            Ok(_) => continue,
            // The library would connect again, but not with our pauses.
            Err(error) => return ProviderError::Lost { reason: error.to_string() },
        };
        let subscription = subscriptions.iter().find(|s| s.topic.as_bytes() == publish.topic);
        let Some(subscription) = subscription else { continue };
        let message = Incoming { operation: subscription.operation, payload: publish.payload };
        if sender.send(message).await.is_err() {
            return ProviderError::Lost { reason: "nobody takes downlinks".to_owned() };
        }
    }
}

struct MqttPublisher {
    client: AsyncClient,
    qos: QoS,
}

#[async_trait]
impl Publisher for MqttPublisher {
    async fn publish(
        &mut self,
        messages: Vec<Message>,
    ) -> Result<Vec<(Message, ProviderError)>, ProviderError> {
        let (mut sent, mut refused) = (Vec::<PublishNotice>::new(), Vec::new());
        for message in messages {
            let reason = if message.payload.len() + message.topic.len() > PACKET_SIZE_MAX - 16 {
                "it is too large".to_owned()
            } else if message.topic.contains(['#', '+']) {
                "a topic to publish to has no wildcards".to_owned()
            } else {
                let options = PublishOptions::new(self.qos);
                let publish =
                    self.client.publish_tracked(&*message.topic, message.payload.clone(), options);
                match publish.await {
                    Ok(notice) => {
                        sent.push(notice);
                        continue;
                    }
                    Err(rumqttc::ClientError::InvalidRequest(_)) => "the topic is wrong".to_owned(),
                    Err(error) => return Err(ProviderError::Lost { reason: error.to_string() }),
                }
            };
            let topic = message.topic.clone();
            refused.push((message, ProviderError::Publish { topic, reason }));
        }
        for notice in sent {
            let acknowledged = notice.wait_completion_async().await;
            acknowledged.map_err(|error| ProviderError::Lost { reason: error.to_string() })?;
        }
        Ok(refused)
    }
}

fn over_websocket(
    client_id: String,
    target: &Target,
    settings: &MqttSettings,
) -> Result<MqttOptions, ProviderError> {
    let is_secure = settings.use_tls || target.scheme == "wss";
    let url = target.url_as(if is_secure { "wss" } else { "ws" });
    let wrong = |reason: String| ProviderError::Url { url: url.clone(), reason };
    let mut options = if is_secure {
        let options = MqttOptions::websocket_with_tls_config(client_id, &*url, tls(settings)?);
        options.map_err(|error| wrong(error.to_string()))?
    } else {
        let broker = Broker::websocket(&*url).map_err(|error| wrong(error.to_string()))?;
        MqttOptions::new(client_id, broker)
    };
    let headers = headers(settings)?;
    options.set_request_modifier(move |mut request| {
        let headers = headers.clone();
        async move {
            request.headers_mut().extend(headers);
            request
        }
    });
    Ok(options)
}

/// The headers of the WebSocket's request. What the handshake itself needs cannot be replaced.
fn headers(settings: &MqttSettings) -> Result<HeaderMap, ProviderError> {
    let mut headers = HeaderMap::new();
    for (name, value) in &settings.headers {
        let wrong = || ProviderError::Header { name: name.clone() };
        let known: HeaderName = name.parse().map_err(|_| wrong())?;
        let is_handshake = known.as_str().starts_with("sec-websocket-")
            || [header::HOST, header::CONNECTION, header::UPGRADE].contains(&known);
        if is_handshake {
            return Err(wrong());
        }
        let mut value: HeaderValue = value.parse().map_err(|_| wrong())?;
        value.set_sensitive(true);
        headers.insert(known, value);
    }
    Ok(headers)
}

fn tls(settings: &MqttSettings) -> Result<TlsConfiguration, ProviderError> {
    let certificate = |field, reason: String| ProviderError::Certificate { field, reason };
    let (cert, key) = (&settings.tls_client_cert, &settings.tls_client_key);
    let client = match (cert.is_empty(), key.is_empty()) {
        (true, true) => None,
        (false, false) => Some((cert.clone(), key.clone())),
        _ => return Err(certificate("tls_client_key", "certificate and key come together".into())),
    };
    if settings.tls_ca.is_empty() {
        return match client {
            None => TlsConfiguration::try_default_rustls()
                .map_err(|error| certificate("tls_ca", error.to_string())),
            Some(_) => {
                Err(certificate("tls_ca", "a client certificate needs the broker's CA too".into()))
            }
        };
    }
    Ok(TlsConfiguration::Simple { ca: settings.tls_ca.clone(), alpn: None, client_auth: client })
}

const fn quality(number: u32) -> QoS {
    match number {
        0 => QoS::AtMostOnce,
        1 => QoS::AtLeastOnce,
        _ => QoS::ExactlyOnce,
    }
}

fn refused(reason: &str) -> ProviderError {
    ProviderError::Connect { reason: reason.to_owned() }
}
