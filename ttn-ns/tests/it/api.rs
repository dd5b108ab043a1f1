//! The API services: rights, imports, resets, and what the network knows.

use std::{any::Any, sync::Arc};

use tonic::{Code, Request, Status};
use ttn_core::{
    auth::{Caller, Credentials, Principal, Right, Rights},
    clock::SystemClock,
    id::EntityId,
    peer::{Access, Local, PeerError},
    task::Tasks,
};
use ttn_ns::{NetworkServer, api, config::Config};
use ttn_proto::{ApiMessage, DynMessage, service::Incoming, v3};

use crate::harness::key;

/// The rights are those that the token names.
#[derive(Debug)]
struct Tokens;

#[async_trait::async_trait]
impl Access for Tokens {
    async fn principal(&self, credentials: &Credentials) -> Result<Principal, PeerError> {
        let Credentials::Bearer(token) = credentials else { return Ok(Principal::anonymous()) };
        let rights: Rights = token.split(',').filter_map(Right::from_name).collect();
        Ok(Principal {
            universal: rights,
            caller: Caller::User("someone".parse().unwrap()),
            ..Principal::anonymous()
        })
    }

    async fn rights_of(&self, caller: &Principal, _: &EntityId) -> Result<Rights, PeerError> {
        Ok(caller.universal)
    }
}

const READ: &str = "RIGHT_APPLICATION_DEVICES_READ";
const READ_KEYS: &str = "RIGHT_APPLICATION_DEVICES_READ,RIGHT_APPLICATION_DEVICES_READ_KEYS";
const WRITE: &str = "RIGHT_APPLICATION_DEVICES_WRITE";
const WRITE_KEYS: &str = "RIGHT_APPLICATION_DEVICES_WRITE,RIGHT_APPLICATION_DEVICES_WRITE_KEYS,\
    RIGHT_APPLICATION_DEVICES_READ_KEYS";

struct Server {
    ns: Arc<NetworkServer>,
    _parts: (Arc<Tokens>, Tasks),
}

impl Server {
    fn start() -> Self {
        let (peers, access) = (Arc::new(Local::default()), Arc::new(Tokens));
        peers.set_access(&access);
        let clock = Arc::new(SystemClock::new());
        let ns = NetworkServer::builder(Config::default(), clock, peers).build().unwrap();
        let mut tasks = Tasks::new();
        ns.start(&mut tasks);
        Self { ns, _parts: (access, tasks) }
    }

    async fn call<A: Any>(
        &self,
        name: &str,
        message: impl ApiMessage,
        rights: &str,
    ) -> Result<A, Status> {
        let methods = api::methods(&self.ns);
        let method = methods.iter().find(|method| method.rpc().path.ends_with(name)).unwrap();
        let mut request = Request::new(Incoming::Proto(DynMessage::encode_to_vec(&message)));
        let value = format!("Bearer {rights}").parse().unwrap();
        request.metadata_mut().insert("authorization", value);
        let answer = method.unary(request, prost_types::Timestamp::default()).await?;
        Ok(*answer.into_inner().into_any().downcast().unwrap())
    }

    async fn set(
        &self,
        device: &v3::EndDevice,
        paths: &[&str],
        rights: &str,
    ) -> Result<v3::EndDevice, Status> {
        let end_device = Some(device.clone());
        let message = v3::SetEndDeviceRequest { end_device, field_mask: mask(paths) };
        self.call("NsEndDeviceRegistry/Set", message, rights).await
    }

    async fn get(&self, paths: &[&str], rights: &str) -> Result<v3::EndDevice, Status> {
        let end_device_ids = Some((&key()).into());
        let message = v3::GetEndDeviceRequest { end_device_ids, field_mask: mask(paths) };
        self.call("NsEndDeviceRegistry/Get", message, rights).await
    }

