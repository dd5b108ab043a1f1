//! Metadata of receptions, paths of downlinks, acknowledgements of transmissions.

use ttn_core::eui::GatewayEui;
use ttn_core::id::GatewayId;
use ttn_core::msg::{
    DownlinkPath, Location, LocationSource, PathConstraint, RxMetadata, TxPriority, TxRequest,
    TxResult, Uplink,
};
use ttn_core::radio::DeviceClass;

use super::id::octets;
use super::{ConvertError, correlation_ids, timestamp, to_timestamp};
use crate::v3;
use crate::v3::downlink_path::Path;
use crate::v3::tx_acknowledgment::Result as ApiResult;

impl From<Location> for v3::Location {
    fn from(location: Location) -> Self {
        let source = match location.source {
            LocationSource::Gps => v3::LocationSource::SourceGps,
            LocationSource::Registry => v3::LocationSource::SourceRegistry,
            LocationSource::Unknown => v3::LocationSource::SourceUnknown,
        };
        Self {
            latitude: location.latitude,
            longitude: location.longitude,
            altitude: location.altitude,
            accuracy: location.accuracy,
            source: source.into(),
        }
    }
}

impl From<&v3::Location> for Location {
    fn from(location: &v3::Location) -> Self {
        let source = match location.source() {
            v3::LocationSource::SourceGps => LocationSource::Gps,
            v3::LocationSource::SourceRegistry => LocationSource::Registry,
            _ => LocationSource::Unknown,
        };
        Self {
            latitude: location.latitude,
            longitude: location.longitude,
            altitude: location.altitude,
            accuracy: location.accuracy,
            source,
        }
    }
}

impl From<PathConstraint> for v3::DownlinkPathConstraint {
    fn from(constraint: PathConstraint) -> Self {
        match constraint {
            PathConstraint::Never => Self::Never,
            PathConstraint::None => Self::None,
            PathConstraint::PreferOther => Self::PreferOther,
        }
    }
}

impl From<v3::DownlinkPathConstraint> for PathConstraint {
    fn from(constraint: v3::DownlinkPathConstraint) -> Self {
        match constraint {
            v3::DownlinkPathConstraint::Never => Self::Never,
            v3::DownlinkPathConstraint::None => Self::None,
            v3::DownlinkPathConstraint::PreferOther => Self::PreferOther,
        }
    }
}

impl From<&RxMetadata> for v3::RxMetadata {
    fn from(rx: &RxMetadata) -> Self {
        Self {
            gateway_ids: Some(v3::GatewayIdentifiers {
                gateway_id: rx.gateway_id.as_str().to_owned(),
                eui: rx.gateway_eui.map(|eui| eui.to_be_bytes().to_vec()).unwrap_or_default(),
            }),
            antenna_index: rx.antenna_index,
            time: rx.time.map(timestamp),
            timestamp: rx.timestamp,
            fine_timestamp: rx.fine_timestamp.unwrap_or_default(),
            rssi: rx.rssi,
            signal_rssi: rx.signal_rssi,
            channel_rssi: rx.channel_rssi,
            snr: rx.snr,
            frequency_offset: rx.frequency_offset,
            location: rx.location.map(Into::into),
            downlink_path_constraint: v3::DownlinkPathConstraint::from(rx.path_constraint).into(),
            uplink_token: rx.uplink_token.to_vec(),
            channel_index: rx.channel_index,
            gps_time: rx.gps_time.map(timestamp),
            received_at: Some(timestamp(rx.received_at)),
            ..Self::default()
        }
    }
}

impl TryFrom<&v3::RxMetadata> for RxMetadata {
    type Error = ConvertError;

    fn try_from(rx: &v3::RxMetadata) -> Result<Self, ConvertError> {
        let ids = rx.gateway_ids.as_ref().ok_or(ConvertError::missing("gateway_ids"))?;
        let received_at = rx.received_at.as_ref().or(rx.time.as_ref());
        Ok(Self {
            gateway_id: ids.try_into()?,
            gateway_eui: octets(&ids.eui, "eui")?.map(GatewayEui::from_be_bytes),
            antenna_index: rx.antenna_index,
            time: rx.time.as_ref().map(to_timestamp),
            gps_time: rx.gps_time.as_ref().map(to_timestamp),
            timestamp: rx.timestamp,
            fine_timestamp: (rx.fine_timestamp != 0).then_some(rx.fine_timestamp),
            received_at: received_at
                .map(to_timestamp)
                .ok_or(ConvertError::missing("received_at"))?,
            channel_rssi: rx.channel_rssi,
            rssi: rx.rssi,
            signal_rssi: rx.signal_rssi,
            snr: rx.snr,
            frequency_offset: rx.frequency_offset,
            channel_index: rx.channel_index,
            location: rx.location.as_ref().map(Into::into),
            path_constraint: rx.downlink_path_constraint().into(),
            uplink_token: rx.uplink_token.as_slice().into(),
        })
    }
}

/// With the frame as bytes only; `payload` is for who has taken it apart.
impl From<&Uplink> for v3::UplinkMessage {
    fn from(uplink: &Uplink) -> Self {
        Self {
            raw_payload: uplink.phy.bytes.to_vec(),
            settings: Some((&uplink.settings).into()),
            rx_metadata: uplink.rx_metadata.iter().map(Into::into).collect(),
            received_at: Some(timestamp(uplink.received_at)),
            correlation_ids: correlation_ids(&uplink.correlation_ids),
            ..Self::default()
        }
    }
}

