//! The rules of the default policy, through the policy.

use ttn_core::radio::{DataRate, DataRateIndex};
use ttn_mac::{
    adr::{
        AdrAlgorithm, AdrDecision, AdrEvidence, AdrInput, AdrParameters, AdrUplink, ChirpStackAdr,
        DataRateSet, DefaultAdr, SteadyAdr, demodulation_floor,
    },
    band::{self, BandId},
    state::{AdrDynamic, Rejected},
    version::PhyVersion,
};

fn dr(index: u8) -> DataRateIndex {
    DataRateIndex::new(index).unwrap()
}

fn at(data_rate: u8, tx_power_index: u8, nb_trans: u8) -> AdrParameters {
    AdrParameters { data_rate: dr(data_rate), tx_power_index, nb_trans }
}

/// Decides on uplinks with these counters, all with the same SNR.
fn decide(
    policy: &dyn AdrAlgorithm,
    current: AdrParameters,
    snr: f32,
    f_cnts: impl IntoIterator<Item = u32>,
    limits: AdrDynamic,
    rejected: &Rejected,
) -> Option<(AdrParameters, AdrEvidence)> {
    let sample = |f_cnt| AdrUplink { f_cnt, max_snr: snr, data_rate: current.data_rate };
    let uplinks: Vec<_> = f_cnts.into_iter().map(sample).collect();
    let decision = policy.decide(&AdrInput {
        band: band::get(BandId::EU_863_870, PhyVersion::RP001_V1_0_3_REV_A).unwrap(),
        current,
        channel_data_rates: DataRateSet::range(dr(0), dr(5)),
        rejected,
        limits,
        last_change_f_cnt: None,
        uplinks: &uplinks,
    });
    match decision {
        AdrDecision::Use { parameters, evidence } => Some((parameters, evidence)),
        _ => None,
    }
}

fn default(current: AdrParameters, snr: f32, count: u32) -> (AdrParameters, AdrEvidence) {
    let limits = AdrDynamic::default();
    decide(&DefaultAdr, current, snr, 0..count, limits, &Rejected::default()).unwrap()
}

// NS-70
#[test]
fn the_margin_is_what_is_above_floor_and_requirement_and_less_without_a_full_history() {
    for (spreading_factor, floor) in [
        (5, -2.5),
        (6, -5.0),
        (7, -7.5),
        (8, -10.0),
        (9, -12.5),
        (10, -15.0),
        (11, -17.5),
        (12, -20.0),
    ] {
        let at = |bandwidth| demodulation_floor(&DataRate::lora(spreading_factor, bandwidth));
        assert_eq!(
            (at(125_000), at(250_000), at(500_000)),
            (Some(floor), Some(floor + 3.0), Some(floor + 6.0))
        );
    }
    for index in 0..=5 {
        let floor = -20.0 + 2.5 * f32::from(index);
        assert_eq!(default(at(index, 0, 1), 0.0, 20).1.margin, 0.0 - floor - 15.0);
        assert_eq!(default(at(index, 0, 1), 0.0, 19).1.margin, 0.0 - floor - 17.5);
    }
}

// NS-72
#[test]
fn spare_margin_lowers_the_power_by_the_table_and_missing_margin_raises_it() {
    // At DR5 the floor is -7.5 dB: 7.5 dB are just enough.
    for (snr, from, to) in [
        (7.5, 0, 0),
        (9.4, 0, 0),
        (9.5, 0, 1),
        (13.5, 0, 3),
        (40.0, 0, 7),
        (7.5, 3, 3),
        (7.4, 3, 2),
        (5.5, 3, 2),
        (5.4, 3, 1),
        (-7.0, 3, 0),
    ] {
        assert_eq!(default(at(5, from, 1), snr, 20).0, at(5, to, 1), "{snr} dB from {from}");
    }
    // Up to 2.5 dB may be missing while the history is not full.
    assert_eq!(default(at(5, 3, 1), 7.6, 10).0, at(5, 3, 1));
    let limits = AdrDynamic {
        min_tx_power_index: Some(1),
        max_tx_power_index: Some(4),
        ..AdrDynamic::default()
    };
    let rejected = Rejected { adr_tx_powers: 1 << 4, ..Rejected::default() };
    let limited = |snr| decide(&DefaultAdr, at(5, 2, 1), snr, 0..20, limits, &rejected).unwrap().0;
    assert_eq!((limited(40.0), limited(-5.0)), (at(5, 3, 1), at(5, 1, 1)));
}

// NS-73
#[test]
fn losses_are_paid_with_repetitions() {
    // Twenty uplinks of which so many more were lost, evenly.
    let with_losses = |lost: u32| (0..20).map(move |at| at + at * lost / 19);
    for (lost, from, to) in [
        (0, 3, 2),
        (0, 2, 1),
        (0, 1, 1),
        (1, 1, 1),
        (2, 2, 2),
        (2, 3, 3),
        (3, 1, 2),
        (3, 2, 3),
        (8, 1, 2),
        (9, 1, 3),
        (20, 1, 3),
    ] {
        let limits = AdrDynamic::default();
        let f_cnts = with_losses(lost);
        let decided =
            decide(&DefaultAdr, at(5, 0, from), 7.5, f_cnts, limits, &Rejected::default());
        assert_eq!(decided.unwrap().0.nb_trans, to, "{lost} lost, NbTrans {from}");
    }
    let limits =
        AdrDynamic { min_nb_trans: Some(2), max_nb_trans: Some(2), ..AdrDynamic::default() };
    for policy in [&DefaultAdr as &dyn AdrAlgorithm, &ChirpStackAdr::default(), &SteadyAdr] {
        for lost in [0, 3, 20] {
            let decided =
                decide(policy, at(5, 0, 2), 7.5, with_losses(lost), limits, &Rejected::default());
            assert_eq!(decided.unwrap().0.nb_trans, 2, "{policy:?}, {lost} lost");
        }
    }
}

// NS-71, NS-72
#[test]
fn every_policy_keeps_to_limits_and_to_what_the_device_has_refused() {
    let limits = AdrDynamic {
        min_data_rate: Some(dr(1)),
        max_data_rate: Some(dr(4)),
        min_tx_power_index: Some(1),
        max_tx_power_index: Some(5),
        ..AdrDynamic::default()
    };
    let rejected =
        Rejected { adr_data_rates: 1 << 3, adr_tx_powers: 1 << 2, ..Rejected::default() };
    for policy in [&DefaultAdr as &dyn AdrAlgorithm, &ChirpStackAdr::default(), &SteadyAdr] {
        for snr in [-20.0, -10.0, -6.0, -1.0, 4.0, 9.0, 14.0, 30.0] {
            for count in [1, 5, 19, 20] {
                for from in [0, 2, 5] {
                    let from_there = at(from, 1, 1);
                    let decided = decide(policy, from_there, snr, 0..count, limits, &rejected);
                    let Some((used, _)) = decided else { continue };
                    let rate = used.data_rate.get();
                    // The default policy does not lower a data rate that is out of bounds.
                    let kept = rate == from && from == 5;
                    assert!(matches!(rate, 1 | 2 | 4) || kept, "{policy:?} {used:?}");
                    assert!(matches!(used.tx_power_index, 1 | 3..=5), "{policy:?} {used:?}");
                }
            }
        }
    }
}
