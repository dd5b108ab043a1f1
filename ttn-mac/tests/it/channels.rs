//! Channel masks and channel lists between network and device: what the one means is what the other understands.

use core::time::Duration;

use proptest::{prelude::*, sample::select};
use ttn_core::{
    addr::{DevAddr, NetId},
    eui::{DevEui, JoinEui},
    key::{Aes128Key, SessionKeyId},
    radio::{DataRateIndex, Frequency},
    time::Timestamp,
    version::MacVersion,
};
use ttn_mac::{
    adr::DefaultAdr,
    band::{self, Band, ChannelMask},
    command::Command,
    crypto::{
        derive::session_keys_1_0,
        join::{JoinAcceptMic, seal_join_accept},
    },
    device::{DevNonces, Device, DeviceConfig, DeviceSession, DeviceTx, Received, RootKeys},
    engine::{Engine, JoinAccepted, MacEvent, Outcome, RxInfo, UplinkFrame, UplinkRadio},
    frame::{self, JoinAccept},
    plan::{self, FrequencyPlan},
    session::NetworkKeys,
    state::{Candidate, Channel, MacSettings, MacState, Session},
};

use crate::chance::Chance;

const ADDR: DevAddr = DevAddr::from_u32(0x2600_0001);
const KEY: Aes128Key = Aes128Key::new([5; 16]);
const NOW: Timestamp = Timestamp::from_unix_secs(1_790_000_000);

fn bands(fixed: bool) -> Vec<&'static Band> {
    band::all().filter(|band| band.has_fixed_channels() == fixed).collect()
}

/// A plan that a band may have: the engine looks at its channels only when a state is made.
fn a_plan(band: &Band) -> &'static FrequencyPlan {
    plan::ALL.iter().find(|plan| plan.band_id == band.id).unwrap_or(&plan::ALL[0])
}

/// A network that asks no device for its status.
fn quiet() -> MacSettings {
    MacSettings {
        status_count_periodicity: Some(0),
        status_time_periodicity: Some(Duration::ZERO),
        ..MacSettings::default()
    }
}

/// The version that goes with the band. One of LoRaWAN 1.1 begins otherwise, but its masks and lists are those of 1.0.4.
fn version_of(band: &Band) -> MacVersion {
    use ttn_core::version::PhyVersion as Phy;
    match band.phy_version {
        Phy::TS001_V1_0 => MacVersion::V1_0,
        Phy::TS001_V1_0_1 => MacVersion::V1_0_1,
        Phy::RP001_V1_0_2 | Phy::RP001_V1_0_2_REV_B => MacVersion::V1_0_2,
        Phy::RP001_V1_0_3_REV_A => MacVersion::V1_0_3,
        _ => MacVersion::V1_0_4,
    }
}

fn config(band: &'static Band, channels: Option<ChannelMask>) -> DeviceConfig {
    let first = channels.and_then(|mask| mask.iter().next()).unwrap_or(0);
    DeviceConfig {
        band,
        version: version_of(band),
        channels,
        data_rate: band.uplink_channels[usize::from(first)].max_data_rate,
        adr: false,
        dev_nonces: DevNonces::Counter(1),
        first_f_cnt_up: 0,
    }
}

/// Both sides with a session, and the channels that the device has.
fn pair(band: &'static Band, channels: ChannelMask) -> (Device, MacState) {
    let config = config(band, Some(channels));
    let (version, data_rate) = (config.version, config.data_rate);
    let keys = NetworkKeys::v1_0(KEY);
    let device = DeviceSession {
        version,
        dev_addr: ADDR,
        keys: keys.clone(),
        app_s_key: KEY,
        next_f_cnt_up: 0,
        last_n_f_cnt_down: None,
        last_a_f_cnt_down: None,
    };
    let session = Session {
        dev_addr: ADDR,
        keys,
        session_key_id: SessionKeyId::new(b"abp").unwrap(),
        started_at: NOW,
    };
    let settings = quiet();
    let engine = Engine::new(band, a_plan(band), &settings, &settings, &DefaultAdr);
    let mut st = engine.new_abp(version, session);
    st.slow.current.channels.enabled = channels;
    st.slow.current.adr_data_rate = data_rate;
    (Device::abp(config, device), st)
}

