//! regions_chirpstack.json: another implementation's numbers, against the newest version of each band.

use std::collections::BTreeSet;

use serde_json::Value;
use ttn_core::radio::{DataRate, DataRateIndex};
use ttn_mac::band::{self, Band, BandId, NO_DATA_RATE};

use crate::support::{Case, Kind, checked};

pub(crate) const KINDS: &[Kind] = &[checked("region", region)];

/// Where the two differ; ours are the numbers of regions.json (docs/spec-gaps.md).
const DIFFERENCES: &[&str] = &[
    // Uplink data rates of a later version.
    "AU915 RX1 after DR9 ",
    "AU915 RX1 after DR10 ",
    "US915 RX1 after DR8 ",
    // Sizes of RP002 for the plan before RP002.
    "CN470 DR",
    // Not reduced for a repeater.
    "CN779 DR6 dwell=false repeater=true",
    // Offsets 6 and 7 do not reach DR6 and DR7.
    "IN865 RX1 after DR4 ",
    "IN865 RX1 after DR5 ",
    // 248 octets at most.
    "ISM2400 DR",
];

// RP002-1.0.5 §3.10.7
fn region(case: &Case) {
    let id = band_id(case.input().text("common_name"));
    compare(case, band::latest(id).unwrap(), "RP002-1.0.4", DIFFERENCES);
    if let Some(band) = band::rp002_1_0_5(id) {
        compare(case, band, "latest", &[]);
        data_rates(case, band);
    }
}

/// The data rates of RP002-1.0.5, index by index and in both directions.
fn data_rates(case: &Case, band: &Band) {
    for (name, ours) in [
        ("uplink_data_rates", &band.data_rates),
        ("downlink_data_rates", band.rates_of_downlinks()),
    ] {
        let Value::Object(theirs) = case.expected().value(name) else { continue };
        for (index, rate) in theirs {
            let Value::Object(lora) = &rate["lora"] else { continue };
            let number = |name: &str| u32::try_from(lora[name].as_u64().unwrap()).unwrap();
            let wanted = DataRate::lora(u8::try_from(number("sf")).unwrap(), number("bw"));
            let entry = ours[index.parse::<usize>().unwrap()].unwrap();
            assert_eq!(entry.rate, wanted, "{} {name} DR{index}", band.id);
        }
        let known = |index: usize| theirs.contains_key(&index.to_string());
        let no_more = (0..16).filter(|index| ours[*index].is_some()).all(|index| {
            // LR-FHSS has no downlinks, but one table serves both directions.
            known(index) || matches!(ours[index].unwrap().rate, DataRate::LrFhss { .. })
        });
        assert!(no_more, "{} {name}", band.id);
    }
}

fn compare(case: &Case, band: &Band, revision: &str, known: &[&str]) {
    let input = case.input();
    let name = input.text("common_name");
    let (dwell, repeater) = (input.flag("dwell_time_400ms"), input.flag("repeater_compatible"));
    let expected = case.expected();
    let mut found = BTreeSet::new();
    let mut differs = |what: String| {
        found.insert(format!("{name} {what}"));
    };
    let sizes = &expected.value("max_payload")["1.0.4"][revision];
    let sizes =
        if sizes.is_null() { &expected.value("max_payload")["latest"]["latest"] } else { sizes };
    for (index, entry) in (0_u8..).zip(band.rates_of_downlinks()) {
        let Some(rate) = entry else { continue };
        let ours = match (dwell, repeater) {
            (true, _) => rate.max_mac_payload_dwell,
            (false, true) => rate.max_mac_payload_repeater,
            (false, false) => rate.max_mac_payload,
        };
        let Some(theirs) = sizes[index.to_string()][0].as_u64() else { continue };
        if u64::from(ours) != theirs {
            differs(format!("DR{index} dwell={dwell} repeater={repeater}: {ours}, not {theirs}"));
        }
    }
    let tables = band.rx1_data_rates;
    for (row, table) in (0_u8..).zip(if dwell { tables.dwell } else { tables.no_dwell }) {
        let Value::Array(theirs) = &expected.value("rx1_dr")[row.to_string()] else { continue };
        if DataRateIndex::new(row).and_then(|index| band.data_rate(index)).is_none() {
            continue;
        }
        let ours: Vec<Value> = table
            .iter()
            .map(|dr| if *dr == NO_DATA_RATE { Value::Null } else { Value::from(*dr) })
            .collect();
        if ours != *theirs {
            differs(format!("RX1 after DR{row} dwell={dwell}: {ours:?}, not {theirs:?}"));
        }
    }
    if expected.has("defaults") {
        let defaults = expected.object("defaults");
        if band.default_rx2.frequency.hz() != defaults.int::<u64>("rx2_frequency")
            || band.default_rx2.data_rate.get() != defaults.int::<u8>("rx2_dr")
        {
            differs(format!("RX2 {:?}", band.default_rx2));
        }
    }
    found.retain(|difference| !known.iter().any(|known| difference.starts_with(known)));
    assert!(found.is_empty(), "{found:#?}");
}

fn band_id(name: &str) -> BandId {
    match name {
        "AS923" => BandId::AS_923,
        "AS923_2" => BandId::AS_923_2,
        "AS923_3" => BandId::AS_923_3,
        "AS923_4" => BandId::AS_923_4,
        "AU915" => BandId::AU_915_928,
        "CN470" => BandId::CN_470_510,
        "CN779" => BandId::CN_779_787,
        "EU433" => BandId::EU_433,
        "EU868" => BandId::EU_863_870,
        "IN865" => BandId::IN_865_867,
        "ISM2400" => BandId::ISM_2400,
        "KR920" => BandId::KR_920_923,
        "RU864" => BandId::RU_864_870,
        "US915" => BandId::US_902_928,
        other => panic!("{other} is no region"),
    }
}
