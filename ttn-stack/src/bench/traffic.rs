//! Uplinks at an even pace, and the scenarios that consist of them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::Context as _;
use serde_json::json;
use ttn_core::clock::Clock;

use super::{
    fleet::{Fleet, OnAir},
    ledger::Ledger,
    mqtt::F_PORT,
    options::BenchOptions,
    radio::Radio,
    report::{Meter, Report, rounded},
    server::Server,
};

/// A network under load.
#[derive(Debug)]
pub(super) struct Bench {
    pub(super) options: BenchOptions,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) server: Server,
    pub(super) fleet: Fleet,
    pub(super) on_air: Arc<OnAir>,
    pub(super) radio: Arc<Radio>,
    pub(super) ledger: Arc<Ledger>,
    /// How long every message takes anyhow: the window in which copies are collected.
    pub(super) window: Duration,
    /// The device whose turn it is.
    pub(super) turn: AtomicUsize,
}

/// An uplink that was sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    /// Its place among those of the phase.
    pub(super) number: u64,
    pub(super) device: usize,
    /// The counter of the gateway that received it first.
    pub(super) counter: u32,
}

impl Bench {
    /// `uplink`: a measurement at one rate, after a warm-up.
    pub(super) async fn uplink(&self, rate: f64, duration: Duration) -> anyhow::Result<Report> {
        self.warm_up(rate, |_| {}).await?;
        let meter = Meter::begin(&self.server)?;
        let send = self.send(rate, uplinks_in(rate, duration), duration, |_| {});
        let stall = async {
            let Some(time) = self.options.stall else { return Ok(()) };
            self.pause(duration / 2).await;
            self.server.stall(&*self.clock, time).await
        };
        let (took, ()) = tokio::try_join!(send, stall)?;
        self.settle(&self.ledger, QUIET).await;
        self.report(&meter, rate, took)
    }

    /// The highest rate that loses nothing: growing until it is too much, then halving the distance.
    pub(super) async fn find_max(&self) -> anyhow::Result<Report> {
        let trial = self.options.duration.min(TRIAL);
        let mut rate = self.options.rate_or(1000.0);
        let mut best: Option<(f64, Report)> = None;
        let mut too_much = None;
        for _ in 0..TRIALS_MAX {
            let report = self.uplink(rate, trial).await?;
            let carried = carries(&report);
            let (achieved, p99) = (report.rate_achieved, report.latency_ms.p99);
            eprintln!("{rate:.0}/s offered, {achieved:.0}/s carried, p99 {p99:.0} ms: {carried}");
            match carried {
                true => best = Some((rate, report)),
                false => too_much = Some(rate),
            }
            let floor = best.as_ref().map(|(rate, _)| *rate);
            rate = match (floor, too_much) {
                (Some(floor), None) => floor * 1.5,
                (Some(floor), Some(too_much)) if too_much / floor < 1.06 => break,
                (Some(floor), Some(too_much)) => f64::midpoint(floor, too_much),
                (None, _) => rate / 2.0,
            };
        }
        let (mut rate, mut report) = best.context("not even the lowest rate was carried")?;
        // What held for some seconds has to hold for the whole time.
        for _ in 0..TRIALS_MAX {
            if self.options.duration <= trial {
                break;
            }
            report = self.uplink(rate, self.options.duration).await?;
            if carries(&report) {
                break;
            }
            rate *= 0.95;
        }
        report.add("is_max", carries(&report));
        Ok(report)
    }

    /// `storm`: every device sends at the same moment, one after the other as fast as the sockets take it.
    pub(super) async fn storm(&self) -> anyhow::Result<Report> {
        self.warm_up(WARM_UP_RATE, |_| {}).await?;
        let meter = Meter::begin(&self.server)?;
        let count = self.fleet.devices as u64;
        let took = self.send(f64::INFINITY, count, self.options.duration, |_| {}).await?;
        self.settle(&self.ledger, QUIET).await;
        let offered = count as f64 / took.as_secs_f64().max(0.001);
        self.report(&meter, offered, took)
    }

    /// `soak`: uplinks for long, with a look at the memory every tenth of the time.
    pub(super) async fn soak(&self, rate: f64) -> anyhow::Result<Report> {
        self.warm_up(rate, |_| {}).await?;
        let meter = Meter::begin(&self.server)?;
        let part = self.options.duration / SOAK_PARTS;
        let mut took = Duration::ZERO;
        let mut resident = Vec::new();
        for _ in 0..SOAK_PARTS {
            took += self.send(rate, uplinks_in(rate, part), part, |_| {}).await?;
            resident.push(rounded(self.server.usage()?.resident_kib as f64 / 1024.0));
        }
        self.settle(&self.ledger, QUIET).await;
        let mut report = self.report(&meter, rate, took)?;
        report.add("rss_mib_over_time", json!(resident));
        Ok(report)
    }