fn receive(engine: &Engine<'_>, st: &mut MacState, tx: &DeviceTx, at: Timestamp) -> Outcome {
    let phy = frame::parse(tx.bytes.clone()).unwrap();
    let radio = UplinkRadio { frequency: tx.frequency, data_rate: tx.data_rate };
    let matched = engine.try_match(st, Candidate::Current, &phy, &radio, at).unwrap();
    let rx = RxInfo { received_at: at, max_snr: Some(0.0), gateway_count: 1, gps_time: None };
    engine.on_uplink(st, &UplinkFrame { phy: &phy, matched }, &rx, at).unwrap()
}

/// What is asked of the device, until the network wants nothing more.
fn settle(band: &Band, device: &mut Device, st: &mut MacState) -> Vec<Command> {
    let settings = quiet();
    let engine = Engine::new(band, a_plan(band), &settings, &settings, &DefaultAdr);
    let chance = Chance::new(1);
    let mut asked = Vec::new();
    for minute in 1..4_u64 {
        let at = NOW.plus(Duration::from_secs(60 * minute));
        let tx = device.uplink(1, b"x", false, &chance).unwrap();
        let outcome = receive(&engine, st, &tx, at);
        for event in &outcome.events {
            let refused = matches!(event, MacEvent::Answered { accepted: false, .. });
            assert!(!refused && !matches!(event, MacEvent::Unanswered(_)), "{event:?}");
        }
        let decision = engine.next_downlink(st, &outcome.slot, &[], at);
        let Ok(plan) = decision.result else { return asked };
        let adr = |it: &&Command| matches!(it, Command::LinkAdrReq { .. });
        asked.extend(plan.commands.iter().filter(adr));
        let heard = device.hear(&plan.tx.bytes);
        assert!(matches!(heard, Ok(Received::Data(_))), "{heard:?}");
        assert_eq!(device.windows_closed(true, &chance), None);
    }
    panic!("the network still wants something: {asked:?}");
}

/// Channels as plans have them: whole blocks here and there, with and without exceptions.
fn mask(band: &Band, blocks: u128, holes: u128) -> ChannelMask {
    let all = ChannelMask::first(band.uplink_channels.len()).bits();
    let blocks = blocks.to_le_bytes().map(|octet| if octet & 3 == 0 { 0xFF } else { 0 });
    ChannelMask::from_bits((u128::from_le_bytes(blocks) ^ (holes & holes.rotate_left(31))) & all)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    // NS-46: 64, 72 and 96 channels, in every version.
    #[test]
    fn masks_of_fixed_plans_arrive_with_the_fewest_requests(
        band in select(bands(true)),
        (from, from_holes, to, to_holes) in any::<(u128, u128, u128, u128)>(),
    ) {
        let (current, desired) = (mask(band, from, from_holes), mask(band, to, to_holes));
        prop_assume!(!current.is_empty() && !desired.is_empty());
        let (mut device, mut st) = pair(band, current);
        st.slow.desired = st.slow.current.clone();
        st.slow.desired.channels.enabled = desired;
        let asked = settle(band, &mut device, &mut st);
        prop_assert_eq!(st.slow.current.channels.enabled, desired);
        prop_assert_eq!(device.parameters().channels.enabled, desired);
        prop_assert_eq!(device.parameters().data_rate, st.slow.current.adr_data_rate);
        let fewest = band.ch_mask.pairs(current, desired).len();
        prop_assert_eq!(asked.len(), if current == desired { 0 } else { fewest });
    }

    // NS-25: CFList of type 1 and of type 0 (RP002-1.0.5 §3.3.1).
    #[test]
    fn a_channel_list_means_the_same_to_both_sides(
        band in select(bands(true).into_iter().chain(bands(false)).collect::<Vec<_>>()),
        (to, holes) in any::<(u128, u128)>(),
        more in proptest::collection::vec(0_u64..10, 0..7),
    ) {
        let settings = quiet();
        let engine = Engine::new(band, a_plan(band), &settings, &settings, &DefaultAdr);
        let mut st = engine.new_otaa(version_of(band));
        let desired = mask(band, to, holes);
        if band.has_fixed_channels() {
            prop_assume!(!desired.is_empty());
            st.slow.desired.channels.enabled = desired;
        } else {
            more_channels(band, &mut st, &more);
        }
        let root = RootKeys {
            join_eui: JoinEui::from_u64(1),
            dev_eui: DevEui::from_u64(2),
            app_key: KEY,
            nwk_key: None,
        };
        let mut device = Device::otaa(config(band, None), root);
        let parameters = join(&engine, &mut device, &mut st);
        let known = st.slow.pending_session.unwrap().channels;
        let (mut device, mut known) = (device.parameters().channels.clone(), known);
        for channels in [&mut device, &mut known] {
            while channels.list.pop_if(|channel| channel.is_none()).is_some() {}
        }
        prop_assert_eq!(&device, &known);
        if parameters && band.has_fixed_channels() {
            prop_assert_eq!(known.enabled, desired);
        }
        prop_assert!(parameters || !band.implements_cf_list || !band.has_fixed_channels());
    }
}

