//! What a plan must keep, with errors that name plan and field (NS-107; limits of the band: RP002).

use alloc::{format, string::String};
use core::fmt;

use ttn_core::radio::{DataRate, DataRateIndex, Frequency};

use super::{FrequencyPlan, PlanSubBand, SingleRateChannel};
use crate::band::{self, Band};

/// A plan that cannot be used.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PlanError {
    /// The plan's id.
    pub plan: String,
    /// The field, as in the public format: `uplink-channels[2].radio`.
    pub field: String,
    /// What is wrong with it.
    pub problem: PlanProblem,
}

impl PlanError {
    pub(super) fn new(plan: &str, field: impl Into<String>, problem: PlanProblem) -> Self {
        Self { plan: plan.into(), field: field.into(), problem }
    }
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "frequency plan {}, {}: {}", self.plan, self.field, self.problem)
    }
}

impl core::error::Error for PlanError {}

/// What is wrong with a field of a plan.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum PlanProblem {
    /// The plan extends one that is not there, or itself.
    Base {
        /// The base's id.
        id: String,
    },
    /// The band has no such data rate, or not of the kind that the field needs.
    DataRate {
        /// The data rate.
        index: DataRateIndex,
    },
    /// Two plans have the same id.
    Duplicate,
    /// There must be a value.
    Missing,
    /// There are more entries than allowed.
    TooMany {
        /// How many there may be.
        max: usize,
    },
    /// The value is outside its range.
    OutOfRange,
    /// A range that ends before it begins.
    Reversed,
    /// A radio that the plan does not have.
    UnknownRadio {
        /// Its index.
        index: u8,
    },
    /// The text is not in the public format.
    Syntax {
        /// Where, and what was expected.
        message: String,
    },
}

impl fmt::Display for PlanProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Base { id } => write!(f, "cannot extend {id:?}: no such plan, or a circle"),
            Self::DataRate { index } => write!(f, "{index} is not defined here by the band"),
            Self::Duplicate => f.write_str("another plan has this id"),
            Self::Missing => f.write_str("must be set"),
            Self::TooMany { max } => write!(f, "at most {max} entries"),
            Self::OutOfRange => f.write_str("out of range"),
            Self::Reversed => f.write_str("ends before it begins"),
            Self::UnknownRadio { index } => write!(f, "there is no radio {index}"),
            Self::Syntax { message } => f.write_str(message),
        }
    }
}

/// The most channels, radios and sub-bands of a plan; no band has more channels.
pub const PLAN_ENTRIES_MAX: usize = 96;

impl FrequencyPlan {
    /// Checks that the plan is complete and fits its band in the newest version.
    ///
    /// # Errors
    ///
    /// The first field that does not.
    pub fn validate(&self) -> Result<(), PlanError> {
        let error = |field: &str, problem| Err(PlanError::new(&self.id, field, problem));
        if self.id.is_empty() {
            return error("id", PlanProblem::Missing);
        }
        let Some(band) = band::latest(self.band_id) else {
            return error("band-id", PlanProblem::Missing);
        };
        if self.uplink_channels.is_empty() {
            return error("uplink-channels", PlanProblem::Missing);
        }
        self.check_counts()?;
        self.check_channels(band)?;
        self.check_single_rate(band)?;
        self.check_radios()?;
        for (index, sub) in self.sub_bands.iter().enumerate() {
            self.check_sub_band(index, sub)?;
        }
        if let Some(limit) = self.dwell_time
            && limit.duration.is_none()
            && (limit.uplinks == Some(true) || limit.downlinks == Some(true))
        {
            return error("dwell-time.duration", PlanProblem::Missing);
        }
        match self.rx2_default_data_rate {
            Some(index) if band.data_rate(index).is_none() => {
                error("rx2-default-data-rate", PlanProblem::DataRate { index })
            }
            _ => Ok(()),
        }
    }

