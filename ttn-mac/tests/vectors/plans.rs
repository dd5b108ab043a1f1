//! frequency_plans.json: the plans that are built in, and their dwell time.

use core::time::Duration;

use serde_json::{Map, Value, json};
use ttn_mac::plan::{self, FrequencyPlan, SingleRateChannel};

use crate::support::{Case, Kind, Outcome, checked};

pub(crate) const KINDS: &[Kind] =
    &[checked("resolved_plan", resolved_plan), checked("respects_dwell_time", respects_dwell_time)];

fn resolved_plan(case: &Case) -> Outcome {
    let id = case.input().text("id");
    let Ok(plan) = plan::get(id) else { return Outcome::Later(id.to_owned()) };
    let expected = case.expected();
    assert_eq!(plan.name, expected.text("name"));
    assert_eq!(plan.band_id.as_str(), expected.text("band_id"));
    assert_eq!(json!(plan.base_id.as_deref()), *expected.value("base_id"));
    assert_eq!(plan.base_frequency, expected.int::<u16>("base_frequency"));
    assert_eq!(plan.gateways, expected.flag_or_false("gateways"));
    assert_eq!(normal(to_json(plan)), normal(expected.value("plan").clone()));
    Outcome::Checked
}

fn respects_dwell_time(case: &Case) -> Outcome {
    let input = case.input();
    let id = input.text("id");
    let Ok(plan) = plan::get(id) else { return Outcome::Later(id.to_owned()) };
    let duration = Duration::from_millis(input.int("duration_ms"));
    let respects = plan.respects_dwell_time(input.flag("is_downlink"), duration);
    assert_eq!(respects, case.expected().flag("respects"));
    Outcome::Checked
}

fn to_json(plan: &FrequencyPlan) -> Value {
    let uplink = plan.uplink_channels.iter().map(|channel| {
        json!({
            "frequency": channel.frequency.hz(),
            "min-data-rate": channel.min_data_rate.get(),
            "max-data-rate": channel.max_data_rate.get(),
            "radio": channel.radio,
        })
    });
    let downlink = plan.downlink_channels.iter().map(|channel| {
        json!({
            "frequency": channel.frequency.hz(),
            "min-data-rate": channel.min_data_rate.get(),
            "max-data-rate": channel.max_data_rate.get(),
        })
    });
    let single = |channel: SingleRateChannel| {
        json!({
            "frequency": channel.frequency.hz(),
            "data-rate": channel.data_rate.get(),
            "radio": channel.radio,
        })
    };
    let radios = plan.radios.iter().map(|radio| {
        json!({
            "enable": radio.enable,
            "chip-type": radio.chip_type,
            "frequency": radio.frequency.hz(),
            "rssi-offset": radio.rssi_offset,
            "tx": radio.tx.map(|tx| json!({
                "min-frequency": tx.min_frequency.hz(),
                "max-frequency": tx.max_frequency.hz(),
                "notch-frequency": tx.notch_frequency.map(|f| f.hz()),
            })),
        })
    });
    json!({
        "band-id": plan.band_id.as_str(),
        "uplink-channels": uplink.collect::<Vec<_>>(),
        "downlink-channels": downlink.collect::<Vec<_>>(),
        "lora-standard-channel": plan.lora_standard_channel.map(single),
        "fsk-channel": plan.fsk_channel.map(single),
        "dwell-time": plan.dwell_time.map(|limit| json!({
            "uplinks": limit.uplinks,
            "downlinks": limit.downlinks,
            "duration": format!("{}ms", limit.duration.as_millis()),
        })),
        "radios": radios.collect::<Vec<_>>(),
        "clock-source": plan.clock_source,
        "rx2-default-data-rate": plan.rx2_default_data_rate.map(|dr| dr.get()),
        "max-eirp": plan.max_eirp,
    })
}

/// Without members that say nothing, and with all numbers as fractions.
fn normal(value: Value) -> Value {
    let empty = |value: &Value| value.is_null() || value.as_array().is_some_and(Vec::is_empty);
    match value {
        Value::Object(members) => Value::Object(
            members
                .into_iter()
                .filter(|(_, value)| !empty(value))
                .map(|(name, value)| (name, normal(value)))
                .collect::<Map<_, _>>(),
        ),
        Value::Array(items) => items.into_iter().map(normal).collect(),
        Value::Number(number) => json!(number.as_f64().unwrap()),
        other => other,
    }
}
