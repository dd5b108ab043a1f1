//! Dry runs of ADR policies.

use ttn_core::radio::DataRateIndex;
use ttn_mac::{
    adr::{
        AdrAlgorithm, AdrParameters, ChirpStackAdr, DefaultAdr, SteadyAdr,
        replay::{Replay, ReplayReport, ReplayUplink},
    },
    band::{self, BandId},
    version::PhyVersion,
};

const SENT_WITH: AdrParameters =
    AdrParameters { data_rate: DataRateIndex::ZERO, tx_power_index: 0, nb_trans: 1 };

fn run(policy: &dyn AdrAlgorithm, snrs: impl IntoIterator<Item = (u32, f32)>) -> ReplayReport {
    let band = band::get(BandId::EU_863_870, PhyVersion::RP001_V1_0_3_REV_A).unwrap();
    let uplinks: Vec<_> = snrs
        .into_iter()
        .map(|(f_cnt, max_snr)| ReplayUplink { f_cnt, max_snr, sent_with: SENT_WITH, length: 23 })
        .collect();
    Replay::new(band, policy).run(&uplinks)
}

#[test]
fn every_policy_raises_a_good_link_and_says_what_it_expects() {
    let policies: [&dyn AdrAlgorithm; 3] = [&DefaultAdr, &ChirpStackAdr::default(), &SteadyAdr];
    for policy in policies {
        let report = run(policy, (0..60).map(|f_cnt| (f_cnt, 10.0)));
        let last = report.commands.last().unwrap();
        assert_eq!(report.last.unwrap().data_rate.get(), 5, "{policy:?}");
        assert_eq!(Some(last.to), report.last);
        // 10 dB, the power that was saved, and the floor of SF7.
        let power = -2.0 * f32::from(last.to.tx_power_index);
        assert_eq!(last.margin, 10.0 + power + 7.5, "{policy:?}");
        assert_eq!(last.loss, 0.0);
        // SF7, 23 octets.
        assert_eq!(last.airtime.as_micros(), 61_696);
        assert_eq!((report.sent, report.lost, report.lost_recorded), (60, 0, 0));
        assert!(report.airtime < report.airtime_recorded);
    }
}

#[test]
fn what_falls_below_the_floor_of_the_new_data_rate_is_lost_and_so_is_what_was_lost() {
    // Good for thirty uplinks, two of which are missing, then 10 dB below the floor of SF7.
    let good = (0..30).filter(|f_cnt| !(10..12).contains(f_cnt)).map(|f_cnt| (f_cnt, 10.0));
    let report = run(&DefaultAdr, good.chain((30..50).map(|f_cnt| (f_cnt, -17.5))));
    assert_eq!(report.last.unwrap().data_rate.get(), 5);
    assert_eq!((report.sent, report.lost, report.lost_recorded), (50, 22, 2));
}

#[test]
fn a_link_that_becomes_worse_is_lowered_by_ours_alone() {
    let falling = |at| if at < 30 { 10.0 } else { 10.0 - 0.5 * (at - 30) as f32 };
    let snrs = || (0..70).map(move |at| (at, falling(at)));
    let (default, ours) = (run(&DefaultAdr, snrs()), run(&SteadyAdr, snrs()));
    let lowers = |report: &ReplayReport| {
        report.commands.iter().any(|command| command.to.data_rate < command.from.data_rate)
    };
    assert!(lowers(&ours) && !lowers(&default));
    assert!(ours.commands.iter().all(|command| !command.decision.to_string().is_empty()));
}

#[test]
fn no_uplinks_give_an_empty_report() {
    let report = run(&SteadyAdr, []);
    assert_eq!((report.sent, report.last, report.commands.len()), (0, None, 0));
}
