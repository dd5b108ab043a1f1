//! The part of the state that changes with every frame, and its fixed layout.

use core::fmt;

use ttn_core::{radio::DataRateIndex, time::Timestamp};

/// Counters and history of the current session. [`Hot::encode`] gives [`HOT_LENGTH`] octets.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Hot {
    /// The counter of the last uplink; `None` before the first.
    pub f_cnt_up: Option<u32>,
    /// Whether the last uplink was confirmed.
    pub confirmed_up: bool,
    /// Whether the last uplink asked for a sign of life (NS-76).
    pub adr_ack_req: bool,
    /// The integrity code of the last uplink, which tells a retransmission from another frame (NS-12).
    pub last_mic: [u8; 4],
    /// How often the last uplink was received again.
    pub repeats: u8,
    /// When the last uplink was received; `None` before the first.
    pub last_uplink_at: Option<Timestamp>,
    /// The last counter of network downlinks that was used. Up to LoRaWAN 1.0.4 this is the only counter (NS-90).
    pub n_f_cnt_down: Option<u32>,
    /// The last counter of application downlinks that was used; LoRaWAN 1.1 only.
    pub a_f_cnt_down: Option<u32>,
    /// The counter of the last confirmed downlink: part of the integrity code of uplinks with ACK (LoRaWAN 1.1).
    pub conf_f_cnt_down: Option<u32>,
    /// Whether that downlink still waits for its acknowledgement.
    pub ack_pending: bool,
    /// The counter of the uplink that acknowledged the last change of ADR parameters.
    pub last_adr_change_f_cnt: Option<u32>,
    /// The downlink that was handed to a gateway and is not reported on yet.
    pub in_flight: Option<InFlight>,
    /// Commands whose answers the device repeats until it hears a downlink (NS-40); the low five bits, as in the engine.
    pub sticky: u8,
    /// How many uplinks in a row, up to [`UNANSWERED_MAX`], have left requests unanswered: a device that ignores them is
    /// asked less and less often.
    pub unanswered: u8,
    /// Whether a LinkADRReq was not answered since the last LinkADRAns, so that what the device does is not known.
    pub link_adr_unsure: bool,
    /// When the last downlink was to be sent, of any class (NS-85, NS-86); in steps of 1/256 s, see
    /// [`Self::note_downlink`].
    pub last_downlink_at: Option<Timestamp>,
    /// The last uplinks, for ADR and the packet error rate.
    pub adr_ring: AdrRing,
}

/// A downlink between hand-over and report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InFlight {
    /// Its counter.
    pub f_cnt: u32,
    /// Whether it took the counter of application downlinks (LoRaWAN 1.1, FPort above 0).
    pub application_counter: bool,
    /// Whether it carried an item of the application's queue.
    pub queue_item: bool,
    /// Whether it was confirmed.
    pub confirmed: bool,
    /// Whether it carried requests that now wait for answers.
    pub requests: bool,
}

/// The most uplinks that are remembered (NS-17, NS-69).
pub const ADR_RING_LENGTH: usize = 20;
/// The most that [`Hot::unanswered`] counts: it has three bits.
pub const UNANSWERED_MAX: u8 = 7;
/// The octets of an encoded [`Hot`].
pub const HOT_LENGTH: usize = 127;
/// The octets that a session record may have (DESIGN 4).
pub const HOT_LENGTH_MAX: usize = 128;

const _: () = assert!(HOT_LENGTH <= HOT_LENGTH_MAX, "the session record must stay small");

/// One uplink of the history, in four octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct AdrSample(u32);

impl AdrSample {
    /// Makes a sample. The SNR is kept in steps of 0.05 dB between -102.4 and 102.35 dB.
    #[must_use]
    pub fn new(f_cnt: u32, max_snr: f32, data_rate: DataRateIndex) -> Self {
        // `as` saturates, and maps NaN to zero.
        let steps = (max_snr * 20.0 + if max_snr < 0.0 { -0.5 } else { 0.5 }) as i32;
        let steps = steps.clamp(-2048, 2047).cast_unsigned() & 0xFFF;
        Self((f_cnt & 0xFFFF) | (steps << 16) | (u32::from(data_rate.get()) << 28))
    }

