//! What a webhook keeps beside its cursor: devices set aside, dead letters, health.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use prost::Message as _;
use ttn_core::{
    id::DeviceId,
    store::{StoreError, StoreErrorKind},
    time::{Monotonic, Timestamp},
};

use super::{
    failure::{DeadLetter, Failure, FailureKind, Health},
    outbox::{Aside, Outbox, Tries},
    record::MessageKind,
};
use crate::{log::Cursor, store::ReaderState};

#[derive(Clone, PartialEq, prost::Message)]
struct ProgressWire {
    #[prost(message, repeated, tag = "1")]
    aside: Vec<AsideWire>,
    #[prost(message, repeated, tag = "2")]
    dead: Vec<DeadWire>,
    #[prost(message, optional, tag = "3")]
    health: Option<HealthWire>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct AsideWire {
    #[prost(string, tag = "1")]
    device: String,
    #[prost(string, tag = "2")]
    cursor: String,
    #[prost(uint64, tag = "3")]
    passed: u64,
    #[prost(uint32, tag = "4")]
    attempts: u32,
    #[prost(uint32, tag = "5")]
    counted: u32,
    #[prost(int64, optional, tag = "6")]
    since: Option<i64>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct DeadWire {
    #[prost(string, tag = "1")]
    device: String,
    #[prost(uint64, tag = "2")]
    number: u64,
    #[prost(uint32, tag = "3")]
    kind: u32,
    #[prost(int64, tag = "4")]
    received_at: i64,
    #[prost(int64, tag = "5")]
    failed_at: i64,
    #[prost(uint32, tag = "6")]
    attempts: u32,
    #[prost(message, optional, tag = "7")]
    failure: Option<FailureWire>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct FailureWire {
    #[prost(uint32, tag = "1")]
    kind: u32,
    #[prost(uint32, tag = "2")]
    status: u32,
    #[prost(string, tag = "3")]
    detail: String,
    #[prost(string, tag = "4")]
    url: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct HealthWire {
    #[prost(uint64, tag = "1")]
    failed_attempts: u64,
    #[prost(int64, tag = "2")]
    last_failed_at: i64,
    #[prost(message, optional, tag = "3")]
    last_failure: Option<FailureWire>,
}

/// What a webhook keeps now.
pub(super) fn save(outbox: &Outbox) -> ReaderState {
    let aside = outbox.aside().iter().map(|(device, aside)| AsideWire {
        device: device.to_string(),
        cursor: aside.cursor.to_string(),
        passed: aside.passed,
        attempts: aside.tries.attempts,
        counted: aside.tries.counted,
        since: aside.tries.since.map(Timestamp::unix_nanos),
    });
    let dead = outbox.dead().iter().map(|letter| DeadWire {
        device: letter.device_id.to_string(),
        number: letter.number,
        kind: letter.kind as u32,
        received_at: letter.received_at.unix_nanos(),
        failed_at: letter.failed_at.unix_nanos(),
        attempts: letter.attempts,
        failure: Some(failure(&letter.failure)),
    });
    let health = outbox.health();
    let health = health.is_known.then(|| HealthWire {
        failed_attempts: health.failed_attempts,
        last_failed_at: health.last_failed_at.unix_nanos(),
        last_failure: health.last_failure.as_ref().map(failure),
    });
    let wire = ProgressWire { aside: aside.collect(), dead: dead.collect(), health };
    ReaderState { cursor: outbox.cursor().clone(), progress: wire.encode_to_vec().into() }
}

/// Takes over what was kept.
///
/// # Errors
///
/// The octets are none of a webhook.
pub(super) fn restore(outbox: &mut Outbox, progress: &Bytes) -> Result<(), StoreError> {
    let wire = ProgressWire::decode(progress.clone())
        .map_err(|error| corrupt("the progress of a webhook").caused_by(error))?;
    let aside = wire.aside.into_iter().map(aside_of).collect::<Result<BTreeMap<_, _>, _>>()?;
    let dead = wire.dead.into_iter().map(dead_of).collect::<Result<VecDeque<_>, _>>()?;
    let health = wire.health.map_or_else(Health::default, |wire| Health {
        is_known: true,
        failed_attempts: wire.failed_attempts,
        last_failed_at: Timestamp::from_unix_nanos(wire.last_failed_at),
        last_failure: wire.last_failure.map(failure_of),
    });
    outbox.restore(aside, dead, health);
    Ok(())
}

fn corrupt(what: &str) -> StoreError {
    StoreError::new(StoreErrorKind::Corrupt, what)
}

fn device_of(text: &str) -> Result<DeviceId, StoreError> {
    text.parse().map_err(|_| corrupt("a device of a webhook"))
}

fn aside_of(wire: AsideWire) -> Result<(DeviceId, Aside), StoreError> {
    let cursor: Cursor = wire.cursor.parse().map_err(|_| corrupt("a place of a webhook"))?;
    let tries = Tries {
        attempts: wire.attempts,
        counted: wire.counted,
        since: wire.since.map(Timestamp::from_unix_nanos),
        may_have_arrived: true,
    };
    // Whatever made it wait, after a start it is tried at once.
    let aside = Aside {
        cursor,
        passed: wire.passed,
        tries,
        due_at: Monotonic::default(),
        tried_at: Monotonic::default(),
        is_called: false,
        was_endpoint: false,
    };
    Ok((device_of(&wire.device)?, aside))
}

fn dead_of(wire: DeadWire) -> Result<DeadLetter, StoreError> {
    let kind = MessageKind::ALL.into_iter().find(|kind| *kind as u32 == wire.kind);
    Ok(DeadLetter {
        device_id: device_of(&wire.device)?,
        number: wire.number,
        kind: kind.ok_or_else(|| corrupt("a dead letter"))?,
        received_at: Timestamp::from_unix_nanos(wire.received_at),
        failed_at: Timestamp::from_unix_nanos(wire.failed_at),
        attempts: wire.attempts,
        failure: failure_of(wire.failure.unwrap_or_default()),
    })
}

fn failure(of: &Failure) -> FailureWire {
    FailureWire {
        kind: of.kind as u32,
        status: of.status.into(),
        detail: of.detail.clone(),
        url: of.url.clone(),
    }
}

fn failure_of(wire: FailureWire) -> Failure {
    let kind = FailureKind::ALL.into_iter().find(|kind| *kind as u32 == wire.kind);
    Failure {
        kind: kind.unwrap_or(FailureKind::Request),
        status: u16::try_from(wire.status).unwrap_or_default(),
        detail: wire.detail,
        url: wire.url,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::integration::webhook::outbox::Limits;

    fn outbox() -> Outbox {
        let limits = Limits {
            under_way_max: 1,
            window_max: 1,
            aside_max: 1,
            dead_max: 1,
            waits: Vec::new(),
            outage_max: std::time::Duration::ZERO,
            suspension: None,
        };
        Outbox::new(limits, Cursor::behind(7))
    }

    #[test]
    fn what_is_kept_survives_encoding() {
        let failure = Failure {
            kind: FailureKind::Status,
            status: 500,
            detail: "sorry".to_owned(),
            url: "https://example.com/".to_owned(),
        };
        let device: DeviceId = "my-dev".parse().unwrap();
        let aside = Aside {
            cursor: Cursor::behind(3),
            passed: 9,
            tries: Tries {
                attempts: 4,
                counted: 2,
                since: Some(Timestamp::from_unix_secs(5)),
                may_have_arrived: true,
            },
            due_at: Monotonic::default(),
            tried_at: Monotonic::default(),
            is_called: false,
            was_endpoint: false,
        };
        let letter = DeadLetter {
            device_id: device.clone(),
            number: 1,
            kind: MessageKind::JoinAccept,
            received_at: Timestamp::from_unix_secs(1),
            failed_at: Timestamp::from_unix_secs(2),
            attempts: 7,
            failure: failure.clone(),
        };
        let mut health = Health::default();
        health.failed(&failure, Timestamp::from_unix_secs(2));
        let mut kept = outbox();
        kept.restore([(device, aside)].into(), [letter].into(), health);
        let state = save(&kept);
        assert_eq!(state.cursor, Cursor::behind(7));
        let mut again = outbox();
        restore(&mut again, &state.progress).unwrap();
        assert_eq!(format!("{:?}", again.aside()), format!("{:?}", kept.aside()));
        assert_eq!((again.dead(), again.health()), (kept.dead(), kept.health()));
        assert!(restore(&mut again, &Bytes::from_static(&[0xFF])).is_err());
    }
}
