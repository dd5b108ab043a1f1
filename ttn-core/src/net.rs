//! Which addresses a server may connect to on behalf of its users.
//!
//! Whoever lets users choose a target (webhooks, pub/sub, templates) resolves the name, asks [`Reach::check`] for each
//! address, and connects to the checked address and no other: a name that resolves differently the second time gains
//! nothing.

use core::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// How far connections may go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum Reach {
    /// Public addresses only.
    #[default]
    Public,
    /// Private and loopback addresses too. Link-local, multicast and metadata addresses stay out of reach.
    Private,
}

/// An address that is out of reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OutOfReach {
    /// The address.
    pub address: IpAddr,
    /// What it is.
    pub kind: AddressKind,
}

/// What an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddressKind {
    /// The link only; cloud providers serve credentials there.
    LinkLocal,
    /// This machine.
    Loopback,
    /// Credentials of a cloud provider.
    Metadata,
    /// Many receivers.
    Multicast,
    /// A private network.
    Private,
    /// Anywhere.
    Public,
    /// For documentation, measurements, the future, or nothing at all.
    Reserved,
}

impl Reach {
    /// Checks an address.
    ///
    /// # Errors
    ///
    /// It is out of reach.
    pub fn check(self, address: IpAddr) -> Result<(), OutOfReach> {
        let kind = AddressKind::of(address);
        match (kind, self) {
            (AddressKind::Public, _)
            | (AddressKind::Loopback | AddressKind::Private, Self::Private) => Ok(()),
            _ => Err(OutOfReach { address, kind }),
        }
    }
}

impl AddressKind {
    /// Tells what an address is; one that carries an IPv4 address inside is what that one is.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => of_v4(address),
            IpAddr::V6(address) => of_v6(address),
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::LinkLocal => "link-local",
            Self::Loopback => "loopback",
            Self::Metadata => "metadata",
            Self::Multicast => "multicast",
            Self::Private => "private",
            Self::Public => "public",
            Self::Reserved => "reserved",
        }
    }
}

impl fmt::Display for OutOfReach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is a {} address, which is not allowed here", self.address, self.kind.name())
    }
}

impl core::error::Error for OutOfReach {}

fn of_v4(address: Ipv4Addr) -> AddressKind {
    match address.octets() {
        // Alibaba Cloud and Oracle Cloud; the others use a link-local one.
        [100, 100, 100, 200] | [192, 0, 0, 192] => AddressKind::Metadata,
        [127, ..] => AddressKind::Loopback,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] => {
            AddressKind::Private
        }
        [169, 254, ..] => AddressKind::LinkLocal,
        [224..=239, ..] => AddressKind::Multicast,
        [0 | 240..=255, ..]
        | [192, 0, 0 | 2, _]
        | [192, 88, 99, _]
        | [198, 18 | 19, ..]
        | [198, 51, 100, _]
        | [203, 0, 113, _] => AddressKind::Reserved,
        _ => AddressKind::Public,
    }
}

fn of_v6(address: Ipv6Addr) -> AddressKind {
    let v4 = |high: u16, low: u16| of_v4(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)));
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 1] => AddressKind::Loopback,
        // Amazon's.
        [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254] => AddressKind::Metadata,
        // Mapped, compatible, translated and 6to4 addresses hide an IPv4 address.
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => v4(high, low),
        [0x64, 0xff9b, ..] | [0xfc00..=0xfdff | 0xfec0..=0xfeff, ..] => AddressKind::Private,
        [0xfe80..=0xfebf, ..] => AddressKind::LinkLocal,
        [0xff00..=0xffff, ..] => AddressKind::Multicast,
        // What is given out is within 2000::/3, less documentation, Teredo and other protocols.
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => AddressKind::Reserved,
        [0x2000..=0x3fff, ..] => AddressKind::Public,
        _ => AddressKind::Reserved,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_reachable(reach: Reach, address: &str) -> bool {
        reach.check(address.parse().unwrap()).is_ok()
    }

    // DESIGN 8
    #[test]
    fn only_public_addresses_are_reached_unless_private_ones_are_allowed() {
        for public in ["1.1.1.1", "93.184.216.34", "172.32.0.1", "100.128.0.1", "2606:4700::1111"] {
            assert!(is_reachable(Reach::Public, public), "{public}");
            assert!(is_reachable(Reach::Private, public), "{public}");
        }
        let private =
            ["127.0.0.1", "10.1.2.3", "172.31.0.1", "192.168.1.1", "100.64.0.1", "::1", "fd12::1"];
        for private in private {
            assert!(!is_reachable(Reach::Public, private), "{private}");
            assert!(is_reachable(Reach::Private, private), "{private}");
        }
    }

    #[test]
    fn link_local_multicast_and_metadata_addresses_are_never_reached() {
        for never in [
            "169.254.169.254",
            "100.100.100.200",
            "192.0.0.192",
            "fd00:ec2::254",
            "fe80::1",
            "224.0.0.1",
            "ff02::1",
            "0.0.0.0",
            "255.255.255.255",
            "::",
            "192.0.2.1",
            "2001:db8::1",
            "2001::1",
        ] {
            assert!(!is_reachable(Reach::Public, never), "{never}");
            assert!(!is_reachable(Reach::Private, never), "{never}");
        }
    }

    #[test]
    fn an_ipv4_address_hides_in_no_other_form() {
        for hidden in ["::ffff:10.0.0.1", "::10.0.0.1", "64:ff9b::10.0.0.1", "2002:a00:1::1"] {
            assert!(!is_reachable(Reach::Public, hidden), "{hidden}");
        }
        for hidden in ["::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1"] {
            assert!(!is_reachable(Reach::Private, hidden), "{hidden}");
        }
        assert!(is_reachable(Reach::Public, "::ffff:1.1.1.1"));
    }
}
