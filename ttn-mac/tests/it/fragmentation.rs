//! Fragmented data blocks (TS004): server and devices over air that loses, and an independent codec.

use lrwn::applayer::fragmentation::{v1, v2};
use proptest::{collection::vec, prelude::*};
use ttn_core::key::Aes128Key;
use ttn_mac::package::{
    Source, Version,
    fragmentation::{
        DataBlock, Device, Downlink, Effect, Encoder, Ignored, Limits, Offer, Recipient, SetupAns,
        Transfer, TransferState, Uplink, parse_downlink, parse_uplink,
    },
};

static KEY: Aes128Key = Aes128Key::new([7; 16]);
const GROUP: Source = Source::Multicast(1);

fn block(octets: usize) -> Vec<u8> {
    (0..octets).map(|at| (at * 37 % 256) as u8).collect()
}

fn offer(redundancy: u16) -> Offer {
    Offer {
        frag_index: 2,
        mc_group_bit_mask: 0b0010,
        frag_size: 20,
        block_ack_delay: 3,
        descriptor: [1, 2, 3, 4],
        redundancy,
    }
}

fn octets(version: Version, command: &Downlink) -> Vec<u8> {
    let mut payload = Vec::new();
    command.encode(version, &mut payload).unwrap();
    payload
}

/// Sends a command, and what the device answers to the transfer, until nobody says more.
fn exchange(
    version: Version,
    source: Source,
    command: &Downlink,
    device: &mut Device,
    transfer: &mut Transfer,
) -> Vec<Effect> {
    let effects = device.handle(source, &octets(version, command));
    for answer in Effect::answers(&effects) {
        let mut payload = Vec::new();
        answer.encode(version, &mut payload).unwrap();
        for command in parse_uplink(version, &payload) {
            if let Some(reply) = transfer.handle(&command.unwrap()) {
                device.handle(Source::Unicast, &octets(version, &reply));
            }
        }
    }
    effects
}

fn recipient(version: Version) -> Recipient<'static> {
    match version {
        Version::V1 => Recipient::V1,
        Version::V2 => {
            Recipient::V2 { data_block_int_key: &KEY, session_cnt: 1, ack_reception: true }
        }
    }
}

fn device(version: Version) -> Device {
    Device::new((version == Version::V2).then(|| KEY.clone()), Limits::default())
}

#[test]
fn a_block_reaches_devices_that_miss_different_fragments() {
    for version in [Version::V1, Version::V2] {
        let data = block(995);
        let mut sender = DataBlock::new(version, offer(20), data.clone()).unwrap();
        let setup = sender.setup(&recipient(version)).unwrap();
        let mut members = Vec::new();
        for _ in 0..4 {
            let (mut device, mut transfer) = (device(version), Transfer::new(2));
            exchange(version, Source::Unicast, &setup, &mut device, &mut transfer);
            assert!(matches!(transfer.state(), TransferState::Receiving(_)));
            members.push((device, transfer, None));
        }
        let mut sent = 0;
        while let Some(fragment) = sender.next_fragment() {
            sent += 1;
            for (lost, (device, transfer, got)) in members.iter_mut().enumerate() {
                if sent % (lost + 4) == 0 {
                    continue;
                }
                for effect in exchange(version, GROUP, &fragment, device, transfer) {
                    if let Effect::Block { data, descriptor, frag_index } = effect {
                        assert_eq!((descriptor, frag_index), ([1, 2, 3, 4], 2));
                        *got = Some(data);
                    }
                }
            }
        }
        assert_eq!((sent, sender.remaining()), (70, 0));
        for (device, transfer, got) in &mut members {
            assert_eq!(got.as_deref(), Some(&*data));
            exchange(version, GROUP, &sender.ask(true), device, transfer);
            assert_eq!(transfer.state(), TransferState::Complete);
            exchange(version, Source::Unicast, &sender.delete(), device, transfer);
            assert_eq!(transfer.state(), TransferState::Deleted);
        }
    }
}

