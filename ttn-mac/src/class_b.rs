//! Class B: when beacons and ping slots are (TS001-1.0.4 §11.1, §11.2), and what a beacon says (TS001-1.1 §15.2).
//!
//! ```
//! use ttn_core::{addr::DevAddr, time::GpsTime};
//! use ttn_mac::class_b::{PingNb, next_ping_slot};
//!
//! let once = PingNb::new(1).expect("a power of two");
//! let slot = next_ping_slot(GpsTime::from_nanos(0), DevAddr::from_u32(0), once);
//! assert_eq!(slot.nanos(), 74_300_000_000);
//! ```

use ttn_core::{addr::DevAddr, key::Aes128Key, radio::Frequency, time::GpsTime};

use crate::{band::Band, crypto::encrypt_block};

/// From beacon to beacon, in nanoseconds: 128 s.
pub const BEACON_PERIOD_NANOS: i64 = 128_000_000_000;
/// From the beacon's time to the first ping slot, in nanoseconds: 2.12 s.
pub const BEACON_RESERVED_NANOS: i64 = 2_120_000_000;
/// The length of a ping slot, in nanoseconds: 30 ms.
pub const PING_SLOT_NANOS: i64 = 30_000_000;
/// The ping slots of a beacon period.
pub const PING_SLOTS: u16 = 4096;

const BEACON_PERIOD_SECONDS: u32 = 128;

/// How many ping slots a device has in a beacon period: a power of two from 1 to 128.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PingNb(u8);

impl PingNb {
    /// Makes a number; `None` if it is no power of two.
    #[must_use]
    pub const fn new(number: u8) -> Option<Self> {
        if number.is_power_of_two() { Some(Self(number)) } else { None }
    }

    /// The number that goes with the periodicity of PingSlotInfoReq; above 7, as 7.
    #[must_use]
    pub const fn of_periodicity(periodicity: u8) -> Self {
        let periodicity = if periodicity > 7 { 7 } else { periodicity };
        Self(128 >> periodicity)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }

    /// From ping slot to ping slot, in slots: 32 to 4096.
    #[must_use]
    pub const fn period(self) -> u16 {
        // The number is a power of two.
        PING_SLOTS >> self.0.trailing_zeros()
    }
}

/// The time of the beacon period that `time` is in.
#[must_use]
pub const fn beacon_time(time: GpsTime) -> GpsTime {
    let nanos = time.nanos();
    GpsTime::from_nanos(nanos.saturating_sub(nanos.rem_euclid(BEACON_PERIOD_NANOS)))
}

/// The first ping slot of a device in a beacon period; `None` unless the period has 32 to 4096 slots.
///
/// `beacon_time` are the seconds of GPS time that the beacon carries, modulo 2^32.
#[must_use]
pub fn ping_offset(beacon_time: u32, dev_addr: DevAddr, period: u16) -> Option<u16> {
    if !(32..=PING_SLOTS).contains(&period) {
        return None;
    }
    let [a, b, c, d] = beacon_time.to_le_bytes();
    let [e, f, g, h] = dev_addr.to_le_bytes();
    let block = [a, b, c, d, e, f, g, h, 0, 0, 0, 0, 0, 0, 0, 0];
    let [first, second, ..] = encrypt_block(&Aes128Key::new([0; 16]), block);
    u16::from_le_bytes([first, second]).checked_rem(period)
}

/// The first ping slot that begins after `after`.
#[must_use]
pub fn next_ping_slot(after: GpsTime, dev_addr: DevAddr, ping_nb: PingNb) -> GpsTime {
    let mut beacon = beacon_time(after);
    loop {
        if let Some(slot) = slot_in_period(after, beacon, dev_addr, ping_nb) {
            return slot;
        }
        // Every period has a slot, so that the next one has one after `after`.
        beacon = GpsTime::from_nanos(beacon.nanos().saturating_add(BEACON_PERIOD_NANOS));
        if beacon.nanos() == i64::MAX {
            return beacon;
        }
    }
}

fn slot_in_period(
    after: GpsTime,
    beacon: GpsTime,
    dev_addr: DevAddr,
    ping_nb: PingNb,
) -> Option<GpsTime> {
    let offset = ping_offset(seconds(beacon), dev_addr, ping_nb.period())?;
    (0..u16::from(ping_nb.get()))
        .map(|index| {
            let slot = offset.saturating_add(index.saturating_mul(ping_nb.period()));
            let nanos = i64::from(slot)
                .saturating_mul(PING_SLOT_NANOS)
                .saturating_add(BEACON_RESERVED_NANOS)
                .saturating_add(beacon.nanos());
            GpsTime::from_nanos(nanos)
        })
        .find(|slot| *slot > after)
}

/// The frequency of the beacon of a beacon period; `None` where the band has none.
#[must_use]
pub fn beacon_frequency(band: &Band, time: GpsTime) -> Option<Frequency> {
    band.beacon.frequencies.get(usize::from(beacon_channel(band, time)?)).copied()
}

/// The first beacon after `time`.
#[must_use]
pub const fn next_beacon(time: GpsTime) -> GpsTime {
    GpsTime::from_nanos(beacon_time(time).nanos().saturating_add(BEACON_PERIOD_NANOS))
}