    /// The full counter, given one that is at most 65535 later.
    #[must_use]
    pub const fn f_cnt(self, latest: u32) -> u32 {
        latest.wrapping_sub(latest.wrapping_sub(self.0) & 0xFFFF)
    }

    /// The best SNR over all gateways, in dB.
    #[must_use]
    pub fn max_snr(self) -> f32 {
        // The twelve bits, sign extended.
        let steps = (self.0 << 4).cast_signed() >> 20;
        steps as f32 / 20.0
    }

    /// The data rate.
    #[must_use]
    pub const fn data_rate(self) -> DataRateIndex {
        DataRateIndex::from_low_bits((self.0 >> 28) as u8)
    }
}

/// The last [`ADR_RING_LENGTH`] uplinks, oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct AdrRing {
    samples: [AdrSample; ADR_RING_LENGTH],
    length: u8,
}

impl AdrRing {
    /// Adds an uplink; the oldest falls out when it is full.
    pub fn push(&mut self, sample: AdrSample) {
        if let Some(slot) = self.samples.get_mut(usize::from(self.length)) {
            *slot = sample;
            self.length = self.length.saturating_add(1);
        } else {
            self.samples.rotate_left(1);
            if let Some(last) = self.samples.last_mut() {
                *last = sample;
            }
        }
    }

    /// The uplinks, oldest first.
    #[must_use]
    pub fn samples(&self) -> &[AdrSample] {
        self.samples.get(..usize::from(self.length)).unwrap_or_default()
    }

    /// Forgets everything.
    pub const fn clear(&mut self) {
        self.length = 0;
        self.samples = [AdrSample(0); ADR_RING_LENGTH];
    }
}

/// Octets that are no encoded [`Hot`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HotDecodeError {
    /// The ring claims more samples than it can have.
    Ring {
        /// How many.
        got: u8,
    },
    /// Not [`HOT_LENGTH`] octets.
    Length {
        /// How many.
        got: usize,
    },
    /// A layout that this version does not know.
    Version {
        /// Which.
        got: u8,
    },
}

impl fmt::Display for HotDecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { got } => {
                write!(f, "a session record of {got} octets instead of {HOT_LENGTH}")
            }
            Self::Ring { got } => {
                write!(f, "a session record with {got} uplinks, above {ADR_RING_LENGTH}")
            }
            Self::Version { got } => {
                write!(f, "a session record of layout {got}, known is {LAYOUT}")
            }
        }
    }
}

impl core::error::Error for HotDecodeError {}

impl Hot {
    /// Notes when a downlink is sent, rounded up to what the layout can hold.
    pub fn note_downlink(&mut self, at: Timestamp) {
        self.last_downlink_at = from_steps(to_steps(Some(at)));
    }

    /// Writes the fixed layout: version, flags, numbers in little-endian order, ring.
    #[must_use]
    pub fn encode(&self) -> [u8; HOT_LENGTH] {
        let mut out = Writer { octets: [0; HOT_LENGTH], at: 0 };
        out.put(&[LAYOUT]);
        out.put(&self.flags().to_le_bytes());
        out.put(&self.f_cnt_up.unwrap_or_default().to_le_bytes());
        out.put(&self.last_mic);
        // Earlier records have zero in the upper bits.
        let unanswered = self.unanswered.min(UNANSWERED_MAX) << STICKY_BITS;
        out.put(&[self.repeats, (self.sticky & STICKY_MASK) | unanswered]);
        out.put(&self.last_uplink_at.unwrap_or_default().unix_nanos().to_le_bytes());
        out.put(&self.n_f_cnt_down.unwrap_or_default().to_le_bytes());
        out.put(&self.a_f_cnt_down.unwrap_or_default().to_le_bytes());
        out.put(&self.conf_f_cnt_down.unwrap_or_default().to_le_bytes());
        out.put(&self.last_adr_change_f_cnt.unwrap_or_default().to_le_bytes());
        out.put(&self.in_flight.map_or(0, |flight| flight.f_cnt).to_le_bytes());
        let [a, b, c, d, e, ..] = to_steps(self.last_downlink_at).to_le_bytes();
        out.put(&[a, b, c, d, e]);
        out.put(&[self.adr_ring.length]);
        for sample in self.adr_ring.samples {
            out.put(&sample.0.to_le_bytes());
        }
        out.octets
    }

