//! Where uplinks go (GS-54). So far there is one upstream: the Network Server of the cluster.

use ttn_core::{addr::DevAddrPrefix, frame::Form};

use crate::server::UpDrop;

/// The forwarding table.
#[derive(Clone, Debug)]
pub(crate) struct Forwarding {
    network_server: Vec<DevAddrPrefix>,
}

impl Forwarding {
    pub(crate) const fn new(network_server: Vec<DevAddrPrefix>) -> Self {
        Self { network_server }
    }

    /// Checks that a frame goes to the Network Server: data by its address, joins and rejoins always.
    pub(crate) fn check(&self, form: &Form) -> Result<(), UpDrop> {
        match form {
            Form::Data(data) if !data.uplink => Err(UpDrop::Downlink),
            Form::Data(data) => {
                let ours = self.network_server.iter().any(|prefix| prefix.contains(data.dev_addr));
                if ours { Ok(()) } else { Err(UpDrop::NoUpstream) }
            }
            Form::JoinAccept => Err(UpDrop::Downlink),
            Form::JoinRequest(_) | Form::RejoinRequest(_) => Ok(()),
            Form::Proprietary => Err(UpDrop::Proprietary),
        }
    }
}

#[cfg(test)]
mod tests {
    use ttn_mac::frame;

    use super::*;

    fn form(octets: &[u8]) -> Form {
        frame::parse(octets).unwrap().form
    }

    // GS-54
    #[test]
    fn data_goes_by_address_and_joins_always() {
        let table = Forwarding::new(vec!["26000000/7".parse().unwrap()]);
        let data = |addr: [u8; 4]| {
            let [a, b, c, d] = addr;
            form(&[0x40, d, c, b, a, 0, 1, 0, 1, 2, 3, 4])
        };
        assert_eq!(table.check(&data([0x26, 1, 2, 3])), Ok(()));
        assert_eq!(table.check(&data([0x28, 1, 2, 3])), Err(UpDrop::NoUpstream));
        assert_eq!(table.check(&form(&[0; 23])), Ok(()));
        assert_eq!(table.check(&form(&[0x20; 17])), Err(UpDrop::Downlink));
        assert_eq!(
            table.check(&form(&[0x60, 3, 2, 1, 0x26, 0, 1, 0, 1, 2, 3, 4])),
            Err(UpDrop::Downlink)
        );
        assert_eq!(table.check(&form(&[0xE0, 1, 2, 3, 4, 5])), Err(UpDrop::Proprietary));
    }
}
