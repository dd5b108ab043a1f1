//! Messages for tests: of this crate, of its stores.

use std::{sync::Arc, time::Duration};

use ttn_core::{
    addr::NetId,
    id::DeviceIds,
    key::{KeyEnvelope, SessionKeyId},
    msg::{
        ApplicationUp, ClassBC, ClassBCGateway, ConfirmedRetry, Downlink, Location, LocationSolved,
        LocationSource, PathConstraint, RxMetadata, ServiceData, TxPriority, TxSettings, Up,
        UplinkUp,
    },
    peer::{DeviceInfo, DeviceVersionIds},
    radio::{DataRate, DataRateIndex, Frequency},
    store::{Epoch, Owned, PartitionId},
    time::{ConcentratorTime, Timestamp},
};

use crate::log::{Context, Sealed};

/// The identifiers of a device.
#[must_use]
pub fn ids(uid: &str) -> DeviceIds {
    let mut ids = DeviceIds::new(uid.parse().unwrap_or_else(|_| unreachable!("a valid uid")));
    ids.dev_eui = "70B3D57ED0000001".parse().ok();
    ids.join_eui = "70B3D57ED0000000".parse().ok();
    ids.dev_addr = Some(ttn_core::addr::DevAddr::from_u32(0x2601_0203));
    ids
}

/// The owner of everything in tests.
#[must_use]
pub fn owned() -> Owned {
    let partition = PartitionId::of_device(None, "any");
    Owned { partition, epoch: Epoch(1) }
}

/// When the messages of tests were received.
#[must_use]
pub const fn up_time() -> Timestamp {
    Timestamp::from_unix_nanos(1_795_000_000_123_456_789)
}

/// A message of the device `my-app.my-dev`.
#[must_use]
pub fn up(up: Up) -> ApplicationUp {
    ApplicationUp {
        ids: ids("my-app.my-dev"),
        correlation_ids: vec![Arc::from("as:up:1")],
        received_at: up_time(),
        up,
        simulated: false,
        repeated: false,
    }
}

/// The id of the session keys in tests.
#[must_use]
pub fn session_key_id() -> SessionKeyId {
    SessionKeyId::new(&[1, 2, 3]).unwrap_or_else(|| unreachable!("a short id"))
}

/// An uplink on port 2.
#[must_use]
pub fn uplink(f_cnt: u32, payload: &[u8]) -> UplinkUp {
    UplinkUp {
        session_key_id: session_key_id(),
        f_port: Some(2),
        f_cnt,
        frm_payload: payload.into(),
        rx_metadata: vec![RxMetadata {
            gateway_id: "gtw-1".parse().unwrap_or_else(|_| unreachable!("a valid id")),
            gateway_eui: "58A0CBFFFE800001".parse().ok(),
            antenna_index: 1,
            time: Some(Timestamp::from_unix_secs(1_795_000_000)),
            gps_time: None,
            timestamp: 123_456,
            fine_timestamp: Some(77),
            received_at: Timestamp::from_unix_secs(1_795_000_000),
            channel_rssi: -80.0,
            rssi: -80.5,
            signal_rssi: Some(-81.0),
            snr: 9.25,
            frequency_offset: -120,
            channel_index: 3,
            location: Some(location()),
            path_constraint: PathConstraint::None,
            uplink_token: (&[9_u8, 8, 7][..]).into(),
        }],
        settings: TxSettings {
            data_rate: DataRate::lora(7, 125_000),
            frequency: Frequency::from_hz(868_100_000),
            timestamp: 123_456,
            time: Some(Timestamp::from_unix_secs(1_795_000_000)),
            concentrator_time: Some(ConcentratorTime::from_nanos(123_456_000)),
        },
        data_rate_index: DataRateIndex::from_low_bits(5),
        confirmed: true,
        consumed_airtime: Duration::from_micros(46_336),
        packet_error_rate: Some(0.25),
        net_id: NetId::from_u32(0x13).unwrap_or_default(),
    }
}

/// A place.
#[must_use]
pub const fn location() -> Location {
    Location {
        latitude: 52.25,
        longitude: 4.5,
        altitude: -3,
        accuracy: 0,
        source: LocationSource::Registry,
    }
}

/// A place that a service found.
#[must_use]
pub fn located() -> LocationSolved {
    LocationSolved {
        service: "frm-payload".to_owned(),
        location: location(),
        attributes: [("a".to_owned(), "b".to_owned())].into(),
    }
}

/// What a service tells.
#[must_use]
pub fn service_data() -> ServiceData {
    let data = [("a".to_owned(), serde_json::json!([1, "x"]))].into_iter().collect();
    ServiceData { service: "my-service".to_owned(), data }
}

/// What the server adds to an uplink.
#[must_use]
pub fn context() -> Context {
    let version_ids = DeviceVersionIds {
        brand_id: "my-brand".to_owned(),
        model_id: "my-model".to_owned(),
        hardware_version: "1.0".to_owned(),
        firmware_version: "1.1".to_owned(),
        band_id: "EU_863_870".to_owned(),
    };
    let locations = [("user".to_owned(), location())].into();
    let app_s_key =
        KeyEnvelope::Wrapped { kek_label: "their-kek".into(), encrypted_key: vec![5; 24] };
    Context {
        device: Some(Arc::new(DeviceInfo { locations, version_ids: Some(version_ids) })),
        sealed: Some(Box::new(Sealed { app_s_key, last_a_f_cnt_down: 41 })),
    }
}

/// A downlink on port 3 with a payload of two octets.
#[must_use]
pub fn downlink(f_cnt: u32) -> Downlink {
    Downlink {
        session_key_id: session_key_id(),
        f_port: 3,
        f_cnt,
        frm_payload: (&[0xAB_u8, 0xCD][..]).into(),
        confirmed: true,
        priority: TxPriority::High,
        class_b_c: Some(ClassBC {
            gateways: vec![ClassBCGateway {
                gateway_id: "gtw-1".parse().unwrap_or_else(|_| unreachable!("a valid id")),
                antenna_index: 1,
                group_index: 2,
            }],
            absolute_time: Some(Timestamp::from_unix_secs(1_795_000_500)),
        }),
        correlation_ids: vec![Arc::from("my:1")],
        confirmed_retry: Some(ConfirmedRetry { attempt: 1, max_attempts: Some(4) }),
    }
}
