//! The way of an uplink.

use std::{sync::atomic::Ordering, time::Duration};

use ttn_core::{key::Aes128Key, msg::Up, store::Replaces};
use ttn_mac::session::NetworkKeys;

use crate::harness::{World, abp, abp_device, session_id};

// NS-02
#[test]
fn three_gateways_make_one_uplink() {
    let mut world = World::with(&abp());
    let mut device = abp_device();
    let tx = device.uplink(1, b"x", false, &world.entropy).unwrap();
    for gateway in ["gateway-a", "gateway-b", "gateway-c"] {
        world.receive(&tx, gateway);
        world.advance(Duration::from_millis(50));
    }
    assert!(world.application.is_empty(), "the window is open");
    world.advance(Duration::from_millis(100));
    let Up::Uplink(up) = &world.application[0].up else { panic!("no uplink") };
    assert_eq!(up.rx_metadata.len(), 3);
    assert_eq!((up.f_cnt, up.f_port), (0, Some(1)));
    world.advance(Duration::from_millis(400));
    world.receive(&tx, "gateway-d");
    assert_eq!(world.application.len(), 1);
    assert_eq!(world.drop_reasons(), ["late_copy"]);
}

// NS-01
#[test]
fn a_frame_on_another_frequency_is_another_frame() {
    let mut world = World::with(&abp());
    let mut device = abp_device();
    let tx = device.uplink(1, b"x", false, &world.entropy).unwrap();
    world.receive(&tx, "gateway-a");
    let mut other = tx;
    let hz = if other.frequency.hz() == 868_100_000 { 868_300_000 } else { 868_100_000 };
    other.frequency = ttn_core::radio::Frequency::from_hz(hz);
    world.receive(&other, "gateway-a");
    let receive = "ns.up.data.receive";
    assert_eq!(world.event_names().iter().filter(|name| **name == receive).count(), 2);
}

// NS-03
#[test]
fn metadata_are_limited() {
    let mut world = World::with(&abp());
    let tx = abp_device().uplink(1, b"x", false, &world.entropy).unwrap();
    for gateway in 0..60 {
        world.receive(&tx, &format!("gateway-{gateway}"));
    }
    world.advance(Duration::from_millis(300));
    let Up::Uplink(up) = &world.application[0].up else { panic!("no uplink") };
    assert_eq!(up.rx_metadata.len(), 50);
}

// NS-08
#[test]
fn the_counter_rolls_over_at_16_bits() {
    let mut world = World::with(&abp());
    let mut device = abp_device();
    for next in [60_000, 65_535, 65_536] {
        if next == 60_000 {
            // Within MAX_FCNT_GAP of each other.
            for step in [16_000, 32_000, 48_000] {
                device.set_next_f_cnt_up(step);
                let tx = device.uplink(1, b"x", false, &world.entropy).unwrap();
                world.receive_and_wait(&tx);
            }
        }
        device.set_next_f_cnt_up(next);
        let tx = device.uplink(1, b"x", false, &world.entropy).unwrap();
        world.receive_and_wait(&tx);
    }
    let Up::Uplink(up) = &world.application.last().unwrap().up else { panic!("no uplink") };
    assert_eq!(up.f_cnt, 65_536);
    assert_eq!(world.application.len(), 6);
}

// NS-09
#[test]
fn a_jump_above_the_gap_is_dropped() {
    let mut world = World::with(&abp());
    let mut device = abp_device();
    for next in [1, 20_001] {
        device.set_next_f_cnt_up(next);
        let tx = device.uplink(1, b"x", false, &world.entropy).unwrap();
        world.receive_and_wait(&tx);
    }
    assert_eq!(world.drop_reasons(), ["f_cnt_gap_too_large"]);
}

// NS-10
#[test]
fn a_replayed_frame_is_refused_with_its_reason() {
    let mut world = World::with(&abp());
    let mut device = abp_device();
    let first = device.uplink(1, b"x", false, &world.entropy).unwrap();
    world.receive_and_wait(&first);
    world.advance(Duration::from_secs(10));
    let second = device.uplink(1, b"y", false, &world.entropy).unwrap();
    world.receive_and_wait(&second);
    world.advance(Duration::from_secs(10));
    world.receive_and_wait(&first);
    assert_eq!(world.take_ups(), ["uplink", "uplink"]);
    assert_eq!(world.drop_reasons(), ["f_cnt_replayed"]);
    assert_eq!(world.shard.counters()["f_cnt_replayed"], 1);
    let drop = world.events.iter().find(|e| e.definition.name == "ns.up.data.drop").unwrap();
    let data = drop.data.to_json();
    assert!(data["detail"].as_str().unwrap().contains('1'), "{data}");
}

// NS-11
#[test]
fn a_wrong_integrity_code_matches_nobody() {
    let mut world = World::with(&abp());
    let mut tx = abp_device().uplink(1, b"x", false, &world.entropy).unwrap();
    *tx.bytes.last_mut().unwrap() ^= 1;
    world.receive_and_wait(&tx);
    assert!(world.application.is_empty());
    assert_eq!(world.drop_reasons(), ["mic_mismatch"]);
}

// NS-12, DESIGN 6
#[test]
fn a_retransmission_is_acknowledged_again_and_not_delivered_again() {
    let mut world = World::with(&abp());
    let mut device = abp_device();
    let tx = device.uplink(1, b"x", true, &world.entropy).unwrap();
    world.receive_and_wait(&tx);
    let first = world.transmitted(ttn_core::msg::TxResult::Success);
    world.advance(Duration::from_secs(8));
    world.receive_and_wait(&tx);
    let again = world.transmitted(ttn_core::msg::TxResult::Success);
    assert_eq!(world.take_ups(), ["uplink"]);
    assert_ne!(first.phy, again.phy, "another counter");
    let ttn_mac::device::Received::Data(data) = device.hear(&again.phy).unwrap() else {
        panic!("no data")
    };
    assert!(data.ack);
    assert_eq!(data.f_cnt, 1);
}

