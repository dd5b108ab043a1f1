//! How much one gateway may send, and from where (GS-16, GS-17).

use std::{collections::VecDeque, net::IpAddr};

use ttn_core::time::Monotonic;

use super::reject::Reject;
use crate::config::UdpConfig;

/// What is remembered of the last packets of a gateway.
#[derive(Debug)]
pub(super) struct Firewall {
    from: IpAddr,
    last: Option<Monotonic>,
    /// When the last packets came, at most as many as are taken at once.
    recent: VecDeque<Monotonic>,
}

impl Firewall {
    pub(super) const fn new(from: IpAddr) -> Self {
        Self { from, last: None, recent: VecDeque::new() }
    }

    /// Takes a packet, or says why not. What is refused is not remembered.
    pub(super) fn check(
        &mut self,
        now: Monotonic,
        from: IpAddr,
        config: &UdpConfig,
    ) -> Result<(), Reject> {
        let blocked = config.addr_change_block;
        let other = from != self.from && self.last.is_some_and(|last| now.since(last) < blocked);
        if other {
            return Err(Reject::AlreadyConnected);
        }
        if config.rate_messages > 0 {
            if self.recent.len() >= config.rate_messages {
                let oldest = self.recent.front();
                if oldest.is_some_and(|oldest| now.since(*oldest) < config.rate_threshold) {
                    return Err(Reject::RateExceeded);
                }
                self.recent.pop_front();
            }
            self.recent.push_back(now);
        }
        (self.from, self.last) = (from, Some(now));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn ms(ms: u64) -> Monotonic {
        Monotonic::from_nanos(ms * 1_000_000)
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    // GS-16
    #[test]
    fn the_eleventh_packet_within_ten_milliseconds_is_dropped() {
        let (config, from) = (UdpConfig::default(), address("2001:db8::1"));
        let mut firewall = Firewall::new(from);
        for _ in 0..10 {
            assert_eq!(firewall.check(ms(5), from, &config), Ok(()));
        }
        assert_eq!(firewall.check(ms(14), from, &config), Err(Reject::RateExceeded));
        assert_eq!(firewall.check(ms(15), from, &config), Ok(()));
        let off = UdpConfig { rate_messages: 0, ..UdpConfig::default() };
        assert_eq!(firewall.check(ms(15), from, &off), Ok(()));
    }

    // GS-17
    #[test]
    fn another_address_is_taken_only_after_the_first_was_silent() {
        let (one, two) = (address("2001:db8::1"), address("2001:db8::2"));
        let config =
            UdpConfig { addr_change_block: Duration::from_secs(60), ..UdpConfig::default() };
        let mut firewall = Firewall::new(one);
        assert_eq!(firewall.check(ms(0), one, &config), Ok(()));
        assert_eq!(firewall.check(ms(59_999), two, &config), Err(Reject::AlreadyConnected));
        assert_eq!(firewall.check(ms(60_000), two, &config), Ok(()));
        let mut open = Firewall::new(one);
        assert_eq!(open.check(ms(0), one, &UdpConfig::default()), Ok(()));
        assert_eq!(open.check(ms(0), two, &UdpConfig::default()), Ok(()));
    }
}
