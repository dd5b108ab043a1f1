//! region_cases.json: channel masks, receive windows, sub-bands, data rates and channel lists.

use serde_json::Value;
use ttn_core::{
    radio::{CodingRate, DataRate, DataRateIndex, Frequency},
    time::GpsTime,
};
use ttn_mac::{
    adr::DefaultAdr,
    band::{Band, ChannelMask, MaskPair},
    class_b,
    engine::{Engine, UplinkRadio},
    frame::CfList,
    plan::{self, FrequencyPlan, PlanChannel},
    state::{Channel, Channels, MacSettings},
    version::MacVersion,
};

use crate::{
    regions::{band_of, scheme_of},
    support::{Case, Fields, Kind, checked},
};

pub(crate) const KINDS: &[Kind] = &[
    checked("cf_list", cf_list),
    checked("ch_mask_generate", ch_mask_generate),
    checked("ch_mask_parse", ch_mask_parse),
    checked("class_b_frequency", class_b_frequency),
    checked("find_data_rate", find_data_rate),
    checked("rx_windows", rx_windows),
    checked("sub_band", sub_band),
];

fn ch_mask_generate(case: &Case) {
    let (input, scheme) = (case.input(), scheme_of(case.input()));
    let mask = |name| -> ChannelMask {
        let indexes = input.value(name).as_array().unwrap();
        indexes.iter().map(|index| u8::try_from(index.as_u64().unwrap()).unwrap()).collect()
    };
    let (current, desired) = (mask("current"), mask("desired"));
    let pairs = scheme.pairs(current, desired);
    let expected = case.expected().value("pairs").as_array().unwrap();
    // Any sequence that ends in the desired set with no more pairs is as good.
    assert!(pairs.len() <= expected.len(), "{pairs:?} instead of {expected:?}");
    let reached = pairs.iter().fold(current, |state, pair| scheme.apply(state, *pair).unwrap());
    assert_eq!(reached, desired);
    // And the expected sequence means the same to us.
    let theirs = expected.iter().fold(current, |state, pair| {
        let number = |at: usize| pair[at].as_u64().unwrap();
        let ch_mask_cntl = u8::try_from(number(0)).unwrap();
        let ch_mask = u16::try_from(number(1)).unwrap();
        scheme.apply(state, MaskPair { ch_mask_cntl, ch_mask }).unwrap()
    });
    assert_eq!(theirs, desired);
}

fn ch_mask_parse(case: &Case) {
    let (input, scheme) = (case.input(), scheme_of(case.input()));
    let pair = MaskPair { ch_mask_cntl: input.int("ch_mask_cntl"), ch_mask: input.int("ch_mask") };
    let Value::Array(expected) = case.expected().value("channels") else {
        assert_eq!(scheme.apply(ChannelMask::EMPTY, pair), None);
        return;
    };
    let first = u8::try_from(expected[0].as_u64().unwrap()).unwrap();
    let bits = expected[1].as_str().unwrap();
    // Channels that are not mentioned keep their state, whatever it is.
    for before in [ChannelMask::EMPTY, ChannelMask::first(scheme.channels().into())] {
        let mut wanted = before;
        for (index, bit) in (first..).zip(bits.chars()) {
            wanted.set(index, bit == '1');
        }
        assert_eq!(scheme.apply(before, pair), Some(wanted));
    }
}

fn rx_windows(case: &Case) {
    let (input, expected) = (case.input(), case.expected());
    let band = band_of(input);
    let uplink = Frequency::from_hz(input.int("uplink_frequency"));
    let index: u8 = input.int("uplink_channel_index");
    let channel = Channels::at_boot(band).channel(band, index).unwrap();
    assert_eq!(channel.uplink_frequency, uplink);
    let rate = band.rx1_data_rate(
        data_rate_index(input, "uplink_data_rate_index"),
        input.int("rx1_dr_offset"),
        input.flag("downlink_dwell_time"),
    );
    if expected.has("rx1") {
        let rx1 = expected.object("rx1");
        assert_eq!(channel.downlink_frequency.hz(), rx1.int::<u64>("frequency"));
        assert_eq!(rate.unwrap(), data_rate_index(rx1, "data_rate_index"));
    } else {
        rate.unwrap_err();
    }
    let rx2 = expected.object("rx2");
    assert_eq!(band.default_rx2.frequency.hz(), rx2.int::<u64>("frequency"));
    assert_eq!(band.default_rx2.data_rate, data_rate_index(rx2, "data_rate_index"));
    let millis = |duration: core::time::Duration| i64::try_from(duration.as_millis()).unwrap();
    assert_eq!(millis(band.join_accept_delay_1), expected.number("join_rx1_delay_ms"));
    assert_eq!(millis(band.join_accept_delay_2), expected.number("join_rx2_delay_ms"));
}

fn sub_band(case: &Case) {
    let (input, expected) = (case.input(), case.expected());
    let band = band_of(input);
    let found = band.sub_band(Frequency::from_hz(input.int("frequency")));
    if !expected.has("sub_band_index") {
        assert_eq!(found, None);
        return;
    }
    let (index, sub) = found.unwrap();
    assert_eq!(index, expected.int::<usize>("sub_band_index"));
    assert_eq!(sub.duty_cycle, expected.value("duty_cycle").as_f64().unwrap() as f32);
    assert_eq!(sub.max_eirp, expected.value("max_eirp").as_f64().unwrap() as f32);
}