    fn check_counts(&self) -> Result<(), PlanError> {
        let counts = [
            ("uplink-channels", self.uplink_channels.len()),
            ("downlink-channels", self.downlink_channels.len()),
            ("sub-bands", self.sub_bands.len()),
            ("radios", self.radios.len()),
        ];
        match counts.into_iter().find(|(_, count)| *count > PLAN_ENTRIES_MAX) {
            Some((field, _)) => {
                let problem = PlanProblem::TooMany { max: PLAN_ENTRIES_MAX };
                Err(PlanError::new(&self.id, field, problem))
            }
            None => Ok(()),
        }
    }

    fn check_channels(&self, band: &Band) -> Result<(), PlanError> {
        let uplinks = self.uplink_channels.iter().map(|channel| {
            ("uplink-channels", channel.frequency, channel.min_data_rate, channel.max_data_rate)
        });
        let downlinks = self.downlink_channels.iter().map(|channel| {
            ("downlink-channels", channel.frequency, channel.min_data_rate, channel.max_data_rate)
        });
        for (index, (list, frequency, min, max)) in uplinks.enumerate().chain(downlinks.enumerate())
        {
            let error = |field: &str, problem| {
                Err(PlanError::new(&self.id, format!("{list}[{index}].{field}"), problem))
            };
            if frequency.is_zero() {
                return error("frequency", PlanProblem::Missing);
            }
            if min > max {
                return error("max-data-rate", PlanProblem::Reversed);
            }
            // The lowest may be missing in a version that has taken it away, as DR0 in CN470-510.
            if band.data_rate(max).is_none() {
                return error("max-data-rate", PlanProblem::DataRate { index: max });
            }
        }
        for (index, channel) in self.uplink_channels.iter().enumerate() {
            self.check_radio(&format!("uplink-channels[{index}].radio"), channel.radio)?;
        }
        Ok(())
    }

    fn check_single_rate(&self, band: &Band) -> Result<(), PlanError> {
        let is_lora = |rate: &DataRate| matches!(rate, DataRate::Lora { .. });
        let is_fsk = |rate: &DataRate| matches!(rate, DataRate::Fsk { .. });
        let check =
            |field: &str, channel: Option<SingleRateChannel>, right: &dyn Fn(&DataRate) -> bool| {
                let Some(channel) = channel else { return Ok(()) };
                let index = channel.data_rate;
                if !band.data_rate(index).is_some_and(|known| right(&known.rate)) {
                    let problem = PlanProblem::DataRate { index };
                    return Err(PlanError::new(&self.id, format!("{field}.data-rate"), problem));
                }
                self.check_radio(&format!("{field}.radio"), channel.radio)
            };
        check("lora-standard-channel", self.lora_standard_channel, &is_lora)?;
        check("fsk-channel", self.fsk_channel, &is_fsk)
    }

    fn check_radios(&self) -> Result<(), PlanError> {
        for (index, radio) in self.radios.iter().enumerate() {
            if let Some(tx) = radio.tx {
                let field = format!("radios[{index}].tx.max-frequency");
                self.check_range(field, tx.min_frequency, tx.max_frequency)?;
            }
        }
        self.check_radio("clock-source", self.clock_source)
            .or_else(|error| if self.radios.len() == 1 { Ok(()) } else { Err(error) })
    }

    fn check_sub_band(&self, index: usize, sub: &PlanSubBand) -> Result<(), PlanError> {
        let field = format!("sub-bands[{index}].max-frequency");
        self.check_range(field, sub.min_frequency, sub.max_frequency)?;
        match sub.duty_cycle {
            Some(part) if !(0.0..=1.0).contains(&part) => Err(PlanError::new(
                &self.id,
                format!("sub-bands[{index}].duty-cycle"),
                PlanProblem::OutOfRange,
            )),
            _ => Ok(()),
        }
    }

    fn check_range(&self, field: String, min: Frequency, max: Frequency) -> Result<(), PlanError> {
        if min > max {
            return Err(PlanError::new(&self.id, field, PlanProblem::Reversed));
        }
        Ok(())
    }

    /// A plan without radios is for devices only, and its indexes mean nothing.
    fn check_radio(&self, field: &str, index: u8) -> Result<(), PlanError> {
        if self.radios.is_empty() || usize::from(index) < self.radios.len() {
            return Ok(());
        }
        Err(PlanError::new(&self.id, field, PlanProblem::UnknownRadio { index }))
    }
}