/// Channels behind those of the band.
fn more_channels(band: &Band, st: &mut MacState, more: &[u64]) {
    let model = band.uplink_channels[0];
    let first = u8::try_from(band.uplink_channels.len()).unwrap();
    for (index, place) in (first..).zip(more) {
        // Some indexes stay without channel.
        let hertz = model.frequency.hz() + 1_000_000 + place * 200_000;
        let channel = (*place > 0).then_some(Channel {
            uplink_frequency: Frequency::from_hz(hertz),
            downlink_frequency: Frequency::from_hz(hertz),
            min_data_rate: model.min_data_rate,
            max_data_rate: model.max_data_rate,
        });
        st.slow.desired.channels.set(band, index, channel);
    }
}

/// Joins; whether there was a channel list.
fn join(engine: &Engine<'_>, device: &mut Device, st: &mut MacState) -> bool {
    let tx = device.join(&Chance::new(2)).unwrap();
    let radio = UplinkRadio { frequency: tx.frequency, data_rate: tx.data_rate };
    let channel = engine.join_channel(&radio).unwrap();
    let parameters = engine.join_parameters(st, channel);
    let net_id = NetId::from_be_bytes([0, 0, 0x13]);
    let accept = JoinAccept {
        join_nonce: 1,
        net_id,
        dev_addr: ADDR,
        dl_settings: parameters.dl_settings,
        rx_delay: parameters.rx_delay,
        cf_list: parameters.cf_list.clone(),
    };
    let step = engine.band().frequency_step;
    let phy = seal_join_accept(&accept, step, JoinAcceptMic::V1_0(&KEY), &KEY).unwrap();
    assert_eq!(device.hear(&phy), Ok(Received::Joined));
    let has_list = accept.cf_list.is_some();
    let session = Session {
        dev_addr: ADDR,
        // DevNonce 1.
        keys: session_keys_1_0(&KEY, 1, net_id, 1).network,
        session_key_id: SessionKeyId::new(b"otaa").unwrap(),
        started_at: NOW,
    };
    let accepted = JoinAccepted { session, parameters, phy, channel, received_at: NOW };
    engine.on_join(st, accepted, NOW).unwrap();
    has_list
}

// NS-46: channels of 500 kHz alone, where the device sends at a data rate that they do not have.
#[test]
fn a_device_that_has_to_leave_its_data_rate_is_asked_for_both_at_once() {
    for band in bands(true).into_iter().filter(|band| band.ch_mask.channels() == 72) {
        let (narrow, wide) = (ChannelMask::first(64), ChannelMask::from_bits(1 << 64));
        for (from, to) in [(narrow, wide), (wide, narrow)] {
            let (mut device, mut st) = pair(band, from);
            st.slow.desired = st.slow.current.clone();
            st.slow.desired.channels.enabled = to;
            if to == wide {
                // What nobody can have on these channels.
                st.slow.desired.adr_data_rate = DataRateIndex::ZERO;
            }
            let asked = settle(band, &mut device, &mut st);
            assert!(!asked.is_empty() && asked.len() <= 5, "{asked:?}");
            assert_eq!(device.parameters().channels.enabled, to);
            let rate = device.parameters().data_rate;
            assert_eq!(rate, st.slow.current.adr_data_rate);
            let first = band.uplink_channels[usize::from(to.iter().next().unwrap())];
            assert!((first.min_data_rate..=first.max_data_rate).contains(&rate), "{rate}");
        }
    }
}
