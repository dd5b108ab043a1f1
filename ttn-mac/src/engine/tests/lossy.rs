//! Random losses in both directions: whatever is lost, the promises hold and both sides come together again.

use alloc::vec::Vec;

use proptest::prelude::*;

use super::rig::{Rig, item};
use crate::{
    device::Received,
    engine::{QueuedDownlink, TxReport},
    version::{MacVersion, PhyVersion},
};

/// One uplink and what becomes of it and of its answer.
#[derive(Clone, Debug)]
struct Step {
    confirmed: bool,
    queued: bool,
    uplink_lost: bool,
    downlink_lost: bool,
    not_sent: bool,
    join: bool,
    snr: i8,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let rare = proptest::bool::weighted(0.05);
    let often = proptest::bool::weighted(0.3);
    let step = (often, often, often, often, rare, rare, -25_i8..15).prop_map(
        |(confirmed, queued, uplink_lost, downlink_lost, not_sent, join, snr)| Step {
            confirmed,
            queued,
            uplink_lost,
            downlink_lost,
            not_sent,
            join,
            snr,
        },
    );
    proptest::collection::vec(step, 1..60)
}

fn take(rig: &mut Rig, step: &Step, used: &mut Vec<(Vec<u8>, bool, u32)>) {
    rig.snr = f32::from(step.snr);
    if step.join {
        rig.join();
    }
    let tx = rig.send(b"x", step.confirmed);
    if step.uplink_lost {
        return;
    }
    let outcome = rig.receive(&tx).unwrap();
    assert!(outcome.deliver);
    let id = rig.session_key_id();
    let f_cnt = rig.engine().next_app_f_cnt(&rig.st);
    let payload = rig.encrypted(f_cnt, b"data");
    let queued = QueuedDownlink { confirmed: step.confirmed, ..item(&id, f_cnt, &payload) };
    let queue = if step.queued { &[queued][..] } else { &[] };
    let Ok(plan) = rig.decide(&outcome, queue).result else { return };
    if step.not_sent {
        let report = TxReport::NotSent { f_cnt: plan.f_cnt };
        let mut st = rig.st.clone();
        assert!(rig.engine().on_tx_report(&mut st, report).known);
        rig.st = st;
        return;
    }
    // Promise 4: a counter is never used twice under one key.
    let application = rig.st.slow.version.is_1_1() && plan.item.is_some();
    let counter = (id.as_bytes().to_vec(), application, plan.f_cnt);
    assert!(!used.contains(&counter), "{counter:?} was used before");
    used.push(counter);
    if step.downlink_lost {
        return;
    }
    super::rig::check_windows(&tx, &plan.tx, rig.now);
    let heard = rig.device.hear(&plan.tx.bytes);
    let Ok(Received::Data(heard)) = heard else { panic!("{heard:?}") };
    assert_eq!(heard.ack, step.confirmed);
    if plan.item.is_some() {
        assert_eq!(heard.payload, b"data");
    }
}

fn survives(mut rig: Rig, steps: &[Step]) {
    rig.join();
    let mut used = Vec::new();
    for step in steps {
        take(&mut rig, step, &mut used);
    }
    rig.snr = -30.0;
    rig.settle();
    let (device, current) = (rig.device.parameters(), &rig.st.slow.current);
    assert_eq!(device.rx1_delay, current.rx1_delay);
    assert_eq!(device.rx2_data_rate, current.rx2_data_rate);
    assert_eq!(device.rx2_frequency, current.rx2_frequency);
    assert_eq!(device.channels, current.channels);
    assert_eq!(device.data_rate, current.adr_data_rate);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]

    #[test]
    fn eu868_1_0_3_survives_losses(steps in steps()) {
        let rig = Rig::otaa("EU_863_870_TTN", MacVersion::V1_0_3, PhyVersion::RP001_V1_0_3_REV_A);
        survives(rig, &steps);
    }

    #[test]
    fn eu868_1_0_4_survives_losses(steps in steps()) {
        let rig = Rig::otaa("EU_863_870_TTN", MacVersion::V1_0_4, PhyVersion::RP002_V1_0_4);
        survives(rig, &steps);
    }

    #[test]
    fn eu868_1_1_survives_losses(steps in steps()) {
        let rig = Rig::otaa("EU_863_870_TTN", MacVersion::V1_1, PhyVersion::RP001_V1_1_REV_B);
        survives(rig, &steps);
    }

    #[test]
    fn us915_1_0_2_survives_losses(steps in steps()) {
        let rig = Rig::otaa("US_902_928_FSB_2", MacVersion::V1_0_2, PhyVersion::RP001_V1_0_2_REV_B);
        survives(rig, &steps);
    }
}
