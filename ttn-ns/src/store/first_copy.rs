//! An uplink in the session record: it was acknowledged, and its window has not ended yet (DESIGN 4).
//!
//! Copies of other gateways, and where antennas are, are not kept: after a crash the application gets the frame with
//! the metadata of the gateway that was told that it is safe.

use std::sync::Arc;

use prost::Message as _;
use ttn_core::{
    eui::GatewayEui,
    msg::{PathConstraint, RxMetadata, TxSettings, Uplink},
    radio::{DataRate, Frequency},
    time::{Now, Timestamp},
};
use ttn_mac::frame;

use super::{RecordError, wire};

/// The octets of an uplink.
pub(crate) fn encode(uplink: &Uplink) -> Vec<u8> {
    let settings = &uplink.settings;
    wire::FirstCopy {
        phy: uplink.phy.bytes.to_vec(),
        frequency: settings.frequency.hz(),
        data_rate: Some(data_rate_to_wire(&settings.data_rate)),
        timestamp: settings.timestamp,
        time: settings.time.map(Timestamp::unix_nanos),
        received_at: uplink.received_at.unix_nanos(),
        receptions: uplink.rx_metadata.iter().map(reception_to_wire).collect(),
        correlation_ids: uplink.correlation_ids.iter().map(ToString::to_string).collect(),
    }
    .encode_to_vec()
}

/// Reads what [`encode`] wrote. By the clock of this process it was received `now`.
///
/// # Errors
///
/// The octets are no uplink.
pub(crate) fn decode(octets: &[u8], now: Now) -> Result<Uplink, RecordError> {
    let wire = wire::FirstCopy::decode(octets)
        .map_err(|source| RecordError::Protobuf { source: source.into() })?;
    let phy = frame::parse(wire.phy)
        .map_err(|source| RecordError::Protobuf { source: Box::new(source) })?;
    let receptions = wire.receptions.iter().map(reception_from_wire);
    Ok(Uplink {
        phy,
        settings: TxSettings {
            data_rate: data_rate_from_wire(&wire.data_rate.unwrap_or_default())?,
            frequency: Frequency::from_hz(wire.frequency),
            timestamp: wire.timestamp,
            time: wire.time.map(Timestamp::from_unix_nanos),
            concentrator_time: None,
        },
        rx_metadata: receptions.collect::<Result<_, _>>()?,
        received_at: Timestamp::from_unix_nanos(wire.received_at),
        received: now.monotonic,
        round_trip_p95: None,
        correlation_ids: wire.correlation_ids.iter().map(|id| Arc::from(id.as_str())).collect(),
        receipt: None,
    })
}

fn data_rate_to_wire(data_rate: &DataRate) -> wire::DataRate {
    match *data_rate {
        DataRate::Fsk { bit_rate } => wire::DataRate { bit_rate, ..wire::DataRate::default() },
        DataRate::Lora { spreading_factor, bandwidth, coding_rate } => wire::DataRate {
            spreading_factor: spreading_factor.into(),
            bandwidth,
            coding_rate: coding_rate.to_string(),
            ..wire::DataRate::default()
        },
        DataRate::LrFhss { modulation_type, operating_channel_width, coding_rate } => {
            wire::DataRate {
                modulation_type,
                bandwidth: operating_channel_width,
                coding_rate: coding_rate.to_string(),
                ..wire::DataRate::default()
            }
        }
        _ => wire::DataRate::default(),
    }
}

fn data_rate_from_wire(wire: &wire::DataRate) -> Result<DataRate, RecordError> {
    let unknown = || RecordError::Field { field: "data rate" };
    if wire.bit_rate > 0 {
        return Ok(DataRate::Fsk { bit_rate: wire.bit_rate });
    }
    let coding_rate = wire.coding_rate.parse().map_err(|_| unknown())?;
    if wire.spreading_factor > 0 {
        let spreading_factor = u8::try_from(wire.spreading_factor).map_err(|_| unknown())?;
        return Ok(DataRate::Lora { spreading_factor, bandwidth: wire.bandwidth, coding_rate });
    }
    let (modulation_type, operating_channel_width) = (wire.modulation_type, wire.bandwidth);
    Ok(DataRate::LrFhss { modulation_type, operating_channel_width, coding_rate })
}

