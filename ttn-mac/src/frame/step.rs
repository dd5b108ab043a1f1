//! Frequencies as the wire carries them: 24 bits of a unit that the band gives (RP002: CFList of each region; 100 Hz,
//! and 200 Hz in the band of 2.4 GHz).

use ttn_core::radio::Frequency;

use super::BuildError;

/// The unit of the 24-bit frequencies of MAC commands and CFLists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum FrequencyStep {
    /// 100 Hz, in all bands below 1.6 GHz.
    Hz100,
    /// 200 Hz, at 2.4 GHz.
    Hz200,
}

impl FrequencyStep {
    /// The lowest frequency that may be encoded, zero apart.
    const FREQUENCY_MIN: Frequency = Frequency::from_hz(100_000);

    /// The unit in hertz.
    #[must_use]
    pub const fn hz(self) -> u32 {
        match self {
            Self::Hz100 => 100,
            Self::Hz200 => 200,
        }
    }

    /// Reads three octets in on-air order.
    #[must_use]
    pub const fn decode(self, octets: [u8; 3]) -> Frequency {
        let [a, b, c] = octets;
        let units = u32::from_le_bytes([a, b, c, 0]) as u64;
        Frequency::from_hz(units.saturating_mul(self.hz() as u64))
    }

    /// Writes three octets in on-air order.
    ///
    /// # Errors
    ///
    /// [`BuildError::Frequency`] below 100 kHz (zero included), above 24 bits, and for what is no multiple of the unit.
    pub const fn encode(self, frequency: Frequency) -> Result<[u8; 3], BuildError> {
        if frequency.hz() < Self::FREQUENCY_MIN.hz() {
            return Err(BuildError::Frequency { hz: frequency.hz(), step: self.hz() });
        }
        self.encode_any(frequency)
    }

    /// Like [`Self::encode`], but zero stands for “none” and is written as such.
    ///
    /// # Errors
    ///
    /// As [`Self::encode`].
    pub const fn encode_or_none(self, frequency: Frequency) -> Result<[u8; 3], BuildError> {
        if frequency.is_zero() { Ok([0; 3]) } else { self.encode(frequency) }
    }

    /// Writes whatever fits.
    pub(super) const fn encode_any(self, frequency: Frequency) -> Result<[u8; 3], BuildError> {
        let (hz, step) = (frequency.hz(), self.hz());
        let refused = Err(BuildError::Frequency { hz, step });
        let (Some(units), Some(0)) = (hz.checked_div(step as u64), hz.checked_rem(step as u64))
        else {
            return refused;
        };
        match units.to_le_bytes() {
            [a, b, c, 0, 0, 0, 0, 0] => Ok([a, b, c]),
            _ => refused,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_the_wire_cannot_carry() {
        for hz in [0, 99_999, 868_100_050, 1_677_721_600] {
            let frequency = Frequency::from_hz(hz);
            assert_eq!(
                FrequencyStep::Hz100.encode(frequency),
                Err(BuildError::Frequency { hz, step: 100 })
            );
        }
        assert_eq!(FrequencyStep::Hz100.encode_or_none(Frequency::from_hz(0)), Ok([0; 3]));
    }

    #[test]
    fn reads_back_what_it_wrote() {
        for (step, hz) in [
            (FrequencyStep::Hz100, 868_100_000),
            (FrequencyStep::Hz100, 1_677_721_500),
            (FrequencyStep::Hz200, 2_403_000_000),
        ] {
            let frequency = Frequency::from_hz(hz);
            assert_eq!(step.encode(frequency).map(|octets| step.decode(octets)), Ok(frequency));
        }
    }
}