    /// Reads what [`Self::encode`] wrote.
    ///
    /// # Errors
    ///
    /// The octets are something else.
    pub fn decode(octets: &[u8]) -> Result<Self, HotDecodeError> {
        let mut read = Reader(octets);
        let length = HotDecodeError::Length { got: octets.len() };
        let [version] = read.take::<1>().ok_or(length)?;
        if version != LAYOUT {
            return Err(HotDecodeError::Version { got: version });
        }
        if octets.len() != HOT_LENGTH {
            return Err(length);
        }
        Self::decode_fields(&mut read).ok_or(length)?
    }

    fn decode_fields(read: &mut Reader<'_>) -> Option<Result<Self, HotDecodeError>> {
        let flags = u16::from_le_bytes(read.take()?);
        let has = |bit: u16| flags & bit != 0;
        let f_cnt_up = read.u32()?;
        let last_mic = read.take()?;
        let [repeats, sticky] = read.take()?;
        let last_uplink_at = Timestamp::from_unix_nanos(i64::from_le_bytes(read.take()?));
        let n_f_cnt_down = read.u32()?;
        let a_f_cnt_down = read.u32()?;
        let conf_f_cnt_down = read.u32()?;
        let last_adr_change_f_cnt = read.u32()?;
        let in_flight = InFlight {
            f_cnt: read.u32()?,
            application_counter: has(FLIGHT_APPLICATION_COUNTER),
            queue_item: has(FLIGHT_QUEUE_ITEM),
            confirmed: has(FLIGHT_CONFIRMED),
            requests: has(FLIGHT_REQUESTS),
        };
        let [a, b, c, d, e] = read.take()?;
        let last_downlink_at = from_steps(u64::from_le_bytes([a, b, c, d, e, 0, 0, 0]));
        let [length] = read.take()?;
        let mut adr_ring = AdrRing { length, ..AdrRing::default() };
        if usize::from(length) > ADR_RING_LENGTH {
            return Some(Err(HotDecodeError::Ring { got: length }));
        }
        for sample in &mut adr_ring.samples {
            *sample = AdrSample(read.u32()?);
        }
        Some(Ok(Self {
            f_cnt_up: has(F_CNT_UP).then_some(f_cnt_up),
            confirmed_up: has(CONFIRMED_UP),
            adr_ack_req: has(ADR_ACK_REQ),
            last_mic,
            repeats,
            last_uplink_at: has(LAST_UPLINK_AT).then_some(last_uplink_at),
            n_f_cnt_down: has(N_F_CNT_DOWN).then_some(n_f_cnt_down),
            a_f_cnt_down: has(A_F_CNT_DOWN).then_some(a_f_cnt_down),
            conf_f_cnt_down: has(CONF_F_CNT_DOWN).then_some(conf_f_cnt_down),
            ack_pending: has(ACK_PENDING),
            last_adr_change_f_cnt: has(LAST_ADR_CHANGE).then_some(last_adr_change_f_cnt),
            in_flight: has(IN_FLIGHT).then_some(in_flight),
            sticky: sticky & STICKY_MASK,
            unanswered: sticky >> STICKY_BITS,
            link_adr_unsure: has(LINK_ADR_UNSURE),
            last_downlink_at,
            adr_ring,
        }))
    }

