//! What a device is made with: configuration, keys, sessions. Own design; names and defaults are those of TS001.

use ttn_core::{
    addr::DevAddr,
    eui::{DevEui, JoinEui},
    key::Aes128Key,
    radio::{DataRateIndex, Frequency},
    version::MacVersion,
};

use crate::{
    band::{Band, ChannelMask},
    class_b::PingNb,
    session::NetworkKeys,
};

/// What a device is made with.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "built by other crates")]
pub struct DeviceConfig {
    /// The band that it is certified for.
    pub band: &'static Band,
    /// The version of LoRaWAN that it speaks.
    pub version: MacVersion,
    /// The channels that it sends on before anybody tells it others; all of the band's if `None`.
    pub channels: Option<ChannelMask>,
    /// The data rate that it begins with.
    pub data_rate: DataRateIndex,
    /// Whether the network may control its data rate.
    pub adr: bool,
    /// How it chooses DevNonces.
    pub dev_nonces: DevNonces,
    /// FCntUp of the first uplink of a session: 0, and 1 with LoRaMac-node.
    pub first_f_cnt_up: u32,
}

/// How a device chooses DevNonces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "both ways that there are")]
pub enum DevNonces {
    /// It counts (from LoRaWAN 1.0.4 on); the next one. When they are used up it cannot join any more.
    Counter(u16),
    /// It draws them (up to LoRaWAN 1.0.3), never the same twice in a row.
    Random,
}

/// The keys that a device joins with.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "built by other crates")]
pub struct RootKeys {
    /// The Join Server.
    pub join_eui: JoinEui,
    /// The device.
    pub dev_eui: DevEui,
    /// AppKey.
    pub app_key: Aes128Key,
    /// NwkKey, of LoRaWAN 1.1.
    pub nwk_key: Option<Aes128Key>,
}

impl RootKeys {
    /// The key of join-requests and join-accepts: NwkKey, and AppKey up to LoRaWAN 1.0.4.
    pub(super) fn join_key(&self) -> &Aes128Key {
        self.nwk_key.as_ref().unwrap_or(&self.app_key)
    }
}

/// A session as the device has it.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "built by other crates")]
pub struct DeviceSession {
    /// The version that both sides agreed on.
    pub version: MacVersion,
    /// The address.
    pub dev_addr: DevAddr,
    /// The keys of the network.
    pub keys: NetworkKeys,
    /// The key of the application.
    pub app_s_key: Aes128Key,
    /// FCntUp of the next uplink.
    pub next_f_cnt_up: u32,
    /// The last FCntDown, or NFCntDown in LoRaWAN 1.1.
    pub last_n_f_cnt_down: Option<u32>,
    /// The last AFCntDown, in LoRaWAN 1.1.
    pub last_a_f_cnt_down: Option<u32>,
}

/// The session of a multicast group that the device belongs to.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "built by other crates")]
pub struct MulticastSession {
    /// The address of the group.
    pub dev_addr: DevAddr,
    /// McNwkSKey.
    pub nwk_s_key: Aes128Key,
    /// McAppSKey.
    pub app_s_key: Aes128Key,
    /// The last FCntDown.
    pub last_f_cnt_down: Option<u32>,
    /// When the device listens for the group.
    pub listens: MulticastListening,
}

/// When and where a device listens for a multicast group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum MulticastListening {
    /// At the ping slots of the group.
    ClassB {
        /// The frequency; zero for that of the band.
        frequency: Frequency,
        /// The data rate.
        data_rate: DataRateIndex,
        /// How many slots there are in a beacon period.
        ping_nb: PingNb,
    },
    /// All the time.
    ClassC {
        /// The frequency.
        frequency: Frequency,
        /// The data rate.
        data_rate: DataRateIndex,
    },
}
