//! Adaptive data rate: which data rate, power and number of transmissions a device should use.
//!
//! A policy is a pure function of the device's history; [`DefaultAdr`] is the one that is used unless another is given
//! to [`crate::engine::Engine::new`]. There are three:
//!
//! | policy | looks at | lowers the data rate |
//! |---|---|---|
//! | [`DefaultAdr`] | the best SNR of twenty uplinks, as The Things Stack | no |
//! | [`ChirpStackAdr`] | the best SNR of twenty uplinks, in steps of 3 dB, as ChirpStack | no |
//! | [`SteadyAdr`] | mean and spread of the SNR, and the losses | yes |
//!
//! What a policy would have done with recorded uplinks is told by [`replay`].
#![expect(clippy::exhaustive_structs, reason = "built by other crates: policies and their tests")]

pub mod chirpstack;
mod default;
mod reason;
pub mod replay;
mod rules;
mod steady;

use core::fmt;

use ttn_core::radio::DataRateIndex;

use crate::{
    band::Band,
    state::{AdrDynamic, Rejected},
};

pub use chirpstack::ChirpStackAdr;
pub use default::{DEFAULT_MARGIN, DefaultAdr};
pub use reason::AdrReason;
pub use rules::{
    DataRateChoice, DataRateSet, PowerChoice, PowerRange, ack_exponent, adapt_data_rate,
    adapt_nb_trans, adapt_tx_power, demodulation_floor, loss_rate,
};
pub use steady::{HYSTERESIS, NEEDED_MIN, SteadyAdr};

/// An ADR policy.
///
/// It is asked after every uplink that has the ADR bit set. It must be quick and must not remember anything.
pub trait AdrAlgorithm: fmt::Debug + Send + Sync {
    /// Decides what the device should use.
    fn decide(&self, input: &AdrInput<'_>) -> AdrDecision;
}

/// What a policy decides upon.
#[derive(Clone, Copy, Debug)]
pub struct AdrInput<'a> {
    /// The band.
    pub band: &'a Band,
    /// What the device uses.
    pub current: AdrParameters,
    /// The data rates of the channels that the device may send on.
    pub channel_data_rates: DataRateSet,
    /// What the device has refused.
    pub rejected: &'a Rejected,
    /// The limits of its settings.
    pub limits: AdrDynamic,
    /// The counter of the first uplink after the last change of parameters.
    pub last_change_f_cnt: Option<u32>,
    /// The last uplinks, oldest first. Retransmissions appear once.
    pub uplinks: &'a [AdrUplink],
}

/// An uplink as a policy sees it.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct AdrUplink {
    /// The full frame counter.
    pub f_cnt: u32,
    /// The best SNR over all gateways, in dB.
    pub max_snr: f32,
    /// The data rate.
    pub data_rate: DataRateIndex,
}

/// The parameters that ADR controls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdrParameters {
    /// The data rate.
    pub data_rate: DataRateIndex,
    /// TXPower.
    pub tx_power_index: u8,
    /// How often each uplink is sent.
    pub nb_trans: u8,
}

/// What a policy decided, and why.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum AdrDecision {
    /// Nothing should change.
    Keep(AdrKeep),
    /// These parameters should be used; they may be the current ones.
    Use {
        /// The parameters.
        parameters: AdrParameters,
        /// What they follow from.
        evidence: AdrEvidence,
    },
}

impl From<Result<(AdrParameters, AdrEvidence), AdrKeep>> for AdrDecision {
    fn from(decided: Result<(AdrParameters, AdrEvidence), AdrKeep>) -> Self {
        match decided {
            Ok((parameters, evidence)) => Self::Use { parameters, evidence },
            Err(keep) => Self::Keep(keep),
        }
    }
}

/// Why nothing should change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AdrKeep {
    /// Every data rate is out of bounds or was refused.
    NoDataRate,
    /// The data rate has no demodulation floor.
    NoFloor,
    /// Every power is out of bounds or was refused.
    NoTxPower,
    /// No uplink came since the last change.
    NoUplinks,
    /// A history that is not full says that the power is too low; the next one may say the opposite.
    TooFewUplinks,
}

/// The numbers behind a decision.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdrEvidence {
    /// The rule that decided.
    pub reason: AdrReason,
    /// How many uplinks counted.
    pub uplinks: u8,
    /// The best SNR among them, in dB.
    pub max_snr: f32,
    /// How far that, or with [`SteadyAdr`] the mean SNR, is above the floor of the current data rate and what is required
    /// on top of it, in dB.
    pub margin: f32,
    /// What is left of it after the decision, in dB.
    pub margin_left: f32,
    /// Lost over expected among them.
    pub loss_rate: f32,
}

impl AdrEvidence {
    /// The evidence of a decision that no uplink has a part in.
    const fn without_uplinks(reason: AdrReason) -> Self {
        Self { reason, uplinks: 0, max_snr: 0.0, margin: 0.0, margin_left: 0.0, loss_rate: 0.0 }
    }
}
