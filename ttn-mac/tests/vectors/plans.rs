//! frequency_plans.json: the plans that are built in, and their dwell time.

use core::time::Duration;
use std::path::Path;

use libtest_mimic::Trial;
use serde_json::{Map, Value, json};
use ttn_mac::plan::{self, FrequencyPlan, SingleRateChannel};

use crate::support::{Case, Kind, checked};

pub(crate) const KINDS: &[Kind] =
    &[checked("resolved_plan", resolved_plan), checked("respects_dwell_time", respects_dwell_time)];

/// NS-107: the public files, read by the loader, give the plans that are built in.
#[cfg(feature = "std")]
pub(crate) fn files(directory: &Path) -> Vec<Trial> {
    let directory = directory.join("frequency_plans");
    vec![Trial::test("frequency_plans: files give what is built in", move || {
        let mut texts = std::collections::BTreeMap::new();
        for entry in std::fs::read_dir(&directory)? {
            let path = entry?.path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            texts.insert(name, std::fs::read_to_string(&path)?);
        }
        let index = texts.get("frequency-plans.yml").ok_or("no index")?;
        let plans = plan::load(index, |name| texts.get(name).map(String::as_str))?;
        assert_eq!(plans.len(), plan::ALL.len());
        for (read, built_in) in plans.iter().zip(&plan::ALL) {
            assert_eq!(read, built_in);
        }
        Ok(())
    })]
}

#[cfg(not(feature = "std"))]
pub(crate) const fn files(_: &Path) -> Vec<Trial> {
    Vec::new()
}

fn resolved_plan(case: &Case) {
    let id = case.input().text("id");
    let plan = plan::get(id).unwrap();
    let expected = case.expected();
    assert_eq!(plan.name, expected.text("name"));
    assert_eq!(plan.band_id.as_str(), expected.text("band_id"));
    assert_eq!(json!(plan.base_id.as_deref()), *expected.value("base_id"));
    assert_eq!(plan.base_frequency, expected.int::<u16>("base_frequency"));
    assert_eq!(plan.gateways, expected.flag_or_false("gateways"));
    let mut theirs = normal(expected.value("plan").clone());
    // Of the channel of RX2 the frequency matters.
    if let Some(Value::Object(rx2)) = theirs.get_mut("rx2-channel") {
        rx2.retain(|name, _| name == "frequency");
    }
    // Nobody receives on a downlink channel.
    if let Some(Value::Array(channels)) = theirs.get_mut("downlink-channels") {
        channels.iter_mut().filter_map(Value::as_object_mut).for_each(|c| drop(c.remove("radio")));
    }
    assert_eq!(normal(to_json(plan)), theirs);
}

fn respects_dwell_time(case: &Case) {
    let input = case.input();
    let id = input.text("id");
    let plan = plan::get(id).unwrap();
    let duration = Duration::from_millis(input.int("duration_ms"));
    let respects = plan.respects_dwell_time(input.flag("is_downlink"), duration);
    assert_eq!(respects, case.expected().flag("respects"));
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
            "duration": limit.duration.map(|limit| format!("{}ms", limit.as_millis())),
        })),
        "sub-bands": plan.sub_bands.iter().map(|sub| json!({
            "min-frequency": sub.min_frequency.hz(),
            "max-frequency": sub.max_frequency.hz(),
            "duty-cycle": sub.duty_cycle,
            "max-eirp": sub.max_eirp,
        })).collect::<Vec<_>>(),
        "listen-before-talk": plan.listen_before_talk.map(|listen| json!({
            "rssi-target": listen.rssi_target,
            "rssi-offset": listen.rssi_offset,
            "scan-time": listen.scan_time.as_nanos(),
        })),
        "rx2-channel": plan.rx2_frequency.map(|frequency| json!({ "frequency": frequency.hz() })),
        "radios": radios.collect::<Vec<_>>(),
        "clock-source": plan.clock_source,
        "rx2-default-data-rate": plan.rx2_default_data_rate.map(|dr| dr.get()),
        "max-eirp": plan.max_eirp,
    })
}

/// Without members that say nothing, and with all numbers in thousandths.
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
        Value::Number(number) => json!((number.as_f64().unwrap() * 1000.0).round()),
        other => other,
    }
}
