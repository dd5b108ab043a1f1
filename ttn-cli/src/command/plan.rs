//! `ttn-cli plan`.

use clap::Subcommand;
use serde_json::{Value, json};
use ttn_core::radio::Frequency;
use ttn_mac::plan::{self, FrequencyPlan, PlanChannel};

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
    /// Shows the channels of a plan.
    Show {
        /// Its id, such as `EU_863_870_TTN`.
        plan: String,
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
            Action::Show { plan } => {
                let plan = plan::get(plan).map_err(|error| {
                    Error::invalid(error.to_string(), "choose one of `ttn-cli plan list`")
                })?;
                context.output.say(format!("{}: {}, band {}", plan.id, plan.name, plan.band_id))?;
                let columns =
                    [("channel", "/channel"), ("frequency", "/frequency"), ("data rates", "/rates")];
                Ok(context.output.list(&channels(plan), &columns)?)
            }
        }
    }
}

fn channels(plan: &FrequencyPlan) -> Vec<Value> {
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
    if let Some(frequency) = plan.rx2_frequency {
        let rate = plan.rx2_default_data_rate.map(|rate| rate.to_string());
        rows.push(row("RX2".to_owned(), frequency, rate.unwrap_or_default()));
    }
    rows
}

pub(super) fn mhz(frequency: Frequency) -> String {
    format!("{} MHz", frequency.hz() as f64 / 1_000_000.0)
}