    fn flags(&self) -> u16 {
        let flight = self.in_flight;
        let in_flight = |of: fn(InFlight) -> bool| flight.is_some_and(of);
        [
            (self.f_cnt_up.is_some(), F_CNT_UP),
            (self.confirmed_up, CONFIRMED_UP),
            (self.adr_ack_req, ADR_ACK_REQ),
            (self.last_uplink_at.is_some(), LAST_UPLINK_AT),
            (self.n_f_cnt_down.is_some(), N_F_CNT_DOWN),
            (self.a_f_cnt_down.is_some(), A_F_CNT_DOWN),
            (self.conf_f_cnt_down.is_some(), CONF_F_CNT_DOWN),
            (self.ack_pending, ACK_PENDING),
            (self.last_adr_change_f_cnt.is_some(), LAST_ADR_CHANGE),
            (flight.is_some(), IN_FLIGHT),
            (in_flight(|flight| flight.application_counter), FLIGHT_APPLICATION_COUNTER),
            (in_flight(|flight| flight.queue_item), FLIGHT_QUEUE_ITEM),
            (in_flight(|flight| flight.confirmed), FLIGHT_CONFIRMED),
            (in_flight(|flight| flight.requests), FLIGHT_REQUESTS),
            (self.link_adr_unsure, LINK_ADR_UNSURE),
        ]
        .into_iter()
        .fold(0, |flags, (set, bit)| if set { flags | bit } else { flags })
    }
}

struct Writer {
    octets: [u8; HOT_LENGTH],
    at: usize,
}

impl Writer {
    fn put(&mut self, value: &[u8]) {
        for (to, from) in self.octets.iter_mut().skip(self.at).zip(value) {
            *to = *from;
        }
        self.at = self.at.saturating_add(value.len());
    }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }
}

/// Time since 1970 in 1/256 s, rounded up, in 40 bits: until 2106. Zero stands for none.
fn to_steps(at: Option<Timestamp>) -> u64 {
    let nanos = at.map_or(0, |at| u64::try_from(at.unix_nanos()).unwrap_or(0));
    nanos.div_ceil(STEP_NANOS).min((1 << 40) - 1)
}

fn from_steps(steps: u64) -> Option<Timestamp> {
    let nanos = i64::try_from(steps.saturating_mul(STEP_NANOS)).unwrap_or(i64::MAX);
    (steps > 0).then(|| Timestamp::from_unix_nanos(nanos))
}

/// 1/256 s.
const STEP_NANOS: u64 = 3_906_250;

const LAYOUT: u8 = 2;

/// The bits of [`Hot::sticky`]; [`Hot::unanswered`] has the others of its octet.
const STICKY_BITS: u32 = 5;
const STICKY_MASK: u8 = (1 << STICKY_BITS) - 1;

