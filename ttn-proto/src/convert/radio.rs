//! Data rates and settings of transmissions.

use ttn_core::msg::TxSettings;
use ttn_core::radio::{CodingRate, DataRate, Frequency};
use ttn_core::time::ConcentratorTime;

use super::{ConvertError, timestamp, to_timestamp};
use crate::v3;
use crate::v3::data_rate::Modulation;

impl From<DataRate> for v3::DataRate {
    fn from(rate: DataRate) -> Self {
        let modulation = match rate {
            DataRate::Fsk { bit_rate } => Some(Modulation::Fsk(v3::FskDataRate { bit_rate })),
            DataRate::Lora { spreading_factor, bandwidth, coding_rate } => {
                Some(Modulation::Lora(v3::LoRaDataRate {
                    bandwidth,
                    spreading_factor: spreading_factor.into(),
                    coding_rate: coding_rate.as_str().to_owned(),
                }))
            }
            DataRate::LrFhss { modulation_type, operating_channel_width, coding_rate } => {
                Some(Modulation::Lrfhss(v3::LrfhssDataRate {
                    modulation_type,
                    operating_channel_width,
                    coding_rate: coding_rate.as_str().to_owned(),
                }))
            }
            _ => None,
        };
        Self { modulation }
    }
}

impl TryFrom<&v3::DataRate> for DataRate {
    type Error = ConvertError;

    fn try_from(rate: &v3::DataRate) -> Result<Self, ConvertError> {
        match rate.modulation.as_ref().ok_or(ConvertError::missing("modulation"))? {
            Modulation::Fsk(fsk) => Ok(Self::Fsk { bit_rate: fsk.bit_rate }),
            Modulation::Lora(lora) => Ok(Self::Lora {
                spreading_factor: u8::try_from(lora.spreading_factor)
                    .map_err(|error| ConvertError::malformed("spreading_factor", error))?,
                bandwidth: lora.bandwidth,
                coding_rate: coding_rate(&lora.coding_rate)?,
            }),
            Modulation::Lrfhss(lrfhss) => Ok(Self::LrFhss {
                modulation_type: lrfhss.modulation_type,
                operating_channel_width: lrfhss.operating_channel_width,
                coding_rate: coding_rate(&lrfhss.coding_rate)?,
            }),
        }
    }
}

/// The coding rate of older messages was always 4/5 and not written.
fn coding_rate(text: &str) -> Result<CodingRate, ConvertError> {
    if text.is_empty() {
        return Ok(CodingRate::R4_5);
    }
    text.parse().map_err(|_| ConvertError::malformed("coding_rate", format!("`{text}`")))
}

impl From<&TxSettings> for v3::TxSettings {
    fn from(settings: &TxSettings) -> Self {
        Self {
            data_rate: Some(settings.data_rate.into()),
            frequency: settings.frequency.hz(),
            timestamp: settings.timestamp,
            time: settings.time.map(timestamp),
            concentrator_timestamp: settings.concentrator_time.map_or(0, ConcentratorTime::nanos),
            ..Self::default()
        }
    }
}

impl TryFrom<&v3::TxSettings> for TxSettings {
    type Error = ConvertError;

    fn try_from(settings: &v3::TxSettings) -> Result<Self, ConvertError> {
        let rate = settings.data_rate.as_ref().ok_or(ConvertError::missing("data_rate"))?;
        let concentrator = settings.concentrator_timestamp;
        Ok(Self {
            data_rate: rate.try_into()?,
            frequency: Frequency::from_hz(settings.frequency),
            timestamp: settings.timestamp,
            time: settings.time.as_ref().map(to_timestamp),
            concentrator_time: (concentrator != 0)
                .then(|| ConcentratorTime::from_nanos(concentrator)),
        })
    }
}
