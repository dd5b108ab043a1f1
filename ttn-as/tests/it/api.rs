//! The API services: rights, streams, names of errors.

use std::sync::Arc;

use futures::StreamExt as _;
use tonic::{Code, Request};
use ttn_as::{api::Api, testing};
use ttn_core::{
    auth::{Caller, Credentials, Principal, Right, Rights},
    id::EntityId,
    peer::{Access, PeerError},
};
use ttn_proto::{
    service::{AppAs, As, AsEndDeviceBatchRegistry},
    v3::{self, application_up::Up as ApiUp},
};

use crate::world::{World, device, settle, uplink};

/// Everybody is known; the rights are those named in the token.
#[derive(Debug)]
pub(crate) struct Tokens;

#[async_trait::async_trait]
impl Access for Tokens {
    async fn principal(&self, credentials: &Credentials) -> Result<Principal, PeerError> {
        Ok(match credentials {
            Credentials::Bearer(token) => {
                let rights: Rights =
                    token.split(',').map(|name| Right::from_name(name).unwrap()).collect();
                let entity = EntityId::Application("my-app".parse().unwrap());
                let caller = Caller::ApiKey { entity, id: "KEY".to_owned(), rights };
                Principal { universal: rights, caller, ..Principal::anonymous() }
            }
            _ => Principal::anonymous(),
        })
    }

    async fn rights_of(&self, caller: &Principal, _: &EntityId) -> Result<Rights, PeerError> {
        assert_ne!(caller.caller, Caller::Cluster);
        Ok(caller.universal)
    }
}

/// The services over a world, for callers whose token names their rights.
pub(crate) fn api(world: &World, access: &Arc<Tokens>) -> Api {
    world.peers.set_access(access);
    Api::new(world.server.clone())
}

pub(crate) fn bearer<T>(message: T, rights: &str) -> Request<T> {
    let mut request = Request::new(message);
    let value = format!("Bearer {rights}").parse().unwrap();
    request.metadata_mut().insert("authorization", value);
    request
}

pub(crate) fn application() -> v3::ApplicationIdentifiers {
    v3::ApplicationIdentifiers { application_id: "my-app".to_owned() }
}

const READ: &str = "RIGHT_APPLICATION_TRAFFIC_READ";
const UP_WRITE: &str = "RIGHT_APPLICATION_TRAFFIC_UP_WRITE";
const DOWN_WRITE: &str = "RIGHT_APPLICATION_TRAFFIC_DOWN_WRITE";

// AS-31
#[tokio::test(start_paused = true)]
async fn a_subscription_streams_messages_to_who_may_read() {
    let (world, access) = (World::new().await, Arc::new(Tokens));
    let api = api(&world, &access);
    let refused = api.subscribe(bearer(application(), DOWN_WRITE)).await.err().unwrap();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let mut stream = api.subscribe(bearer(application(), READ)).await.unwrap().into_inner();
    world.deliver(vec![uplink(1, b"one"), uplink(2, b"two")]);
    for payload in [b"one", b"two"] {
        let message = stream.next().await.unwrap().unwrap();
        let Some(ApiUp::UplinkMessage(message)) = message.up else { panic!("{message:?}") };
        assert_eq!(message.frm_payload, payload);
    }
}

// AS-19
#[tokio::test(start_paused = true)]
async fn an_uplink_is_simulated_by_who_may_write_uplinks() {
    let (world, access) = (World::new().await, Arc::new(Tokens));
    let api = api(&world, &access);
    let uplink = v3::ApplicationUplink {
        f_port: 1,
        frm_payload: b"x".to_vec(),
        rx_metadata: vec![v3::RxMetadata {
            gateway_ids: Some(v3::GatewayIdentifiers {
                gateway_id: "gtw".to_owned(),
                ..Default::default()
            }),
            ..Default::default()
        }],
        ..Default::default()
    };
    let message = |up| v3::ApplicationUp {
        end_device_ids: Some((&device()).into()),
        up: Some(up),
        ..Default::default()
    };
    let up = message(ApiUp::UplinkMessage(uplink));
    let refused = api.simulate_uplink(bearer(up.clone(), READ)).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    api.simulate_uplink(bearer(up, UP_WRITE)).await.unwrap();
    let down = message(ApiUp::DownlinkSent(v3::ApplicationDownlink::default()));
    let refused = api.simulate_uplink(bearer(down, UP_WRITE)).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let log = world.log().await;
    assert_eq!(log.len(), 1);
    assert!(log[0].record().up.simulated);
}

// AS-26
#[tokio::test(start_paused = true)]
async fn retries_of_a_downlink_come_with_the_api() {
    let (world, access) = (World::new().await, Arc::new(Tokens));
    let api = api(&world, &access);
    let retry = v3::application_downlink::ConfirmedRetry { attempt: 9, max_attempts: Some(33) };
    let mut request = v3::DownlinkQueueRequest {
        end_device_ids: Some((&device()).into()),
        downlinks: vec![v3::ApplicationDownlink {
            f_port: 1,
            frm_payload: vec![1],
            confirmed: true,
            confirmed_retry: Some(retry),
            ..Default::default()
        }],
    };
    let refused = api.downlink_queue_push(bearer(request.clone(), DOWN_WRITE)).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    request.downlinks[0].confirmed_retry.as_mut().unwrap().max_attempts = Some(32);
    api.downlink_queue_push(bearer(request, DOWN_WRITE)).await.unwrap();
    let sent = world.ns.pushed.lock().pop().unwrap().confirmed_retry.unwrap();
    assert_eq!((sent.attempt, sent.max_attempts), (0, Some(32)));
}

// AS-01
#[tokio::test(start_paused = true)]
async fn a_link_tells_what_went_through_it() {
    let (world, access) = (World::new().await, Arc::new(Tokens));
    let api = api(&world, &access);
    world.deliver(vec![uplink(1, b"x"), uplink(2, b"x"), uplink(2, b"x")]);
    let downlinks = vec![ttn_as::DownlinkItem {
        f_port: 1,
        frm_payload: vec![1],
        ..ttn_as::DownlinkItem::default()
    }];
    let operation = ttn_as::QueueOperation::Push;
    world.server.queue_downlinks(&device(), operation, downlinks).await.unwrap();
    let request = bearer(application(), "RIGHT_APPLICATION_LINK");
    let stats = api.get_link_stats(request).await.unwrap().into_inner();
    assert_eq!((stats.up_count, stats.downlink_count), (2, 1), "a repeated uplink is not counted");
    let received = ttn_proto::convert::timestamp(testing::up_time());
    assert_eq!(stats.last_up_received_at, Some(received));
}

// AS-09
#[tokio::test(start_paused = true)]
async fn devices_are_deleted_together() {
    let (world, access) = (World::new().await, Arc::new(Tokens));
    let api = api(&world, &access);
    let request = v3::BatchDeleteEndDevicesRequest {
        application_ids: Some(application()),
        device_ids: vec!["unknown".to_owned(), "my-dev".to_owned()],
    };
    let rights = "RIGHT_APPLICATION_DEVICES_WRITE";
    AsEndDeviceBatchRegistry::delete(&api, bearer(request, rights)).await.unwrap();
    settle().await;
    assert!(world.server.device(&device()).is_err());
}