    async fn reset(&self, rights: &str) -> Result<v3::EndDevice, Status> {
        let end_device_ids = Some((&key()).into());
        let field_mask = mask(&["session", "mac_state"]);
        let message = v3::ResetAndGetEndDeviceRequest { end_device_ids, field_mask };
        self.call("NsEndDeviceRegistry/ResetFactoryDefaults", message, rights).await
    }
}

fn mask(paths: &[&str]) -> Option<prost_types::FieldMask> {
    Some(prost_types::FieldMask { paths: paths.iter().map(ToString::to_string).collect() })
}

/// A state with what the API asks for.
fn mac_state() -> v3::MacState {
    let channel = v3::mac_parameters::Channel {
        uplink_frequency: 868_100_000,
        downlink_frequency: 868_100_000,
        max_data_rate_index: 5,
        enable_uplink: true,
        ..Default::default()
    };
    let parameters = v3::MacParameters {
        adr_nb_trans: 1,
        rx1_delay: 5,
        rx2_frequency: 869_525_000,
        channels: vec![channel],
        ..v3::MacParameters::default()
    };
    v3::MacState {
        current_parameters: Some(parameters.clone()),
        desired_parameters: Some(parameters),
        ..v3::MacState::default()
    }
}

fn session(f_cnt_up: u32) -> v3::Session {
    let key = v3::KeyEnvelope { key: vec![7; 16], ..v3::KeyEnvelope::default() };
    v3::Session {
        dev_addr: vec![0x26, 1, 2, 3],
        keys: Some(v3::SessionKeys {
            session_key_id: vec![9; 4],
            f_nwk_s_int_key: Some(key),
            ..v3::SessionKeys::default()
        }),
        last_f_cnt_up: f_cnt_up,
        last_n_f_cnt_down: 3,
        ..v3::Session::default()
    }
}

fn device(supports_join: bool) -> v3::EndDevice {
    let ids = v3::EndDeviceIdentifiers {
        dev_eui: vec![0x70, 0xB3, 0xD5, 0x7E, 0xD0, 0, 0, 1],
        join_eui: vec![0x70, 0xB3, 0xD5, 0x7E, 0xD0, 0, 0, 0],
        ..(&key()).into()
    };
    v3::EndDevice {
        ids: Some(ids),
        frequency_plan_id: "EU_863_870_TTN".to_owned(),
        lorawan_version: v3::MacVersion::MacV103.into(),
        lorawan_phy_version: v3::PhyVersion::PhyV103RevA.into(),
        supports_join,
        session: (!supports_join).then(|| session(41)),
        ..v3::EndDevice::default()
    }
}

const ABP: [&str; 7] = [
    "ids.dev_eui",
    "ids.join_eui",
    "frequency_plan_id",
    "lorawan_version",
    "lorawan_phy_version",
    "supports_join",
    "session",
];
const OTAA: [&str; 6] = [
    "ids.dev_eui",
    "ids.join_eui",
    "frequency_plan_id",
    "lorawan_version",
    "lorawan_phy_version",
    "supports_join",
];

// NS-96
#[tokio::test]
async fn sessions_need_the_rights_for_keys() {
    let server = Server::start();
    let denied = server.set(&device(false), &ABP, WRITE).await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
    server.set(&device(false), &ABP, WRITE_KEYS).await.unwrap();
    let denied = server.get(&["session"], READ).await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
    let found = server.get(&["session"], READ_KEYS).await.unwrap().session.unwrap();
    assert_eq!((found.last_f_cnt_up, found.last_n_f_cnt_down), (41, 3));
    assert_eq!(server.get(&["mac_state"], "").await.unwrap_err().code(), Code::Unauthenticated);
}

