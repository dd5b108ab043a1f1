//! Application Layer Clock Synchronization (AS-56).
//!
//! The data of an association: `threshold`, seconds by which a clock may be off without being told (4); `periodicity`,
//! 0 to 15, so that devices ask every 128·2^n seconds; and, of a device, done once when it is set: `resync`, 1 to 7
//! requests at once, and `ask_version`.

use serde_json::{Value, json};
use ttn_core::{
    error::ErrorBody,
    event::EventDefinition,
    id::{DeviceKey, EntityId},
    msg::{ApplicationUp, CorrelationIds, UplinkUp},
    time::{GpsTime, Timestamp},
};
use ttn_mac::package::clock_sync::{self, Downlink, ParseError, Uplink, correction, parse_uplink};

use super::{Data, PackageError};
use crate::{ApplicationServer, DownlinkItem, QueueOperation, event, json::format_time};

pub(super) const NAME: &str = "alcsync-v1";
pub(super) const F_PORT: u8 = clock_sync::F_PORT;

/// By how much a clock may be off without being told, in seconds, unless the data say so.
const THRESHOLD: u32 = 4;
/// How many devices' last periodicity is remembered; others are asked again.
const PERIODS_MAX: usize = 100_000;
const NANOS: i64 = 1_000_000_000;

/// The data of an association.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    threshold: u32,
    periodicity: Option<u8>,
    resync: Option<u8>,
    ask_version: bool,
}

impl Settings {
    pub(super) fn of(data: &Data) -> Result<Self, PackageError> {
        let number = |field, max: u64, expected| {
            let Some(value) = data.get(field).filter(|value| !value.is_null()) else {
                return Ok(None);
            };
            // Numbers of a Struct are doubles.
            let number = value.as_f64().filter(|number| number.fract() == 0.0 && *number >= 0.0);
            let number = number.filter(|number| *number <= max as f64);
            number.map(|number| Some(number as u64)).ok_or(PackageError::Field { field, expected })
        };
        let small = |found: Option<u64>| found.and_then(|number| u8::try_from(number).ok());
        let threshold = number("threshold", u32::MAX.into(), "a number of seconds")?;
        let ask_version = data.get("ask_version").map_or(Some(false), Value::as_bool);
        let expected = "true or false";
        Ok(Self {
            threshold: threshold.and_then(|n| u32::try_from(n).ok()).unwrap_or(THRESHOLD),
            periodicity: small(number("periodicity", 15, "a number from 0 to 15")?),
            resync: small(number("resync", 7, "a number from 0 to 7")?).filter(|n| *n > 0),
            ask_version: ask_version
                .ok_or(PackageError::Field { field: "ask_version", expected })?,
        })
    }
}

/// Takes the commands of a device, and answers.
pub(super) async fn handle(
    server: &ApplicationServer,
    up: &ApplicationUp,
    uplink: &UplinkUp,
    port: u8,
    data: &Data,
) -> Result<(), PackageError> {
    let settings = Settings::of(data)?;
    let device = &up.ids.key;
    let sent_at = GpsTime::from_utc(sent_at(up, uplink));
    let (mut answer, mut failed) = (None, None);
    for command in parse_uplink(&uplink.frm_payload) {
        match command {
            Ok(Uplink::AppTimeReq { device_time, token, answer_required }) => {
                // The clock of the device counts whole seconds modulo 2^32.
                let seconds = sent_at.nanos().div_euclid(NANOS);
                let correction = correction(device_time, seconds as u32);
                let shown = GpsTime::from_nanos((seconds - i64::from(correction)) * NANOS);
                report(server, &event::ALCSYNC_COMMAND_RECEIVED, up, || {
                    json!({
                        "DeviceTime": format_time(shown.to_utc()),
                        "TokenReq": token,
                        "AnsRequired": answer_required,
                    })
                });
                if answer_required || correction.unsigned_abs() > settings.threshold {
                    // One answer is enough; the last is the best.
                    answer = Some((correction, token));
                }
            }
            Ok(Uplink::DeviceAppTimePeriodicityAns { not_supported, .. }) => {
                tracing::debug!(%device, not_supported, "periodicity of clock synchronization");
            }
            Ok(Uplink::PackageVersionAns { identifier, version }) => {
                tracing::debug!(%device, identifier, version, "package of a device");
            }
            Err(error) => failed = Some(error),
        }
    }
    let mut payload = Vec::new();
    if let Some((correction, token)) = answer {
        Downlink::AppTimeAns { correction, token }.encode(&mut payload);
    }
    let period = settings.periodicity.filter(|period| {
        let known = server.packages.periods.lock().get(device).copied();
        known != Some(*period)
    });
    if let Some(period) = period {
        Downlink::DeviceAppTimePeriodicityReq { period }.encode(&mut payload);
    }
    push(server, device, port, payload, &up.correlation_ids).await?;
    note_period(server, device, period);
    if let Some((correction, token)) = answer {
        let data = || json!({ "TimeCorrection": correction, "TokenAns": token });
        report(server, &event::ALCSYNC_ENQUEUED, up, data);
    }
    match failed {
        None => Ok(()),
        Some(ParseError::Short { cid, expected, got }) => {
            Err(PackageError::Short { cid, expected, got })
        }
        Some(ParseError::Unknown { cid }) => Err(PackageError::UnknownCommand { cid }),
        Some(_) => Ok(()),
    }
}