fn class_b_frequency(case: &Case) {
    let (input, expected) = (case.input(), case.expected());
    let band = band_of(input);
    let time = GpsTime::from_nanos(input.number("gps_seconds") * 1_000_000_000);
    let hz = |name| expected.has(name).then(|| Frequency::from_hz(expected.int(name)));
    assert_eq!(class_b::beacon_frequency(band, time), hz("beacon_frequency"));
    let ping_slot = class_b::ping_slot_frequency(band, time, input.dev_addr("dev_addr"));
    assert_eq!(ping_slot, hz("ping_slot_frequency"));
}

fn find_data_rate(case: &Case) {
    let band = band_of(case.input());
    let rate = data_rate(case.input().object("rate"));
    let index = |name| case.expected().has(name).then(|| data_rate_index(case.expected(), name));
    assert_eq!(band.uplink_data_rate(&rate), index("uplink_index"));
    assert_eq!(band.downlink_data_rate(&rate), index("downlink_index"));
}

// RP002-1.0.5 §3.3.1
fn cf_list(case: &Case) {
    let band = band_of(case.input());
    let channels = desired_channels(band, case.input());
    let found = join_cf_list(band, channels);
    if case.0["expected"].is_null() {
        assert_eq!(found, None);
        return;
    }
    let list =
        |name| case.expected().value(name).as_array().unwrap().iter().map(|n| n.as_u64().unwrap());
    match found.unwrap() {
        CfList::Frequencies(frequencies) => {
            assert_eq!(case.expected().number("type"), 0);
            let ours: Vec<u64> =
                frequencies.iter().map(|f| f.hz() / 100).filter(|units| *units > 0).collect();
            assert_eq!(ours, list("frequencies_100hz").collect::<Vec<_>>());
        }
        CfList::ChannelMasks(masks) => {
            assert_eq!(case.expected().number("type"), 1);
            let wanted: ChannelMask =
                list("enabled_channels").map(|index| u8::try_from(index).unwrap()).collect();
            let bits =
                masks.iter().rev().fold(0_u128, |bits, mask| (bits << 16) | u128::from(*mask));
            assert_eq!(ChannelMask::from_bits(bits), wanted);
        }
    }
}

/// The desired channels of a case, by index.
fn desired_channels(band: &Band, input: Fields<'_>) -> Channels {
    let mut channels = Channels::at_boot(band);
    if band.has_fixed_channels() {
        channels.enabled = ChannelMask::EMPTY;
    }
    for (at, entry) in (0_u8..).zip(input.value("channels").as_array().unwrap()) {
        let frequency = Frequency::from_hz(entry[0].as_u64().unwrap());
        let enabled = entry[1].as_bool().unwrap();
        if band.has_fixed_channels() {
            let index = channels.index_of(band, frequency).unwrap();
            channels.enabled.set(index, enabled);
            continue;
        }
        let model = band.uplink_channels[0];
        let channel = Channel {
            uplink_frequency: frequency,
            downlink_frequency: frequency,
            min_data_rate: model.min_data_rate,
            max_data_rate: model.max_data_rate,
        };
        assert!(channels.set(band, at, Some(channel)));
        channels.enabled.set(at, enabled);
    }
    channels
}

/// The channel list that a device with these desired channels gets.
fn join_cf_list(band: &'static Band, channels: Channels) -> Option<CfList> {
    let base = plan::get("EU_863_870").unwrap().clone();
    let uplink_channels = Vec::<PlanChannel>::new().into();
    let plan = FrequencyPlan { band_id: band.id, uplink_channels, ..base };
    let settings = MacSettings::default();
    let engine = Engine::new(band, &plan, &settings, &settings, &DefaultAdr);
    let mut st = engine.new_otaa(MacVersion::V1_0_3);
    st.slow.desired.channels = channels;
    let first = band.uplink_channels[0];
    let data_rate = band.data_rate(first.min_data_rate).unwrap().rate;
    let channel =
        engine.join_channel(&UplinkRadio { frequency: first.frequency, data_rate }).unwrap();
    engine.join_parameters(&st, channel).cf_list
}

fn data_rate_index(fields: Fields<'_>, name: &str) -> DataRateIndex {
    DataRateIndex::new(fields.int(name)).unwrap()
}

fn data_rate(rate: Fields<'_>) -> DataRate {
    let coding_rate = |of: Fields<'_>| of.text("coding_rate").parse::<CodingRate>().unwrap();
    if rate.has("lora") {
        let lora = rate.object("lora");
        DataRate::Lora {
            spreading_factor: lora.int("spreading_factor"),
            bandwidth: lora.int("bandwidth"),
            coding_rate: coding_rate(lora),
        }
    } else if rate.has("fsk") {
        DataRate::Fsk { bit_rate: rate.object("fsk").int("bit_rate") }
    } else {
        let lr_fhss = rate.object("lrfhss");
        DataRate::LrFhss {
            modulation_type: 0,
            operating_channel_width: lr_fhss.int("operating_channel_width"),
            coding_rate: coding_rate(lr_fhss),
        }
    }
}
