//! Downlinks: windows, sizes, counters, queue.

use alloc::{vec, vec::Vec};
use core::time::Duration;

use super::rig::{Rig, item};
use crate::{
    engine::{DownlinkReason, NoDownlink, Priority, QueueDrop, QueuedDownlink, TxReport},
    state::MacSettings,
    version::{MacVersion, PhyVersion},
};

fn settled() -> Rig {
    let mut rig = Rig::otaa("EU_863_870_TTN", MacVersion::V1_0_3, PhyVersion::RP001_V1_0_3_REV_A);
    rig.join();
    rig.settle();
    rig
}

// NS-78
#[test]
fn nothing_is_sent_without_a_reason() {
    let mut rig = settled();
    let tx = rig.send(b"x", false);
    let outcome = rig.receive(&tx).unwrap();
    assert!(!outcome.reply_due);
    let decision = rig.decide(&outcome, &[]);
    assert_eq!((decision.dropped, decision.result), (vec![], Err(NoDownlink::NothingToSend)));
}

// NS-94
#[test]
fn nothing_is_sent_while_downlinks_are_off() {
    let mut rig = settled();
    rig.settings = MacSettings { schedule_downlinks: Some(false), ..MacSettings::default() };
    let tx = rig.send(b"x", true);
    let outcome = rig.receive(&tx).unwrap();
    assert_eq!(rig.decide(&outcome, &[]).result, Err(NoDownlink::Disabled));
}

// NS-79, DESIGN 6
#[test]
fn a_late_downlink_goes_into_rx2_and_then_nowhere() {
    let mut rig = settled();
    let tx = rig.send(b"x", true);
    let outcome = rig.receive(&tx).unwrap();
    let mut later = rig.st.clone();
    let at = |millis| rig.now.plus(Duration::from_millis(millis));
    let plan =
        rig.engine().next_downlink(&mut later, &outcome.slot, &[], at(5_500)).result.unwrap();
    assert!(plan.tx.rx1.is_none() && plan.tx.rx2.is_some());
    let mut later = rig.st.clone();
    let result = rig.engine().next_downlink(&mut later, &outcome.slot, &[], at(6_000)).result;
    assert_eq!(result, Err(NoDownlink::WindowsClosed { opened_at: at(6_000) }));
    assert_eq!(later, rig.st, "a refusal takes no counter");
}

// NS-89
#[test]
fn items_that_can_never_be_sent_are_named_and_the_next_one_goes() {
    let mut rig = settled();
    // One counter is used already.
    let tx = rig.send(b"x", true);
    let outcome = rig.receive(&tx).unwrap();
    rig.answer(&tx, &outcome, &[]).unwrap();
    let id = rig.session_key_id();
    let other = ttn_core::key::SessionKeyId::new(b"other").unwrap();
    let next = rig.engine().next_app_f_cnt(&rig.st);
    let good = rig.encrypted(next + 1, b"good");
    let tx = rig.send(b"x", false);
    let expired = rig.now;
    let outcome = rig.receive(&tx).unwrap();
    let queue = [
        item(&other, next, b"other"),
        QueuedDownlink { expires_at: Some(expired), ..item(&id, next, b"expired") },
        item(&id, next - 1, b"low"),
        item(&id, next, &[0; 250]),
        item(&id, next + 1, &good),
        item(&id, next + 2, b"rest"),
    ];
    let decision = rig.decide(&outcome, &queue);
    let reasons: Vec<_> = decision.dropped.iter().map(|it| (it.index, it.reason)).collect();
    assert_eq!(
        reasons,
        [
            (0, QueueDrop::UnknownSession),
            (1, QueueDrop::Expired { at: expired }),
            (2, QueueDrop::FCntTooLow { got: next - 1, last: next - 1 }),
            // RX1 at DR0 carries 51 octets, RX2 at DR3 115.
            (3, QueueDrop::TooLong { size: 250, max: 115 }),
        ]
    );
    let plan = decision.result.unwrap();
    assert_eq!((plan.item, plan.f_cnt, plan.f_pending), (Some(4), next + 1, true));
    assert_eq!(plan.reasons, [DownlinkReason::Queue]);
    assert_eq!(rig.st.hot.n_f_cnt_down, Some(next + 1));
}

