//! Remote multicast setup (TS005): server and device, and an independent codec.

use lrwn::applayer::multicastsetup::v1;
use proptest::{collection::vec, prelude::*};
use ttn_core::{addr::DevAddr, key::Aes128Key, radio::Frequency};
use ttn_mac::{
    crypto::multicast::{decrypt_mc_key, encrypt_mc_key},
    frame::FrequencyStep,
    package::{
        Source, Version,
        multicast_setup::{
            Device, Downlink, Effect, Group, Member, MemberEvent, Radio, Session, SessionAns,
            SessionKind, Uplink, parse_downlink, parse_uplink,
        },
    },
};

const STEP: FrequencyStep = FrequencyStep::Hz100;
const ADDR: DevAddr = DevAddr::from_be_bytes([1, 2, 3, 4]);
/// The longest answer at the lowest data rate.
const OCTETS_MAX: usize = 11;

struct Eu868;

impl Radio for Eu868 {
    fn is_usable(&self, frequency: Frequency) -> bool {
        frequency.is_zero() || (863_000_000..870_000_000).contains(&frequency.hz())
    }

    fn is_defined(&self, dr: u8) -> bool {
        dr < 8
    }
}

fn ke_key() -> Aes128Key {
    Aes128Key::new([3; 16])
}

fn device(version: Version) -> Device {
    Device::new(version, STEP, ke_key())
}

fn group() -> Group {
    Group::new(ADDR, Aes128Key::new([9; 16]), 1000)
}

fn session(session_time: u32) -> Session {
    Session {
        mc_group_id: 0,
        kind: SessionKind::ClassC,
        session_time,
        time_out: 8,
        dl_frequency: Frequency::from_hz(869_525_000),
        dr: 0,
    }
}

fn ask(device: &mut Device, now: u32, command: &Downlink) -> Uplink {
    let mut payload = Vec::new();
    command.encode(STEP, &mut payload).unwrap();
    let effects = device.handle(now, &Eu868, Source::Unicast, &payload, OCTETS_MAX);
    let [Effect::Answer(answer)] = &*effects else { panic!("{effects:?}") };
    answer.clone()
}

#[test]
fn a_member_derives_the_keys_of_the_group_and_listens_in_time() {
    for version in [Version::V1, Version::V2] {
        let (mut device, mut member) = (device(version), Member::new(1));
        let answer = ask(&mut device, 0, &group().setup(1, 10, &ke_key()));
        assert_eq!(member.handle(0, &answer), Some(MemberEvent::Defined));
        let (id, context) = device.by_addr(ADDR).unwrap();
        assert_eq!(id, 1);
        assert_eq!(context.mc_app_s_key.expose(), group().mc_app_s_key().expose());
        assert_eq!(context.mc_nwk_s_key.expose(), group().mc_nwk_s_key().expose());
        let taken = [9, 10, 10, 12, 1000].map(|f_cnt| context.take(f_cnt));
        assert_eq!(taken, [false, true, false, true, false]);

        let request = member.schedule(session(5000));
        let answer = ask(&mut device, 4900, &request);
        // The device is three seconds early.
        let scheduled = MemberEvent::Scheduled { clock_error: 3 };
        assert_eq!(member.handle(4903, &answer), Some(scheduled));
        let session = device.group(1).unwrap().session.unwrap();
        let open = [4999, 5000, 5255, 5256].map(|now| session.is_open(now));
        assert_eq!(open, [false, true, true, false]);
    }
}

// TS005-2.0.0 §4.5
#[test]
fn a_session_is_refused_with_all_reasons() {
    let (mut device, mut member) = (device(Version::V2), Member::new(0));
    let wrong = Session { dl_frequency: Frequency::from_hz(915_000_000), dr: 9, ..session(10) };
    let answer = ask(&mut device, 20, &member.schedule(wrong));
    let refused = SessionAns {
        mc_group_id: 0,
        dr_error: true,
        freq_error: true,
        mc_group_undefined: true,
        start_missed: true,
        time_to_start: None,
    };
    assert_eq!(answer, Uplink::McClassCSessionAns(refused));
    assert_eq!(member.handle(20, &answer), Some(MemberEvent::SessionRefused(refused)));
    assert_eq!(member.session(), None);
}