// TS004-2.0.0 §3.2
#[test]
fn a_device_that_misses_fragments_says_how_many_and_gets_more() {
    let version = Version::V2;
    let mut sender = DataBlock::new(version, offer(0), block(400)).unwrap();
    let (mut device, mut transfer) = (device(version), Transfer::new(2));
    let setup = sender.setup(&recipient(version)).unwrap();
    exchange(version, Source::Unicast, &setup, &mut device, &mut transfer);
    let mut n = 0;
    while let Some(fragment) = sender.next_fragment() {
        n += 1;
        if n > 3 {
            exchange(version, GROUP, &fragment, &mut device, &mut transfer);
        }
    }
    let missing: Vec<u16> = device.missing_fragments(2).unwrap().collect();
    assert_eq!(missing, [1, 2, 3]);
    let effects = exchange(version, GROUP, &sender.ask(false), &mut device, &mut transfer);
    let [Effect::Answer { delay_s_max, .. }] = &*effects else { panic!("{effects:?}") };
    assert_eq!(*delay_s_max, 128, "answers of a group are spread over 2^(3 + 4) seconds");
    let TransferState::Receiving(reception) = transfer.state() else { panic!() };
    assert_eq!((reception.nb_frag_received, reception.missing_frag), (17, 3));

    assert_eq!(sender.add_redundancy(10), 10);
    while let Some(fragment) = sender.next_fragment() {
        exchange(version, GROUP, &fragment, &mut device, &mut transfer);
    }
    assert_eq!(transfer.state(), TransferState::Complete);
    assert_eq!(device.repeat(2), None, "the server has answered");
    let effects = exchange(version, GROUP, &sender.ask(false), &mut device, &mut transfer);
    assert_eq!(effects, [Effect::Ignored(Ignored::Complete { frag_index: 2 })]);
}

// TS004-2.0.0 §3.5, §4
#[test]
fn a_block_with_another_integrity_code_is_not_used() {
    let version = Version::V2;
    let data = block(60);
    let mut sender = DataBlock::new(version, offer(0), data.clone()).unwrap();
    let other = Aes128Key::new([8; 16]);
    let recipient =
        Recipient::V2 { data_block_int_key: &other, session_cnt: 1, ack_reception: true };
    let setup = sender.setup(&recipient).unwrap();
    let (mut device, mut transfer) = (device(version), Transfer::new(2));
    exchange(version, Source::Unicast, &setup, &mut device, &mut transfer);
    let mut effects = Vec::new();
    while let Some(fragment) = sender.next_fragment() {
        effects = device.handle(GROUP, &octets(version, &fragment));
    }
    let told = Uplink::FragDataBlockReceivedReq { frag_index: 2, mic_error: true };
    assert_eq!(
        effects,
        [Effect::Answer { command: told, delay_s_max: 128 }, Effect::Corrupt { frag_index: 2 }]
    );
    assert_eq!(device.repeat(2), Some(told), "nobody has answered yet");
    exchange(version, Source::Unicast, &sender.ask(true), &mut device, &mut transfer);
    assert_eq!(transfer.state(), TransferState::Corrupt);
}

// TS004-2.0.0 §3.3
#[test]
fn a_session_is_refused_with_all_reasons() {
    let limits = Limits { octets_max: 100, rows_max: 1 };
    let mut device = Device::new(Some(KEY.clone()), limits)
        .with_sessions_max(1)
        .with_descriptors(vec![[9; 4]])
        .with_session_counters([None, None, Some(1), None]);
    let sender = DataBlock::new(Version::V2, offer(0), block(200)).unwrap();
    let setup = sender.setup(&recipient(Version::V2)).unwrap();
    let mut transfer = Transfer::new(2);
    exchange(Version::V2, Source::Unicast, &setup, &mut device, &mut transfer);
    let refused = SetupAns {
        frag_index: 2,
        frag_algo_unsupported: false,
        not_enough_memory: true,
        frag_index_unsupported: true,
        wrong_descriptor: true,
        session_cnt_replay: true,
    };
    assert_eq!(transfer.state(), TransferState::Refused(refused));
    assert_eq!(device.session_counters(), [None, None, Some(1), None]);
}

