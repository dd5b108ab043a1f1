//! Time on air.

use core::{fmt, time::Duration};

use super::{CodingRate, DataRate, Frequency};

/// A transmission whose time on air is not defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimeOnAirError {
    /// The bandwidth is zero.
    Bandwidth,
    /// The bit rate is zero.
    BitRate,
    /// The coding rate does not belong to the modulation.
    CodingRate,
    /// The frequency is above 1 GHz, where another formula holds that is not built yet.
    Frequency,
    /// The spreading factor is not 5 to 12.
    SpreadingFactor,
}

impl fmt::Display for TimeOnAirError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bandwidth => "the bandwidth is zero",
            Self::BitRate => "the bit rate is zero",
            Self::CodingRate => "the coding rate does not belong to the modulation",
            Self::Frequency => "time on air above 1 GHz is not supported",
            Self::SpreadingFactor => "the spreading factor is not 5 to 12",
        })
    }
}

impl core::error::Error for TimeOnAirError {}

/// Computes how long `size` octets of PHYPayload occupy the air.
///
/// LoRa below 1 GHz always counts the 16 CRC bits, for downlinks too, as The Things Stack does.
///
/// # Errors
///
/// The parameters do not describe a transmission.
pub fn time_on_air(
    size: usize,
    frequency: Frequency,
    data_rate: &DataRate,
) -> Result<Duration, TimeOnAirError> {
    match *data_rate {
        DataRate::Fsk { bit_rate } => {
            if bit_rate == 0 {
                return Err(TimeOnAirError::BitRate);
            }
            // Preamble 5, sync word 3, length 1, CRC 2.
            let bits = (size as u64 + 11) * 8;
            Ok(Duration::from_nanos(bits * 1_000_000_000 / u64::from(bit_rate)))
        }
        DataRate::Lora { spreading_factor, bandwidth, coding_rate } => {
            lora(size, frequency, spreading_factor, bandwidth, coding_rate)
        }
        DataRate::LrFhss { coding_rate, .. } => {
            let (headers, octets_per_fragment) = match coding_rate {
                CodingRate::R1_3 => (3, 2),
                CodingRate::R2_3 => (2, 4),
                _ => return Err(TimeOnAirError::CodingRate),
            };
            let fragments = (size as u64 + 3).div_ceil(octets_per_fragment);
            Ok(Duration::from_nanos(headers * 233_472_000 + fragments * 102_400_000))
        }
    }
}

fn lora(
    size: usize,
    frequency: Frequency,
    spreading_factor: u8,
    bandwidth: u32,
    coding_rate: CodingRate,
) -> Result<Duration, TimeOnAirError> {
    if !(5..=12).contains(&spreading_factor) {
        return Err(TimeOnAirError::SpreadingFactor);
    }
    if bandwidth == 0 {
        return Err(TimeOnAirError::Bandwidth);
    }
    if frequency.hz() >= 1_000_000_000 {
        return Err(TimeOnAirError::Frequency);
    }
    let denominator = match coding_rate {
        CodingRate::R4_5 => 5,
        CodingRate::R4_6 => 6,
        CodingRate::R4_7 => 7,
        CodingRate::R4_8 => 8,
        _ => return Err(TimeOnAirError::CodingRate),
    };
    let sf = i64::from(spreading_factor);
    let size = i64::try_from(size).unwrap_or(0xFFFF_FFFF);
    let low_data_rate = i64::from(sf >= 11 && bandwidth == 125_000);
    let bits = 8 * size - 4 * sf + 28 + 16;
    let per_block = 4 * (sf - 2 * low_data_rate);
    let blocks = if bits > 0 { (bits + per_block - 1) / per_block } else { 0 };
    // Preamble 8 + 4.25 symbols, then 8 and the coded blocks; in quarters, so that it stays exact.
    let quarters = 49 + 4 * (8 + blocks * denominator);
    let symbol_ns_times_bandwidth = (1_i64 << sf) * 1_000_000_000;
    let ns =
        i128::from(quarters) * i128::from(symbol_ns_times_bandwidth) / (4 * i128::from(bandwidth));
    Ok(Duration::from_nanos(u64::try_from(ns).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ten_octet_frame_at_sf7_takes_41_216_us() {
        let toa = time_on_air(10, Frequency::from_hz(868_100_000), &DataRate::lora(7, 125_000));
        assert_eq!(toa, Ok(Duration::from_micros(41_216)));
    }
}
