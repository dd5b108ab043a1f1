//! regions.json: the tables of each band, field by field.

use serde_json::{Value, json};
use ttn_core::radio::{DataRate, Frequency};
use ttn_mac::{
    band::{
        self, Band, BandChannel, BandId, CfListType, ChMaskScheme, NO_DATA_RATE, Rx1Channel,
        Rx1Table,
    },
    version::PhyVersion,
};

use crate::support::{Case, Fields, Kind, checked};

pub(crate) const KINDS: &[Kind] = &[checked("band", tables)];

/// The band of a case.
pub(crate) fn band_of(input: Fields<'_>) -> &'static Band {
    let id: BandId = input.text("band_id").parse().unwrap();
    band::get(id, phy_version(input.text("phy_version"))).unwrap()
}

pub(crate) fn phy_version(name: &str) -> PhyVersion {
    PhyVersion::ALL.into_iter().find(|version| version.name() == name).unwrap()
}

fn tables(case: &Case) {
    let band = band_of(case.input());
    let ours = to_json(band);
    let Value::Object(expected) = &case.0["expected"] else { panic!("no object") };
    for (name, expected) in expected.iter().filter(|(name, _)| *name != "document") {
        let got = ours.get(name).unwrap_or_else(|| panic!("{name} is not compared"));
        assert!(same(got, expected), "{name}: {got} instead of {expected}");
    }
}

/// Equality in which 1 and 1.0 are the same, and fractions agree in single precision.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => {
            a.as_f64().unwrap() as f32 == b.as_f64().unwrap() as f32
        }
        // “None” is written in both ways.
        (Value::Array(a), Value::Null) => a.is_empty(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}

fn to_json(band: &Band) -> Value {
    let hz = |frequencies: &[Frequency]| frequencies.iter().map(|f| f.hz()).collect::<Vec<_>>();
    let rx1 = &band.rx1_data_rates;
    let mut ours = json!({
        "band_id": band.id.as_str(),
        "phy_version": band.phy_version.name(),
        "beacon": {
            "data_rate_index": band.beacon.data_rate.get(),
            "coding_rate": band.beacon.coding_rate.as_str(),
            "frequencies": hz(band.beacon.frequencies),
        },
        "ping_slot_frequencies": hz(band.ping_slot_frequencies),
        "max_uplink_channels": band.uplink_channels_max,
        "uplink_channels": channels(band.uplink_channels),
        "max_downlink_channels": band.downlink_channels_max,
        "downlink_channels": channels(band.downlink_channels),
        "sub_bands": band.sub_bands.iter().map(|sub| json!({
            "min_frequency": sub.min_frequency.hz(),
            "max_frequency": sub.max_frequency.hz(),
            "duty_cycle": sub.duty_cycle,
            "max_eirp": sub.max_eirp,
        })).collect::<Vec<_>>(),
        "data_rates": data_rates(band),
        "strict_coding_rate": band.strict_coding_rate,
        "freq_multiplier": band.frequency_step.hz(),
        "implements_cf_list": band.implements_cf_list,
        "cf_list_type": match band.cf_list_type {
            CfListType::Frequencies => "FREQUENCIES",
            CfListType::ChannelMasks => "CHANNEL_MASKS",
        },
        "supports_dynamic_adr": band.supports_dynamic_adr,
        "tx_offset": band.tx_offsets,
        "max_adr_data_rate_index": band.max_adr_data_rate.get(),
        "tx_param_setup_req_support": band.supports_tx_param_setup,
        "default_max_eirp": band.default_max_eirp,
        "rx1_channel": match band.rx1_channel {
            Rx1Channel::Identity => json!({ "rule": "identity" }),
            Rx1Channel::Modulo(n) => json!({ "rule": "modulo", "n": n }),
        },
        "rx1_data_rate": {
            "no_dwell": rx1_table(rx1.no_dwell),
            "dwell": if rx1.dwell == rx1.no_dwell { json!("same") } else { rx1_table(rx1.dwell) },
        },
        "default_rx2": {
            "data_rate_index": band.default_rx2.data_rate.get(),
            "frequency": band.default_rx2.frequency.hz(),
        },
        "boot_dwell_time": {
            "uplinks": band.boot_dwell_time.uplinks,
            "downlinks": band.boot_dwell_time.downlinks,
        },
        "ch_mask": ch_mask(band.ch_mask),
    });
    let rest = rest_to_json(band);
    ours.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    ours
}

