//! Tests of the scheduler: the rules one by one, then all of them on random load.

use proptest::prelude::*;

use super::*;

const MS: i64 = 1_000_000;

fn at(ms: i64) -> ConcentratorTime {
    ConcentratorTime::from_nanos(ms * MS)
}

fn rules(duty_cycle_ppm: u32) -> Rules {
    let sub_band = SubBandRule {
        min_frequency: Frequency::from_hz(868_000_000),
        max_frequency: Frequency::from_hz(868_600_000),
        duty_cycle_ppm,
    };
    Rules { sub_bands: vec![sub_band], time_off_air: Duration::ZERO }
}

fn tx(start_ms: i64, length_ms: u64) -> Transmission {
    Transmission {
        start: at(start_ms),
        time_on_air: Duration::from_millis(length_ms),
        frequency: Frequency::from_hz(868_100_000),
        dwell_time: None,
        priority: TxPriority::Highest,
    }
}

fn schedule(scheduler: &mut Scheduler, tx: &Transmission) -> Result<Emission, Refusal> {
    scheduler.schedule(at(0), LEAD_MIN, tx)
}

// GS-65
#[test]
fn a_transmission_that_cannot_arrive_in_time_is_too_late() {
    let mut scheduler = Scheduler::new(rules(10_000));
    let refused = schedule(&mut scheduler, &tx(100, 50));
    assert_eq!(refused, Err(Refusal::TooLate { delay_nanos: 100 * MS, min: LEAD_MIN }));
    let passed = schedule(&mut scheduler, &tx(-5, 50));
    assert_eq!(passed, Err(Refusal::TooLate { delay_nanos: -5 * MS, min: LEAD_MIN }));
    let granted = schedule(&mut scheduler, &tx(130, 50)).unwrap();
    assert_eq!((granted.start, granted.end, granted.lead), (at(130), at(180), LEAD_MIN));
}

// GS-67
#[test]
fn a_transmission_within_the_rest_of_another_conflicts() {
    let mut scheduler = Scheduler::new(rules(10_000));
    schedule(&mut scheduler, &tx(1000, 50)).unwrap();
    for start in [921, 1000, 1079] {
        let refused = schedule(&mut scheduler, &tx(start, 50));
        let expected = Refusal::Conflict { with_start: at(1000), next: at(1080) };
        assert_eq!(refused, Err(expected), "{start}");
    }
    schedule(&mut scheduler, &tx(920, 50)).unwrap();
    schedule(&mut scheduler, &tx(1080, 50)).unwrap();
}

// GS-68
#[test]
fn a_frequency_outside_of_all_sub_bands_is_refused() {
    let mut scheduler = Scheduler::new(rules(10_000));
    let frequency = Frequency::from_hz(868_800_000);
    let refused = schedule(&mut scheduler, &Transmission { frequency, ..tx(1000, 50) });
    assert_eq!(refused, Err(Refusal::SubBandNotFound { frequency }));
    assert!(
        Scheduler::new(Rules::unlimited())
            .schedule(at(0), LEAD_MIN, &Transmission { frequency, ..tx(1000, 50) })
            .is_ok()
    );
}

// GS-69
#[test]
fn thirty_six_seconds_of_an_hour_are_one_percent() {
    let mut scheduler = Scheduler::new(rules(10_000));
    for turn in 0..18 {
        schedule(&mut scheduler, &tx(1000 + turn * 3000, 2000)).unwrap();
    }
    let refused = schedule(&mut scheduler, &tx(60_000, 100)).unwrap_err();
    let Refusal::DutyCycle { used, usable, next, .. } = refused else { panic!("{refused:?}") };
    assert_eq!((used, usable), (Duration::from_secs(36), Duration::from_secs(36)));
    // The hour that ends with the transmission no longer contains the first 100 ms of what was sent.
    assert_eq!(next, Some(at(1000 + 100 + 3_600_000 - 100)));
    let next = next.unwrap();
    schedule(&mut scheduler, &Transmission { start: next, ..tx(0, 100) }).unwrap();
    assert_eq!(scheduler.usage(at(60_000)).next().unwrap().used, Duration::from_millis(36_100));
}

// GS-69: an hour that neither begins nor ends with the new transmission counts as well.
#[test]
fn no_hour_between_an_earlier_and_a_later_transmission_is_overfilled() {
    let mut scheduler = Scheduler::new(rules(10_000));
    schedule(&mut scheduler, &tx(1_000, 15_000)).unwrap();
    schedule(&mut scheduler, &tx(3_500_000, 15_000)).unwrap();
    assert!(matches!(
        schedule(&mut scheduler, &tx(1_800_000, 10_000)),
        Err(Refusal::DutyCycle { .. })
    ));
    schedule(&mut scheduler, &tx(1_800_000, 6_000)).unwrap();
}

