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
    service::{AppJs, ApplicationActivationSettingRegistry, AsJs, JsEndDeviceRegistry, NsJs},
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
                Principal {
                    universal: rights,
                    caller: Caller::User("someone".parse().unwrap()),
                    ..Principal::anonymous()
                }
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

// JS-14
#[tokio::test]
async fn whoever_is_nobody_does_not_learn_which_devices_there_are() {
    let (fixture, access) = (Fixture::new(), Arc::new(Tokens));
    let api = api(&fixture, &access);
    let mut session = v3::SessionKeyRequest {
        session_key_id: vec![1],
        dev_eui: euis().dev_eui.to_be_bytes().to_vec(),
        join_eui: euis().join_eui.to_be_bytes().to_vec(),
    };
    fixture.js.set_device(&device(), ttn_core::store::Replaces::Nothing).await.unwrap();
    let here = AppJs::get_app_s_key(&api, Request::new(session.clone())).await.unwrap_err();
    session.dev_eui = vec![0xEE; 8];
    let not_here = AppJs::get_app_s_key(&api, Request::new(session)).await.unwrap_err();
    assert_eq!(here.code(), Code::Unauthenticated);
    assert_eq!((here.code(), here.message()), (not_here.code(), not_here.message()));
}

fn settings(paths: &[&str]) -> v3::SetApplicationActivationSettingsRequest {
    let kek = v3::KeyEnvelope { key: vec![0x5A; 16], ..Default::default() };
    v3::SetApplicationActivationSettingsRequest {
        application_ids: Some(v3::ApplicationIdentifiers { application_id: "app".to_owned() }),
        settings: Some(v3::ApplicationActivationSettings {
            kek_label: "my-kek".to_owned(),
            kek: Some(kek),
            home_net_id: vec![0, 0, 0x13],
            application_server_id: "my-as".to_owned(),
        }),
        field_mask: mask(paths),
    }
}

fn settings_of() -> v3::GetApplicationActivationSettingsRequest {
    v3::GetApplicationActivationSettingsRequest {
        application_ids: settings(&[]).application_ids,
        field_mask: mask(&["kek_label", "kek", "home_net_id", "application_server_id"]),
    }
}

// JS-12, JS-13
#[tokio::test]
async fn the_key_of_an_application_wraps_its_app_s_keys() {
    const KEYS: &str = "RIGHT_APPLICATION_DEVICES_READ_KEYS,RIGHT_APPLICATION_DEVICES_WRITE_KEYS";
    type Registry = dyn ApplicationActivationSettingRegistry;
    let (fixture, access) = (Fixture::new(), Arc::new(Tokens));
    let api = api(&fixture, &access);
    let registry: &Registry = &api;
    let all = ["kek_label", "kek.key", "home_net_id", "application_server_id"];
    let denied = registry.set(bearer(settings(&all), READ_KEYS)).await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
    let missing = registry.get(bearer(settings_of(), READ_KEYS)).await.unwrap_err();
    assert_eq!(missing.code(), Code::NotFound);
    registry.set(bearer(settings(&all), KEYS)).await.unwrap();
    let found = registry.get(bearer(settings_of(), READ_KEYS)).await.unwrap().into_inner();
    assert_eq!(Some(found), settings(&[]).settings);
    let at_rest = fixture.store.activation_settings(&"app".parse().unwrap()).await.unwrap();
    assert!(at_rest.value.kek.unwrap().clear().is_none(), "wrapped in the store");

    fixture.js.set_device(&device(), ttn_core::store::Replaces::Nothing).await.unwrap();
    let answer = fixture.join(&request(MacVersion::V1_0_3, APP_KEY, 1)).await.unwrap();
    let Some(ttn_core::key::KeyEnvelope::Wrapped { kek_label, encrypted_key }) =
        answer.keys.app_s_key
    else {
        panic!("not wrapped")
    };
    assert_eq!(&*kek_label, "my-kek");
    ttn_mac::crypto::wrap::unwrap_key(&[0x5A; 16], &encrypted_key).unwrap();
    assert!(answer.keys.f_nwk_s_int_key.clear().is_none(), "with the network's own key");

    // A label without key is an error, and a key without label is refused at once.
    let mut bare = settings(&["kek.key"]);
    bare.settings = Some(v3::ApplicationActivationSettings::default());
    registry.set(bearer(bare, KEYS)).await.unwrap();
    let second = request(MacVersion::V1_0_3, APP_KEY, 2);
    assert_eq!(fixture.reject_name(&second).await, "kek");
    let delete = v3::DeleteApplicationActivationSettingsRequest {
        application_ids: settings(&[]).application_ids,
    };
    registry.delete(bearer(delete.clone(), KEYS)).await.unwrap();
    assert_eq!(registry.delete(bearer(delete, KEYS)).await.unwrap_err().code(), Code::NotFound);
    let refused = registry.set(bearer(settings(&["kek.key"]), KEYS)).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("kek_label"), "{}", refused.message());
    fixture.join(&second).await.unwrap();
}