/// Which of the band's beacon frequencies a beacon period uses; `None` where the band has none.
#[must_use]
pub fn beacon_channel(band: &Band, time: GpsTime) -> Option<u8> {
    let count = u32::try_from(band.beacon.frequencies.len()).ok()?;
    u8::try_from(period_of(time)?.checked_rem(count)?).ok()
}

/// The frequency of a device's ping slots in a beacon period; `None` where the band has none.
#[must_use]
pub fn ping_slot_frequency(band: &Band, time: GpsTime, dev_addr: DevAddr) -> Option<Frequency> {
    let period = u64::from(period_of(time).unwrap_or_default());
    let number = period.saturating_add(u64::from(dev_addr.to_u32()));
    let count = u64::try_from(band.ping_slot_frequencies.len()).ok()?;
    let index = usize::try_from(number.checked_rem(count)?).ok()?;
    band.ping_slot_frequencies.get(index).copied()
}

/// The number of the beacon period, by the seconds that the beacon carries.
fn period_of(time: GpsTime) -> Option<u32> {
    seconds(time).checked_div(BEACON_PERIOD_SECONDS)
}

/// The seconds of GPS time, modulo 2^32 as in a beacon.
const fn seconds(time: GpsTime) -> u32 {
    time.nanos().div_euclid(1_000_000_000) as u32
}

/// What a beacon says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BeaconFrame {
    /// The precision of its time: 10^(-6 + this) seconds, 0 to 3.
    pub param: u8,
    /// Seconds of GPS time, modulo 2^32.
    pub time: u32,
    /// What `latitude` and `longitude` are: 0 to 2 the place of an antenna, 3 NetID and gateway id.
    pub info_desc: u8,
    /// The latitude as received: 24 bits in two's complement, 2^23 for 90 degrees.
    pub latitude: u32,
    /// The longitude as received: 24 bits in two's complement, 2^23 for 180 degrees.
    pub longitude: u32,
    /// The first integrity code, over the time.
    pub crc1: u16,
    /// The second integrity code, over the rest.
    pub crc2: u16,
}

impl BeaconFrame {
    /// Reads a beacon that was sent with a spreading factor from 8 to 12; `None` if its length or one of its integrity codes
    /// is wrong.
    #[must_use]
    pub fn decode(spreading_factor: u8, octets: &[u8]) -> Option<Self> {
        let reserved = usize::from(spreading_factor.checked_sub(8).filter(|more| *more <= 4)?);
        let (_, rest) = octets.split_at_checked(reserved)?;
        let (&[param, a, b, c, d], _) = rest.split_first_chunk::<5>()?;
        let (first, rest) = octets.split_at_checked(reserved.checked_add(5)?)?;
        let (crc1, second) = rest.split_first_chunk::<2>()?;
        let (second, crc2) = second.split_last_chunk::<2>()?;
        let (&[info_desc, e, f, g, h, i, j], filler) = second.split_first_chunk::<7>()?;
        let frame = Self {
            param: param & 0x03,
            time: u32::from_le_bytes([a, b, c, d]),
            info_desc,
            latitude: u32::from_le_bytes([e, f, g, 0]),
            longitude: u32::from_le_bytes([h, i, j, 0]),
            crc1: u16::from_le_bytes(*crc1),
            crc2: u16::from_le_bytes(*crc2),
        };
        let whole = filler.len() == filler_length(spreading_factor);
        (whole && crc(first) == frame.crc1 && crc(second) == frame.crc2).then_some(frame)
    }
}

/// The reserved octets before the second integrity code.
const fn filler_length(spreading_factor: u8) -> usize {
    match spreading_factor {
        8 => 3,
        10 => 1,
        11 => 2,
        12 => 3,
        _ => 0,
    }
}

/// CRC-16 with the polynomial 0x1021 and a start of zero.
fn crc(octets: &[u8]) -> u16 {
    let mut crc = 0_u16;
    for octet in octets {
        crc ^= u16::from(*octet) << 8;
        for _ in 0..8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 };
        }
    }
    crc
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        // NS-84, TS001-1.0.4 §11.1, §11.2
        #[test]
        fn slots_of_a_device_are_a_period_apart_and_outside_the_beacon(
            seconds in 0_i64..4_000_000_000,
            address: u32,
            periodicity in 0_u8..8,
        ) {
            let ping_nb = PingNb::of_periodicity(periodicity);
            let address = DevAddr::from_u32(address);
            let after = GpsTime::from_nanos(seconds * 1_000_000_000);
            let slot = next_ping_slot(after, address, ping_nb);
            prop_assert!(slot > after);
            prop_assert!(slot.nanos() - after.nanos() <= 2 * BEACON_PERIOD_NANOS);
            let within = slot.nanos() - beacon_time(slot).nanos();
            prop_assert!(within >= BEACON_RESERVED_NANOS);
            prop_assert_eq!((within - BEACON_RESERVED_NANOS) % PING_SLOT_NANOS, 0);
            let next = next_ping_slot(slot, address, ping_nb);
            if beacon_time(next) == beacon_time(slot) {
                let period = i64::from(ping_nb.period()) * PING_SLOT_NANOS;
                prop_assert_eq!(next.nanos() - slot.nanos(), period);
            }
        }

        #[test]
        fn random_beacons_never_panic(sf: u8, octets in proptest::collection::vec(any::<u8>(), 0..30)) {
            let _ = BeaconFrame::decode(sf, &octets);
        }
    }
}
