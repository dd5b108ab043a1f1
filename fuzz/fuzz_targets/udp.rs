//! Datagrams of the Semtech UDP protocol: no octets panic, and what the session answers is well formed.
#![no_main]

use std::{net::SocketAddr, sync::Arc};

use libfuzzer_sys::fuzz_target;
use ttn_core::{
    rand::Entropy,
    time::{Monotonic, Now, Timestamp},
};
use ttn_gs::{
    config::UdpConfig,
    frontend::udp::{Effect, UdpCounters, UdpSession, codec},
};

#[derive(Debug)]
struct Zero;

impl Entropy for Zero {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(0);
    }
}

fuzz_target!(|octets: &[u8]| {
    let from = SocketAddr::from(([127, 0, 0, 1], 1));
    let now = Now { utc: Timestamp::UNIX_EPOCH, monotonic: Monotonic::default() };
    let counters = Arc::new(UdpCounters::default());
    let mut session = UdpSession::new(UdpConfig::default(), Arc::new(Zero), counters.clone());
    let mut effects = Vec::new();
    session.handle_datagram(now, from, octets, &mut effects);
    if let Some(Effect::Connect { eui, .. }) = effects.first() {
        session.connected(*eui, false, &mut effects);
        session.handle_datagram(now, from, octets, &mut effects);
    }
    while let Some(transmit) = session.poll_transmit() {
        assert!(codec::split(&transmit.octets).is_ok());
        assert_eq!(transmit.octets[..3], octets[..3]);
    }
    for effect in effects {
        let Effect::Up { up, .. } = effect else { continue };
        assert!(up.uplinks.iter().all(|uplink| !uplink.frequency.is_zero()));
    }
});
