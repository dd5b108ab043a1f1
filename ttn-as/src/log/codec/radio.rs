//! How a frame was sent and received, as stored.

use ttn_core::{
    eui::GatewayEui,
    msg::{Location, LocationSource, PathConstraint, RxMetadata, TxSettings},
    radio::{CodingRate, DataRate, Frequency},
    store::StoreError,
    time::{ConcentratorTime, Timestamp},
};

use crate::store::wire::corrupt;

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct RxWire {
    #[prost(string, tag = "1")]
    gateway: String,
    #[prost(fixed64, optional, tag = "2")]
    eui: Option<u64>,
    #[prost(uint32, tag = "3")]
    antenna: u32,
    #[prost(sfixed64, optional, tag = "4")]
    time: Option<i64>,
    #[prost(sfixed64, optional, tag = "5")]
    gps_time: Option<i64>,
    #[prost(fixed32, tag = "6")]
    timestamp: u32,
    #[prost(uint64, optional, tag = "7")]
    fine_timestamp: Option<u64>,
    #[prost(sfixed64, tag = "8")]
    received_at: i64,
    #[prost(float, tag = "9")]
    channel_rssi: f32,
    #[prost(float, tag = "10")]
    rssi: f32,
    #[prost(float, optional, tag = "11")]
    signal_rssi: Option<f32>,
    #[prost(float, tag = "12")]
    snr: f32,
    #[prost(sint64, tag = "13")]
    frequency_offset: i64,
    #[prost(uint32, tag = "14")]
    channel_index: u32,
    #[prost(message, optional, tag = "15")]
    location: Option<LocationWire>,
    #[prost(uint32, tag = "16")]
    path_constraint: u32,
    #[prost(bytes = "vec", tag = "17")]
    uplink_token: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct LocationWire {
    #[prost(double, tag = "1")]
    latitude: f64,
    #[prost(double, tag = "2")]
    longitude: f64,
    #[prost(sint32, tag = "3")]
    altitude: i32,
    #[prost(sint32, tag = "4")]
    accuracy: i32,
    #[prost(uint32, tag = "5")]
    source: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct SettingsWire {
    #[prost(uint32, tag = "1")]
    modulation: u32,
    #[prost(uint32, tag = "2")]
    first: u32,
    #[prost(uint32, tag = "3")]
    second: u32,
    #[prost(string, tag = "4")]
    coding_rate: String,
    #[prost(uint64, tag = "5")]
    frequency: u64,
    #[prost(fixed32, tag = "6")]
    timestamp: u32,
    #[prost(sfixed64, optional, tag = "7")]
    time: Option<i64>,
    #[prost(sint64, optional, tag = "8")]
    concentrator_time: Option<i64>,
}

pub(super) fn rx(of: &RxMetadata) -> RxWire {
    RxWire {
        gateway: of.gateway_id.as_str().to_owned(),
        eui: of.gateway_eui.map(GatewayEui::to_u64),
        antenna: of.antenna_index,
        time: of.time.map(Timestamp::unix_nanos),
        gps_time: of.gps_time.map(Timestamp::unix_nanos),
        timestamp: of.timestamp,
        fine_timestamp: of.fine_timestamp,
        received_at: of.received_at.unix_nanos(),
        channel_rssi: of.channel_rssi,
        rssi: of.rssi,
        signal_rssi: of.signal_rssi,
        snr: of.snr,
        frequency_offset: of.frequency_offset,
        channel_index: of.channel_index,
        location: of.location.as_ref().map(location),
        path_constraint: match of.path_constraint {
            PathConstraint::None => 0,
            PathConstraint::PreferOther => 1,
            PathConstraint::Never => 2,
        },
        uplink_token: of.uplink_token.to_vec(),
    }
}

pub(super) fn location(of: &Location) -> LocationWire {
    LocationWire {
        latitude: of.latitude,
        longitude: of.longitude,
        altitude: of.altitude,
        accuracy: of.accuracy,
        source: match of.source {
            LocationSource::Unknown => 0,
            LocationSource::Gps => 1,
            LocationSource::Registry => 2,
        },
    }
}

pub(super) fn location_of(wire: LocationWire) -> Location {
    Location {
        latitude: wire.latitude,
        longitude: wire.longitude,
        altitude: wire.altitude,
        accuracy: wire.accuracy,
        source: match wire.source {
            1 => LocationSource::Gps,
            2 => LocationSource::Registry,
            _ => LocationSource::Unknown,
        },
    }
}

pub(super) fn rx_of(wire: RxWire) -> Result<RxMetadata, StoreError> {
    Ok(RxMetadata {
        gateway_id: wire.gateway.parse().map_err(|_| corrupt("a stored gateway id"))?,
        gateway_eui: wire.eui.map(GatewayEui::from_u64),
        antenna_index: wire.antenna,
        time: wire.time.map(Timestamp::from_unix_nanos),
        gps_time: wire.gps_time.map(Timestamp::from_unix_nanos),
        timestamp: wire.timestamp,
        fine_timestamp: wire.fine_timestamp,
        received_at: Timestamp::from_unix_nanos(wire.received_at),
        channel_rssi: wire.channel_rssi,
        rssi: wire.rssi,
        signal_rssi: wire.signal_rssi,
        snr: wire.snr,
        frequency_offset: wire.frequency_offset,
        channel_index: wire.channel_index,
        location: wire.location.map(location_of),
        path_constraint: match wire.path_constraint {
            1 => PathConstraint::PreferOther,
            2 => PathConstraint::Never,
            _ => PathConstraint::None,
        },
        uplink_token: wire.uplink_token.into(),
    })
}

pub(super) fn settings(of: &TxSettings) -> SettingsWire {
    let (modulation, first, second, coding_rate) = match of.data_rate {
        DataRate::Lora { spreading_factor, bandwidth, coding_rate } => {
            (1, u32::from(spreading_factor), bandwidth, Some(coding_rate))
        }
        DataRate::Fsk { bit_rate } => (2, bit_rate, 0, None),
        DataRate::LrFhss { modulation_type, operating_channel_width, coding_rate } => {
            (3, modulation_type, operating_channel_width, Some(coding_rate))
        }
        _ => (0, 0, 0, None),
    };
    SettingsWire {
        modulation,
        first,
        second,
        coding_rate: coding_rate.map(CodingRate::as_str).unwrap_or_default().to_owned(),
        frequency: of.frequency.hz(),
        timestamp: of.timestamp,
        time: of.time.map(Timestamp::unix_nanos),
        concentrator_time: of.concentrator_time.map(ConcentratorTime::nanos),
    }
}

pub(super) fn settings_of(wire: SettingsWire) -> Result<TxSettings, StoreError> {
    let coding_rate = || wire.coding_rate.parse().map_err(|_| corrupt("a stored coding rate"));
    let data_rate = match wire.modulation {
        1 => DataRate::Lora {
            spreading_factor: u8::try_from(wire.first)
                .map_err(|_| corrupt("a stored spreading factor"))?,
            bandwidth: wire.second,
            coding_rate: coding_rate()?,
        },
        2 => DataRate::Fsk { bit_rate: wire.first },
        3 => DataRate::LrFhss {
            modulation_type: wire.first,
            operating_channel_width: wire.second,
            coding_rate: coding_rate()?,
        },
        _ => return Err(corrupt("a stored modulation")),
    };
    Ok(TxSettings {
        data_rate,
        frequency: Frequency::from_hz(wire.frequency),
        timestamp: wire.timestamp,
        time: wire.time.map(Timestamp::from_unix_nanos),
        concentrator_time: wire.concentrator_time.map(ConcentratorTime::from_nanos),
    })
}
