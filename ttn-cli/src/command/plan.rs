//! `ttn-cli plan`.

use clap::Subcommand;
use serde_json::{Value, json};
use ttn_core::radio::{DataRateIndex, Frequency};
use ttn_mac::{
    band::{self, Band},
    plan::{self, FrequencyPlan, PlanChannel},
};

use super::{Context, Run};
use crate::error::Error;

/// Frequency plans that are built in.
#[derive(Debug, clap::Args)]
#[non_exhaustive]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub action: Action,
}

/// What to do with frequency plans.
#[derive(Debug, Subcommand)]
#[non_exhaustive]
pub enum Action {
    /// Lists all plans.
    List,
    /// Shows the channels of a plan, its data rates, and what limits transmissions.
    Show {
        /// Its id, such as `EU_863_870_TTN`.
        plan: String,
        /// The Regional Parameters of the device, such as `RP001_V1_0_3_REV_A`; the newest if not given.
        #[arg(long, value_name = "VERSION")]
        regional_parameters: Option<String>,
    },
}

impl Run for Arguments {
    fn run(&self, context: &mut Context<'_>) -> Result<(), Error> {
        match &self.action {
            Action::List => {
                let plans: Vec<_> = plan::ALL
                    .iter()
                    .map(|plan| json!({ "id": plan.id, "name": plan.name, "band": plan.band_id.as_str() }))
                    .collect();
                let columns = [("id", "/id"), ("band", "/band"), ("name", "/name")];
                Ok(context.output.list(&plans, &columns)?)
            }
            Action::Show { plan, regional_parameters } => {
                let plan = plan::get(plan).map_err(|error| {
                    Error::invalid(error.to_string(), "choose one of `ttn-cli plan list`")
                })?;
                show(plan, band_of(plan, regional_parameters.as_deref())?, context)
            }
        }
    }
}

/// The rules of a plan's band, of a version or of the newest.
fn band_of(plan: &FrequencyPlan, version: Option<&str>) -> Result<&'static Band, Error> {
    let bands: Vec<_> = band::all().filter(|band| band.id == plan.band_id).collect();
    let wanted = |band: &&&Band| version.is_none_or(|name| band.phy_version.name() == name);
    bands.iter().rev().find(wanted).copied().ok_or_else(|| {
        let known: Vec<_> = bands.iter().map(|band| band.phy_version.name()).collect();
        let version = version.unwrap_or_default();
        let what = format!("{version:?} are no Regional Parameters of {}", plan.band_id);
        Error::invalid(what, format!("choose one of {}", known.join(", ")))
    })
}

fn show(plan: &FrequencyPlan, band: &Band, context: &mut Context<'_>) -> Result<(), Error> {
    let (channels, rates, limits) = (channels(plan, band), rates(band), limits(plan, band));
    let version = band.phy_version.name();
    if context.output.is_json() {
        let whole = json!({
            "id": plan.id, "name": plan.name, "band": plan.band_id.as_str(),
            "regional_parameters": version,
            "channels": channels, "data_rates": rates, "limits": limits,
        });
        return Ok(context.output.one(&whole)?);
    }
    let head = format!("{}: {}, band {}, {version}", plan.id, plan.name, plan.band_id);
    context.output.say(head)?;
    let columns = [("channel", "/channel"), ("frequency", "/frequency"), ("data rates", "/rates")];
    context.output.list(&channels, &columns)?;
    context.output.say("")?;
    let columns = [
        ("data rate", "/index"),
        ("modulation", "/rate"),
        ("payload", "/max"),
        ("with dwell time", "/max_dwell"),
        ("behind a repeater", "/max_repeater"),
    ];
    context.output.list(&rates, &columns)?;
    context.output.say("")?;
    let columns = [("limit", "/limit"), ("value", "/value")];
    Ok(context.output.list(&limits, &columns)?)
}

/// The data rates with the most octets of application payload, without MAC commands.
fn rates(band: &Band) -> Vec<Value> {
    let payload = |mac_payload: u8| match mac_payload.checked_sub(FRAME_HEADER) {
        Some(octets) => octets.to_string(),
        None => "none".to_owned(),
    };
    let row = |index: u8| {
        let rate = band.data_rate(DataRateIndex::new(index)?)?;
        Some(json!({
            "index": format!("DR{index}"),
            "rate": rate.rate.to_string(),
            "max": payload(rate.max_mac_payload),
            "max_dwell": payload(rate.max_mac_payload_dwell),
            "max_repeater": payload(rate.max_mac_payload_repeater),
        }))
    };
    (0..=15).filter_map(row).collect()
}

/// FHDR without FOpts, and FPort (TS001-1.0.4 §4.3).
const FRAME_HEADER: u8 = 8;

fn limits(plan: &FrequencyPlan, band: &Band) -> Vec<Value> {
    let row = |limit: String, value: String| json!({ "limit": limit, "value": value });
    let eirp = plan.max_eirp.unwrap_or(band.default_max_eirp);
    let mut rows = vec![row("EIRP".to_owned(), format!("{eirp} dBm"))];
    for (name, downlink) in [("uplinks", false), ("downlinks", true)] {
        if let Some(limit) = plan.dwell_time_limit(downlink) {
            rows.push(row(format!("dwell time of {name}"), format!("{} ms", limit.as_millis())));
        }
    }
    for sub_band in plan.sub_bands_of(band) {
        let range = format!("{} to {}", mhz(sub_band.min_frequency), mhz(sub_band.max_frequency));
        let percent = sub_band.duty_cycle * 100.0;
        rows.push(row(range, format!("duty cycle {percent} %, {} dBm", sub_band.max_eirp)));
    }
    rows
}

fn channels(plan: &FrequencyPlan, band: &Band) -> Vec<Value> {
    let row = |name: String, frequency: Frequency, rates: String| {
        json!({ "channel": name, "frequency": mhz(frequency), "rates": rates })
    };
    let up = |(number, channel): (usize, &PlanChannel)| {
        let rates = format!("{}-{}", channel.min_data_rate, channel.max_data_rate);
        row(format!("up {number}"), channel.frequency, rates)
    };
    let mut rows: Vec<_> = plan.uplink_channels.iter().enumerate().map(up).collect();
    let single = [("up LoRa", plan.lora_standard_channel), ("up FSK", plan.fsk_channel)];
    for (name, channel) in single {
        if let Some(channel) = channel {
            let rate = channel.data_rate.to_string();
            rows.push(row(name.to_owned(), channel.frequency, rate));
        }
    }
    for (number, channel) in plan.downlink_channels.iter().enumerate() {
        let rates = format!("{}-{}", channel.min_data_rate, channel.max_data_rate);
        rows.push(row(format!("down {number}"), channel.frequency, rates));
    }
    let rx2 = band.default_rx2;
    let rate = plan.rx2_default_data_rate.unwrap_or(rx2.data_rate).to_string();
    rows.push(row("RX2".to_owned(), plan.rx2_frequency.unwrap_or(rx2.frequency), rate));
    rows
}

pub(super) fn mhz(frequency: Frequency) -> String {
    format!("{} MHz", frequency.hz() as f64 / 1_000_000.0)
}
