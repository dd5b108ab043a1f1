//! Network and device against each other in virtual time, joined by nothing but octets and losses: every version of
//! LoRaWAN with every region in the versions of its Regional Parameters, and every plan of the region; class A with all
//! plans, class B, class C and rejoins with one plan of each region.

/// Fails with a text that says what was found.
macro_rules! ensure {
    ($holds:expr, $($text:tt)+) => {
        if !$holds {
            return Err(format!($($text)+));
        }
    };
}

mod begun;
mod joins;
mod pair;

use core::fmt::Write as _;

use ttn_core::version::{MacVersion, PhyVersion};
use ttn_mac::{
    band::{self, Band, BandId},
    crypto::join::JoinReqType,
    plan::{self, FrequencyPlan},
    state::{DeviceClass, MacSettings},
};

use pair::Pair;

/// The uplinks of each pair while frames are lost.
const UPLINKS: usize = 200;
/// The exchanges and downlinks of the network in class B and class C.
const STEPS: usize = 30;
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

fn settings(band: &Band, seed: u64) -> MacSettings {
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
        desired_rejoin_time_exponent: Some(9),
        desired_rejoin_count_exponent: Some(5),
        desired_ping_slot_frequency: Some(band.default_rx2.frequency),
        desired_ping_slot_data_rate: Some(band.default_rx2.data_rate),
        desired_beacon_frequency: Some(band.default_rx2.frequency),
        status_count_periodicity: Some(20),
        ..MacSettings::default()
    }
}

/// A plan with a version of LoRaWAN and one of the Regional Parameters, and a number.
type Of = (u64, &'static Band, &'static FrequencyPlan, MacVersion);

/// All of them. `TTN_ROUND` names another round, with other numbers and so with other losses and settings.
/// A code of 1.1 that fits two downlinks by chance fails a round, such as round 12 (`verify` in the matching of the engine).
fn pairs() -> Vec<Of> {
    let round: u64 = std::env::var("TTN_ROUND").map_or(0, |round| round.parse().unwrap());
    let mut all = Vec::new();
    for band in band::all() {
        for plan in plan::ALL.iter().filter(|plan| plan.band_id == band.id) {
            for version in versions(band.phy_version) {
                all.push((round * 10_007 + all.len() as u64 + 1, band, plan, *version));
            }
        }
    }
    all
}

/// Those with the first plan of each region.
fn one_plan_each() -> Vec<Of> {
    let first = |id: BandId| plan::ALL.iter().find(|plan| plan.band_id == id);
    let is_first = |of: &Of| first(of.1.id).is_some_and(|it| it.id == of.2.id);
    pairs().into_iter().filter(is_first).collect()
}

/// Runs all pairs and tells of each that fails.
fn run_all(which: Vec<Of>, run: impl Fn(&mut Pair) -> Result<usize, String>) -> usize {
    let mut failures = String::new();
    let (mut pairs, mut uplinks, mut downlinks, mut slowest) = (0, 0, 0, 0);
    for (seed, band, plan, version) in which {
        pairs += 1;
        let mut pair = Pair::new(band, plan, version, settings(band, seed), seed);
        match run(&mut pair) {
            Ok(settled_after) => slowest = slowest.max(settled_after),
            Err(error) => {
                let name = format!("{} {} {version}", plan.id, band.phy_version.name());
                writeln!(failures, "{name} (seed {seed}): {error}").unwrap();
            }
        }
        uplinks += pair.uplinks;
        downlinks += pair.downlinks;
    }
    println!(
        "{pairs} pairs, {uplinks} uplinks received, {downlinks} downlinks taken, settled after {slowest} exchanges"
    );
    assert!(failures.is_empty(), "{failures}");
    pairs
}

// NS-37, NS-39, NS-40, NS-44 to NS-56, NS-66, NS-67, NS-79; TS001-1.0.4 §3.3.2, §3.3.3, §5.7
#[test]
fn whatever_is_lost_both_sides_keep_to_what_the_other_knows_and_come_together() {
    let count = run_all(pairs(), |pair| {
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
        Ok(settled_after)
    });
    assert!(count > 200, "{count}");
}

// NS-35, NS-63, NS-78, NS-79, NS-85, NS-86
#[test]
fn a_device_of_class_c_is_reached_while_it_listens_and_never_otherwise() {
    let count = run_all(one_plan_each(), |pair| {
        pair.listens_all_the_time();
        pair.join()?;
        let settled_after = pair.settle(SETTLED_AFTER)?;
        ensure!(pair.st.slow.class == DeviceClass::C, "{:?}", pair.st.slow.class);
        let mut begun = 0;
        for step in 0..STEPS {
            let done = if pair.chance.flip() { pair.begin(20) } else { pair.exchange(20) };
            begun += usize::from(done.map_err(|error| format!("step {step}: {error}"))?);
        }
        ensure!(begun > STEPS / 6, "{begun} downlinks in {STEPS} steps");
        pair.settle(RECOVERED_AFTER)?;
        pair.together()?;
        Ok(settled_after)
    });
    assert!(count > 100, "{count}");
}

// NS-35, NS-36, NS-59, NS-60, NS-62, NS-78, NS-84 to NS-86; TS001-1.0.4 §8.1, §9.3.1, §4.3.1.7
#[test]
fn a_device_of_class_b_is_reached_in_its_ping_slots_and_never_otherwise() {
    let count = run_all(one_plan_each(), |pair| {
        pair.join()?;
        let settled_after = pair.settle(SETTLED_AFTER)?;
        pair.together()?;
        let reachable = pair.listens_in_ping_slots(4)?;
        if !reachable {
            // The region has no ping slots, and no setting gives any.
            let none = pair.rules.band.ping_slot_frequencies.is_empty();
            ensure!(none && !pair.begin(0)?, "a device that has ping slots is not reached");
            return Ok(settled_after);
        }
        for step in 0..STEPS {
            let done = if pair.chance.flip() { pair.begin(20) } else { pair.exchange(20) };
            done.map_err(|error| format!("step {step}: {error}"))?;
        }
        pair.loses_beacon()?;
        ensure!(pair.listens_in_ping_slots(0)?, "not reached with another periodicity");
        for _ in 0..3 {
            pair.begin(0)?;
        }
        pair.settle(RECOVERED_AFTER)?;
        pair.together()?;
        Ok(settled_after)
    });
    assert!(count > 100, "{count}");
}

// NS-57, NS-58
#[test]
fn a_device_rejoins_in_every_way_and_keeps_its_session_until_it_has_another() {
    let rejoins = one_plan_each().into_iter().filter(|(_, _, _, version)| version.is_1_1());
    let count = run_all(rejoins.collect(), |pair| {
        pair.join()?;
        let settled_after = pair.settle(SETTLED_AFTER)?;
        for request in [JoinReqType::Rejoin0, JoinReqType::Rejoin1, JoinReqType::Rejoin2] {
            for lost in [true, false] {
                pair.rejoin(request, lost)?;
                pair.settle(RECOVERED_AFTER)?;
                pair.together().map_err(|error| format!("{request:?}, lost {lost}: {error}"))?;
            }
        }
        pair.force_rejoin()?;
        pair.settle(RECOVERED_AFTER)?;
        pair.together()?;
        Ok(settled_after)
    });
    assert!(count > 50, "{count}");
}
