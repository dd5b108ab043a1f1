//! Network and device against each other in virtual time, joined by nothing but octets and losses: every version of
//! LoRaWAN with every region in the versions of its Regional Parameters, and every plan of the region.

mod pair;

use core::fmt::Write as _;

use ttn_core::version::{MacVersion, PhyVersion};
use ttn_mac::{band, plan, state::MacSettings};

use pair::Pair;

/// The uplinks of each pair while frames are lost.
const UPLINKS: usize = 200;
/// The exchanges that a pair may need after a join until the network wants nothing more.
const SETTLED_AFTER: usize = 4;
/// The same after losses, when ADR first has to forget them.
const RECOVERED_AFTER: usize = 60;

/// The versions of LoRaWAN that a document of regional parameters goes with.
const fn versions(phy: PhyVersion) -> &'static [MacVersion] {
    match phy {
        PhyVersion::TS001_V1_0 => &[MacVersion::V1_0],
        PhyVersion::TS001_V1_0_1 => &[MacVersion::V1_0_1],
        PhyVersion::RP001_V1_0_2 | PhyVersion::RP001_V1_0_2_REV_B => &[MacVersion::V1_0_2],
        PhyVersion::RP001_V1_0_3_REV_A => &[MacVersion::V1_0_3],
        PhyVersion::RP001_V1_1_REV_A | PhyVersion::RP001_V1_1_REV_B => &[MacVersion::V1_1],
        _ => &[MacVersion::V1_0_4, MacVersion::V1_1],
    }
}

fn settings(band: &band::Band, seed: u64) -> MacSettings {
    if seed.is_multiple_of(2) {
        return MacSettings::default();
    }
    // Everything that a network may want to be otherwise.
    MacSettings {
        desired_rx1_delay: Some(3),
        desired_rx1_dr_offset: Some(1),
        desired_rx2_data_rate: Some(band.default_rx2.data_rate),
        desired_max_duty_cycle: Some(2),
        desired_adr_ack_limit_exponent: Some(5),
        desired_adr_ack_delay_exponent: Some(3),
        desired_ping_slot_frequency: Some(band.default_rx2.frequency),
        desired_ping_slot_data_rate: Some(band.default_rx2.data_rate),
        desired_beacon_frequency: Some(band.default_rx2.frequency),
        status_count_periodicity: Some(20),
        ..MacSettings::default()
    }
}

// NS-37, NS-39, NS-40, NS-44 to NS-56, NS-66, NS-67, NS-79
#[test]
fn whatever_is_lost_both_sides_keep_to_what_the_other_knows_and_come_together() {
    let mut failures = String::new();
    let (mut pairs, mut uplinks, mut downlinks, mut slowest) = (0, 0, 0, 0);
    for band in band::all() {
        for plan in plan::ALL.iter().filter(|plan| plan.band_id == band.id) {
            for version in versions(band.phy_version) {
                pairs += 1;
                let settings = settings(band, pairs);
                let name = format!("{} {} {version}", plan.id, band.phy_version.name());
                match run(band, plan, *version, settings, pairs) {
                    Ok(done) => {
                        uplinks += done.uplinks;
                        downlinks += done.downlinks;
                        slowest = slowest.max(done.settled_after);
                    }
                    Err(error) => writeln!(failures, "{name} (seed {pairs}): {error}").unwrap(),
                }
            }
        }
    }
    println!(
        "{pairs} pairs, {uplinks} uplinks received, {downlinks} downlinks taken, settled after {slowest} exchanges"
    );
    assert!(failures.is_empty(), "{failures}");
    assert!(pairs > 200, "{pairs}");
}

struct Done {
    uplinks: usize,
    downlinks: usize,
    settled_after: usize,
}

fn run(
    band: &'static band::Band,
    plan: &'static plan::FrequencyPlan,
    version: MacVersion,
    settings: MacSettings,
    seed: u64,
) -> Result<Done, String> {
    let mut pair = Pair::new(band, plan, version, settings, seed);
    pair.join()?;
    // First without losses: the specification needs so many exchanges and no more.
    let settled_after = pair.settle(SETTLED_AFTER)?;
    pair.together()?;
    for uplink in 0..UPLINKS {
        if uplink == UPLINKS / 2 {
            pair.join()?;
        }
        pair.exchange(30).map_err(|error| format!("uplink {uplink}: {error}"))?;
    }
    pair.settle(RECOVERED_AFTER)?;
    pair.together()?;
    Ok(Done { uplinks: pair.uplinks, downlinks: pair.downlinks, settled_after })
}
