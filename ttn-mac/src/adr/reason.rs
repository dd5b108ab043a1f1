//! What a decision follows from, in words and numbers.

use core::fmt;

use super::{AdrDecision, AdrKeep};

/// The rule behind a decision, with the numbers that are not in [`super::AdrEvidence`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum AdrReason {
    /// What the device uses is out of bounds.
    Bounds,
    /// The link is neither good nor bad enough for a change.
    Hold {
        /// The mean SNR above the demodulation floor, in dB.
        headroom: f32,
        /// Below this the data rate or the power is changed to make the link better, in dB.
        lower_below: f32,
        /// Above this the link could pay for something, in dB.
        raise_above: f32,
    },
    /// The mean SNR is higher above the demodulation floor than it has to be.
    LinkBetter {
        /// By how much the mean SNR is above the floor, in dB.
        headroom: f32,
        /// What its spread and the number of uplinks demand, in dB.
        needed: f32,
    },
    /// The mean SNR of the last uplinks is too low.
    LinkWorse {
        /// By how much it is above the floor, in dB.
        headroom: f32,
        /// What its spread demands, in dB.
        needed: f32,
    },
    /// Frames are lost although the link is good enough, or none is lost although each is sent more than once.
    Losses,
    /// The best SNR pays for it, or does not pay for what is in use.
    Margin,
    /// NS-74: from wide to narrow channels.
    Steered,
}

impl fmt::Display for AdrReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bounds => f.write_str("what the device uses is out of bounds"),
            Self::Hold { headroom, lower_below, raise_above } => write!(
                f,
                "the mean SNR is {headroom:.1} dB above the floor, and a change takes less than \
                 {lower_below:.1} or more than {raise_above:.1} dB"
            ),
            Self::LinkBetter { headroom, needed } => write!(
                f,
                "the mean SNR is {headroom:.1} dB above the floor, and {needed:.1} dB are enough"
            ),
            Self::LinkWorse { headroom, needed } => write!(
                f,
                "the mean SNR is {headroom:.1} dB above the floor, and it takes {needed:.1} dB"
            ),
            Self::Losses => f.write_str("the losses are not those of a link that is good enough"),
            Self::Margin => f.write_str("the margin of the best SNR decides"),
            Self::Steered => f.write_str("narrow channels are wanted"),
        }
    }
}

impl fmt::Display for AdrKeep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoDataRate => "every data rate is out of bounds or was refused",
            Self::NoFloor => "the data rate has no demodulation floor",
            Self::NoTxPower => "every power is out of bounds or was refused",
            Self::NoUplinks => "no uplink came since the last change",
            Self::TooFewUplinks => "there are too few uplinks at this power to raise it",
        })
    }
}

impl fmt::Display for AdrDecision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keep(keep) => write!(f, "keep: {keep}"),
            Self::Use { parameters, evidence } => write!(
                f,
                "use {}, TXPower {}, NbTrans {}: {} ({} uplinks, best {:.1} dB, margin {:.1} dB, \
                 {:.0} % lost)",
                parameters.data_rate,
                parameters.tx_power_index,
                parameters.nb_trans,
                evidence.reason,
                evidence.uplinks,
                evidence.max_snr,
                evidence.margin,
                evidence.loss_rate * 100.0,
            ),
        }
    }
}