const F_CNT_UP: u16 = 1;
const CONFIRMED_UP: u16 = 1 << 1;
const LAST_UPLINK_AT: u16 = 1 << 2;
const N_F_CNT_DOWN: u16 = 1 << 3;
const A_F_CNT_DOWN: u16 = 1 << 4;
const CONF_F_CNT_DOWN: u16 = 1 << 5;
const ACK_PENDING: u16 = 1 << 6;
const LAST_ADR_CHANGE: u16 = 1 << 7;
const IN_FLIGHT: u16 = 1 << 8;
const FLIGHT_APPLICATION_COUNTER: u16 = 1 << 9;
const FLIGHT_QUEUE_ITEM: u16 = 1 << 10;
const FLIGHT_CONFIRMED: u16 = 1 << 11;
const FLIGHT_REQUESTS: u16 = 1 << 12;
const ADR_ACK_REQ: u16 = 1 << 13;
const LINK_ADR_UNSURE: u16 = 1 << 14;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    // NS-85: what a restart remembers is never earlier than what was.
    #[test]
    fn the_time_of_a_downlink_is_rounded_up() {
        let mut hot = Hot::default();
        hot.note_downlink(Timestamp::from_unix_nanos(1_790_000_000_000_000_001));
        let kept = hot.last_downlink_at.unwrap();
        assert_eq!(kept.unix_nanos(), 1_790_000_000_003_906_250);
        assert_eq!(Hot::decode(&hot.encode()), Ok(hot));
    }

    fn any_hot() -> impl Strategy<Value = Hot> {
        let flight = any::<(u32, bool, bool, bool, bool)>().prop_map(
            |(f_cnt, application_counter, queue_item, confirmed, requests)| InFlight {
                f_cnt,
                application_counter,
                queue_item,
                confirmed,
                requests,
            },
        );
        let numbers = any::<[Option<u32>; 5]>();
        let ring = proptest::collection::vec((any::<u32>(), -30_f32..30.0, 0_u8..16), 0..30);
        let rest = any::<(bool, bool, [u8; 4], u8, u8, Option<i64>, bool, bool, u32)>();
        (numbers, rest, proptest::option::of(flight), ring).prop_map(
            |(numbers, rest, in_flight, samples)| {
                let mut adr_ring = AdrRing::default();
                for (f_cnt, snr, dr) in samples {
                    adr_ring.push(AdrSample::new(f_cnt, snr, DataRateIndex::from_low_bits(dr)));
                }
                Hot {
                    f_cnt_up: numbers[0],
                    confirmed_up: rest.0,
                    adr_ack_req: rest.6,
                    last_mic: rest.2,
                    repeats: rest.3,
                    last_uplink_at: rest.5.map(Timestamp::from_unix_nanos),
                    n_f_cnt_down: numbers[1],
                    a_f_cnt_down: numbers[2],
                    conf_f_cnt_down: numbers[3],
                    ack_pending: rest.1,
                    last_adr_change_f_cnt: numbers[4],
                    in_flight,
                    sticky: rest.4 & STICKY_MASK,
                    unanswered: rest.4 >> STICKY_BITS,
                    link_adr_unsure: rest.7,
                    last_downlink_at: from_steps(rest.8.into()),
                    adr_ring,
                }
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded_again(hot in any_hot()) {
            prop_assert_eq!(Hot::decode(&hot.encode()), Ok(hot));
        }

        #[test]
        fn arbitrary_octets_never_panic(octets in proptest::collection::vec(any::<u8>(), 0..140)) {
            let _ = Hot::decode(&octets);
        }

        #[test]
        fn a_sample_keeps_counter_snr_and_data_rate(f_cnt: u32, ago in 0_u32..0xFFFF, tenths in -400_i32..400, dr in 0_u8..16) {
            let dr = DataRateIndex::from_low_bits(dr);
            let snr = tenths as f32 / 10.0;
            let sample = AdrSample::new(f_cnt, snr, dr);
            prop_assert_eq!(sample.f_cnt(f_cnt.wrapping_add(ago)), f_cnt);
            prop_assert_eq!(sample.max_snr(), snr);
            prop_assert_eq!(sample.data_rate(), dr);
        }
    }

    #[test]
    fn other_layouts_and_lengths_are_refused_by_name() {
        let mut octets = Hot::default().encode();
        assert_eq!(Hot::decode(&octets[1..]), Err(HotDecodeError::Version { got: 0 }));
        assert_eq!(Hot::decode(&octets[..9]), Err(HotDecodeError::Length { got: 9 }));
        octets[0] = 9;
        assert_eq!(Hot::decode(&octets), Err(HotDecodeError::Version { got: 9 }));
    }

    // NS-17
    #[test]
    fn the_ring_keeps_the_last_twenty() {
        let mut ring = AdrRing::default();
        for f_cnt in 0..25 {
            ring.push(AdrSample::new(f_cnt, 0.0, DataRateIndex::ZERO));
        }
        assert_eq!(ring.samples().len(), 20);
        assert_eq!(ring.samples()[0].f_cnt(24), 5);
    }
}