// NS-98
#[tokio::test]
async fn a_live_session_moves_in_with_its_state() {
    let server = Server::start();
    server.set(&device(false), &ABP, WRITE_KEYS).await.unwrap();
    let mut moved = server.get(&["mac_state"], READ_KEYS).await.unwrap();
    let state = moved.mac_state.as_mut().unwrap();
    let current = state.current_parameters.as_mut().unwrap();
    (current.adr_data_rate_index, current.adr_nb_trans, current.rx1_delay) = (5, 2, 3);
    current.channels.truncate(2);
    state.rejected_frequencies = vec![867_100_000];
    state.last_adr_change_f_cnt_up = 17;
    let after = server.set(&moved, &["mac_state"], WRITE_KEYS).await.unwrap().mac_state.unwrap();
    let current = after.current_parameters.unwrap();
    assert_eq!((current.adr_data_rate_index, current.adr_nb_trans, current.rx1_delay), (5, 2, 3));
    assert_eq!(current.channels.len(), 2);
    assert_eq!(
        (after.rejected_frequencies, after.last_adr_change_f_cnt_up),
        (vec![867_100_000], 17)
    );
    let session = server.get(&["session"], READ_KEYS).await.unwrap().session.unwrap();
    assert_eq!(session.last_f_cnt_up, 41, "counters stay");
}

// NS-97, NS-98
#[tokio::test]
async fn halves_of_a_session_are_refused_by_field() {
    let server = Server::start();
    server.set(&device(true), &OTAA, WRITE).await.unwrap();
    let field = async |wanted: v3::EndDevice, path: &str| {
        let refused = server.set(&wanted, &[path], WRITE_KEYS).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{}", refused.message());
        refused.message().to_owned()
    };
    let mac_state = Some(mac_state());
    let text = field(v3::EndDevice { mac_state, ..device(true) }, "mac_state").await;
    assert!(text.contains("session"), "{text}");
    let pending_session =
        Some(v3::Session { last_f_cnt_up: 0, last_n_f_cnt_down: 0, ..session(0) });
    let text = field(v3::EndDevice { pending_session, ..device(true) }, "pending_session").await;
    assert!(text.contains("pending_mac_state"), "{text}");
}

// NS-98
#[tokio::test]
async fn a_join_that_was_accepted_moves_in() {
    let server = Server::start();
    let request = v3::mac_state::JoinRequest {
        rx_delay: 5,
        downlink_settings: Some(v3::DlSettings::default()),
        ..Default::default()
    };
    let state = v3::MacState { pending_join_request: Some(request), ..mac_state() };
    let wanted = v3::EndDevice {
        pending_session: Some(v3::Session { last_f_cnt_up: 0, last_n_f_cnt_down: 0, ..session(0) }),
        pending_mac_state: Some(state),
        ..device(true)
    };
    let mut paths = OTAA.to_vec();
    paths.extend(["pending_session", "pending_mac_state"]);
    server.set(&wanted, &paths, WRITE_KEYS).await.unwrap();
    let found = server.get(&["pending_session", "pending_mac_state"], READ_KEYS).await.unwrap();
    assert_eq!(found.pending_session.unwrap().dev_addr, [0x26, 1, 2, 3]);
    let state = found.pending_mac_state.unwrap();
    assert_eq!(state.pending_join_request.unwrap().rx_delay, 5);
    assert_eq!(found.session, None);
}

// NS-42
#[tokio::test]
async fn a_reset_takes_the_session_of_who_joins_and_the_counters_of_who_does_not() {
    let server = Server::start();
    server.set(&device(false), &ABP, WRITE_KEYS).await.unwrap();
    assert_eq!(server.reset(WRITE).await.unwrap_err().code(), Code::PermissionDenied);
    let reset = server.reset(WRITE_KEYS).await.unwrap().session.unwrap();
    assert_eq!((reset.last_f_cnt_up, reset.last_n_f_cnt_down), (0, 0));
    assert_eq!(reset.keys.unwrap().f_nwk_s_int_key.unwrap().key, [7; 16]);

    let server = Server::start();
    let joined = v3::EndDevice { session: Some(session(9)), ..device(true) };
    server.set(&joined, &ABP, WRITE_KEYS).await.unwrap();
    let reset = server.reset(WRITE_KEYS).await.unwrap();
    assert_eq!((reset.session, reset.mac_state), (None, None));
}

