//! The channels of a device.

use alloc::vec::Vec;

use ttn_core::radio::{DataRateIndex, Frequency};

use crate::band::{Band, CfListType, ChannelMask, Rx1Channel};

/// A channel of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Channel {
    /// Where the device sends.
    pub uplink_frequency: Frequency,
    /// Where it listens in RX1.
    pub downlink_frequency: Frequency,
    /// The lowest data rate.
    pub min_data_rate: DataRateIndex,
    /// The highest data rate.
    pub max_data_rate: DataRateIndex,
}

/// The channels of a device. In a fixed channel plan the band's table is the list, and only the mask belongs to the device.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Channels {
    /// The channels by index; `None` for an index without channel. Empty in fixed channel plans.
    pub list: Vec<Option<Channel>>,
    /// Which channels the device may send on.
    pub enabled: ChannelMask,
}

impl Channels {
    /// The channels that a device of this band has at boot.
    #[must_use]
    pub fn at_boot(band: &Band) -> Self {
        let count = band.uplink_channels.len();
        Self { list: default_list(band), enabled: ChannelMask::first(count) }
    }

    /// The channel of an index, enabled or not.
    #[must_use]
    pub fn channel(&self, band: &Band, index: u8) -> Option<Channel> {
        match band.cf_list_type {
            CfListType::Frequencies => self.list.get(usize::from(index)).copied().flatten(),
            CfListType::ChannelMasks => fixed_channel(band, index),
        }
    }

    /// Every channel, enabled or not, with its index.
    pub fn iter<'a>(&'a self, band: &'a Band) -> impl Iterator<Item = (u8, Channel)> + 'a {
        let count = match band.cf_list_type {
            CfListType::Frequencies => self.list.len(),
            CfListType::ChannelMasks => band.uplink_channels.len(),
        };
        (0..u8::try_from(count).unwrap_or(u8::MAX))
            .filter_map(|index| self.channel(band, index).map(|channel| (index, channel)))
    }

    /// The first channel with this uplink frequency, enabled or not (NS-16).
    #[must_use]
    pub fn index_of(&self, band: &Band, uplink_frequency: Frequency) -> Option<u8> {
        self.iter(band)
            .find(|(_, channel)| channel.uplink_frequency == uplink_frequency)
            .map(|(index, _)| index)
    }

    /// Sets the channel of an index below the band's limit and enables it; `false` if the index is out of reach.
    pub fn set(&mut self, band: &Band, index: u8, channel: Option<Channel>) -> bool {
        if band.cf_list_type == CfListType::ChannelMasks || index >= band.uplink_channels_max {
            return false;
        }
        let at = usize::from(index);
        if self.list.len() <= at {
            self.list.resize(at.saturating_add(1), None);
        }
        if let Some(slot) = self.list.get_mut(at) {
            *slot = channel;
        }
        self.enabled.set(index, channel.is_some());
        true
    }
}

fn default_list(band: &Band) -> Vec<Option<Channel>> {
    match band.cf_list_type {
        CfListType::Frequencies => (0_u8..)
            .zip(band.uplink_channels)
            .map(|(index, _)| fixed_channel(band, index))
            .collect(),
        CfListType::ChannelMasks => Vec::new(),
    }
}

/// A channel of the band's own table.
fn fixed_channel(band: &Band, index: u8) -> Option<Channel> {
    let uplink = band.uplink_channels.get(usize::from(index))?;
    let downlink_index = match band.rx1_channel {
        Rx1Channel::Identity => index,
        Rx1Channel::Modulo(n) => index.checked_rem(n)?,
    };
    let downlink = band.downlink_channels.get(usize::from(downlink_index))?;
    Some(Channel {
        uplink_frequency: uplink.frequency,
        downlink_frequency: downlink.frequency,
        min_data_rate: uplink.min_data_rate,
        max_data_rate: uplink.max_data_rate,
    })
}
