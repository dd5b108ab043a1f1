//! What a run has shown, as a table and as one line of JSON.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    ledger::{Latency, Sum},
    server::Server,
    usage::Usage,
};

/// The result of one scenario. Further figures lie beside the common ones.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Report {
    pub(super) scenario: &'static str,
    pub(super) rate_offered: f64,
    pub(super) rate_achieved: f64,
    pub(super) sent: u64,
    pub(super) lost: u64,
    pub(super) duplicated: u64,
    pub(super) cpu_us_per_uplink: f64,
    pub(super) latency_ms: Latency,
    pub(super) rss_mib: f64,
    pub(super) syncs: u64,
    pub(super) bytes_per_uplink: f64,
    /// Messages whose content is not what was sent: there must be none.
    pub(super) wrong: u64,
    #[serde(flatten)]
    pub(super) more: Map<String, Value>,
}

/// What the server has used at the beginning of a measurement.
#[derive(Clone, Copy, Debug)]
pub(super) struct Meter {
    usage: Usage,
    own: Usage,
    syncs: u64,
}

impl Meter {
    pub(super) fn begin(server: &Server) -> anyhow::Result<Self> {
        let own = Usage::of(std::process::id())?;
        Ok(Self { usage: server.usage()?, own, syncs: server.syncs()? })
    }

    /// The report of what happened since. `least` is how long sending took.
    pub(super) fn end(
        &self,
        server: &Server,
        scenario: &'static str,
        rate_offered: f64,
        sum: &Sum,
        least: Duration,
    ) -> anyhow::Result<Report> {
        let usage = server.usage()?;
        let per = sum.delivered.max(1) as f64;
        let cpu = usage.cpu.saturating_sub(self.usage.cpu);
        let own = Usage::of(std::process::id())?.cpu.saturating_sub(self.own.cpu);
        let written = usage.written.saturating_sub(self.usage.written);
        let lasted = sum.lasted.max(least).as_secs_f64().max(0.001);
        let mut report = Report {
            scenario,
            rate_offered: rounded(rate_offered),
            rate_achieved: rounded(sum.delivered as f64 / lasted),
            sent: sum.sent,
            lost: sum.sent.saturating_sub(sum.delivered),
            duplicated: sum.duplicated,
            cpu_us_per_uplink: rounded(cpu.as_secs_f64() * 1e6 / per),
            latency_ms: sum.latency,
            rss_mib: rounded(usage.resident_kib as f64 / 1024.0),
            syncs: server.syncs()?.saturating_sub(self.syncs),
            bytes_per_uplink: rounded(written as f64 / per),
            wrong: sum.wrong,
            more: Map::new(),
        };
        report.add("seconds", rounded(lasted));
        report.add("bench_cpu_us_per_uplink", rounded(own.as_secs_f64() * 1e6 / per));
        Ok(report)
    }
}

impl Report {
    /// Adds a figure.
    pub(super) fn add(&mut self, name: &str, value: impl Into<Value>) {
        self.more.insert(name.to_owned(), value.into());
    }
}

/// A report as a table.
pub(super) fn table(report: &impl Serialize) -> anyhow::Result<String> {
    let mut rows = Vec::new();
    if let Value::Object(fields) = serde_json::to_value(report)? {
        for (name, value) in fields {
            match value {
                Value::Object(inner) => rows
                    .extend(inner.into_iter().map(|(key, value)| (format!("{name} {key}"), value))),
                value => rows.push((name, value)),
            }
        }
    }
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    let line = |(name, value): &(String, Value)| match value {
        Value::String(text) => format!("{name:width$}  {text}\n"),
        value => format!("{name:width$}  {value}\n"),
    };
    Ok(rows.iter().map(line).collect())
}

/// With two decimals.
pub(super) fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_fields_that_are_promised() {
        let mut report = Report {
            scenario: "uplink",
            rate_offered: 100.0,
            rate_achieved: 99.5,
            sent: 10,
            lost: 1,
            duplicated: 0,
            cpu_us_per_uplink: 50.0,
            latency_ms: Latency::default(),
            rss_mib: 40.0,
            syncs: 3,
            bytes_per_uplink: 600.0,
            wrong: 0,
            more: Map::new(),
        };
        report.add("gateways", 20);
        let line: Value = serde_json::from_str(&serde_json::to_string(&report).unwrap()).unwrap();
        for name in [
            "scenario",
            "rate_offered",
            "rate_achieved",
            "sent",
            "lost",
            "duplicated",
            "cpu_us_per_uplink",
            "latency_ms",
            "rss_mib",
            "syncs",
            "bytes_per_uplink",
            "gateways",
        ] {
            assert!(line.get(name).is_some(), "{name}");
        }
        for name in ["p50", "p90", "p99", "max"] {
            assert!(line["latency_ms"][name].is_number(), "{name}");
        }
        let table = table(&report).unwrap();
        assert!(table.lines().any(|line| line.starts_with("latency_ms p99 ")), "{table}");
    }
}