// NS-101
#[tokio::test]
async fn settings_of_class_b_and_c_are_kept() {
    let server = Server::start();
    let mut wanted = device(true);
    wanted.supports_class_b = true;
    let settings = wanted.mac_settings.get_or_insert_default();
    settings.ping_slot_periodicity = Some(v3::PingSlotPeriodValue { value: 3 });
    settings.class_c_timeout = Some(prost_types::Duration { seconds: 90, nanos: 0 });
    let mut paths = OTAA.to_vec();
    paths.extend([
        "supports_class_b",
        "mac_settings.ping_slot_periodicity",
        "mac_settings.class_c_timeout",
    ]);
    server.set(&wanted, &paths, WRITE).await.unwrap();
    let found = server.get(&["mac_settings", "supports_class_b"], READ).await.unwrap();
    let settings = found.mac_settings.unwrap();
    assert_eq!(settings.ping_slot_periodicity.unwrap().value, 3);
    assert_eq!(settings.class_c_timeout.unwrap().seconds, 90);
    assert!(found.supports_class_b);
}

// NS-38, NS-103
#[tokio::test]
async fn default_settings_are_those_of_plan_and_version() {
    let server = Server::start();
    let ask = |plan: &str| v3::GetDefaultMacSettingsRequest {
        frequency_plan_id: plan.to_owned(),
        lorawan_phy_version: v3::PhyVersion::PhyV103RevA.into(),
    };
    let settings: v3::MacSettings =
        server.call("Ns/GetDefaultMACSettings", ask("EU_863_870_TTN"), "").await.unwrap();
    let delays = (settings.rx1_delay.unwrap().value, settings.desired_rx1_delay.unwrap().value);
    assert_eq!(delays, (1, 5));
    assert_eq!(settings.rx2_data_rate_index.unwrap().value, 0);
    assert_eq!(settings.desired_rx2_data_rate_index.unwrap().value, 3, "TTN: SF9");
    assert_eq!(settings.factory_preset_frequencies.len(), 3);
    let unknown = server
        .call::<v3::MacSettings>("Ns/GetDefaultMACSettings", ask("XX_1"), "")
        .await
        .unwrap_err();
    assert!(unknown.message().contains("frequency_plan_id"), "{}", unknown.message());
}

// NS-106
#[tokio::test]
async fn bands_are_listed_by_id_and_version() {
    let server = Server::start();
    let ask = v3::ListBandsRequest {
        band_id: "EU_863_870".to_owned(),
        phy_version: v3::PhyVersion::PhyV102RevA.into(),
    };
    let bands: v3::ListBandsResponse =
        server.call("Configuration/ListBands", ask, "").await.unwrap();
    assert_eq!(bands.descriptions.keys().collect::<Vec<_>>(), ["EU_863_870"]);
    let versions = &bands.descriptions["EU_863_870"].band;
    assert_eq!(versions.keys().collect::<Vec<_>>(), ["RP001_V1_0_2"]);
    let band = &versions["RP001_V1_0_2"];
    assert_eq!((band.uplink_channels.len(), band.max_uplink_channels), (3, 16));
    assert_eq!((band.freq_multiplier, band.adr_ack_limit), (100, 6));
    assert_eq!(band.default_rx2_parameters.unwrap().frequency, 869_525_000);
    let all: v3::GetPhyVersionsResponse = server
        .call("Configuration/GetPhyVersions", v3::GetPhyVersionsRequest::default(), "")
        .await
        .unwrap();
    let us = all.version_info.iter().find(|info| info.band_id == "US_902_928").unwrap();
    assert!(us.phy_versions.contains(&v3::PhyVersion::PhyV102RevA.into()));
}
