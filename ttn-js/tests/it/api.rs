//! The API services: rights, masks and names of errors.

use std::sync::Arc;

use async_trait::async_trait;
use tonic::{Code, Request};
use ttn_core::{
    auth::{Caller, Credentials, Principal, Right, Rights},
    id::EntityId,
    peer::{Access, Local, PeerError},
    version::MacVersion,
};
use ttn_js::api::Api;
use ttn_proto::{
    service::{AppJs, AsJs, JsEndDeviceRegistry, NsJs},
    v3,
};

use crate::fixture::{APP_KEY, Fixture, device, euis, request};

/// Everybody is known; the rights are those named in the token.
#[derive(Debug)]
struct Tokens;

#[async_trait]
impl Access for Tokens {
    async fn principal(&self, credentials: &Credentials) -> Result<Principal, PeerError> {
        Ok(match credentials {
            Credentials::ClusterKey(_) => Principal::cluster(),
            Credentials::Bearer(token) => {
                let rights: Rights =
                    token.split(',').map(|name| Right::from_name(name).unwrap()).collect();
                Principal { universal: rights, ..Principal::anonymous() }
            }
            _ => Principal::anonymous(),
        })
    }

    async fn rights_of(&self, caller: &Principal, _: &EntityId) -> Result<Rights, PeerError> {
        assert_ne!(caller.caller, Caller::Cluster);
        Ok(caller.universal)
    }
}

const READ: &str = "RIGHT_APPLICATION_DEVICES_READ";
const READ_KEYS: &str = "RIGHT_APPLICATION_DEVICES_READ,RIGHT_APPLICATION_DEVICES_READ_KEYS";
const WRITE: &str = "RIGHT_APPLICATION_DEVICES_WRITE";
const WRITE_KEYS: &str = "RIGHT_APPLICATION_DEVICES_WRITE,RIGHT_APPLICATION_DEVICES_WRITE_KEYS";

fn api(fixture: &Fixture, access: &Arc<Tokens>) -> Api {
    let peers = Local::default();
    peers.set_access(access);
    Api::new(fixture.with_peers(Arc::new(peers)))
}

fn call<T>(message: T, authorization: &str) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", authorization.parse().unwrap());
    request
}

fn bearer<T>(message: T, rights: &str) -> Request<T> {
    call(message, &format!("Bearer {rights}"))
}

fn mask(paths: &[&str]) -> Option<prost_types::FieldMask> {
    Some(prost_types::FieldMask { paths: paths.iter().map(ToString::to_string).collect() })
}

fn set(paths: &[&str]) -> v3::SetEndDeviceRequest {
    let ids = v3::EndDeviceIdentifiers {
        dev_eui: euis().dev_eui.to_be_bytes().to_vec(),
        join_eui: euis().join_eui.to_be_bytes().to_vec(),
        ..(&device().key).into()
    };
    let key = v3::KeyEnvelope { key: APP_KEY.to_vec(), ..Default::default() };
    let root_keys = v3::RootKeys { app_key: Some(key), ..Default::default() };
    let end_device = v3::EndDevice {
        ids: Some(ids),
        root_keys: Some(root_keys),
        last_join_nonce: 41,
        ..Default::default()
    };
    v3::SetEndDeviceRequest { end_device: Some(end_device), field_mask: mask(paths) }
}

fn get(paths: &[&str]) -> v3::GetEndDeviceRequest {
    let end_device_ids = Some((&device().key).into());
    v3::GetEndDeviceRequest { end_device_ids, field_mask: mask(paths) }
}

// JS-17
#[tokio::test]
async fn root_keys_need_the_rights_for_keys() {
    let (fixture, access) = (Fixture::new(), Arc::new(Tokens));
    let api = api(&fixture, &access);
    let keys = ["root_keys.app_key.key", "last_join_nonce"];
    let denied = JsEndDeviceRegistry::set(&api, bearer(set(&keys), WRITE)).await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
    JsEndDeviceRegistry::set(&api, bearer(set(&keys), WRITE_KEYS)).await.unwrap();
    let denied = JsEndDeviceRegistry::get(&api, bearer(get(&keys), READ)).await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
    let found = JsEndDeviceRegistry::get(&api, bearer(get(&["last_join_nonce"]), READ)).await;
    let found = found.unwrap().into_inner();
    assert_eq!((found.last_join_nonce, found.root_keys), (41, None));
    let found = JsEndDeviceRegistry::get(&api, bearer(get(&keys), READ_KEYS)).await.unwrap();
    let root_keys = found.into_inner().root_keys.unwrap();
    assert_eq!(root_keys.app_key.unwrap().key, APP_KEY);
    // The device can join with what was set.
    fixture.join(&request(MacVersion::V1_0_3, APP_KEY, 1)).await.unwrap();
    let ids = get(&[]).end_device_ids.unwrap();
    JsEndDeviceRegistry::delete(&api, bearer(ids, WRITE)).await.unwrap();
    let gone = JsEndDeviceRegistry::get(&api, bearer(get(&[]), READ)).await.unwrap_err();
    assert_eq!(gone.code(), Code::NotFound);
}

// JS-14
#[tokio::test]
async fn session_keys_go_to_the_cluster_and_to_who_may_read_keys() {
    let (fixture, access) = (Fixture::new(), Arc::new(Tokens));
    let api = api(&fixture, &access);
    fixture.js.set_device(&device(), ttn_core::store::Replaces::Nothing).await.unwrap();
    let answer = fixture.join(&request(MacVersion::V1_0_3, APP_KEY, 1)).await.unwrap();
    let session = v3::SessionKeyRequest {
        session_key_id: answer.keys.id.as_bytes().to_vec(),
        dev_eui: euis().dev_eui.to_be_bytes().to_vec(),
        join_eui: euis().join_eui.to_be_bytes().to_vec(),
    };
    let denied = AppJs::get_app_s_key(&api, bearer(session.clone(), READ)).await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
    let key = AppJs::get_app_s_key(&api, bearer(session.clone(), READ_KEYS)).await.unwrap();
    let clear = answer.keys.app_s_key.unwrap().clear().unwrap().expose().to_vec();
    assert_eq!(key.into_inner().app_s_key.unwrap().key, clear);
    let denied = AsJs::get_app_s_key(&api, bearer(session.clone(), READ_KEYS)).await.unwrap_err();
    assert_eq!(denied.code(), Code::Unauthenticated);
    AsJs::get_app_s_key(&api, call(session.clone(), "ClusterKey 00")).await.unwrap();
    NsJs::get_nwk_s_keys(&api, call(session, "ClusterKey 00")).await.unwrap();
}
