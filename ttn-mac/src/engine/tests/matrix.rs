//! Every version of LoRaWAN, and every region in every version of the Regional Parameters.

use super::rig::Rig;
use crate::{
    band,
    plan::{self, FrequencyPlan},
    version::{MacVersion, PhyVersion},
};

/// Joins, settles all parameters, and exchanges once more.
fn live(plan: &FrequencyPlan, version: MacVersion, phy_version: PhyVersion) {
    let mut rig = Rig::otaa(&plan.id, version, phy_version);
    rig.join();
    rig.settle();
    let (outcome, _) = rig.exchange(b"x");
    assert!(outcome.deliver, "{} {version} {phy_version:?}", plan.id);
}

// NS-104
#[test]
fn devices_of_every_version_join_and_settle() {
    let plan = plan::get("EU_863_870_TTN").unwrap();
    for version in MacVersion::ALL {
        live(plan, version, PhyVersion::RP001_V1_0_3_REV_A);
    }
}

// NS-105, NS-106
#[test]
fn devices_of_every_region_and_version_of_its_parameters_join_and_settle() {
    let mut regions = 0;
    for id in band::BandId::ALL {
        // The one with the fewest channels: the device refuses what the tables of a band do not cover.
        let plans = plan::ALL.iter().filter(|plan| plan.band_id == *id && plan.base_id.is_none());
        let fewest = plans.min_by_key(|plan| plan.uplink_channels.len());
        let Some(plan) = fewest else { continue };
        regions += 1;
        for band in band::versions(*id) {
            live(plan, MacVersion::V1_0_3, band.phy_version);
        }
    }
    assert!(regions >= 12, "{regions}");
}