// TS004-2.0.0 §3, §3.6
#[test]
fn groups_bring_only_what_they_may() {
    let mut device = device(Version::V2);
    let mut sender = DataBlock::new(Version::V2, offer(0), block(60)).unwrap();
    let setup = octets(Version::V2, &sender.setup(&recipient(Version::V2)).unwrap());
    let not_for_groups = [Effect::Ignored(Ignored::NotForGroups)];
    assert_eq!(device.handle(GROUP, &setup), not_for_groups);
    device.handle(Source::Unicast, &setup);
    let fragment = octets(Version::V2, &sender.next_fragment().unwrap());
    let ignored = |group| [Effect::Ignored(Ignored::Group { group })];
    assert_eq!(device.handle(Source::Multicast(0), &fragment), ignored(0));
    assert_eq!(device.handle(Source::Multicast(9), &fragment), ignored(9));
    assert_eq!(device.handle(GROUP, &fragment), []);
    assert_eq!(device.handle(Source::Unicast, &fragment), [], "a repetition counts and is dropped");
}

#[test]
fn an_answer_that_got_lost_does_not_cost_what_came() {
    let mut device = device(Version::V1);
    let mut sender = DataBlock::new(Version::V1, offer(0), block(60)).unwrap();
    let setup = octets(Version::V1, &sender.setup(&Recipient::V1).unwrap());
    device.handle(Source::Unicast, &setup);
    let fragment = octets(Version::V1, &sender.next_fragment().unwrap());
    device.handle(Source::Unicast, &fragment);
    let accepted = SetupAns { frag_index: 2, ..SetupAns::default() };
    let answers = Effect::answers(&device.handle(Source::Unicast, &setup));
    assert_eq!(answers, [Uplink::FragSessionSetupAns(accepted)]);
    assert_eq!(device.missing_fragments(2).unwrap().count(), 2);
    sender.setup(&recipient(Version::V2)).expect_err("the block is coded for version 1");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn an_independent_encoder_makes_the_same_fragments(
        data in vec(any::<u8>(), 1..600),
        size in 1_usize..40,
        redundancy in 0_u16..30,
    ) {
        for version in [Version::V1, Version::V2] {
            let (encoder, _) = Encoder::padded(version, data.clone(), size).unwrap();
            let theirs = match version {
                Version::V1 => v1::encode(encoder.data(), size, redundancy.into()),
                Version::V2 => v2::encode(encoder.data(), size, redundancy.into()),
            };
            let ours: Vec<_> = (1..=encoder.nb_frag() + redundancy)
                .map(|n| encoder.fragment(n).unwrap())
                .collect();
            prop_assert_eq!(ours, theirs.unwrap());
        }
    }

    #[test]
    fn devices_survive_any_payload(payloads in vec((0_u8..6, vec(any::<u8>(), 0..40)), 0..30)) {
        for version in [Version::V1, Version::V2] {
            let mut device = device(version);
            let mut transfer = Transfer::new(0);
            for (group, payload) in &payloads {
                let source = match group {
                    0..4 => Source::Multicast(*group),
                    _ => Source::Unicast,
                };
                let effects = device.handle(source, payload);
                prop_assert!(effects.len() <= payload.len());
                for answer in Effect::answers(&effects) {
                    answer.encode(version, &mut Vec::new()).unwrap();
                }
                for command in parse_uplink(version, payload).flatten() {
                    transfer.handle(&command);
                }
            }
        }
    }

    #[test]
    fn what_was_read_is_written_again(payload in vec(any::<u8>(), 0..60)) {
        for version in [Version::V1, Version::V2] {
            for command in parse_downlink(version, &payload).flatten() {
                let written = octets(version, &command);
                let read: Vec<_> = parse_downlink(version, &written).collect();
                prop_assert_eq!(read, [Ok(command)]);
            }
            for command in parse_uplink(version, &payload).flatten() {
                let mut written = Vec::new();
                command.encode(version, &mut written).unwrap();
                let read: Vec<_> = parse_uplink(version, &written).collect();
                prop_assert_eq!(read, [Ok(command)]);
            }
        }
    }
}
