//! Questions to a band's tables.

use core::fmt;

use ttn_core::radio::{DataRate, DataRateIndex, Frequency};

use super::{Band, BandDataRate, CfListType, DataRates, NO_DATA_RATE, SubBand};

impl Band {
    /// Whether the channels are fixed by the band, so that a device only enables and disables them.
    #[must_use]
    pub const fn has_fixed_channels(&self) -> bool {
        matches!(self.cf_list_type, CfListType::ChannelMasks)
    }

    /// The data rate of an index, for uplinks.
    #[must_use]
    pub fn data_rate(&self, index: DataRateIndex) -> Option<&BandDataRate> {
        self.data_rates.get(index.as_usize()).and_then(Option::as_ref)
    }

    /// The data rate of an index, for downlinks.
    #[must_use]
    pub fn rate_of_downlink(&self, index: DataRateIndex) -> Option<&BandDataRate> {
        self.rates_of_downlinks().get(index.as_usize()).and_then(Option::as_ref)
    }

    /// Data rates by index, for downlinks.
    #[must_use]
    pub const fn rates_of_downlinks(&self) -> &DataRates {
        match self.downlink_data_rates {
            Some(own) => own,
            None => &self.data_rates,
        }
    }

    /// The index of an uplink's data rate: the lowest, where a modulation has more than one.
    #[must_use]
    pub fn uplink_data_rate(&self, rate: &DataRate) -> Option<DataRateIndex> {
        self.indexes_of(&self.data_rates, rate).next()
    }

    /// The index of a downlink's data rate: the highest, where a modulation has more than one.
    #[must_use]
    pub fn downlink_data_rate(&self, rate: &DataRate) -> Option<DataRateIndex> {
        self.indexes_of(self.rates_of_downlinks(), rate).last()
    }

    fn indexes_of<'a>(
        &'a self,
        rates: &'a DataRates,
        rate: &'a DataRate,
    ) -> impl Iterator<Item = DataRateIndex> + 'a {
        (0_u8..).zip(rates).filter_map(move |(index, entry)| {
            let known = entry.as_ref()?.rate;
            let same =
                if self.strict_coding_rate { known == *rate } else { same_channel(&known, rate) };
            if same { DataRateIndex::new(index) } else { None }
        })
    }

    /// The first sub-band that contains a frequency, with its index.
    #[must_use]
    pub fn sub_band(&self, frequency: Frequency) -> Option<(usize, &SubBand)> {
        self.sub_bands
            .iter()
            .enumerate()
            .find(|(_, sub)| (sub.min_frequency..=sub.max_frequency).contains(&frequency))
    }

    /// The data rate of RX1 (TS001 calls the offset RX1DROffset).
    ///
    /// # Errors
    ///
    /// The band defines none for this data rate and offset.
    pub fn rx1_data_rate(
        &self,
        uplink: DataRateIndex,
        offset: u8,
        downlink_dwell_time: bool,
    ) -> Result<DataRateIndex, Rx1DataRateError> {
        let tables = &self.rx1_data_rates;
        let table = if downlink_dwell_time { tables.dwell } else { tables.no_dwell };
        let row = table.get(uplink.as_usize());
        row.and_then(|row| row.get(usize::from(offset)))
            .filter(|index| **index != NO_DATA_RATE)
            .and_then(|index| DataRateIndex::new(*index))
            .ok_or(Rx1DataRateError { uplink, offset })
    }

    /// The largest MACPayload of an uplink's data rate.
    #[must_use]
    pub fn max_mac_payload(&self, index: DataRateIndex, dwell_time: bool) -> Option<u8> {
        self.data_rate(index).map(|rate| rate.max_mac_payload_with(dwell_time))
    }

    /// The largest MACPayload of a downlink's data rate.
    #[must_use]
    pub fn max_mac_payload_of_downlink(
        &self,
        index: DataRateIndex,
        dwell_time: bool,
    ) -> Option<u8> {
        self.rate_of_downlink(index).map(|rate| rate.max_mac_payload_with(dwell_time))
    }

    /// The highest TXPower index, that is the lowest power.
    #[must_use]
    pub fn max_tx_power_index(&self) -> u8 {
        u8::try_from(self.tx_offsets.len().saturating_sub(1)).unwrap_or(u8::MAX)
    }
}

impl BandDataRate {
    const fn max_mac_payload_with(&self, dwell_time: bool) -> u8 {
        if dwell_time { self.max_mac_payload_dwell } else { self.max_mac_payload }
    }
}

/// Whether two data rates agree without their coding rate.
fn same_channel(a: &DataRate, b: &DataRate) -> bool {
    match (a, b) {
        (
            DataRate::LrFhss { operating_channel_width: a, modulation_type: c, .. },
            DataRate::LrFhss { operating_channel_width: b, modulation_type: d, .. },
        ) => a == b && c == d,
        _ => a.same_modulation(b),
    }
}

/// A combination of uplink data rate and RX1DROffset for which a band defines no RX1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rx1DataRateError {
    /// The data rate of the uplink.
    pub uplink: DataRateIndex,
    /// RX1DROffset.
    pub offset: u8,
}

impl fmt::Display for Rx1DataRateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no RX1 data rate after {} with offset {}", self.uplink, self.offset)
    }
}

impl core::error::Error for Rx1DataRateError {}
