//! Conversions between messages and the types of `ttn-core`.

use std::sync::Arc;
use std::time::Duration;

use ttn_core::addr::NetId;
use ttn_core::auth::{Right, Rights};
use ttn_core::error::{ErrorBody, ErrorKind};
use ttn_core::id::{DeviceIds, EntityId};
use ttn_core::key::{Aes128Key, KeyEnvelope, SessionKeyId};
use ttn_core::msg::{
    ApplicationUp, ClassBC, ClassBCGateway, ConfirmedRetry, Downlink, DownlinkError, Location,
    LocationSource, PathConstraint, RxMetadata, TxPriority, TxSettings, Up, UplinkUp,
};
use ttn_core::radio::{CodingRate, DataRate, DataRateIndex, Frequency};
use ttn_core::time::{ConcentratorTime, Timestamp};
use ttn_core::version::{MacVersion, PhyVersion};
use ttn_proto::{convert, json, v3};

fn ids() -> DeviceIds {
    DeviceIds {
        dev_eui: Some("70B3D57ED0000001".parse().unwrap()),
        join_eui: Some("70B3D57ED0000002".parse().unwrap()),
        dev_addr: Some("260B1234".parse().unwrap()),
        ..DeviceIds::new("my-app.my-device".parse().unwrap())
    }
}

fn metadata() -> RxMetadata {
    RxMetadata {
        gateway_id: "my-gateway".parse().unwrap(),
        gateway_eui: Some("B827EBFFFE000001".parse().unwrap()),
        antenna_index: 1,
        time: Some(Timestamp::from_unix_secs(1_700_000_000)),
        gps_time: None,
        timestamp: 123_456,
        fine_timestamp: None,
        received_at: Timestamp::from_unix_nanos(1_700_000_000_250_000_000),
        channel_rssi: -97.0,
        rssi: -97.0,
        signal_rssi: None,
        snr: 7.5,
        frequency_offset: -120,
        channel_index: 2,
        location: Some(Location {
            latitude: 52.37,
            longitude: 4.89,
            altitude: 12,
            accuracy: 0,
            source: LocationSource::Registry,
        }),
        path_constraint: PathConstraint::None,
        uplink_token: Arc::from([1, 2, 3]),
    }
}

fn settings() -> TxSettings {
    TxSettings {
        data_rate: DataRate::lora(7, 125_000),
        frequency: Frequency::from_hz(868_100_000),
        timestamp: 123_456,
        time: None,
        concentrator_time: Some(ConcentratorTime::from_nanos(123_456_000)),
    }
}

fn message(up: Up) -> ApplicationUp {
    ApplicationUp {
        ids: ids(),
        correlation_ids: vec![Arc::from("as:up:01")],
        received_at: Timestamp::from_unix_secs(1_700_000_001),
        up,
        simulated: false,
        repeated: false,
    }
}

fn downlink() -> Downlink {
    Downlink {
        session_key_id: SessionKeyId::new(&[9]).unwrap(),
        f_port: 15,
        f_cnt: 3,
        frm_payload: Arc::from([1, 2]),
        confirmed: true,
        priority: TxPriority::High,
        class_b_c: Some(ClassBC {
            gateways: vec![ClassBCGateway {
                gateway_id: "my-gateway".parse().unwrap(),
                antenna_index: 1,
                group_index: 2,
            }],
            absolute_time: Some(Timestamp::from_unix_secs(1_700_000_100)),
        }),
        correlation_ids: vec![Arc::from("mine")],
        confirmed_retry: Some(ConfirmedRetry { attempt: 1, max_attempts: Some(4) }),
    }
}

#[test]
fn an_uplink_is_written_as_the_reference_writes_it() {
    let uplink = UplinkUp {
        session_key_id: SessionKeyId::new(&[1, 2, 3]).unwrap(),
        f_port: Some(1),
        f_cnt: 5,
        frm_payload: Arc::from([0xca, 0xfe]),
        rx_metadata: vec![metadata()],
        settings: settings(),
        data_rate_index: DataRateIndex::new(5).unwrap(),
        confirmed: false,
        consumed_airtime: Duration::from_micros(61_696),
        packet_error_rate: None,
        net_id: NetId::from_u32(0x13).unwrap(),
    };
    let text = json::to_string(&v3::ApplicationUp::from(&message(Up::Uplink(Box::new(uplink)))));
    let expected = concat!(
        r#"{"end_device_ids":{"device_id":"my-device","application_ids":{"application_id":"my-app"},"#,
        r#""dev_eui":"70B3D57ED0000001","join_eui":"70B3D57ED0000002","dev_addr":"260B1234"},"#,
        r#""correlation_ids":["as:up:01"],"received_at":"2023-11-14T22:13:21Z","#,
        r#""uplink_message":{"session_key_id":"AQID","f_port":1,"f_cnt":5,"frm_payload":"yv4=","#,
        r#""rx_metadata":[{"gateway_ids":{"gateway_id":"my-gateway","eui":"B827EBFFFE000001"},"#,
        r#""antenna_index":1,"time":"2023-11-14T22:13:20Z","timestamp":123456,"rssi":-97,"#,
        r#""channel_rssi":-97,"snr":7.5,"frequency_offset":"-120","#,
        r#""location":{"latitude":52.37,"longitude":4.89,"altitude":12,"source":"SOURCE_REGISTRY"},"#,
        r#""uplink_token":"AQID","channel_index":2,"received_at":"2023-11-14T22:13:20.250Z"}],"#,
        r#""settings":{"data_rate":{"lora":{"bandwidth":125000,"spreading_factor":7,"coding_rate":"4/5"}},"#,
        r#""frequency":"868100000","timestamp":123456,"concentrator_timestamp":"123456000"},"#,
        r#""received_at":"2023-11-14T22:13:21Z","consumed_airtime":"0.061696s","#,
        r#""network_ids":{"net_id":"000013"}}}"#,
    );
    assert_eq!(text, expected);
}