// GS-70
#[test]
fn a_normal_priority_leaves_room_for_the_highest() {
    let mut scheduler = Scheduler::new(rules(10_000));
    schedule(&mut scheduler, &tx(1000, 25_200)).unwrap();
    let normal = Transmission { priority: TxPriority::Normal, ..tx(50_000, 100) };
    let refused = schedule(&mut scheduler, &normal).unwrap_err();
    let Refusal::DutyCycle { usable, .. } = refused else { panic!("{refused:?}") };
    assert_eq!(usable, Duration::from_millis(25_200));
    schedule(&mut scheduler, &tx(50_000, 100)).unwrap();
}

#[test]
fn what_is_too_long_for_any_hour_has_no_next_time() {
    let mut scheduler = Scheduler::new(rules(1_000));
    let refused = schedule(&mut scheduler, &tx(1000, 4_000)).unwrap_err();
    assert_eq!(refused.next(), None);
    assert!(matches!(refused, Refusal::DutyCycle { .. }));
}

// GS-72
#[test]
fn a_transmission_over_the_dwell_time_is_refused() {
    let mut scheduler = Scheduler::new(rules(10_000));
    let limit = Duration::from_millis(400);
    let long = Transmission { dwell_time: Some(limit), ..tx(1000, 401) };
    let refused = schedule(&mut scheduler, &long);
    let time_on_air = Duration::from_millis(401);
    assert_eq!(refused, Err(Refusal::DwellTime { time_on_air, limit }));
    schedule(&mut scheduler, &Transmission { dwell_time: Some(limit), ..tx(1000, 400) }).unwrap();
}

#[test]
fn history_moves_with_a_jump_of_the_concentrator() {
    let mut scheduler = Scheduler::new(rules(10_000));
    schedule(&mut scheduler, &tx(1000, 36_000)).unwrap();
    scheduler.shift(10_000_000 * MS);
    assert!(matches!(
        scheduler.schedule(at(10_100_000), LEAD_MIN, &tx(10_101_000, 100)),
        Err(Refusal::DutyCycle { .. })
    ));
}

/// The most that is sent in any hour, by looking at every window that begins or ends with a transmission.
fn fullest_hour(sent: &[(i64, i64)]) -> i64 {
    let hour = HOUR.as_millis() as i64;
    let used = |from: i64, to: i64| -> i64 {
        sent.iter().map(|(start, end)| ((*end).min(to) - (*start).max(from)).max(0)).sum()
    };
    sent.iter()
        .flat_map(|(start, end)| [used(*start, start + hour), used(end - hour, *end)])
        .max()
        .unwrap_or(0)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    // GS-67, GS-69, promise 5
    #[test]
    fn nothing_overlaps_and_no_hour_is_overfilled(
        requests in prop::collection::vec((0_i64..20_000, 130_i64..16_000, 1_u64..3_000), 1..300),
    ) {
        let mut scheduler = Scheduler::new(rules(10_000));
        let mut now = 0;
        let mut sent: Vec<(i64, i64)> = Vec::new();
        for (pause, lead, length) in requests {
            now += pause;
            let tx = tx(now + lead, length);
            match scheduler.schedule(at(now), LEAD_MIN, &tx) {
                Ok(emission) => sent.push((emission.start.nanos() / MS, emission.end.nanos() / MS)),
                Err(Refusal::Conflict { next, .. }) => prop_assert!(next > tx.start),
                Err(Refusal::DutyCycle { next: Some(next), used, usable, .. }) => {
                    prop_assert!(next > tx.start);
                    prop_assert!(used + tx.time_on_air > usable);
                    let mut later = scheduler.clone();
                    let retry = Transmission { start: next, ..tx };
                    let retry = later.schedule(at(now), LEAD_MIN, &retry);
                    prop_assert!(!matches!(retry, Err(Refusal::DutyCycle { .. })), "{retry:?}");
                }
                Err(refusal) => prop_assert!(false, "{refusal}"),
            }
        }
        sent.sort_unstable();
        let rest = QUEUE_DELAY.as_millis() as i64;
        for pair in sent.windows(2) {
            prop_assert!(pair[0].1 + rest <= pair[1].0, "{pair:?}");
        }
        prop_assert!(fullest_hour(&sent) <= 36_000);
    }
}