#[test]
fn version_1_begins_at_once_what_it_missed() {
    let mut device = device(Version::V1);
    ask(&mut device, 0, &group().setup(0, 0, &ke_key()));
    let answer = ask(&mut device, 20, &Downlink::McSessionReq(session(10)));
    let Uplink::McClassCSessionAns(answer) = answer else { panic!("{answer:?}") };
    assert_eq!(answer.time_to_start, Some(0));
}

// TS005-2.0.0 §4.5
#[test]
fn a_start_that_is_too_far_is_told_as_the_farthest() {
    let mut device = device(Version::V2);
    ask(&mut device, 0, &group().setup(0, 0, &ke_key()));
    let kind = SessionKind::ClassB { periodicity: 3 };
    let far = Session { kind, dl_frequency: Frequency::default(), ..session(1 << 30) };
    let answer = ask(&mut device, 0, &Downlink::McSessionReq(far));
    let Uplink::McClassBSessionAns(answer) = answer else { panic!("{answer:?}") };
    assert_eq!(answer.time_to_start, Some(0x00FF_FFFF));
}

// TS005-2.0.0 §4.2, §4.3, §4.4
#[test]
fn groups_are_counted_limited_and_deleted() {
    let mut device = device(Version::V2).with_groups_max(2);
    for (id, refused) in [(0, false), (1, false), (2, true)] {
        let answer = ask(&mut device, 0, &group().setup(id, 0, &ke_key()));
        assert_eq!(answer, Uplink::McGroupSetupAns { mc_group_id: id, id_error: refused });
    }
    let status = ask(&mut device, 0, &Downlink::McGroupStatusReq { req_group_mask: 0x0F });
    // Eleven octets hold one group: the highest is left out.
    let groups = vec![(0, ADDR)];
    assert_eq!(status, Uplink::McGroupStatusAns { nb_total_groups: 2, groups });
    for mc_group_undefined in [false, true] {
        let answer = ask(&mut device, 0, &Member::new(0).delete());
        assert_eq!(answer, Uplink::McGroupDeleteAns { mc_group_id: 0, mc_group_undefined });
    }
}

// TS005-1.0.0 §4
#[test]
fn groups_do_not_set_up_groups() {
    let effects = device(Version::V1).handle(0, &Eu868, Source::Multicast(0), &[0], OCTETS_MAX);
    assert_eq!(effects, [Effect::NotForGroups]);
}

proptest! {
    #[test]
    fn keys_of_groups_travel_as_an_independent_codec_has_them(ke: [u8; 16], mc: [u8; 16]) {
        let (ke_key, mc_key) = (Aes128Key::new(ke), Aes128Key::new(mc));
        let encrypted = encrypt_mc_key(&ke_key, &mc_key);
        let theirs = v1::encrypt_mc_key(
            lrwn::AES128Key::from_bytes(ke),
            lrwn::AES128Key::from_bytes(mc),
        );
        prop_assert_eq!(encrypted, theirs);
        let decrypted = decrypt_mc_key(&ke_key, encrypted);
        prop_assert_eq!(decrypted.expose(), &mc);
    }

    #[test]
    fn what_was_read_is_written_again(payload in vec(any::<u8>(), 0..60)) {
        for command in parse_downlink(STEP, &payload).flatten() {
            let mut written = Vec::new();
            if command.encode(STEP, &mut written).is_ok() {
                let read: Vec<_> = parse_downlink(STEP, &written).collect();
                prop_assert_eq!(read, [Ok(command)]);
            } else {
                prop_assert!(written.is_empty());
                prop_assert!(matches!(command, Downlink::McSessionReq(_)), "{command:?}");
            }
        }
        for version in [Version::V1, Version::V2] {
            let mut device = device(version);
            for effect in device.handle(7, &Eu868, Source::Unicast, &payload, 20) {
                if let Effect::Answer(answer) = effect {
                    let mut written = Vec::new();
                    answer.encode(version, &mut written).unwrap();
                    let read: Vec<_> = parse_uplink(version, &written).collect();
                    prop_assert_eq!(read, [Ok(answer)]);
                }
            }
            let mut member = Member::new(0);
            for command in parse_uplink(version, &payload).flatten() {
                member.handle(0, &command);
            }
        }
    }
}
