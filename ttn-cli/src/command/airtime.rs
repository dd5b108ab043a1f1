//! `ttn-cli airtime`.

use std::time::Duration;

use serde_json::json;
use ttn_core::radio::{CodingRate, DataRate, Frequency, time_on_air};

use super::{Context, Run};
use crate::error::Error;

/// How long a frame occupies the air, and how often it may be sent.
#[derive(Debug, clap::Args)]
#[non_exhaustive]
pub struct Arguments {
    /// The data rate: `SF7BW125`, or `FSK50` for kilobits per second.
    #[arg(long, value_name = "RATE", value_parser = data_rate)]
    pub data_rate: DataRate,
    /// The octets of the PHYPayload: those of the application and 13, without MAC commands.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=255))]
    pub octets: u16,
}

/// The shares of the time that Europe's sub-bands allow.
const DUTY_CYCLES: [(&str, u32); 3] = [("0.1 %", 1_000), ("1 %", 100), ("10 %", 10)];

impl Run for Arguments {
    fn run(&self, context: &mut Context<'_>) -> Result<(), Error> {
        // Any frequency below 1 GHz: there the formula does not depend on it.
        let frequency = Frequency::from_hz(868_100_000);
        let airtime = time_on_air(usize::from(self.octets), frequency, &self.data_rate);
        let airtime = airtime.map_err(|error| {
            Error::invalid(error.to_string(), "give a data rate such as SF7BW125 to SF12BW125")
        })?;
        let mut text = format!("{} of {} octets: {}", self.data_rate, self.octets, ms(airtime));
        for (name, factor) in DUTY_CYCLES {
            let every = airtime.saturating_mul(factor).as_secs_f64();
            text.push_str(&format!("\nat {name} duty cycle: one frame every {every:.1} s"));
        }
        let nanoseconds = airtime.as_nanos() as u64;
        Ok(context.output.done(text, &json!({ "airtime_ns": nanoseconds }))?)
    }
}

fn ms(time: Duration) -> String {
    format!("{:.3} ms", time.as_secs_f64() * 1_000.0)
}

fn data_rate(text: &str) -> Result<DataRate, String> {
    let upper = text.to_uppercase();
    let wrong = || format!("{text:?} is neither like SF7BW125 nor like FSK50");
    if let Some(kilobits) = upper.strip_prefix("FSK") {
        let kilobits: u32 = kilobits.parse().map_err(|_| wrong())?;
        return Ok(DataRate::Fsk { bit_rate: kilobits.saturating_mul(1_000) });
    }
    let (spreading_factor, bandwidth) =
        upper.strip_prefix("SF").and_then(|rest| rest.split_once("BW")).ok_or_else(wrong)?;
    let spreading_factor = spreading_factor.parse().map_err(|_| wrong())?;
    let bandwidth: u32 = bandwidth.parse().map_err(|_| wrong())?;
    if !(5..=12).contains(&spreading_factor) || ![125, 250, 500].contains(&bandwidth) {
        return Err("spreading factors are 5 to 12, bandwidths 125, 250 and 500".to_owned());
    }
    let bandwidth = bandwidth * 1_000;
    Ok(DataRate::Lora { spreading_factor, bandwidth, coding_rate: CodingRate::R4_5 })
}
