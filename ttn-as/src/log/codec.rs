//! Log records as octets: the protobuf message `ttn.store.v1.ApplicationRecord`.

use std::{sync::Arc, time::Duration};

use prost::Message as _;
use ttn_core::{
    addr::{DevAddr, NetId},
    error::{ErrorBody, ErrorKind},
    msg::{
        ApplicationUp, ClassBC, ClassBCGateway, ConfirmedRetry, Downlink, DownlinkError,
        JoinAcceptUp, QueueInvalidated, TxPriority, Up, UplinkUp,
    },
    radio::DataRateIndex,
    store::{StoreError, StoreErrorKind},
    time::Timestamp,
};

use super::{Context, Decoded, Record, RecordState, Sealed};
use crate::{
    format::Normalized,
    store::wire::{self, corrupt, key_id_of},
};

mod device;
mod radio;

#[derive(Clone, PartialEq, prost::Message)]
struct ApplicationRecord {
    #[prost(uint64, tag = "1")]
    number: u64,
    #[prost(uint32, tag = "2")]
    state: u32,
    #[prost(uint64, optional, tag = "3")]
    completes: Option<u64>,
    #[prost(bool, tag = "4")]
    encrypted: bool,
    #[prost(bytes = "vec", optional, tag = "5")]
    decoded_json: Option<Vec<u8>>,
    #[prost(string, repeated, tag = "6")]
    decoded_warnings: Vec<String>,
    #[prost(message, optional, tag = "7")]
    reason: Option<ErrorWire>,
    #[prost(message, optional, tag = "8")]
    ids: Option<wire::Ids>,
    #[prost(string, repeated, tag = "9")]
    correlation_ids: Vec<String>,
    #[prost(sfixed64, tag = "10")]
    received_at: i64,
    #[prost(bool, tag = "11")]
    simulated: bool,
    #[prost(bool, tag = "12")]
    repeated: bool,
    #[prost(message, optional, tag = "13")]
    normalized: Option<NormalizedWire>,
    #[prost(message, optional, tag = "14")]
    context: Option<ContextWire>,
    #[prost(oneof = "UpWire", tags = "16, 17, 18, 19, 20, 21, 22, 23, 24, 26, 27")]
    up: Option<UpWire>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum UpWire {
    #[prost(message, tag = "16")]
    Uplink(Box<UplinkWire>),
    #[prost(message, tag = "17")]
    JoinAccept(JoinWire),
    #[prost(message, tag = "18")]
    Ack(DownlinkWire),
    #[prost(message, tag = "19")]
    Nack(DownlinkWire),
    #[prost(message, tag = "20")]
    Sent(DownlinkWire),
    #[prost(message, tag = "21")]
    Failed(FailedWire),
    #[prost(message, tag = "22")]
    Queued(DownlinkWire),
    #[prost(message, tag = "23")]
    Invalidated(InvalidatedWire),
    #[prost(message, tag = "24")]
    Normalized(Box<UplinkWire>),
    #[prost(message, tag = "26")]
    Located(device::LocatedWire),
    #[prost(message, tag = "27")]
    ServiceData(device::ServiceDataWire),
}

#[derive(Clone, PartialEq, prost::Message)]
struct ContextWire {
    #[prost(message, optional, tag = "1")]
    device: Option<device::DeviceWire>,
    #[prost(message, optional, tag = "2")]
    app_s_key: Option<wire::Key>,
    #[prost(uint32, tag = "3")]
    last_a_f_cnt_down: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct NormalizedWire {
    #[prost(bytes = "vec", tag = "1")]
    measurements_json: Vec<u8>,
    #[prost(string, repeated, tag = "2")]
    warnings: Vec<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ErrorWire {
    #[prost(string, tag = "1")]
    namespace: String,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(uint32, tag = "3")]
    kind: u32,
    #[prost(string, tag = "4")]
    message: String,
    #[prost(bytes = "vec", tag = "5")]
    attributes_json: Vec<u8>,
    #[prost(message, optional, boxed, tag = "6")]
    cause: Option<Box<Self>>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct UplinkWire {
    #[prost(bytes = "vec", tag = "1")]
    session_key_id: Vec<u8>,
    #[prost(uint32, optional, tag = "2")]
    f_port: Option<u32>,
    #[prost(uint32, tag = "3")]
    f_cnt: u32,
    #[prost(bytes = "vec", tag = "4")]
    frm_payload: Vec<u8>,
    #[prost(message, repeated, tag = "5")]
    rx_metadata: Vec<radio::RxWire>,
    #[prost(message, optional, tag = "6")]
    settings: Option<radio::SettingsWire>,
    #[prost(uint32, tag = "7")]
    data_rate_index: u32,
    #[prost(bool, tag = "8")]
    confirmed: bool,
    #[prost(uint64, tag = "9")]
    consumed_airtime: u64,
    #[prost(float, optional, tag = "10")]
    packet_error_rate: Option<f32>,
    #[prost(uint32, tag = "11")]
    net_id: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct JoinWire {
    #[prost(bytes = "vec", tag = "1")]
    session_key_id: Vec<u8>,
    #[prost(message, repeated, tag = "2")]
    invalidated: Vec<DownlinkWire>,
    #[prost(bool, tag = "3")]
    pending_session: bool,
    #[prost(sfixed64, tag = "4")]
    received_at: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct DownlinkWire {
    #[prost(bytes = "vec", tag = "1")]
    session_key_id: Vec<u8>,
    #[prost(uint32, tag = "2")]
    f_port: u32,
    #[prost(uint32, tag = "3")]
    f_cnt: u32,
    #[prost(bytes = "vec", tag = "4")]
    frm_payload: Vec<u8>,
    #[prost(bool, tag = "5")]
    confirmed: bool,
    #[prost(uint32, tag = "6")]
    priority: u32,
    #[prost(message, optional, tag = "7")]
    class_b_c: Option<ClassBCWire>,
    #[prost(string, repeated, tag = "8")]
    correlation_ids: Vec<String>,
    #[prost(message, optional, tag = "9")]
    confirmed_retry: Option<RetryWire>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct RetryWire {
    #[prost(uint32, tag = "1")]
    attempt: u32,
    #[prost(uint32, optional, tag = "2")]
    max_attempts: Option<u32>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ClassBCWire {
    #[prost(message, repeated, tag = "1")]
    gateways: Vec<AntennaWire>,
    #[prost(sfixed64, optional, tag = "2")]
    absolute_time: Option<i64>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct AntennaWire {
    #[prost(string, tag = "1")]
    gateway: String,
    #[prost(uint32, tag = "2")]
    antenna: u32,
    #[prost(uint32, tag = "3")]
    group: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct FailedWire {
    #[prost(message, optional, tag = "1")]
    downlink: Option<DownlinkWire>,
    #[prost(message, optional, tag = "2")]
    error: Option<ErrorWire>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct InvalidatedWire {
    #[prost(message, repeated, tag = "1")]
    downlinks: Vec<DownlinkWire>,
    #[prost(uint32, tag = "2")]
    last_f_cnt_down: u32,
    #[prost(bytes = "vec", tag = "3")]
    session_key_id: Vec<u8>,
    #[prost(fixed32, optional, tag = "4")]
    dev_addr: Option<u32>,
}

impl Record {
    /// The record as octets. The AppSKey of a join-accept is left out: it is in the session record.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let decoded = self.decoded.as_ref();
        ApplicationRecord {
            number: self.number,
            state: match self.state {
                RecordState::Deliver => 0,
                RecordState::Drop => 1,
                RecordState::Pending => 2,
            },
            completes: self.completes,
            encrypted: self.encrypted,
            decoded_json: decoded.map(|d| serde_json::to_vec(&d.payload).unwrap_or_default()),
            decoded_warnings: decoded.map(|d| d.warnings.clone()).unwrap_or_default(),
            normalized: decoded.and_then(|d| d.normalized.as_ref()).map(|of| NormalizedWire {
                measurements_json: serde_json::to_vec(&of.measurements).unwrap_or_default(),
                warnings: of.warnings.clone(),
            }),
            reason: self.reason.as_ref().map(error),
            ids: Some(wire::ids(&self.up.ids)),
            correlation_ids: texts(&self.up.correlation_ids),
            received_at: self.up.received_at.unix_nanos(),
            simulated: self.up.simulated,
            repeated: self.up.repeated,
            context: context(&self.context),
            up: up(&self.up.up),
        }
        .encode_to_vec()
    }

    /// The record of octets that [`Self::encode`] gave.
    ///
    /// # Errors
    ///
    /// The octets are no such record.
    pub fn decode(octets: &[u8]) -> Result<Self, StoreError> {
        let wire = ApplicationRecord::decode(octets).map_err(|error| {
            StoreError::new(StoreErrorKind::Corrupt, "a record of the application log")
                .caused_by(error)
        })?;
        let payload = wire.decoded_json.as_deref().map(serde_json::from_slice).transpose();
        let payload = payload.map_err(|e| corrupt("a decoded payload").caused_by(e))?;
        let normalized = wire.normalized.map(normalized_of).transpose()?;
        let warnings = wire.decoded_warnings;
        Ok(Self {
            number: wire.number,
            state: match wire.state {
                0 => RecordState::Deliver,
                1 => RecordState::Drop,
                2 => RecordState::Pending,
                _ => return Err(corrupt("the state of a log record")),
            },
            completes: wire.completes,
            encrypted: wire.encrypted,
            decoded: payload.map(|payload| Decoded { payload, warnings, normalized }),
            context: wire.context.map(context_of).transpose()?.unwrap_or_default(),
            reason: wire.reason.map(error_of),
            up: ApplicationUp {
                ids: wire::ids_of(wire.ids)?,
                correlation_ids: arcs(wire.correlation_ids),
                received_at: Timestamp::from_unix_nanos(wire.received_at),
                up: up_of(wire.up.ok_or_else(|| corrupt("a log record without message"))?)?,
                simulated: wire.simulated,
                repeated: wire.repeated,
            },
        })
    }
}

fn context(of: &Context) -> Option<ContextWire> {
    let sealed = of.sealed.as_deref();
    (*of != Context::default()).then(|| ContextWire {
        device: of.device.as_deref().map(device::info),
        app_s_key: sealed.map(|sealed| wire::key(&sealed.app_s_key)),
        last_a_f_cnt_down: sealed.map_or(0, |sealed| sealed.last_a_f_cnt_down),
    })
}

fn context_of(wire: ContextWire) -> Result<Context, StoreError> {
    let last_a_f_cnt_down = wire.last_a_f_cnt_down;
    let sealed = |app_s_key| Box::new(Sealed { app_s_key, last_a_f_cnt_down });
    Ok(Context {
        device: wire.device.map(|wire| Arc::new(device::info_of(wire))),
        sealed: wire.app_s_key.map(wire::key_of).transpose()?.map(sealed),
    })
}

fn normalized_of(wire: NormalizedWire) -> Result<Normalized, StoreError> {
    let measurements = serde_json::from_slice(&wire.measurements_json)
        .map_err(|error| corrupt("a normalised payload").caused_by(error))?;
    Ok(Normalized { measurements, warnings: wire.warnings })
}

fn texts(ids: &[Arc<str>]) -> Vec<String> {
    ids.iter().map(|id| id.as_ref().to_owned()).collect()
}

fn arcs(texts: Vec<String>) -> Vec<Arc<str>> {
    texts.into_iter().map(Arc::from).collect()
}

fn up(of: &Up) -> Option<UpWire> {
    Some(match of {
        Up::DownlinkAck(of) => UpWire::Ack(downlink(of)),
        Up::DownlinkFailed(of, DownlinkError(reason)) => {
            UpWire::Failed(FailedWire { downlink: Some(downlink(of)), error: Some(error(reason)) })
        }
        Up::DownlinkNack(of) => UpWire::Nack(downlink(of)),
        Up::DownlinkQueued(of) => UpWire::Queued(downlink(of)),
        Up::DownlinkQueueInvalidated(of) => UpWire::Invalidated(InvalidatedWire {
            downlinks: of.downlinks.iter().map(downlink).collect(),
            last_f_cnt_down: of.last_f_cnt_down,
            session_key_id: of.session_key_id.as_bytes().to_vec(),
            dev_addr: of.dev_addr.map(DevAddr::to_u32),
        }),
        Up::DownlinkSent(of) => UpWire::Sent(downlink(of)),
        Up::JoinAccept(of) => UpWire::JoinAccept(JoinWire {
            session_key_id: of.session_key_id.as_bytes().to_vec(),
            invalidated: of.invalidated_downlinks.iter().map(downlink).collect(),
            pending_session: of.pending_session,
            received_at: of.received_at.unix_nanos(),
        }),
        Up::LocationSolved(of) => UpWire::Located(device::located(of)),
        Up::ServiceData(of) => UpWire::ServiceData(device::service_data(of)),
        Up::Uplink(of) => UpWire::Uplink(Box::new(uplink(of))),
        Up::UplinkNormalized(of) => UpWire::Normalized(Box::new(uplink(of))),
        // The Application Server appends no kind that it does not know.
        _ => return None,
    })
}

fn up_of(wire: UpWire) -> Result<Up, StoreError> {
    Ok(match wire {
        UpWire::Uplink(wire) => Up::Uplink(Box::new(uplink_of(*wire)?)),
        UpWire::Normalized(wire) => Up::UplinkNormalized(Box::new(uplink_of(*wire)?)),
        UpWire::JoinAccept(wire) => Up::JoinAccept(JoinAcceptUp {
            session_key_id: key_id_of(&wire.session_key_id)?,
            app_s_key: None,
            invalidated_downlinks: downlinks_of(wire.invalidated)?,
            pending_session: wire.pending_session,
            received_at: Timestamp::from_unix_nanos(wire.received_at),
        }),
        UpWire::Ack(wire) => Up::DownlinkAck(downlink_of(wire)?),
        UpWire::Nack(wire) => Up::DownlinkNack(downlink_of(wire)?),
        UpWire::Sent(wire) => Up::DownlinkSent(downlink_of(wire)?),
        UpWire::Failed(wire) => Up::DownlinkFailed(
            downlink_of(wire.downlink.unwrap_or_default())?,
            DownlinkError(error_of(wire.error.unwrap_or_default())),
        ),
        UpWire::Queued(wire) => Up::DownlinkQueued(downlink_of(wire)?),
        UpWire::Invalidated(wire) => Up::DownlinkQueueInvalidated(QueueInvalidated {
            downlinks: downlinks_of(wire.downlinks)?,
            last_f_cnt_down: wire.last_f_cnt_down,
            session_key_id: key_id_of(&wire.session_key_id)?,
            dev_addr: wire::dev_addr_of(wire.dev_addr),
        }),
        UpWire::Located(wire) => Up::LocationSolved(device::located_of(wire)?),
        UpWire::ServiceData(wire) => Up::ServiceData(device::service_data_of(wire)?),
    })
}

fn uplink(of: &UplinkUp) -> UplinkWire {
    UplinkWire {
        session_key_id: of.session_key_id.as_bytes().to_vec(),
        f_port: of.f_port.map(u32::from),
        f_cnt: of.f_cnt,
        frm_payload: of.frm_payload.to_vec(),
        rx_metadata: of.rx_metadata.iter().map(radio::rx).collect(),
        settings: Some(radio::settings(&of.settings)),
        data_rate_index: u32::from(of.data_rate_index.get()),
        confirmed: of.confirmed,
        consumed_airtime: u64::try_from(of.consumed_airtime.as_nanos()).unwrap_or(u64::MAX),
        packet_error_rate: of.packet_error_rate,
        net_id: of.net_id.to_u32(),
    }
}

fn uplink_of(wire: UplinkWire) -> Result<UplinkUp, StoreError> {
    Ok(UplinkUp {
        session_key_id: key_id_of(&wire.session_key_id)?,
        f_port: wire.f_port.map(octet).transpose()?,
        f_cnt: wire.f_cnt,
        frm_payload: wire.frm_payload.into(),
        rx_metadata: wire.rx_metadata.into_iter().map(radio::rx_of).collect::<Result<_, _>>()?,
        settings: radio::settings_of(wire.settings.unwrap_or_default())?,
        data_rate_index: DataRateIndex::new(octet(wire.data_rate_index)?)
            .ok_or_else(|| corrupt("a stored data rate index"))?,
        confirmed: wire.confirmed,
        consumed_airtime: Duration::from_nanos(wire.consumed_airtime),
        packet_error_rate: wire.packet_error_rate,
        net_id: NetId::from_u32(wire.net_id).ok_or_else(|| corrupt("a stored NetID"))?,
    })
}

fn octet(number: u32) -> Result<u8, StoreError> {
    u8::try_from(number).map_err(|_| corrupt("a stored octet"))
}

fn downlink(of: &Downlink) -> DownlinkWire {
    DownlinkWire {
        session_key_id: of.session_key_id.as_bytes().to_vec(),
        f_port: u32::from(of.f_port),
        f_cnt: of.f_cnt,
        frm_payload: of.frm_payload.to_vec(),
        confirmed: of.confirmed,
        priority: of.priority as u32,
        class_b_c: of.class_b_c.as_ref().map(|of| ClassBCWire {
            gateways: of
                .gateways
                .iter()
                .map(|gateway| AntennaWire {
                    gateway: gateway.gateway_id.as_str().to_owned(),
                    antenna: gateway.antenna_index,
                    group: gateway.group_index,
                })
                .collect(),
            absolute_time: of.absolute_time.map(Timestamp::unix_nanos),
        }),
        correlation_ids: texts(&of.correlation_ids),
        confirmed_retry: of
            .confirmed_retry
            .map(|retry| RetryWire { attempt: retry.attempt, max_attempts: retry.max_attempts }),
    }
}

fn downlinks_of(wire: Vec<DownlinkWire>) -> Result<Vec<Downlink>, StoreError> {
    wire.into_iter().map(downlink_of).collect()
}

fn downlink_of(wire: DownlinkWire) -> Result<Downlink, StoreError> {
    Ok(Downlink {
        session_key_id: key_id_of(&wire.session_key_id)?,
        f_port: octet(wire.f_port)?,
        f_cnt: wire.f_cnt,
        frm_payload: wire.frm_payload.into(),
        confirmed: wire.confirmed,
        priority: PRIORITIES
            .get(wire.priority as usize)
            .copied()
            .ok_or_else(|| corrupt("a stored priority"))?,
        class_b_c: wire.class_b_c.map(class_b_c_of).transpose()?,
        correlation_ids: arcs(wire.correlation_ids),
        confirmed_retry: wire
            .confirmed_retry
            .map(|wire| ConfirmedRetry { attempt: wire.attempt, max_attempts: wire.max_attempts }),
    })
}

fn class_b_c_of(wire: ClassBCWire) -> Result<ClassBC, StoreError> {
    let gateway = |wire: AntennaWire| {
        Ok(ClassBCGateway {
            gateway_id: wire.gateway.parse().map_err(|_| corrupt("a stored gateway id"))?,
            antenna_index: wire.antenna,
            group_index: wire.group,
        })
    };
    Ok(ClassBC {
        gateways: wire.gateways.into_iter().map(gateway).collect::<Result<_, StoreError>>()?,
        absolute_time: wire.absolute_time.map(Timestamp::from_unix_nanos),
    })
}

fn error(of: &ErrorBody) -> ErrorWire {
    ErrorWire {
        namespace: of.namespace.clone().into_owned(),
        name: of.name.clone().into_owned(),
        kind: u32::from(of.kind.code()),
        message: of.message.clone(),
        attributes_json: serde_json::to_vec(&of.attributes).unwrap_or_default(),
        cause: of.cause.as_deref().map(|cause| Box::new(error(cause))),
    }
}

fn error_of(wire: ErrorWire) -> ErrorBody {
    ErrorBody {
        namespace: wire.namespace.into(),
        name: wire.name.into(),
        kind: ErrorKind::from_code(u8::try_from(wire.kind).unwrap_or_default()),
        message: wire.message,
        attributes: serde_json::from_slice(&wire.attributes_json).unwrap_or_default(),
        cause: wire.cause.map(|cause| Box::new(error_of(*cause))),
    }
}

/// The priorities in the order of their numbers.
const PRIORITIES: [TxPriority; 7] = [
    TxPriority::Lowest,
    TxPriority::Low,
    TxPriority::BelowNormal,
    TxPriority::Normal,
    TxPriority::AboveNormal,
    TxPriority::High,
    TxPriority::Highest,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn round_trip(up: Up) {
        let mut record = Record::deliver(7, testing::up(up));
        record.state = RecordState::Drop;
        record.completes = Some(3);
        record.reason =
            Some(ErrorBody::new("pkg/x", "y", ErrorKind::Aborted, "z").with("number", 4_i64));
        record.decoded = Some(Decoded {
            payload: [("a".to_owned(), 1.into())].into_iter().collect(),
            warnings: vec!["odd".to_owned()],
            normalized: Some(Normalized {
                measurements: vec![[("b".to_owned(), 2.into())].into_iter().collect()],
                warnings: vec!["odder".to_owned()],
            }),
        });
        record.context = testing::context();
        let again = Record::decode(&record.encode()).unwrap();
        assert_eq!(format!("{again:?}"), format!("{record:?}"));
    }

    #[test]
    fn every_kind_of_message_survives_encoding() {
        let downlink = testing::downlink(1);
        let reason = ErrorBody::new("pkg/ns", "expired", ErrorKind::Aborted, "too late");
        round_trip(Up::Uplink(Box::new(testing::uplink(5, b"payload"))));
        round_trip(Up::UplinkNormalized(Box::new(testing::uplink(5, b"payload"))));
        round_trip(Up::DownlinkAck(downlink.clone()));
        round_trip(Up::DownlinkNack(downlink.clone()));
        round_trip(Up::DownlinkSent(downlink.clone()));
        round_trip(Up::DownlinkQueued(downlink.clone()));
        round_trip(Up::DownlinkFailed(downlink.clone(), DownlinkError(reason)));
        round_trip(Up::DownlinkQueueInvalidated(QueueInvalidated {
            downlinks: vec![downlink.clone()],
            last_f_cnt_down: 4,
            session_key_id: downlink.session_key_id.clone(),
            dev_addr: Some(DevAddr::from_u32(9)),
        }));
        round_trip(Up::LocationSolved(testing::located()));
        round_trip(Up::ServiceData(testing::service_data()));
        round_trip(Up::JoinAccept(JoinAcceptUp {
            session_key_id: downlink.session_key_id.clone(),
            app_s_key: None,
            invalidated_downlinks: vec![downlink],
            pending_session: true,
            received_at: Timestamp::from_unix_secs(5),
        }));
    }
}
