//! What was sent, acknowledged, delivered and answered over many lives of a server.

use parking_lot::Mutex;
use serde::Serialize;
use ttn_core::map::{Map, Set};

use super::ledger::{PAYLOAD_LENGTH, number_of, payload};

/// The books of a `crash`.
#[derive(Debug, Default)]
pub(super) struct Books(Mutex<Pages>);

#[derive(Debug, Default)]
struct Pages {
    uplinks: Vec<Uplink>,
    /// Which uplink the windows of a device belong to, by the counter of the gateway when it came.
    at: Map<(usize, u32), u64>,
    /// FCntDown of each device with what was sent with it.
    downlinks: Map<(usize, u16), Vec<u8>>,
    /// The last JoinNonce of each device.
    join_nonces: Map<usize, u32>,
    join_accepts: Set<Vec<u8>>,
    sum: Account,
}

#[derive(Clone, Copy, Debug)]
struct Uplink {
    device: usize,
    has_receipt: bool,
    /// A downlink with the ACK bit answered it.
    has_ack: bool,
    delivered: u32,
}

/// The account of a `crash`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Account {
    pub(super) sent: u64,
    pub(super) delivered: u64,
    /// Frames with a PUSH_ACK, and those of them that were not delivered.
    pub(super) receipts: u64,
    pub(super) receipts_lost: u64,
    /// Confirmed frames that were answered with the ACK bit, and those of them that were not delivered.
    pub(super) acks: u64,
    pub(super) acks_lost: u64,
    /// Messages that came once more and were marked, and those that were not.
    pub(super) marked: u64,
    pub(super) unmarked: u64,
    pub(super) wrong: u64,
    pub(super) downlinks: u64,
    pub(super) f_cnt_reused: u64,
    pub(super) join_accepts: u64,
    pub(super) join_nonces_reused: u64,
}

impl Books {
    /// The payload that a device has to send next, and its number.
    pub(super) fn next(&self, device: usize) -> (u64, [u8; PAYLOAD_LENGTH]) {
        let mut pages = self.0.lock();
        let number = pages.uplinks.len() as u64;
        pages.uplinks.push(Uplink { device, has_receipt: false, has_ack: false, delivered: 0 });
        (number, payload(number))
    }

    /// Notes when a gateway received an uplink.
    pub(super) fn received(&self, number: u64, device: usize, counter: u32) {
        self.0.lock().at.insert((device, counter), number);
    }

    /// Notes that the server acknowledged the datagrams of uplinks.
    pub(super) fn receipts(&self, numbers: &[u64]) {
        let mut pages = self.0.lock();
        for number in numbers {
            if let Some(uplink) = pages.uplink(*number) {
                uplink.has_receipt = true;
            }
        }
    }

    /// Notes a message that the application got.
    pub(super) fn delivered(&self, device: usize, octets: &[u8], is_marked: bool) {
        let mut pages = self.0.lock();
        let number = number_of(octets).unwrap_or(u64::MAX);
        match pages.uplink(number).filter(|uplink| uplink.device == device) {
            None => pages.sum.wrong += 1,
            Some(uplink) => {
                uplink.delivered += 1;
                match (uplink.delivered, is_marked) {
                    (1, _) => {}
                    (_, true) => pages.sum.marked += 1,
                    (_, false) => pages.sum.unmarked += 1,
                }
            }
        }
    }

    /// Notes a downlink. `received` are the counters that its uplink may have had, if its windows are these.
    pub(super) fn downlink(
        &self,
        device: usize,
        f_cnt: u16,
        has_ack: bool,
        phy: &[u8],
        received: [Option<u32>; 2],
    ) {
        let mut pages = self.0.lock();
        pages.sum.downlinks += 1;
        match pages.downlinks.get(&(device, f_cnt)) {
            Some(known) if known != phy => pages.sum.f_cnt_reused += 1,
            Some(_) => {}
            None => {
                pages.downlinks.insert((device, f_cnt), phy.to_vec());
            }
        }
        let find = |counter: u32| pages.at.get(&(device, counter)).copied();
        let number = received.into_iter().flatten().find_map(find);
        if let (true, Some(uplink)) = (has_ack, number.and_then(|it| pages.uplink(it))) {
            uplink.has_ack = true;
        }
    }

    /// Notes a join-accept for a device: JoinNonce has to rise, unless it is the same frame.
    pub(super) fn join_accept(&self, device: usize, join_nonce: u32, phy: &[u8]) {
        let mut pages = self.0.lock();
        if !pages.join_accepts.insert(phy.to_vec()) {
            return;
        }
        pages.sum.join_accepts += 1;
        let last = pages.join_nonces.insert(device, join_nonce);
        if last.is_some_and(|last| join_nonce <= last) {
            pages.sum.join_nonces_reused += 1;
        }
    }

    /// How many messages came, repeated ones included.
    pub(super) fn messages(&self) -> u64 {
        self.0.lock().uplinks.iter().map(|uplink| u64::from(uplink.delivered)).sum()
    }

    /// Everything summed up.
    pub(super) fn account(&self) -> Account {
        let pages = self.0.lock();
        let count = |is: &dyn Fn(&Uplink) -> bool| {
            pages.uplinks.iter().filter(|uplink| is(uplink)).count() as u64
        };
        Account {
            sent: pages.uplinks.len() as u64,
            delivered: count(&|it| it.delivered > 0),
            receipts: count(&|it| it.has_receipt),
            receipts_lost: count(&|it| it.has_receipt && it.delivered == 0),
            acks: count(&|it| it.has_ack),
            acks_lost: count(&|it| it.has_ack && it.delivered == 0),
            ..pages.sum
        }
    }
}

impl Pages {
    fn uplink(&mut self, number: u64) -> Option<&mut Uplink> {
        self.uplinks.get_mut(usize::try_from(number).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // DESIGN promises 1, 3 and 4
    #[test]
    fn what_breaks_a_promise_is_counted() {
        let books = Books::default();
        let sent: Vec<_> = (0..4).map(|device| books.next(device)).collect();
        books.receipts(&[0, 1]);
        for (number, device) in [(0, 0), (2, 2), (3, 3)] {
            books.received(number, device, 100);
        }
        books.delivered(0, &sent[0].1, true);
        books.delivered(0, &sent[0].1, true);
        books.delivered(2, &sent[2].1, false);
        books.delivered(2, &sent[2].1, false);
        books.delivered(1, &sent[0].1, false);
        books.downlink(2, 7, true, &[1], [Some(100), None]);
        books.downlink(2, 7, true, &[1], [Some(100), None]);
        books.downlink(3, 7, true, &[1], [None, Some(100)]);
        books.downlink(3, 7, false, &[2], [None, Some(99)]);
        for (nonce, phy) in [(5, [1]), (5, [1]), (6, [2]), (6, [3])] {
            books.join_accept(0, nonce, &phy);
        }
        let wanted = Account {
            sent: 4,
            delivered: 2,
            receipts: 2,
            receipts_lost: 1,
            acks: 2,
            acks_lost: 1,
            marked: 1,
            unmarked: 1,
            wrong: 1,
            downlinks: 4,
            f_cnt_reused: 1,
            join_accepts: 3,
            join_nonces_reused: 1,
        };
        assert_eq!(books.account(), wanted);
        assert_eq!(books.messages(), 4);
    }
}