impl From<&DownlinkPath> for v3::DownlinkPath {
    fn from(path: &DownlinkPath) -> Self {
        let path = match path {
            DownlinkPath::Fixed { gateway_id, antenna_index } => {
                Path::Fixed(v3::GatewayAntennaIdentifiers {
                    gateway_ids: Some(gateway_id.into()),
                    antenna_index: *antenna_index,
                })
            }
            DownlinkPath::Uplink { token, .. } => Path::UplinkToken(token.to_vec()),
        };
        Self { path: Some(path) }
    }
}

/// The fixed path of a message; one with a token is read by the Gateway Server, who made the token.
impl TryFrom<&v3::GatewayAntennaIdentifiers> for DownlinkPath {
    type Error = ConvertError;

    fn try_from(ids: &v3::GatewayAntennaIdentifiers) -> Result<Self, ConvertError> {
        let gateway = ids.gateway_ids.as_ref().ok_or(ConvertError::missing("gateway_ids"))?;
        let gateway_id = GatewayId::try_from(gateway)?;
        Ok(Self::Fixed { gateway_id, antenna_index: ids.antenna_index })
    }
}

impl From<TxPriority> for v3::TxSchedulePriority {
    fn from(priority: TxPriority) -> Self {
        match priority {
            TxPriority::Lowest => Self::Lowest,
            TxPriority::Low => Self::Low,
            TxPriority::BelowNormal => Self::BelowNormal,
            TxPriority::Normal => Self::Normal,
            TxPriority::AboveNormal => Self::AboveNormal,
            TxPriority::High => Self::High,
            TxPriority::Highest => Self::Highest,
        }
    }
}

impl From<v3::TxSchedulePriority> for TxPriority {
    fn from(priority: v3::TxSchedulePriority) -> Self {
        match priority {
            v3::TxSchedulePriority::Lowest => Self::Lowest,
            v3::TxSchedulePriority::Low => Self::Low,
            v3::TxSchedulePriority::BelowNormal => Self::BelowNormal,
            v3::TxSchedulePriority::Normal => Self::Normal,
            v3::TxSchedulePriority::AboveNormal => Self::AboveNormal,
            v3::TxSchedulePriority::High => Self::High,
            v3::TxSchedulePriority::Highest => Self::Highest,
        }
    }
}

impl From<DeviceClass> for v3::Class {
    fn from(class: DeviceClass) -> Self {
        match class {
            DeviceClass::A => Self::A,
            DeviceClass::B => Self::B,
            DeviceClass::C => Self::C,
        }
    }
}

impl From<v3::Class> for DeviceClass {
    fn from(class: v3::Class) -> Self {
        match class {
            v3::Class::A => Self::A,
            v3::Class::B => Self::B,
            v3::Class::C => Self::C,
        }
    }
}

impl From<&TxRequest> for v3::TxRequest {
    fn from(tx: &TxRequest) -> Self {
        Self {
            class: v3::Class::from(tx.class).into(),
            downlink_paths: tx.paths.iter().map(Into::into).collect(),
            rx1_delay: i32::try_from(tx.rx1_delay.as_secs()).unwrap_or(i32::MAX),
            rx1_data_rate: tx.rx1.map(|window| window.data_rate.into()),
            rx1_frequency: tx.rx1.map_or(0, |window| window.frequency.hz()),
            rx2_data_rate: tx.rx2.map(|window| window.data_rate.into()),
            rx2_frequency: tx.rx2.map_or(0, |window| window.frequency.hz()),
            priority: v3::TxSchedulePriority::from(tx.priority).into(),
            absolute_time: tx.absolute_time.map(timestamp),
            frequency_plan_id: tx.frequency_plan_id.as_str().to_owned(),
            ..Self::default()
        }
    }
}

impl From<TxResult> for ApiResult {
    fn from(result: TxResult) -> Self {
        match result {
            TxResult::Success => Self::Success,
            TxResult::UnknownError => Self::UnknownError,
            TxResult::TooLate => Self::TooLate,
            TxResult::TooEarly => Self::TooEarly,
            TxResult::CollisionPacket => Self::CollisionPacket,
            TxResult::CollisionBeacon => Self::CollisionBeacon,
            TxResult::TxFreq => Self::TxFreq,
            TxResult::TxPower => Self::TxPower,
            TxResult::GpsUnlocked => Self::GpsUnlocked,
        }
    }
}

impl From<ApiResult> for TxResult {
    fn from(result: ApiResult) -> Self {
        match result {
            ApiResult::Success => Self::Success,
            ApiResult::UnknownError => Self::UnknownError,
            ApiResult::TooLate => Self::TooLate,
            ApiResult::TooEarly => Self::TooEarly,
            ApiResult::CollisionPacket => Self::CollisionPacket,
            ApiResult::CollisionBeacon => Self::CollisionBeacon,
            ApiResult::TxFreq => Self::TxFreq,
            ApiResult::TxPower => Self::TxPower,
            ApiResult::GpsUnlocked => Self::GpsUnlocked,
        }
    }
}
