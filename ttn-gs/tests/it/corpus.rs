//! The seeds of the fuzz target, and cuts of them, through a session.

use std::{fs, net::SocketAddr, path::Path, sync::Arc};

use proptest::prelude::*;
use ttn_core::time::{Monotonic, Now, Timestamp};
use ttn_gs::{
    config::UdpConfig,
    frontend::udp::{Effect, UdpCounters, UdpSession},
};

use crate::support::Counting;

/// Handles a datagram twice, the second time connected; gives how many effects and drops there were.
fn handle(octets: &[u8]) -> (usize, u64) {
    let from = SocketAddr::from(([127, 0, 0, 1], 1));
    let now = Now { utc: Timestamp::UNIX_EPOCH, monotonic: Monotonic::default() };
    let counters = Arc::new(UdpCounters::default());
    let entropy = Arc::new(Counting::default());
    let mut session = UdpSession::new(UdpConfig::default(), entropy, counters.clone());
    let mut effects = Vec::new();
    session.handle_datagram(now, from, octets, &mut effects);
    if let Some(Effect::Connect { eui, .. }) = effects.first() {
        session.connected(*eui, false, &mut effects);
        session.handle_datagram(now, from, octets, &mut effects);
    }
    (effects.len(), counters.datagrams.total())
}

#[test]
fn every_seed_and_every_cut_of_it_is_taken_or_counted() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/udp");
    let mut seeds = 0;
    for entry in fs::read_dir(directory).unwrap() {
        let octets = fs::read(entry.unwrap().path()).unwrap();
        for length in 0..=octets.len() {
            let (effects, drops) = handle(&octets[..length]);
            assert!(effects > 0 || drops > 0, "{length} octets of {octets:?}");
        }
        seeds += 1;
    }
    assert!(seeds >= 7, "{seeds}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_octets_panic(
        head in prop::sample::select(vec![0_u8, 2, 5, 3, 9]),
        body in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut octets = vec![2, 0, 0, head];
        octets.extend(body);
        let (effects, drops) = handle(&octets);
        prop_assert!(effects > 0 || drops > 0);
    }
}
