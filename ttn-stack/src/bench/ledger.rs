//! What was sent and what came of it: every payload once, and the one that was sent.

use std::time::Duration;

use parking_lot::Mutex;
use serde::Serialize;
use ttn_core::time::Monotonic;

/// The octets of a payload.
pub(super) const PAYLOAD_LENGTH: usize = 20;

/// Keeps books of one kind of message. It takes 24 octets for each.
#[derive(Debug, Default)]
pub(super) struct Ledger(Mutex<Books>);

#[derive(Debug, Default)]
struct Books {
    /// The number of the first payload.
    base: u64,
    sent: Vec<Entry>,
    micros: Vec<u32>,
    duplicated: u64,
    wrong: u64,
    first_sent: Option<Monotonic>,
    last_delivered: Option<Monotonic>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    at: Monotonic,
    device: u32,
    is_delivered: bool,
}

/// The sum of the books.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sum {
    pub(super) sent: u64,
    pub(super) delivered: u64,
    pub(super) duplicated: u64,
    /// Messages with a payload that was never sent, or by another device.
    pub(super) wrong: u64,
    /// From the first that was sent to the last that was delivered.
    pub(super) lasted: Duration,
    pub(super) latency: Latency,
}

/// Percentiles in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(super) struct Latency {
    pub(super) p50: f64,
    pub(super) p90: f64,
    pub(super) p99: f64,
    pub(super) max: f64,
}

impl Ledger {
    /// Notes that a device sends, and gives the payload that it has to send.
    pub(super) fn send(&self, at: Monotonic, device: usize) -> [u8; PAYLOAD_LENGTH] {
        let mut books = self.0.lock();
        let number = books.base + books.sent.len() as u64;
        let device = u32::try_from(device).unwrap_or(u32::MAX);
        books.sent.push(Entry { at, device, is_delivered: false });
        books.first_sent.get_or_insert(at);
        payload(number)
    }

    /// Notes what was delivered. `due` is how long it has to take anyhow.
    pub(super) fn deliver(&self, at: Monotonic, device: usize, octets: &[u8], due: Duration) {
        let mut books = self.0.lock();
        let known = number_of(octets);
        if known.is_some_and(|number| number < books.base) {
            return;
        }
        let place = known.and_then(|number| usize::try_from(number - books.base).ok());
        let device = u32::try_from(device).ok();
        let books = &mut *books;
        let entry = place.and_then(|place| books.sent.get_mut(place));
        match entry.filter(|entry| Some(entry.device) == device) {
            None => books.wrong += 1,
            Some(entry) if entry.is_delivered => books.duplicated += 1,
            Some(entry) => {
                entry.is_delivered = true;
                let took = at.since(entry.at).saturating_sub(due);
                books.micros.push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
                books.last_delivered = Some(at);
            }
        }
    }

    /// Whether everything that was sent was delivered.
    pub(super) fn is_even(&self) -> bool {
        let books = self.0.lock();
        books.micros.len() == books.sent.len()
    }

    /// How many were delivered.
    pub(super) fn delivered(&self) -> usize {
        self.0.lock().micros.len()
    }

    /// Begins anew: what comes late of before does not count.
    pub(super) fn clear(&self) {
        let mut books = self.0.lock();
        let base = books.base + books.sent.len() as u64;
        *books = Books { base, ..Books::default() };
    }

    pub(super) fn sum(&self) -> Sum {
        let mut books = self.0.lock();
        let lasted = match (books.first_sent, books.last_delivered) {
            (Some(first), Some(last)) => last.since(first),
            _ => Duration::ZERO,
        };
        books.micros.sort_unstable();
        Sum {
            sent: books.sent.len() as u64,
            delivered: books.micros.len() as u64,
            duplicated: books.duplicated,
            wrong: books.wrong,
            lasted,
            latency: Latency::of_sorted(&books.micros),
        }
    }
}

impl Latency {
    /// Of microseconds in order.
    pub(super) fn of_sorted(micros: &[u32]) -> Self {
        let at = |hundredths: usize| {
            let place = (micros.len() * hundredths / 100).min(micros.len().saturating_sub(1));
            micros.get(place).map_or(0.0, |micros| f64::from(*micros) / 1000.0)
        };
        Self { p50: at(50), p90: at(90), p99: at(99), max: at(100) }
    }
}

/// The number of a payload; `None` if it is none that was sent.
pub(super) fn number_of(octets: &[u8]) -> Option<u64> {
    let number = u64::from_be_bytes(*octets.first_chunk::<8>()?);
    (payload(number) == octets).then_some(number)
}

/// The payload with a number: the number, then octets that follow from it and from nothing simpler.
pub(super) fn payload(number: u64) -> [u8; PAYLOAD_LENGTH] {
    let mut octets = [0; PAYLOAD_LENGTH];
    let mixed = (number ^ 0x9E37_79B9_7F4A_7C15).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let again = (mixed ^ (mixed >> 31)).wrapping_mul(0x94D0_49BB_1331_11EB);
    let all =
        number.to_be_bytes().into_iter().chain(mixed.to_be_bytes()).chain(again.to_be_bytes());
    octets.iter_mut().zip(all).for_each(|(to, from)| *to = from);
    octets
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Monotonic {
        Monotonic::from_nanos(millis * 1_000_000)
    }

    #[test]
    fn every_payload_counts_once_and_only_of_its_device() {
        let ledger = Ledger::default();
        let due = Duration::from_millis(200);
        let (first, second, third) =
            (ledger.send(at(0), 1), ledger.send(at(10), 2), ledger.send(at(20), 3));
        ledger.deliver(at(205), 1, &first, due);
        ledger.deliver(at(206), 1, &first, due);
        ledger.deliver(at(207), 1, &second, due);
        let mut changed = second;
        changed[19] ^= 1;
        ledger.deliver(at(208), 2, &changed, due);
        ledger.deliver(at(209), 2, &[], due);
        assert!(!ledger.is_even());
        ledger.deliver(at(217), 2, &second, due);
        ledger.deliver(at(220), 3, &third, due);
        assert!(ledger.is_even());
        let sum = ledger.sum();
        assert_eq!((sum.sent, sum.delivered, sum.duplicated, sum.wrong), (3, 3, 1, 3));
        assert_eq!(sum.lasted, Duration::from_millis(220));
        assert_eq!((sum.latency.p50, sum.latency.max), (5.0, 7.0));
    }

    #[test]
    fn what_was_sent_before_does_not_count() {
        let ledger = Ledger::default();
        let before = ledger.send(at(0), 1);
        ledger.clear();
        let payload = ledger.send(at(1), 1);
        assert_ne!(before, payload);
        for octets in [before, payload] {
            ledger.deliver(at(300), 1, &octets, Duration::ZERO);
        }
        let sum = ledger.sum();
        assert_eq!((sum.sent, sum.delivered, sum.duplicated, sum.wrong), (1, 1, 0, 0));
    }

    #[test]
    fn percentiles_are_of_what_is_there() {
        let micros: Vec<u32> = (1..=1000).map(|it| it * 1000).collect();
        let latency = Latency::of_sorted(&micros);
        assert_eq!((latency.p50, latency.p90, latency.p99), (501.0, 901.0, 991.0));
        assert_eq!(latency.max, 1000.0);
        assert_eq!(Latency::of_sorted(&[]), Latency::default());
    }
}
