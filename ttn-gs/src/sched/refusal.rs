//! Why a transmission was not granted.

use std::{fmt, time::Duration};

use ttn_core::{
    error::{ApiError, Attributes, ErrorKind},
    msg::TxPriority,
    radio::{DataRate, Frequency},
    time::ConcentratorTime,
};

use super::SubBandRule;

/// Why a transmission was not granted: the rule and its numbers.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Refusal {
    /// Another transmission is in the way (GS-67).
    Conflict {
        /// When that one begins.
        with_start: ConcentratorTime,
        /// When the radio is free for this one.
        next: ConcentratorTime,
    },
    /// The band does not know the data rate of the window (GS-61).
    DataRate {
        /// The window, 1 or 2.
        window: u8,
        /// The data rate.
        data_rate: DataRate,
    },
    /// The duty cycle of the sub-band is used up for this priority (GS-69, GS-70).
    DutyCycle {
        /// The sub-band.
        sub_band: SubBandRule,
        /// How long it is used in the fullest hour around the transmission.
        used: Duration,
        /// How long the priority may use it.
        usable: Duration,
        /// How long the transmission lasts.
        time_on_air: Duration,
        /// The priority.
        priority: TxPriority,
        /// When there is room; `None` if the transmission is too long in itself.
        next: Option<ConcentratorTime>,
    },
    /// The transmission lasts longer than the channel allows (GS-72).
    DwellTime {
        /// How long it lasts.
        time_on_air: Duration,
        /// What is allowed.
        limit: Duration,
    },
    /// The concentrator has not told its time yet: no uplink was received since it connected.
    NoClockSync,
    /// Class A needs a delay of a second at least (GS-62).
    NoRxDelay,
    /// Class A answers an uplink, and the path names none (GS-62).
    NoUplinkToken,
    /// Neither window has a frequency (GS-61).
    RxEmpty,
    /// The frequency lies in no sub-band (GS-68).
    SubBandNotFound {
        /// The frequency.
        frequency: Frequency,
    },
    /// It could not reach the gateway in time (GS-65).
    TooLate {
        /// From now to its begin; below zero if that has passed.
        delay_nanos: i64,
        /// What is needed.
        min: Duration,
    },
    /// The frame is too long for the data rate (GS-61).
    TooLong {
        /// Its length.
        length: usize,
        /// The longest.
        max: usize,
        /// The data rate.
        data_rate: DataRate,
    },
}

impl Refusal {
    /// The concentrator's time at which it could succeed, if there is one.
    #[must_use]
    pub const fn next(&self) -> Option<ConcentratorTime> {
        match self {
            Self::Conflict { next, .. } => Some(*next),
            Self::DutyCycle { next, .. } => *next,
            _ => None,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conflict { with_start, next } => write!(
                f,
                "conflicts with the transmission at {} µs; free at {} µs",
                with_start.counter(),
                next.counter()
            ),
            Self::DataRate { window, data_rate } => {
                write!(f, "the band has no data rate {data_rate} for RX{window}")
            }
            Self::DutyCycle { sub_band, used, usable, time_on_air, priority, .. } => write!(
                f,
                "the duty cycle of {} to {} is used up for priority {}: {used:?} used and {time_on_air:?} \
                 wanted of {usable:?} in an hour",
                sub_band.min_frequency,
                sub_band.max_frequency,
                priority_name(*priority)
            ),
            Self::DwellTime { time_on_air, limit } => {
                write!(f, "lasts {time_on_air:?}, but the dwell time is {limit:?}")
            }
            Self::NoClockSync => f.write_str("the gateway has not told its time yet"),
            Self::NoRxDelay => f.write_str("class A needs a delay of RX1 of at least 1 s"),
            Self::NoUplinkToken => f.write_str("class A needs the token of an uplink"),
            Self::RxEmpty => f.write_str("neither RX1 nor RX2 has a frequency"),
            Self::SubBandNotFound { frequency } => {
                write!(f, "{frequency} lies in no sub-band of the gateway's frequency plan")
            }
            Self::TooLate { delay_nanos, min } => {
                write!(f, "too late: {} left, {min:?} needed", signed(*delay_nanos))
            }
            Self::TooLong { length, max, data_rate } => {
                write!(f, "{length} octets are too long for {data_rate}: at most {max}")
            }
        }
    }
}

