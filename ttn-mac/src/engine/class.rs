//! When a device listens: the class that it begins with, and what class B needs (NS-35, NS-36).

use ttn_core::radio::{DataRateIndex, Frequency};

use super::Engine;
use crate::{
    class_b::PingNb,
    state::{DeviceClass, MacState},
    version::{MacRules as _, MacVersion},
};

/// What a device can do besides class A, as it was registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_structs, reason = "built by other crates")]
pub struct Classes {
    /// It can do class B.
    pub b: bool,
    /// It can do class C.
    pub c: bool,
    /// It stands for a multicast group, which never sends.
    pub multicast: bool,
}

/// What is missing for class B (NS-36).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoClassB {
    /// The band does not have the data rate of its ping slots.
    DataRate {
        /// Which.
        index: DataRateIndex,
    },
    /// Neither the device nor the band has a frequency of ping slots.
    Frequency,
    /// It was not registered as a device of class B.
    NotSupported,
    /// Neither a setting nor the device (PingSlotInfoReq) says how often it listens.
    Periodicity,
}

impl NoClassB {
    /// A name that never changes.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::DataRate { .. } => "ping_slot_data_rate_unknown",
            Self::Frequency => "ping_slot_frequency_missing",
            Self::NotSupported => "class_b_not_supported",
            Self::Periodicity => "ping_slot_periodicity_missing",
        }
    }
}

/// How a device listens in class B.
#[derive(Clone, Copy, Debug)]
pub(super) struct PingSlots {
    pub(super) number: PingNb,
    pub(super) data_rate: DataRateIndex,
    /// `None` for the frequencies of the band in turn.
    pub(super) frequency: Option<Frequency>,
}

impl Engine<'_> {
    /// The class that a session starts with (NS-35).
    pub(super) fn start_class(&self, version: MacVersion) -> DeviceClass {
        match self.classes {
            Classes { multicast: true, c: true, .. } => DeviceClass::C,
            Classes { multicast: true, .. } => DeviceClass::B,
            Classes { c: true, .. } if !version.uses_device_mode_ind() => DeviceClass::C,
            _ => DeviceClass::A,
        }
    }

    /// The ping slots of a device, whether it is in class B or not.
    pub(super) fn ping_slots(&self, st: &MacState) -> Result<PingSlots, NoClassB> {
        if !self.classes.b {
            return Err(NoClassB::NotSupported);
        }
        let current = &st.slow.current;
        let frequency = Some(current.ping_slot_frequency).filter(|hertz| !hertz.is_zero());
        if frequency.is_none() && self.band.ping_slot_frequencies.is_empty() {
            return Err(NoClassB::Frequency);
        }
        let data_rate = current.ping_slot_data_rate.unwrap_or(self.band.beacon.data_rate);
        if self.band.data_rate(data_rate).is_none() {
            return Err(NoClassB::DataRate { index: data_rate });
        }
        let periodicity = st.slow.ping_slot_periodicity.ok_or(NoClassB::Periodicity)?;
        let number = PingNb::of_periodicity(periodicity);
        Ok(PingSlots { number, data_rate, frequency })
    }

    /// Gives up a class that the registration does not have any more, and takes the one that goes with it.
    pub(super) fn settle_class(&self, st: &mut MacState) {
        let start = self.start_class(st.slow.version);
        st.slow.class = match st.slow.class {
            _ if self.classes.multicast => start,
            DeviceClass::B if self.classes.b => DeviceClass::B,
            DeviceClass::C if self.classes.c => DeviceClass::C,
            _ => start,
        };
    }
}