    /// `collide`: own frames among devices that share their addresses, then frames of a stranger with one of them.
    pub(super) async fn collide(&self, rate: f64) -> anyhow::Result<Report> {
        let mut report = self.uplink(rate, self.options.duration).await?;
        let before = self.server.usage()?.cpu;
        for _ in 0..STRANGERS {
            let tx = self
                .on_air
                .stranger(|device, entropy| device.uplink(F_PORT, &[0; 20], false, entropy));
            let tx = tx.context("a frame of a stranger")?;
            self.radio.receive(0, 1, &tx).await;
            self.pause(STRANGER_PAUSE).await;
        }
        self.pause(STRANGER_PAUSE).await;
        let cpu = self.server.usage()?.cpu.saturating_sub(before).as_secs_f64();
        report.add("stranger_cpu_ms", rounded(cpu * 1000.0 / f64::from(STRANGERS)));
        Ok(report)
    }

    /// Sends some uplinks that are not measured: every gateway is connected then.
    pub(super) async fn warm_up(
        &self,
        rate: f64,
        sent_one: impl FnMut(Sent),
    ) -> anyhow::Result<()> {
        let rate = rate.min(WARM_UP_RATE).max(self.fleet.gateways as f64 / 2.0);
        let count = uplinks_in(rate, WARM_UP).max(self.fleet.gateways as u64);
        self.send(rate, count, WARM_UP * 2, sent_one).await?;
        self.settle(&self.ledger, QUIET).await;
        self.ledger.clear();
        Ok(())
    }

    /// Sends uplinks of one device after the other, so many or as many as the time allows, and gives the time.
    pub(super) async fn send(
        &self,
        rate: f64,
        count: u64,
        longest: Duration,
        mut sent_one: impl FnMut(Sent),
    ) -> anyhow::Result<Duration> {
        let began = self.clock.monotonic();
        let mut number = 0;
        while number < count {
            let elapsed = self.clock.monotonic().since(began);
            if elapsed > longest {
                break;
            }
            // Saturates.
            let due = (elapsed.as_secs_f64() * rate) as u64;
            for number in number..due.saturating_add(1).min(number + BURST_MAX).min(count) {
                let device = self.turn.fetch_add(1, Ordering::Relaxed) % self.fleet.devices;
                let counter = self.send_one(device).await?;
                sent_one(Sent { number, device, counter });
            }
            number = due.saturating_add(1).min(number + BURST_MAX).min(count);
            let next = Duration::from_secs_f64(number as f64 / rate);
            self.clock.sleep_until(began.plus(next)).await;
        }
        Ok(self.clock.monotonic().since(began))
    }

    /// Sends one uplink of a device; gives the counter of the gateway.
    async fn send_one(&self, device: usize) -> anyhow::Result<u32> {
        let tx = self.on_air.with(device, |it, entropy| {
            let payload = self.ledger.send(self.clock.monotonic(), device);
            it.uplink(F_PORT, &payload, false, entropy)
        });
        let tx = tx.with_context(|| format!("device {device}"))?;
        let tx = tx.with_context(|| format!("an uplink of device {device}"))?;
        Ok(self.radio.receive(device, self.options.copies, &tx).await)
    }

    /// Waits until everything was delivered, or nothing comes any more.
    pub(super) async fn settle(&self, ledger: &Ledger, quiet: Duration) {
        let (mut delivered, mut since) = (ledger.delivered(), self.clock.monotonic());
        while !ledger.is_even() && self.clock.monotonic().since(since) < quiet {
            self.pause(PAUSE).await;
            let now = ledger.delivered();
            if now != delivered {
                (delivered, since) = (now, self.clock.monotonic());
            }
        }
        // What comes twice comes a little later.
        self.pause(PAUSE).await;
    }

    pub(super) fn report(
        &self,
        meter: &Meter,
        rate: f64,
        took: Duration,
    ) -> anyhow::Result<Report> {
        let mut sum = self.ledger.sum();
        sum.lasted = sum.lasted.saturating_sub(self.window);
        meter.end(&self.server, self.options.scenario.name(), rate, &sum, took)
    }

    pub(super) async fn pause(&self, duration: Duration) {
        self.clock.sleep_until(self.clock.monotonic().plus(duration)).await;
    }
}

/// Whether a rate was carried: nothing lost, nothing twice, and no backlog that grows.
fn carries(report: &Report) -> bool {
    report.lost == 0
        && report.duplicated == 0
        && report.rate_achieved >= 0.97 * report.rate_offered
        && report.latency_ms.p99 <= BACKLOG_MS
}

pub(super) fn uplinks_in(rate: f64, duration: Duration) -> u64 {
    ((rate * duration.as_secs_f64()).round() as u64).max(1)
}

const WARM_UP: Duration = Duration::from_secs(2);
const WARM_UP_RATE: f64 = 1000.0;
/// How long nothing may come before the rest counts as lost.
pub(super) const QUIET: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(10);
/// How many uplinks are sent before the time is looked at again.
const BURST_MAX: u64 = 512;
const TRIAL: Duration = Duration::from_secs(10);
const TRIALS_MAX: usize = 24;
/// Above this p99, messages wait for others instead of for a sync.
const BACKLOG_MS: f64 = 1000.0;
const SOAK_PARTS: u32 = 10;
const STRANGERS: u32 = 50;
const STRANGER_PAUSE: Duration = Duration::from_millis(100);