// NS-79
#[test]
fn an_item_that_fits_one_window_uses_that_one() {
    let mut rig = settled();
    let id = rig.session_key_id();
    let next = rig.engine().next_app_f_cnt(&rig.st);
    let payload = [0; 100];
    let tx = rig.send(b"x", false);
    let outcome = rig.receive(&tx).unwrap();
    let plan = rig.decide(&outcome, &[item(&id, next, &payload)]).result.unwrap();
    assert!(plan.tx.rx1.is_none());
    assert_eq!(plan.tx.rx2.unwrap().data_rate_index.get(), 3);
}

// NS-90
#[test]
fn before_1_1_a_downlink_of_the_network_takes_the_counter_of_the_queue() {
    let mut rig = settled();
    let id = rig.session_key_id();
    let next = rig.engine().next_app_f_cnt(&rig.st);
    let tx = rig.send(b"x", true);
    let outcome = rig.receive(&tx).unwrap();
    let plan = rig.decide(&outcome, &[]).result.unwrap();
    assert!(plan.takes_queue_f_cnt);
    assert_eq!(plan.f_cnt, next);
    let tx = rig.send(b"y", false);
    let outcome = rig.receive(&tx).unwrap();
    let decision = rig.decide(&outcome, &[item(&id, next, b"late")]);
    assert_eq!(decision.dropped[0].reason, QueueDrop::FCntTooLow { got: next, last: next });
}

// NS-90
#[test]
fn in_1_1_network_and_application_count_apart() {
    let mut rig = Rig::otaa("EU_863_870_TTN", MacVersion::V1_1, PhyVersion::RP001_V1_1_REV_B);
    rig.join();
    rig.settle();
    assert!(rig.st.hot.n_f_cnt_down.is_some());
    assert_eq!(rig.engine().next_app_f_cnt(&rig.st), 0);
}

// NS-91
#[test]
fn applications_are_capped_at_high_and_commands_are_highest() {
    let mut rig = settled();
    let id = rig.session_key_id();
    let next = rig.engine().next_app_f_cnt(&rig.st);
    let tx = rig.send(b"x", false);
    let outcome = rig.receive(&tx).unwrap();
    let queued = QueuedDownlink { priority: Priority::Highest, ..item(&id, next, b"item") };
    assert_eq!(rig.decide(&outcome, &[queued]).result.unwrap().tx.priority, Priority::High);
    let tx = rig.send(b"x", true);
    let outcome = rig.receive(&tx).unwrap();
    assert_eq!(rig.decide(&outcome, &[]).result.unwrap().tx.priority, Priority::Highest);
}

// NS-82, promise 4
#[test]
fn a_downlink_that_was_not_sent_gives_its_counter_back_and_one_in_doubt_does_not() {
    let mut rig = settled();
    let before = rig.st.hot.n_f_cnt_down;
    let tx = rig.send(b"x", true);
    let outcome = rig.receive(&tx).unwrap();
    let plan = rig.decide(&outcome, &[]).result.unwrap();
    let mut st = rig.st.clone();
    let told = rig.engine().on_tx_report(&mut st, TxReport::NotSent { f_cnt: plan.f_cnt });
    assert!(told.known && !told.queue_item);
    assert_eq!(st.hot.n_f_cnt_down, before);
    let mut st = rig.st.clone();
    rig.engine().on_tx_report(&mut st, TxReport::Unknown { f_cnt: plan.f_cnt });
    assert_eq!(st.hot.n_f_cnt_down, Some(plan.f_cnt));
    let told = rig.engine().on_tx_report(&mut st, TxReport::Sent { f_cnt: plan.f_cnt });
    assert!(!told.known, "a second report is nobody's");
}

// NS-87
#[test]
fn a_confirmed_downlink_without_acknowledgement_is_a_nack() {
    let mut rig = settled();
    let id = rig.session_key_id();
    let f_cnt = rig.engine().next_app_f_cnt(&rig.st);
    let tx = rig.send(b"x", false);
    let outcome = rig.receive(&tx).unwrap();
    let queued = QueuedDownlink { confirmed: true, ..item(&id, f_cnt, b"item") };
    rig.decide(&outcome, &[queued]).result.unwrap();
    // The device has not heard it.
    let tx = rig.send(b"y", false);
    let result = rig.receive(&tx).unwrap().queue_result.unwrap();
    assert_eq!((result.f_cnt, result.acknowledged), (f_cnt, false));
}