fn rest_to_json(band: &Band) -> Value {
    let ms = |duration: core::time::Duration| u64::try_from(duration.as_millis()).unwrap();
    json!({
        "relay_wor_channels": band.relay_wor_channels.iter().map(|channel| json!([
            channel.frequency.hz(), channel.ack_frequency.hz(), channel.data_rate.get(),
        ])).collect::<Vec<_>>(),
        "receive_delay_1_ms": ms(band.receive_delay_1),
        "receive_delay_2_ms": ms(band.receive_delay_2),
        "join_accept_delay_1_ms": ms(band.join_accept_delay_1),
        "join_accept_delay_2_ms": ms(band.join_accept_delay_2),
        "max_fcnt_gap": band.max_f_cnt_gap,
        "adr_ack_limit": band.adr_ack_limit,
        "adr_ack_delay": band.adr_ack_delay,
        "min_retransmit_timeout_ms": ms(band.retransmit_timeout_min),
        "max_retransmit_timeout_ms": ms(band.retransmit_timeout_max),
        "relay_forward_delay_ms": ms(band.relay_forward_delay),
        "relay_receive_delay_ms": ms(band.relay_receive_delay),
        "served_relay_backoff": band.served_relay_backoff,
    })
}

fn channels(channels: &[BandChannel]) -> Value {
    channels
        .iter()
        .map(|channel| {
            json!([
                channel.frequency.hz(),
                channel.min_data_rate.get(),
                channel.max_data_rate.get()
            ])
        })
        .collect()
}

fn data_rates(band: &Band) -> Value {
    let entries = band.data_rates.iter().enumerate().filter_map(|(index, entry)| {
        let entry = entry.as_ref()?;
        let (kind, rate) = match entry.rate {
            DataRate::Fsk { bit_rate } => ("fsk", json!({ "bit_rate": bit_rate })),
            DataRate::Lora { spreading_factor, bandwidth, coding_rate } => (
                "lora",
                json!({
                    "bandwidth": bandwidth,
                    "spreading_factor": spreading_factor,
                    "coding_rate": coding_rate.as_str(),
                }),
            ),
            DataRate::LrFhss { operating_channel_width, coding_rate, .. } => (
                "lrfhss",
                json!({
                    "operating_channel_width": operating_channel_width,
                    "coding_rate": coding_rate.as_str(),
                }),
            ),
            other => panic!("{other:?}"),
        };
        let sizes =
            json!({ "no_dwell": entry.max_mac_payload, "dwell": entry.max_mac_payload_dwell });
        Some((index.to_string(), json!({ kind: rate, "max_mac_payload_size": sizes })))
    });
    Value::Object(entries.collect())
}

fn rx1_table(table: &Rx1Table) -> Value {
    let rows = table.iter().enumerate().filter(|(_, row)| row.iter().any(|dr| *dr != NO_DATA_RATE));
    let cell = |dr: &u8| if *dr == NO_DATA_RATE { Value::Null } else { json!(dr) };
    Value::Object(
        rows.map(|(index, row)| (index.to_string(), row.iter().map(cell).collect())).collect(),
    )
}

fn ch_mask(scheme: ChMaskScheme) -> Value {
    let (uses_cntl5, atomic) = match scheme {
        ChMaskScheme::Channels72 { uses_cntl5, atomic } => (Some(uses_cntl5), Some(atomic)),
        _ => (None, None),
    };
    json!({ "channels": scheme.channels(), "uses_cntl5": uses_cntl5, "atomic": atomic })
}

pub(crate) fn scheme_of(input: Fields<'_>) -> ChMaskScheme {
    match input.number("channels") {
        16 => ChMaskScheme::Channels16,
        48 => ChMaskScheme::Channels48,
        64 => ChMaskScheme::Channels64,
        72 => ChMaskScheme::Channels72 {
            uses_cntl5: !input.has("uses_cntl5") || input.flag("uses_cntl5"),
            atomic: !input.has("atomic") || input.flag("atomic"),
        },
        96 => ChMaskScheme::Channels96,
        other => panic!("{other} channels"),
    }
}
