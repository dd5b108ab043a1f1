//! The well-behaved device on the air of a [`crate::World`].

use ttn_core::rand::Entropy;
use ttn_mac::device::{Device as Mac, DeviceTx, Received};

use crate::world::{Action, Heard, Node, Transmission, Window};

/// An end device of class A (`ttn_mac::device`) as a [`Node`].
#[derive(Debug)]
pub struct Device {
    mac: Mac,
}

impl Device {
    /// Puts a device on the air.
    #[must_use]
    pub const fn new(mac: Mac) -> Self {
        Self { mac }
    }
}

impl Node for Device {
    fn act(&mut self, action: &Action, entropy: &dyn Entropy) -> Result<Transmission, String> {
        let tx = match action {
            Action::Join => self.mac.join(entropy),
            Action::Uplink { f_port, payload, confirmed } => {
                self.mac.uplink(*f_port, payload, *confirmed, entropy)
            }
            Action::Request(command) => {
                self.mac.request(*command);
                return Err(format!("{} goes with the next uplink", command.name()));
            }
        };
        tx.map(transmission).map_err(|error| error.to_string())
    }

    fn hear(&mut self, phy: &[u8]) -> Heard {
        match self.mac.hear(phy) {
            Ok(Received::Data(data)) => Heard::Data(data),
            Ok(_) => Heard::Joined,
            Err(error) => Heard::Refused(error.to_string()),
        }
    }

    fn windows_closed(&mut self, heard: bool, entropy: &dyn Entropy) -> Option<Transmission> {
        self.mac.windows_closed(heard, entropy).map(transmission)
    }

    fn mac(&mut self) -> Option<&mut Mac> {
        Some(&mut self.mac)
    }
}

fn transmission(tx: DeviceTx) -> Transmission {
    let window = |it: ttn_mac::device::RxWindow| Window {
        opens_after: it.opens_after,
        frequency: it.frequency,
        data_rate: it.data_rate,
    };
    Transmission {
        phy: tx.bytes,
        frequency: tx.frequency,
        data_rate: tx.data_rate,
        windows: tx.windows.into_iter().map(window).collect(),
    }
}
