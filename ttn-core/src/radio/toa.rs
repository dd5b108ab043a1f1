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
    /// The frequency is neither below 1 GHz nor in the 2.4 GHz band: no formula is known for its radios.
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
            Self::Frequency => "the frequency is neither below 1 GHz nor at 2.4 GHz",
            Self::SpreadingFactor => "the spreading factor is not 5 to 12",
        })
    }
}

impl core::error::Error for TimeOnAirError {}

/// Computes how long `size` octets of PHYPayload with a CRC occupy the air; without one they take a little less.
///
/// # Errors
///
/// As [`time_on_air_with`].
pub fn time_on_air(
    size: usize,
    frequency: Frequency,
    data_rate: &DataRate,
) -> Result<Duration, TimeOnAirError> {
    time_on_air_with(size, frequency, data_rate, true)
}

/// Computes how long `size` octets of PHYPayload occupy the air, with or without a CRC behind them: uplinks have one,
/// downlinks have none.
///
/// It counts for LoRa at 2.4 GHz only: below 1 GHz the 16 bits are always counted, as The Things Stack does.
///
/// # Errors
///
/// The parameters do not describe a transmission.
pub fn time_on_air_with(
    size: usize,
    frequency: Frequency,
    data_rate: &DataRate,
    crc: bool,
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
            lora(size, frequency, (spreading_factor, bandwidth, coding_rate), crc)
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
    (spreading_factor, bandwidth, coding_rate): (u8, u32, CodingRate),
    crc: bool,
) -> Result<Duration, TimeOnAirError> {
    if !(5..=12).contains(&spreading_factor) {
        return Err(TimeOnAirError::SpreadingFactor);
    }
    if bandwidth == 0 {
        return Err(TimeOnAirError::Bandwidth);
    }
    let sf = i64::from(spreading_factor);
    let size = i64::try_from(size).unwrap_or(0xFFFF_FFFF);
    let quarters = match frequency.hz() {
        ..1_000_000_000 => sub_ghz_quarters(size, sf, bandwidth, coding_rate)?,
        2_400_000_000..=2_500_000_000 => ism_2400_quarters(size, sf, coding_rate, crc)?,
        _ => return Err(TimeOnAirError::Frequency),
    };
    let symbol_ns_times_bandwidth = (1_i64 << sf) * 1_000_000_000;
    let ns =
        i128::from(quarters) * i128::from(symbol_ns_times_bandwidth) / (4 * i128::from(bandwidth));
    Ok(Duration::from_nanos(u64::try_from(ns).unwrap_or(u64::MAX)))
}

/// Quarters of symbols below 1 GHz: preamble 8 + 4.25 symbols, then 8 and the coded blocks.
fn sub_ghz_quarters(
    size: i64,
    sf: i64,
    bandwidth: u32,
    coding_rate: CodingRate,
) -> Result<i64, TimeOnAirError> {
    let symbols_per_block = match coding_rate {
        CodingRate::R4_5 => 5,
        CodingRate::R4_6 => 6,
        CodingRate::R4_7 => 7,
        CodingRate::R4_8 => 8,
        _ => return Err(TimeOnAirError::CodingRate),
    };
    let low_data_rate = i64::from(sf >= 11 && bandwidth == 125_000);
    let bits = 8 * size - 4 * sf + 28 + 16;
    let blocks = blocks(bits, 4 * (sf - 2 * low_data_rate));
    Ok(49 + 4 * (8 + blocks * symbols_per_block))
}

/// Quarters of symbols of the radios at 2.4 GHz. With long interleaving the blocks are not filled up one by one, and the
/// first octets go into the header's symbols.
fn ism_2400_quarters(
    size: i64,
    sf: i64,
    coding_rate: CodingRate,
    crc: bool,
) -> Result<i64, TimeOnAirError> {
    let (symbols_per_block, long_interleaving) = match coding_rate {
        CodingRate::R4_5 => (5, false),
        CodingRate::R4_6 => (6, false),
        CodingRate::R4_7 => (7, false),
        CodingRate::R4_8 => (8, false),
        CodingRate::R4_5Li => (5, true),
        CodingRate::R4_6Li => (6, true),
        CodingRate::R4_8Li => (8, true),
        _ => return Err(TimeOnAirError::CodingRate),
    };
    let crc = if crc { 16 } else { 0 };
    let per_block = if sf > 10 { 4 * (sf - 2) } else { 4 * sf };
    // SF5 and SF6 have two symbols more between preamble and header, and eight bits less behind it.
    let (preamble, fill) = if sf < 7 { (57, 0) } else { (49, 8) };
    let coded = if long_interleaving {
        let in_header = (if sf < 7 { (sf - 5) / 2 } else { (sf - 7) / 2 }) * 8;
        blocks((8 * size + crc - in_header.min(8 * size)) * symbols_per_block, per_block)
    } else {
        blocks(8 * size + crc - 4 * sf + fill + 20, per_block) * symbols_per_block
    };
    Ok(preamble + 4 * (8 + coded))
}

const fn blocks(bits: i64, per_block: i64) -> i64 {
    if bits > 0 { (bits + per_block - 1) / per_block } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ten_octet_frame_at_sf7_takes_41_216_us() {
        let toa = time_on_air(10, Frequency::from_hz(868_100_000), &DataRate::lora(7, 125_000));
        assert_eq!(toa, Ok(Duration::from_micros(41_216)));
    }

    #[test]
    fn at_2_4_ghz_the_crc_counts_and_in_between_nothing_is_known() {
        let rate = DataRate::Lora {
            spreading_factor: 7,
            bandwidth: 812_000,
            coding_rate: CodingRate::R4_6Li,
        };
        let at = |hz, crc| time_on_air_with(10, Frequency::from_hz(hz), &rate, crc);
        assert_eq!(at(2_422_000_000, false), Ok(Duration::from_nanos(6_029_556)));
        assert!(at(2_422_000_000, true).unwrap() > at(2_422_000_000, false).unwrap());
        assert_eq!(at(1_500_000_000, true), Err(TimeOnAirError::Frequency));
    }
}