// NS-18
#[test]
fn the_application_gets_the_payload_encrypted_and_nothing_of_port_0() {
    let mut world = World::with(&abp());
    let mut device = abp_device();
    let tx = device.uplink(9, b"hello", true, &world.entropy).unwrap();
    world.receive_and_wait(&tx);
    let Up::Uplink(up) = &world.application[0].up else { panic!("no uplink") };
    let header = 1 + 7 + 1;
    assert_eq!(*up.frm_payload, tx.bytes[header..header + 5]);
    assert_ne!(&*up.frm_payload, b"hello");
    assert_eq!((up.f_cnt, up.f_port, up.confirmed), (0, Some(9), true));
    assert_eq!((&up.session_key_id, up.data_rate_index.get()), (&session_id(), 5));
    // 18 octets at SF7: 51.456 ms.
    assert_eq!((up.consumed_airtime.as_micros(), up.rx_metadata.len()), (51_456, 1));

    let tx = device.uplink(0, &[0x02], false, &world.entropy).unwrap();
    world.receive_and_wait(&tx);
    let Up::Uplink(up) = &world.application[1].up else { panic!("no uplink") };
    assert_eq!((up.f_port, up.frm_payload.len()), (Some(0), 0));
}

// NS-117
#[test]
fn copies_candidates_and_latency_are_counted() {
    let mut world = World::with(&abp());
    let mut device = abp_device();
    let tx = device.uplink(1, b"x", false, &world.entropy).unwrap();
    for gateway in ["gtw-1", "gtw-2", "gtw-3"] {
        world.receive(&tx, gateway);
    }
    world.advance(Duration::from_secs(1));
    let read = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    let stats = world.shard.stats();
    assert_eq!((read(&stats.uplink_received), read(&stats.uplink_duplicates)), (3, 2));
    // The session is looked for with the first copy and once more at the end of the window.
    assert_eq!((read(&stats.match_candidates), read(&stats.mic_computations)), (2, 2));
    assert!((stats.uplink_gateways.sum() - 3.0).abs() < 1e-9);
    let (latency, window) = (stats.uplink_latency_seconds.sum(), 0.2);
    assert!((latency - window).abs() < 0.01, "{latency}");
}

// NS-06: 14 octets at SF7 and 125 kHz are 12.25 + 33 symbols of 1.024 ms
#[test]
fn the_airtime_comes_with_the_uplink() {
    let mut world = World::with(&abp());
    let mut device = abp_device();
    let tx = device.uplink(1, b"x", false, &world.entropy).unwrap();
    assert_eq!(tx.bytes.len(), 14);
    world.receive_and_wait(&tx);
    let Up::Uplink(up) = &world.application[0].up else { panic!("no uplink") };
    assert_eq!(up.consumed_airtime, Duration::from_micros(46_336));
}

/// Registers devices that have the address of [`abp`], each with keys of its own.
fn crowd(world: &mut World, count: u8) {
    for number in 1..=count {
        let mut device = abp();
        device.ids.key.device_id = format!("other-{number}").parse().unwrap();
        // A DevEUI that is in the partition of the world; without a JoinEUI nobody minds that others have it.
        device.ids.join_eui = None;
        let session = device.state.as_mut().unwrap().session.as_mut().unwrap();
        session.keys = NetworkKeys::v1_0(Aes128Key::new([number; 16]));
        world.put(device, Replaces::Nothing).unwrap();
    }
}

// NS-07
#[test]
fn one_of_many_sessions_with_an_address_is_found() {
    let mut world = World::with(&abp());
    crowd(&mut world, 40);
    let mut device = abp_device();
    for f_cnt in [0, 1, 2, 16_000] {
        device.set_next_f_cnt_up(f_cnt);
        let tx = device.uplink(1, b"x", false, &world.entropy).unwrap();
        world.receive_and_wait(&tx);
        let Up::Uplink(up) = &world.application.last().unwrap().up else { panic!("no uplink") };
        assert_eq!((up.f_cnt, up.session_key_id.clone()), (f_cnt, session_id()));
        assert_eq!(world.application.last().unwrap().ids.key, abp().ids.key);
    }
    world.restart();
    let tx = device.uplink(1, b"x", false, &world.entropy).unwrap();
    world.receive_and_wait(&tx);
    assert_eq!(world.application.len(), 5);
    assert!(world.drop_reasons().is_empty());
}

// NS-07, NS-09
#[test]
fn a_frame_of_none_of_many_sessions_is_refused() {
    let mut world = World::with(&abp());
    crowd(&mut world, 40);
    let mut device = abp_device();
    let mut tx = device.uplink(1, b"x", false, &world.entropy).unwrap();
    *tx.bytes.last_mut().unwrap() ^= 1;
    world.receive_and_wait(&tx);
    // A jump that 1.0.3 does not allow is not looked at, whoever sent it.
    device.set_next_f_cnt_up(20_000);
    let tx = device.uplink(1, b"x", false, &world.entropy).unwrap();
    world.receive_and_wait(&tx);
    assert!(world.application.is_empty());
    assert_eq!(world.drop_reasons(), ["mic_mismatch", "mic_mismatch"]);
}
