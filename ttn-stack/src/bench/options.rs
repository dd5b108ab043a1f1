//! What a bench is asked to do.

use std::{path::PathBuf, time::Duration};

use anyhow::ensure;
use ttn_gs::config::Ack;

/// How a bench is run.
#[derive(Clone, Debug, clap::Args)]
#[non_exhaustive]
pub struct BenchOptions {
    /// What happens.
    #[arg(value_enum)]
    pub scenario: Scenario,
    /// How many devices are registered and take part.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub devices: usize,
    /// How many gateways there are, each with a socket of its own.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub gateways: usize,
    /// How many gateways receive each frame.
    #[arg(long, value_name = "K", default_value_t = 1)]
    pub copies: usize,
    /// Uplinks, or calls of `api`, per second; joins are as many as `--in-flight` allows unless it is given.
    #[arg(long, value_name = "R")]
    pub rate: Option<f64>,
    /// Look for the highest rate that loses nothing, from `--rate` on; `uplink` only.
    #[arg(long)]
    pub find_max: bool,
    /// How long it is measured: `500ms`, `60s`, `5m`, `1h`. What has an end of its own ends earlier.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    pub duration: Duration,
    /// Halt the server for so long in the middle (SIGSTOP), as a machine that swaps or migrates does; `uplink` only.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub stall: Option<Duration>,
    /// How many joins wait for their answer at a time.
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub in_flight: usize,
    /// How often the server is killed; `crash` only.
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub kills: usize,
    /// Downlinks per second that are queued while uplinks flow.
    #[arg(long, value_name = "R", default_value_t = 100.0)]
    pub downlinks: f64,
    /// Subscribers over MQTT. The first checks what it gets, the others only read.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub subscribers: usize,
    /// The quality of service of the subscriptions: 0 or 1.
    #[arg(long, value_name = "QOS", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=1))]
    pub qos: u8,
    /// What PUSH_ACK promises, as `gateways.ack` of the configuration.
    #[arg(long, value_name = "ACK", default_value = "receipt", value_parser = ack)]
    pub ack: Ack,
    /// Where the temporary directory is made: on the disk that is to be measured.
    #[arg(long, value_name = "DIR")]
    pub directory: Option<PathBuf>,
    /// The program whose server is measured, to compare versions; this one by default.
    #[arg(long, value_name = "FILE")]
    pub program: Option<PathBuf>,
    /// Print the lines of JSON alone.
    #[arg(long)]
    pub json: bool,
}

/// What happens in a bench.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
#[non_exhaustive]
pub enum Scenario {
    /// Calls of the API over HTTP, reads and writes mixed.
    Api,
    /// All devices share eight addresses; frames of strangers are among theirs.
    Collide,
    /// The server is killed at random instants; afterwards every frame is accounted for.
    Crash,
    /// Downlinks are queued over MQTT while uplinks flow.
    Downlink,
    /// Devices join.
    Join,
    /// Uplinks for long: does memory grow?
    Soak,
    /// Every device sends at the same moment.
    Storm,
    /// Uplinks at an even pace.
    Uplink,
}

impl Scenario {
    /// The name on the command line and in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Collide => "collide",
            Self::Crash => "crash",
            Self::Downlink => "downlink",
            Self::Join => "join",
            Self::Soak => "soak",
            Self::Storm => "storm",
            Self::Uplink => "uplink",
        }
    }
}

impl BenchOptions {
    /// The rate that is asked for, or the one that is tried first.
    pub(super) fn rate_or(&self, default: f64) -> f64 {
        self.rate.unwrap_or(default)
    }

    pub(super) fn check(&self) -> anyhow::Result<()> {
        ensure!(self.devices > 0, "--devices: at least one is needed");
        ensure!(self.devices <= DEVICES_MAX, "--devices: {DEVICES_MAX} at most");
        ensure!(self.gateways > 0, "--gateways: at least one is needed");
        let (copies, gateways) = (self.copies, self.gateways);
        ensure!(
            (1..=gateways).contains(&copies),
            "--copies {copies}: from 1 to the number of gateways, which is {gateways}"
        );
        let rates = [self.rate.unwrap_or(1.0), self.downlinks];
        ensure!(
            rates.iter().all(|rate| (RATE_MIN..=RATE_MAX).contains(rate)),
            "--rate and --downlinks: from {RATE_MIN} to {RATE_MAX} per second"
        );
        ensure!(
            self.in_flight > 0 && self.subscribers > 0,
            "--in-flight, --subscribers: 0 of them"
        );
        let finds = !self.find_max || self.scenario == Scenario::Uplink;
        ensure!(finds, "--find-max works with `uplink` only");
        let stalls = self.stall.is_none() || (self.scenario == Scenario::Uplink && !self.find_max);
        ensure!(stalls, "--stall works with `uplink` only, and not with --find-max");
        Ok(())
    }
}

fn ack(text: &str) -> Result<Ack, String> {
    text.parse().map_err(|error| format!("{error}"))
}

fn duration(text: &str) -> Result<Duration, String> {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let number = text.strip_suffix(unit).unwrap_or_default();
    let number: u64 = number.parse().map_err(|_| "a number and a unit, such as 60s".to_owned())?;
    let millis = match unit {
        "ms" => 1,
        "s" | "" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(format!("{unit:?} is no unit; there are ms, s, m and h")),
    };
    match number.checked_mul(millis) {
        Some(millis @ 1..=DURATION_MAX_MS) => Ok(Duration::from_millis(millis)),
        _ => Err("from 1ms to 168h".to_owned()),
    }
}

/// As many addresses as the experimental networks have.
const DEVICES_MAX: usize = 1 << 24;
const RATE_MIN: f64 = 0.01;
const RATE_MAX: f64 = 1e6;
const DURATION_MAX_MS: u64 = 168 * 3_600_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        let cases = [
            ("60s", Some(60_000)),
            ("60", Some(60_000)),
            ("250ms", Some(250)),
            ("5m", Some(300_000)),
            ("2h", Some(7_200_000)),
            ("0s", None),
            ("s", None),
            ("1d", None),
            ("-1s", None),
            ("99999999999999999999s", None),
            ("18446744073709551615h", None),
        ];
        for (text, millis) in cases {
            assert_eq!(duration(text).ok(), millis.map(Duration::from_millis), "{text}");
        }
    }
}