fn reception_to_wire(of: &RxMetadata) -> wire::Reception {
    wire::Reception {
        gateway_id: of.gateway_id.to_string(),
        gateway_eui: of.gateway_eui.map(GatewayEui::to_u64),
        antenna_index: of.antenna_index,
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
        path_constraint: match of.path_constraint {
            PathConstraint::None => 0,
            PathConstraint::Never => 1,
            PathConstraint::PreferOther => 2,
        },
        uplink_token: of.uplink_token.to_vec(),
    }
}

fn reception_from_wire(of: &wire::Reception) -> Result<RxMetadata, RecordError> {
    Ok(RxMetadata {
        gateway_id: of.gateway_id.parse().map_err(|source| RecordError::Id { source })?,
        gateway_eui: of.gateway_eui.map(GatewayEui::from_u64),
        antenna_index: of.antenna_index,
        time: of.time.map(Timestamp::from_unix_nanos),
        gps_time: of.gps_time.map(Timestamp::from_unix_nanos),
        timestamp: of.timestamp,
        fine_timestamp: of.fine_timestamp,
        received_at: Timestamp::from_unix_nanos(of.received_at),
        channel_rssi: of.channel_rssi,
        rssi: of.rssi,
        signal_rssi: of.signal_rssi,
        snr: of.snr,
        frequency_offset: of.frequency_offset,
        channel_index: of.channel_index,
        location: None,
        path_constraint: match of.path_constraint {
            0 => PathConstraint::None,
            1 => PathConstraint::Never,
            2 => PathConstraint::PreferOther,
            _ => return Err(RecordError::Field { field: "path constraint" }),
        },
        uplink_token: of.uplink_token.as_slice().into(),
    })
}

#[cfg(test)]
mod tests {
    use ttn_core::{radio::CodingRate, time::Monotonic};

    use super::*;

    #[test]
    fn a_first_copy_is_read_as_it_was_written() {
        let now = Now { utc: Timestamp::from_unix_secs(9), monotonic: Monotonic::from_nanos(7) };
        let lr_fhss = DataRate::LrFhss {
            modulation_type: 1,
            operating_channel_width: 137_000,
            coding_rate: CodingRate::R1_3,
        };
        for data_rate in [DataRate::lora(7, 125_000), DataRate::Fsk { bit_rate: 50_000 }, lr_fhss] {
            let at = Timestamp::from_unix_secs(5);
            let reception = RxMetadata {
                gateway_id: "roof".parse().unwrap(),
                gateway_eui: Some(GatewayEui::from_u64(1)),
                antenna_index: 2,
                time: Some(at),
                gps_time: None,
                timestamp: 3,
                fine_timestamp: Some(4),
                received_at: at,
                channel_rssi: -80.0,
                rssi: -81.0,
                signal_rssi: Some(-82.0),
                snr: 7.5,
                frequency_offset: -20,
                channel_index: 5,
                location: None,
                path_constraint: PathConstraint::PreferOther,
                uplink_token: Arc::from([1, 2, 3]),
            };
            let uplink = Uplink {
                phy: frame::parse(vec![0x40, 3, 2, 1, 0x26, 0, 1, 0, 1, 2, 3, 4]).unwrap(),
                settings: TxSettings {
                    data_rate,
                    frequency: Frequency::from_hz(868_100_000),
                    timestamp: 3,
                    time: Some(at),
                    concentrator_time: None,
                },
                rx_metadata: vec![reception],
                received_at: at,
                received: now.monotonic,
                round_trip_p95: None,
                correlation_ids: vec![Arc::from("gs:uplink:1")],
                receipt: None,
            };
            let found = decode(&encode(&uplink), now).unwrap();
            assert_eq!(found.settings, uplink.settings);
            assert_eq!(found.rx_metadata, uplink.rx_metadata);
            assert_eq!((found.phy.bytes, found.received_at), (uplink.phy.bytes, at));
            assert_eq!(found.correlation_ids, uplink.correlation_ids);
        }
        assert!(decode(&[0xFF; 9], now).is_err());
    }
}
