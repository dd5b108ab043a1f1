//! Why an uplink is not accepted.

use core::{fmt, time::Duration};

use ttn_core::{
    addr::NetId,
    radio::{DataRate, Frequency},
};

use crate::state::Candidate;

/// Why an uplink does not belong to a session, or is not processed. Ordinary life, not an error: count it by name.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Reject {
    /// It acknowledges something, although the session has sent nothing yet (NS-07, NS-10).
    AckWithoutDownlink {
        /// The full frame counter.
        f_cnt: u32,
    },
    /// The session has another address.
    DevAddrMismatch,
    /// There is no counter above the last one.
    FCntExhausted {
        /// The last counter.
        last: u32,
        /// The 16 bits that came.
        got: u16,
    },
    /// The counter jumps too far (NS-09).
    FCntGapTooLarge {
        /// The last counter.
        last: u32,
        /// The one that came.
        got: u32,
        /// MAX_FCNT_GAP.
        max: u32,
    },
    /// A counter that was used before.
    FCntReplayed {
        /// The last counter.
        last: u32,
        /// The one that came.
        got: u32,
    },
    /// The address is that of a multicast group, which never sends (NS-100).
    MulticastUplink,
    /// The integrity code is wrong: another device with the same address, or another session.
    MicMismatch {
        /// The counter that was tried.
        f_cnt: u32,
    },
    /// A rejoin-request to another network.
    NetIdMismatch {
        /// Which.
        got: NetId,
    },
    /// The device has no such session.
    NoSession {
        /// Which.
        candidate: Candidate,
    },
    /// Not a data uplink.
    NotADataUplink,
    /// Not a rejoin-request.
    NotARejoinRequest,
    /// The counter of a rejoin-request was used before.
    RejoinCountReplayed {
        /// The last one.
        last: u16,
        /// The one that came.
        got: u16,
    },
    /// The integrity code of a rejoin-request is wrong.
    RejoinMicMismatch,
    /// A rejoin-request of a device whose version of LoRaWAN has none.
    RejoinNotDefined,
    /// The first frame of a LoRaWAN 1.1 session does not say so (NS-30).
    RekeyIndMissing {
        /// The full frame counter.
        f_cnt: u32,
    },
    /// The last counter once more, too late for a retransmission (NS-12).
    RetransmissionTooLate {
        /// The full frame counter.
        f_cnt: u32,
        /// Since the first transmission.
        after: Duration,
        /// How long it may last.
        max: Duration,
    },
    /// The last counter once more, but in another frame (NS-12).
    RetransmissionDiffers {
        /// The full frame counter.
        f_cnt: u32,
    },
    /// Longer than its data rate allows (NS-13).
    TooLong {
        /// The octets of the MACPayload.
        size: usize,
        /// How many there may be.
        max: usize,
    },
    /// The last uplink was repeated more often than NbTrans allows (NS-12).
    TooManyRepeats {
        /// The full frame counter.
        f_cnt: u32,
        /// How often it was sent.
        sent: u8,
        /// How often it may be sent.
        max: u8,
    },
    /// No channel of the device has this frequency (NS-16).
    UnknownChannel {
        /// The frequency.
        frequency: Frequency,
    },
    /// The band has no such data rate.
    UnknownDataRate {
        /// The modulation.
        data_rate: DataRate,
    },
}

impl Reject {
    /// A name that never changes, for events and counters.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::AckWithoutDownlink { .. } => "ack_without_downlink",
            Self::DevAddrMismatch => "dev_addr_mismatch",
            Self::FCntExhausted { .. } => "f_cnt_exhausted",
            Self::FCntGapTooLarge { .. } => "f_cnt_gap_too_large",
            Self::FCntReplayed { .. } => "f_cnt_replayed",
            Self::MicMismatch { .. } => "mic_mismatch",
            Self::MulticastUplink => "multicast_uplink",
            Self::NetIdMismatch { .. } => "net_id_mismatch",
            Self::NoSession { .. } => "no_session",
            Self::NotADataUplink => "not_a_data_uplink",
            Self::NotARejoinRequest => "not_a_rejoin_request",
            Self::RejoinCountReplayed { .. } => "rejoin_count_replayed",
            Self::RejoinMicMismatch => "rejoin_mic_mismatch",
            Self::RejoinNotDefined => "rejoin_not_defined",
            Self::RekeyIndMissing { .. } => "rekey_ind_missing",
            Self::RetransmissionDiffers { .. } => "retransmission_differs",
            Self::RetransmissionTooLate { .. } => "retransmission_too_late",
            Self::TooLong { .. } => "uplink_too_long",
            Self::TooManyRepeats { .. } => "too_many_repeats",
            Self::UnknownChannel { .. } => "unknown_channel",
            Self::UnknownDataRate { .. } => "unknown_data_rate",
        }
    }
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AckWithoutDownlink { f_cnt } => {
                write!(f, "uplink {f_cnt} acknowledges, but nothing was sent in this session")
            }
            Self::DevAddrMismatch => f.write_str("the session has another address"),
            Self::FCntExhausted { last, got } => {
                write!(f, "no counter ends in {got} above {last}")
            }
            Self::FCntGapTooLarge { last, got, max } => {
                write!(f, "counter {got} after {last} jumps by more than {max}")
            }
            Self::FCntReplayed { last, got } => {
                write!(f, "counter {got} after {last} was used before")
            }
            Self::MicMismatch { f_cnt } => write!(f, "wrong integrity code for counter {f_cnt}"),
            Self::MulticastUplink => f.write_str("a multicast group never sends"),
            Self::NoSession { candidate } => write!(f, "the device has no {candidate:?} session"),
            Self::NetIdMismatch { got } => write!(f, "a rejoin-request to network {got}"),
            Self::NotADataUplink => f.write_str("not a data uplink"),
            Self::NotARejoinRequest => f.write_str("not a rejoin-request"),
            Self::RejoinCountReplayed { last, got } => {
                write!(f, "rejoin counter {got} after {last} was used before")
            }
            Self::RejoinMicMismatch => {
                f.write_str("the integrity code of the rejoin-request is wrong")
            }
            Self::RejoinNotDefined => f.write_str("rejoins come with LoRaWAN 1.1"),
            Self::RekeyIndMissing { f_cnt } => {
                write!(f, "uplink {f_cnt} starts a LoRaWAN 1.1 session without RekeyInd")
            }
            Self::RetransmissionDiffers { f_cnt } => {
                write!(f, "counter {f_cnt} once more in another frame")
            }
            Self::RetransmissionTooLate { f_cnt, after, max } => {
                write!(f, "counter {f_cnt} once more after {after:?}, at most {max:?}")
            }
            Self::TooLong { size, max } => write!(f, "{size} octets of MACPayload, at most {max}"),
            Self::TooManyRepeats { f_cnt, sent, max } => {
                write!(f, "uplink {f_cnt} was sent {sent} times, at most {max}")
            }
            Self::UnknownChannel { frequency } => write!(f, "no channel at {frequency}"),
            Self::UnknownDataRate { data_rate } => {
                write!(f, "no data rate {data_rate} in the band")
            }
        }
    }
}

impl core::error::Error for Reject {}