/// Asks a device for what was set, once.
pub(super) async fn ask(
    server: &ApplicationServer,
    device: &DeviceKey,
    port: u8,
    settings: &Settings,
) {
    let mut payload = Vec::new();
    if settings.ask_version {
        Downlink::PackageVersionReq.encode(&mut payload);
    }
    if let Some(period) = settings.periodicity {
        Downlink::DeviceAppTimePeriodicityReq { period }.encode(&mut payload);
    }
    if let Some(transmissions) = settings.resync {
        Downlink::ForceDeviceResyncReq { transmissions }.encode(&mut payload);
    }
    match push(server, device, port, payload, &Vec::new()).await {
        Ok(()) => note_period(server, device, settings.periodicity),
        Err(error) => report_fail(server, device, &Vec::new(), &error),
    }
}

pub(super) fn report_fail(
    server: &ApplicationServer,
    device: &DeviceKey,
    correlation_ids: &CorrelationIds,
    error: &PackageError,
) {
    let body = ErrorBody::of(error);
    let entity = EntityId::Device(device.clone());
    event::publish(
        &server.events,
        &event::ALCSYNC_FAIL,
        server.clock.utc(),
        entity,
        correlation_ids,
        || json!({ "namespace": body.namespace, "name": body.name, "message": body.message }),
    );
}

async fn push(
    server: &ApplicationServer,
    device: &DeviceKey,
    port: u8,
    payload: Vec<u8>,
    correlation_ids: &CorrelationIds,
) -> Result<(), PackageError> {
    if payload.is_empty() {
        return Ok(());
    }
    let item = DownlinkItem {
        f_port: port.into(),
        frm_payload: payload,
        correlation_ids: correlation_ids.clone(),
        ..DownlinkItem::default()
    };
    Ok(server.queue_downlinks(device, QueueOperation::Push, vec![item]).await?)
}

fn note_period(server: &ApplicationServer, device: &DeviceKey, period: Option<u8>) {
    let Some(period) = period else { return };
    let mut periods = server.packages.periods.lock();
    if periods.len() < PERIODS_MAX || periods.contains_key(device) {
        periods.insert(device.clone(), period);
    }
}

/// When the device began to send: its clock is read then. Receptions are noted at the end of a frame.
fn sent_at(up: &ApplicationUp, uplink: &UplinkUp) -> Timestamp {
    let by_gps = uplink.rx_metadata.iter().filter_map(|metadata| metadata.gps_time).min();
    let received = || uplink.rx_metadata.iter().map(|metadata| metadata.received_at).min();
    by_gps.or_else(received).unwrap_or(up.received_at).minus(uplink.consumed_airtime)
}

fn report(
    server: &ApplicationServer,
    definition: &'static EventDefinition,
    up: &ApplicationUp,
    data: impl FnOnce() -> Value,
) {
    event::publish(
        &server.events,
        definition,
        server.clock.utc(),
        &up.ids,
        &up.correlation_ids,
        data,
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    // AS-56
    #[test]
    fn data_have_defaults_and_limits() {
        let of = |value: Value| Settings::of(value.as_object().unwrap());
        assert_eq!(of(json!({})).unwrap().threshold, 4);
        let all = json!({ "threshold": 2.0, "periodicity": 3, "resync": 1, "ask_version": true });
        let expected =
            Settings { threshold: 2, periodicity: Some(3), resync: Some(1), ask_version: true };
        assert_eq!(of(all).unwrap(), expected);
        for wrong in [
            json!({ "threshold": "4s" }),
            json!({ "threshold": -1 }),
            json!({ "periodicity": 16 }),
            json!({ "resync": 8 }),
            json!({ "ask_version": 1 }),
        ] {
            assert!(matches!(of(wrong), Err(PackageError::Field { .. })));
        }
    }
}