#[test]
fn downlinks_survive_the_way_there_and_back() {
    let message = v3::ApplicationDownlink::from(&downlink());
    assert_eq!(Downlink::try_from(&message).unwrap(), downlink());
    for f_port in [0, 256] {
        let wrong = v3::ApplicationDownlink { f_port, ..message.clone() };
        assert!(Downlink::try_from(&wrong).unwrap_err().to_string().contains("f_port"));
    }
}

#[test]
fn a_failed_downlink_carries_the_error() {
    let error = ErrorBody::new("pkg/networkserver", "no_path", ErrorKind::NotFound, "no path")
        .with("tries", 3);
    let message = message(Up::DownlinkFailed(downlink(), DownlinkError(error.clone())));
    let message = v3::ApplicationUp::from(&message);
    let Some(v3::application_up::Up::DownlinkFailed(failed)) = message.up else {
        panic!("{message:?}");
    };
    assert_eq!(convert::to_error_body(&failed.error.unwrap()), error);
}

#[test]
fn identifiers_survive_and_malformed_ones_are_named() {
    let message = v3::EndDeviceIdentifiers::from(&ids());
    assert_eq!(DeviceIds::try_from(&message).unwrap(), ids());
    let wrong = v3::EndDeviceIdentifiers { dev_eui: vec![1], ..message.clone() };
    assert!(DeviceIds::try_from(&wrong).unwrap_err().to_string().contains("dev_eui"));
    let wrong = v3::EndDeviceIdentifiers { device_id: "NO".into(), ..message.clone() };
    assert!(DeviceIds::try_from(&wrong).unwrap_err().to_string().contains("device_id"));
    let wrong = v3::EndDeviceIdentifiers { application_ids: None, ..message };
    assert!(DeviceIds::try_from(&wrong).unwrap_err().to_string().contains("application_ids"));
    for entity in [
        EntityId::Device(ids().key),
        EntityId::Gateway("my-gateway".parse().unwrap()),
        EntityId::User("me".parse().unwrap()),
    ] {
        assert_eq!(convert::to_entity_id(&convert::entity_ids(&entity)).unwrap(), entity);
    }
}

#[test]
fn keys_survive_wrapped_or_not() {
    let clear = KeyEnvelope::Clear(Aes128Key::new([7; 16]));
    let wrapped = KeyEnvelope::Wrapped { kek_label: "kek".into(), encrypted_key: vec![8; 24] };
    for envelope in [clear, wrapped] {
        let message = v3::KeyEnvelope::from(&envelope);
        assert_eq!(KeyEnvelope::try_from(&message).unwrap(), envelope);
    }
    assert!(KeyEnvelope::try_from(&v3::KeyEnvelope::default()).is_err());
}

#[test]
fn receptions_survive() {
    let message = v3::RxMetadata::from(&metadata());
    assert_eq!(RxMetadata::try_from(&message).unwrap(), metadata());
    let rates = [
        DataRate::lora(12, 125_000),
        DataRate::Fsk { bit_rate: 50_000 },
        DataRate::LrFhss {
            modulation_type: 0,
            operating_channel_width: 137_000,
            coding_rate: CodingRate::R1_3,
        },
    ];
    for data_rate in rates {
        let settings = TxSettings { data_rate, ..settings() };
        let message = v3::TxSettings::from(&settings);
        assert_eq!(TxSettings::try_from(&message).unwrap(), settings);
    }
}

#[test]
fn versions_and_rights_survive() {
    for version in MacVersion::ALL {
        let number = convert::mac_version(version).into();
        assert_eq!(convert::to_mac_version(number).unwrap(), version);
    }
    for version in PhyVersion::ALL {
        let number = convert::phy_version(version).into();
        assert_eq!(convert::to_phy_version(number).unwrap(), version);
    }
    assert!(convert::to_mac_version(0).is_err() && convert::to_phy_version(99).is_err());
    let rights: Rights = Right::ALL_RIGHTS.iter().copied().collect();
    assert!(convert::to_rights(&convert::rights(rights).rights).unwrap() == rights);
    for right in Right::ALL_RIGHTS {
        let named = v3::Right::try_from(right.number()).unwrap();
        assert_eq!(named.as_str_name(), right.name());
    }
    assert!(convert::to_rights(&[9999]).is_err());
}

#[test]
fn times_survive_to_the_nanosecond() {
    for nanos in [0, 1, -1, 1_700_000_000_123_456_789, i64::MIN, i64::MAX] {
        let time = Timestamp::from_unix_nanos(nanos);
        assert_eq!(convert::to_timestamp(&convert::timestamp(time)), time, "{nanos}");
    }
    let span = Duration::new(5, 999_999_999);
    assert_eq!(convert::to_duration(&convert::duration(span)), span);
    let negative = prost_types::Duration { seconds: -1, nanos: 0 };
    assert_eq!(convert::to_duration(&negative), Duration::ZERO);
}