// JS-14, JS-23
#[tokio::test]
async fn a_network_server_of_the_cluster_joins_by_call() {
    let (fixture, access) = (Fixture::new(), Arc::new(Tokens));
    let api = api(&fixture, &access);
    fixture.js.set_device(&device(), ttn_core::store::Replaces::Nothing).await.unwrap();
    let wanted = request(MacVersion::V1_0_3, APP_KEY, 7);
    let message = v3::JoinRequest {
        raw_payload: wanted.phy.to_vec(),
        dev_addr: wanted.dev_addr.to_be_bytes().to_vec(),
        net_id: wanted.net_id.to_be_bytes().to_vec(),
        selected_mac_version: v3::MacVersion::MacV103.into(),
        rx_delay: 5,
        cf_list: Some(v3::CfList { freq: vec![8_671_000, 8_673_000], ..Default::default() }),
        ..Default::default()
    };
    let denied = NsJs::handle_join(&api, bearer(message.clone(), READ_KEYS)).await.unwrap_err();
    assert_eq!(denied.code(), Code::Unauthenticated);
    let answer = NsJs::handle_join(&api, call(message.clone(), "ClusterKey 00")).await.unwrap();
    let answer = answer.into_inner();
    let accept = crate::fixture::open(
        &ttn_core::msg::JoinAnswer {
            phy: answer.raw_payload.into(),
            keys: answer.session_keys.as_ref().unwrap().try_into().unwrap(),
            lifetime: None,
            correlation_ids: Vec::new(),
            warnings: Vec::new(),
        },
        APP_KEY,
        &wanted,
    );
    assert_eq!((accept.dev_addr, accept.rx_delay), (wanted.dev_addr, 5));
    let Some(ttn_mac::frame::CfList::Frequencies(frequencies)) = accept.cf_list else {
        panic!("no channel list")
    };
    assert_eq!(frequencies[1].hz(), 867_300_000);
    let again = NsJs::handle_join(&api, call(message, "ClusterKey 00")).await.unwrap_err();
    assert_eq!(again.code(), Code::InvalidArgument);
    let cut = v3::JoinRequest { raw_payload: vec![0; 5], ..Default::default() };
    let refused = NsJs::handle_join(&api, call(cut, "ClusterKey 00")).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
}

// JS-23
#[tokio::test]
async fn joins_are_counted_by_how_they_ended() {
    let fixture = Fixture::with_device(&device()).await;
    let join = request(MacVersion::V1_0_3, APP_KEY, 1);
    fixture.join(&join).await.unwrap();
    fixture.join(&join).await.unwrap_err();
    fixture.join(&request(MacVersion::V1_0_4, APP_KEY, 5)).await.unwrap();
    fixture.join(&request(MacVersion::V1_0_4, APP_KEY, 4)).await.unwrap_err();
    let counters = fixture.js.join_counters();
    assert_eq!(counters.accepted(), 2);
    let rejected = counters.rejected();
    assert_eq!(rejected, [("dev_nonce_too_small", 1), ("reuse_dev_nonce", 1)].into());
}
