//! RP002-1.0.5: LoRa at SF6 and SF5, in the regions that a source at hand has them for.
#![cfg_attr(
    not(test),
    expect(
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing,
        reason = "constants: the compiler would refuse them"
    )
)]

use super::{
    Band, BandDataRate, BandId, DataRates, Rx1DataRates, Rx1Table, as_923, au_915_928,
    base::{lora, tx_offsets},
    eu_433, eu_863_870, in_865_867, us_902_928,
};

/// A region as RP002-1.0.5 has it; `None` where no source says what has changed.
///
/// The API has no name for this version, so devices are never created with it and [`super::get`] does not find it. The
/// tables are for those who drive the engine themselves, and for the day when the API names it: until then
/// [`Band::phy_version`] says RP002-1.0.4, which is what is stored and shown.
#[must_use]
pub fn rp002_1_0_5(id: BandId) -> Option<&'static Band> {
    BANDS.iter().find(|band| band.id == id)
}

static BANDS: [Band; 9] = [
    dynamic(as_923::GROUP_1[9], AS_923),
    dynamic(as_923::GROUP_2[3], AS_923),
    dynamic(as_923::GROUP_3[3], AS_923),
    dynamic(as_923::GROUP_4[1], AS_923),
    fixed(au_915_928::BANDS[10], &AU_UPLINKS, &RX1_AU),
    dynamic(eu_433::BANDS[11], Rx1DataRates { no_dwell: &RX1_EU_433, dwell: &RX1_EU_433 }),
    dynamic(eu_863_870::BANDS[11], Rx1DataRates { no_dwell: &RX1_EU_868, dwell: &RX1_EU_868 }),
    Band {
        default_max_eirp: 29.2,
        tx_offsets: tx_offsets(15),
        ..dynamic(in_865_867::BANDS[8], Rx1DataRates { no_dwell: &RX1_IN, dwell: &RX1_IN })
    },
    fixed(us_902_928::BANDS[11], &US_UPLINKS, &RX1_US),
];

/// DR12 and DR13 in both directions.
const fn dynamic(band: Band, rx1_data_rates: Rx1DataRates) -> Band {
    let mut data_rates = band.data_rates;
    data_rates[12] = SF6;
    data_rates[13] = SF5;
    Band { data_rates, rx1_data_rates, ..band }
}

/// Data rates that mean one thing for uplinks and another for downlinks.
const fn fixed(band: Band, uplinks: &DataRates, rx1: &'static Rx1Table) -> Band {
    Band {
        data_rates: *uplinks,
        downlink_data_rates: Some(&DOWNLINKS),
        rx1_data_rates: Rx1DataRates { no_dwell: rx1, dwell: rx1 },
        ..band
    }
}

const SF6: Option<BandDataRate> = lora(6, 125_000, 250);
const SF5: Option<BandDataRate> = lora(5, 125_000, 250);

static DOWNLINKS: DataRates = {
    let mut rates = only(us_902_928::BANDS[11].data_rates, 8, 13);
    rates[0] = lora(5, 500_000, 250);
    rates[14] = lora(6, 500_000, 250);
    rates
};

static US_UPLINKS: DataRates = {
    let mut rates = only(us_902_928::BANDS[11].data_rates, 0, 6);
    rates[7] = SF6;
    rates[8] = SF5;
    rates
};

static AU_UPLINKS: DataRates = {
    let mut rates = only(au_915_928::BANDS[10].data_rates, 0, 7);
    rates[9] = SF6;
    rates[10] = SF5;
    rates
};

const fn only(rates: DataRates, first: usize, last: usize) -> DataRates {
    let mut some = [None; 16];
    let mut index = first;
    while index <= last {
        some[index] = rates[index];
        index += 1;
    }
    some
}

const X: u8 = super::NO_DATA_RATE;

const AS_923: Rx1DataRates = Rx1DataRates { no_dwell: &RX1_AS, dwell: &RX1_AS_DWELL };

static RX1_AS: Rx1Table = rows(
    as_923::GROUP_1[9].rx1_data_rates.no_dwell,
    &[(12, [12, 5, 4, 3, 2, 1, 13, 13]), (13, [13, 12, 5, 4, 3, 2, 13, 13])],
);