impl std::error::Error for Refusal {}

impl ApiError for Refusal {
    fn namespace(&self) -> &'static str {
        match self {
            Self::Conflict { .. }
            | Self::DutyCycle { .. }
            | Self::DwellTime { .. }
            | Self::NoClockSync
            | Self::SubBandNotFound { .. }
            | Self::TooLate { .. } => "pkg/gatewayserver/scheduling",
            Self::DataRate { .. }
            | Self::NoRxDelay
            | Self::NoUplinkToken
            | Self::RxEmpty
            | Self::TooLong { .. } => "pkg/gatewayserver/io",
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Conflict { .. } => "conflict",
            Self::DataRate { .. } => "data_rate_rx_window",
            Self::DutyCycle { .. } => "duty_cycle",
            Self::DwellTime { .. } => "dwell_time",
            Self::NoClockSync => "no_clock_sync",
            Self::NoRxDelay => "no_rx_delay",
            Self::NoUplinkToken => "no_uplink_token",
            Self::RxEmpty => "rx_empty",
            Self::SubBandNotFound { .. } => "sub_band_not_found",
            Self::TooLate { .. } => "too_late",
            Self::TooLong { .. } => "too_long",
        }
    }

    fn kind(&self) -> ErrorKind {
        match self {
            Self::Conflict { .. } => ErrorKind::AlreadyExists,
            Self::DutyCycle { .. } => ErrorKind::ResourceExhausted,
            Self::DwellTime { .. }
            | Self::RxEmpty
            | Self::SubBandNotFound { .. }
            | Self::TooLate { .. } => ErrorKind::FailedPrecondition,
            Self::NoClockSync => ErrorKind::Unavailable,
            Self::DataRate { .. }
            | Self::NoRxDelay
            | Self::NoUplinkToken
            | Self::TooLong { .. } => ErrorKind::InvalidArgument,
        }
    }

    fn attributes(&self) -> Attributes {
        match self {
            Self::Conflict { next, .. } => {
                Attributes::from([("next_timestamp", next.counter().into())])
            }
            Self::DataRate { window, data_rate } => Attributes::from([
                ("window", (*window).into()),
                ("data_rate", data_rate.to_string().into()),
            ]),
            Self::DutyCycle { used, usable, priority, next, .. } => {
                let mut attributes = Attributes::from([
                    ("used", format!("{used:?}").into()),
                    ("usable", format!("{usable:?}").into()),
                    ("priority", priority_name(*priority).into()),
                ]);
                if let Some(next) = next {
                    attributes.insert("next_timestamp", next.counter().into());
                }
                attributes
            }
            Self::DwellTime { time_on_air, limit } => Attributes::from([
                ("time_on_air", format!("{time_on_air:?}").into()),
                ("limit", format!("{limit:?}").into()),
            ]),
            Self::NoClockSync | Self::NoRxDelay | Self::NoUplinkToken | Self::RxEmpty => {
                Attributes::new()
            }
            Self::SubBandNotFound { frequency } => {
                Attributes::from([("frequency", frequency.hz().into())])
            }
            Self::TooLate { delay_nanos, min } => Attributes::from([
                ("delay", signed(*delay_nanos).into()),
                ("min", format!("{min:?}").into()),
            ]),
            Self::TooLong { length, max, data_rate } => Attributes::from([
                ("payload_length", (*length).into()),
                ("maximum_length", (*max).into()),
                ("data_rate", data_rate.to_string().into()),
            ]),
        }
    }
}

fn signed(nanos: i64) -> String {
    let duration = Duration::from_nanos(nanos.unsigned_abs());
    if nanos < 0 { format!("-{duration:?}") } else { format!("{duration:?}") }
}

const fn priority_name(priority: TxPriority) -> &'static str {
    match priority {
        TxPriority::Lowest => "LOWEST",
        TxPriority::Low => "LOW",
        TxPriority::BelowNormal => "BELOW_NORMAL",
        TxPriority::Normal => "NORMAL",
        TxPriority::AboveNormal => "ABOVE_NORMAL",
        TxPriority::High => "HIGH",
        TxPriority::Highest => "HIGHEST",
    }
}
