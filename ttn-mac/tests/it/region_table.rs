//! The guide's tables of regions, versions and plans are those of the code.

use std::{env, fmt::Write as _, fs, path::Path};

use ttn_mac::{
    band::{self, Band, BandId, CfListType, DataRates},
    plan,
    version::PhyVersion,
};

// NS-105, NS-106, NS-107
#[test]
fn the_guide_lists_regions_versions_and_plans_as_they_are() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/guide/regions.md");
    let wanted = page();
    if env::var_os("TTN_UPDATE").is_some() {
        fs::write(&path, &wanted).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(found, wanted, "run this test with TTN_UPDATE=1 to write the page again");
}

fn page() -> String {
    let mut page = String::from(
        "# Regions and frequency plans\n\n\
         Made by a test of `ttn-mac`; where the numbers come from is said in `docs/spec-gaps.md`.\n\n\
         ## Versions\n\n\
         Which version of the Regional Parameters defines which region.\n\n| region |",
    );
    for version in PhyVersion::ALL {
        write!(page, " {} |", version.name().replace('_', " ")).unwrap();
    }
    page.push_str(&format!("\n|---|{}\n", "---|".repeat(PhyVersion::ALL.len())));
    for id in BandId::ALL {
        write!(page, "| {id} |").unwrap();
        for version in PhyVersion::ALL {
            page.push_str(if band::get(*id, version).is_ok() { " yes |" } else { " |" });
        }
        page.push('\n');
    }
    page.push_str(
        "\n## The newest version of each region\n\n\
         Frequencies in MHz, EIRP in dBm.\n\n\
         | region | version | uplink channels | downlink channels | CFList | data rates | RX2 | EIRP |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for band in BandId::ALL.iter().filter_map(|id| band::latest(*id)) {
        page.push_str(&row(band));
    }
    page.push_str(
        "\n## RP002-1.0.5\n\n\
         The API has no name for this version: devices use RP002-1.0.4 at most. `ttn_mac::band::rp002_1_0_5` has these tables for those \
         who drive the engine themselves. Data rates where they differ from RP002-1.0.4:\n\n\
         | region | uplinks | downlinks |\n|---|---|---|\n",
    );
    for (band, before) in
        BandId::ALL.iter().filter_map(|id| Some((band::rp002_1_0_5(*id)?, band::latest(*id)?)))
    {
        let (uplinks, downlinks) = (
            changes(&band.data_rates, &before.data_rates),
            changes(band.rates_of_downlinks(), before.rates_of_downlinks()),
        );
        writeln!(page, "| {} | {uplinks} | {downlinks} |", band.id).unwrap();
    }
    page.push_str(
        "\n## Frequency plans\n\n| id | name | region | extends | for gateways |\n|---|---|---|---|---|\n",
    );
    for plan in &plan::ALL {
        let base = plan.base_id.as_deref().unwrap_or_default();
        let gateways = if plan.gateways { "yes" } else { "" };
        let (id, name, band) = (&plan.id, &plan.name, plan.band_id);
        writeln!(page, "| {id} | {name} | {band} | {base} | {gateways} |").unwrap();
    }
    page
}

/// The data rates that are new or others, and those that are gone.
fn changes(now: &DataRates, before: &DataRates) -> String {
    let changed: Vec<String> = (0..16)
        .filter(|index| now[*index] != before[*index])
        .map(|index| match now[index] {
            Some(entry) => format!("DR{index} {}", entry.rate),
            None => format!("no DR{index}"),
        })
        .collect();
    changed.join(", ")
}

fn row(band: &Band) -> String {
    let mhz = |hz: u64| hz as f64 / 1e6;
    let (id, version) = (band.id, band.phy_version.name().replace('_', " "));
    let (uplinks, downlinks) = (band.uplink_channels_max, band.downlink_channels_max);
    let cf_list = match (band.implements_cf_list, band.cf_list_type) {
        (false, _) => "none",
        (true, CfListType::Frequencies) => "frequencies",
        (true, CfListType::ChannelMasks) => "masks",
    };
    let rates: Vec<String> = (0..16)
        .zip(&band.data_rates)
        .filter(|(_, rate)| rate.is_some())
        .map(|(index, _): (u8, _)| index.to_string())
        .collect();
    let rx2 = band.default_rx2;
    format!(
        "| {id} | {version} | {uplinks} | {downlinks} | {cf_list} | {} | {} at {} | {} |\n",
        rates.join(" "),
        mhz(rx2.frequency.hz()),
        rx2.data_rate,
        band.default_max_eirp,
    )
}