static RX1_AS_DWELL: Rx1Table = rows(
    as_923::GROUP_1[9].rx1_data_rates.dwell,
    &[(12, [12, 5, 4, 3, 2, 2, 13, 13]), (13, [13, 12, 5, 4, 3, 2, 13, 13])],
);

/// Offsets 6 and 7 do not lead to DR6, which this region does not have.
static RX1_IN: Rx1Table = rows(
    in_865_867::BANDS[8].rx1_data_rates.no_dwell,
    &[
        (4, [4, 3, 2, 1, 0, 0, 5, 5]),
        (5, [5, 4, 3, 2, 1, 0, 5, 5]),
        (12, [12, 5, 4, 3, 2, 1, 13, 13]),
        (13, [13, 12, 5, 4, 3, 2, 13, 13]),
    ],
);

static RX1_EU_433: Rx1Table = rows(eu_433::BANDS[11].rx1_data_rates.no_dwell, &SIX_OFFSETS);
static RX1_EU_868: Rx1Table = rows(eu_863_870::BANDS[11].rx1_data_rates.no_dwell, &SIX_OFFSETS);

const SIX_OFFSETS: [(usize, [u8; 8]); 2] =
    [(12, [12, 5, 4, 3, 2, 1, X, X]), (13, [13, 12, 5, 4, 3, 2, X, X])];

static RX1_US: Rx1Table = rows(
    us_902_928::BANDS[11].rx1_data_rates.no_dwell,
    &[(7, [14, 13, 12, 11, X, X, X, X]), (8, [0, 14, 13, 12, X, X, X, X])],
);

static RX1_AU: Rx1Table = rows(
    au_915_928::BANDS[10].rx1_data_rates.no_dwell,
    &[(9, [14, 13, 12, 11, 10, 9, X, X]), (10, [0, 14, 13, 12, 11, 10, X, X])],
);

/// A table with other rows.
const fn rows(table: &Rx1Table, changed: &[(usize, [u8; 8])]) -> Rx1Table {
    let mut table = *table;
    let mut at = 0;
    while at < changed.len() {
        let (row, cells) = changed[at];
        table[row] = cells;
        at += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use ttn_core::radio::{DataRate, DataRateIndex};

    use super::*;

    // NS-105
    #[test]
    fn an_index_may_mean_another_data_rate_for_downlinks() {
        let band = rp002_1_0_5(BandId::US_902_928).unwrap();
        let at = |index| DataRateIndex::new(index).unwrap();
        assert_eq!(band.data_rate(at(8)).unwrap().rate, DataRate::lora(5, 125_000));
        assert_eq!(band.rate_of_downlink(at(8)).unwrap().rate, DataRate::lora(12, 500_000));
        assert_eq!(band.downlink_data_rate(&DataRate::lora(5, 500_000)), Some(at(0)));
        assert_eq!(band.uplink_data_rate(&DataRate::lora(10, 125_000)), Some(at(0)));
        assert_eq!(band.rx1_data_rate(at(8), 0, false), Ok(at(0)));
    }

    #[test]
    fn every_table_leads_to_data_rates_that_exist() {
        for band in &BANDS {
            for table in [band.rx1_data_rates.no_dwell, band.rx1_data_rates.dwell] {
                for (index, row) in (0_u8..).zip(table) {
                    if band.data_rate(DataRateIndex::from_low_bits(index)).is_none() {
                        continue;
                    }
                    // The source names the DR6 that IN865-867 does not have in the row of DR7.
                    let hole = if band.id == BandId::IN_865_867 { 6 } else { X };
                    for cell in row.iter().filter(|cell| **cell != X && **cell != hole) {
                        let downlink = band.rate_of_downlink(DataRateIndex::from_low_bits(*cell));
                        assert!(downlink.is_some(), "{} DR{index}: {row:?}", band.id);
                    }
                }
            }
        }
    }

    #[test]
    fn a_region_without_source_has_no_table() {
        assert!(rp002_1_0_5(BandId::KR_920_923).is_none());
    }
}
