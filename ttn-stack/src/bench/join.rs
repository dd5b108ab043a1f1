//! `join`: devices join, so many at a time; each session is proven by an uplink afterwards.

use std::{sync::atomic::Ordering, time::Duration};

use anyhow::Context as _;
use tokio::{sync::mpsc, time::timeout};
use ttn_core::{map::Map, time::Monotonic};
use ttn_mac::device::Received;

use super::{
    ledger::{Latency, Sum},
    radio::Heard,
    report::{Meter, Report},
    traffic::{Bench, QUIET},
};

/// Joins under way, by the counter of the gateway when it received the request.
#[derive(Debug, Default)]
struct Joins {
    waiting: Map<u32, Vec<Waiting>>,
    in_flight: usize,
    sent: u64,
    joined: u64,
    lost: u64,
    duplicated: u64,
    wrong: u64,
    micros: Vec<u32>,
    first: Option<Monotonic>,
    last: Option<Monotonic>,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    device: usize,
    at: Monotonic,
}

impl Bench {
    /// `join`: the devices behind those of the warm-up join, then each sends an uplink.
    pub(super) async fn join(&self, heard: &mut mpsc::Receiver<Heard>) -> anyhow::Result<Report> {
        let warm = self.fleet.gateways;
        // The first accept of a gateway leaves shortly before its window, later ones at once.
        self.joins(0..warm, None, heard).await?;
        let meter = Meter::begin(&self.server)?;
        let began = self.clock.monotonic();
        let mut joins = self.joins(warm..self.fleet.devices, self.options.rate, heard).await?;
        let took = self.clock.monotonic().since(began);
        joins.micros.sort_unstable();
        let lasted = match (joins.first, joins.last) {
            (Some(first), Some(last)) => last.since(first),
            _ => Duration::ZERO,
        };
        let sum = Sum {
            sent: joins.sent,
            delivered: joins.joined,
            duplicated: joins.duplicated,
            wrong: joins.wrong,
            lasted,
            latency: Latency::of_sorted(&joins.micros),
        };
        // Waiting for what never came is no part of the rate.
        let least = if joins.lost == 0 { took.min(lasted) } else { lasted };
        let offered = self.options.rate.unwrap_or_default();
        let name = self.options.scenario.name();
        let mut report = meter.end(&self.server, name, offered, &sum, least)?;
        report.add("in_flight", self.options.in_flight);
        self.prove(&mut report).await?;
        Ok(report)
    }

    /// Every device that joined sends an uplink: what comes out proves the keys on both sides.
    async fn prove(&self, report: &mut Report) -> anyhow::Result<()> {
        self.ledger.clear();
        self.turn.store(0, Ordering::Relaxed);
        let count = self.fleet.devices as u64;
        let joined = |device| self.on_air.with(device, |it, _| it.session().is_some());
        if (0..self.fleet.devices).all(|device| joined(device) == Some(true)) {
            self.send(PROOF_RATE, count, Duration::MAX, |_| {}).await?;
        }
        self.settle(&self.ledger, QUIET).await;
        let sum = self.ledger.sum();
        report.wrong += sum.wrong;
        report.add("sessions_proven", sum.delivered);
        Ok(())
    }

    async fn joins(
        &self,
        devices: std::ops::Range<usize>,
        rate: Option<f64>,
        heard: &mut mpsc::Receiver<Heard>,
    ) -> anyhow::Result<Joins> {
        let mut joins = Joins::default();
        let began = self.clock.monotonic();
        let mut next = devices.start;
        while next < devices.end || joins.in_flight > 0 {
            let elapsed = self.clock.monotonic().since(began).as_secs_f64();
            let due = rate.map_or(usize::MAX, |rate| (elapsed * rate) as usize + devices.start);
            while next < devices.end && next <= due && joins.in_flight < self.options.in_flight {
                self.request(next, &mut joins).await?;
                next += 1;
            }
            if let Ok(answer) = timeout(STEP, heard.recv()).await {
                self.answered(&answer.context("the gateways are gone")?, &mut joins);
            }
            joins.expire(self.clock.monotonic());
        }
        Ok(joins)
    }

    async fn request(&self, device: usize, joins: &mut Joins) -> anyhow::Result<()> {
        let tx = self.on_air.with(device, |it, entropy| it.join(entropy));
        let tx = tx.with_context(|| format!("device {device}"))??;
        let at = self.clock.monotonic();
        let counter = self.radio.receive(device, self.options.copies, &tx).await;
        joins.waiting.entry(counter).or_default().push(Waiting { device, at });
        joins.sent += 1;
        joins.in_flight += 1;
        joins.first.get_or_insert(at);
        Ok(())
    }

    fn answered(&self, heard: &Heard, joins: &mut Joins) {
        let at = |delay: u32| heard.emission.tmst.map(|tmst| tmst.wrapping_sub(delay));
        let Some(counter) = [at(ACCEPT_DELAY_1), at(ACCEPT_DELAY_2)]
            .into_iter()
            .flatten()
            .find(|counter| joins.waiting.contains_key(counter))
        else {
            joins.duplicated += 1;
            return;
        };
        let waiting = joins.waiting.entry(counter).or_default();
        let takes = |it: &Waiting| {
            let heard = self.on_air.with(it.device, |device, _| device.hear(&heard.emission.phy));
            matches!(heard, Some(Ok(Received::Joined)))
        };
        match waiting.iter().position(takes) {
            None => joins.wrong += 1,
            Some(place) => {
                let Waiting { at, .. } = waiting.swap_remove(place);
                let took = heard.at.since(at).saturating_sub(self.window);
                joins.micros.push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
                joins.joined += 1;
                joins.in_flight -= 1;
                joins.last = Some(heard.at);
            }
        }
        if waiting.is_empty() {
            joins.waiting.remove(&counter);
        }
    }
}

impl Joins {
    fn expire(&mut self, now: Monotonic) {
        let before = self.in_flight;
        let is_late = |it: &Waiting| now.since(it.at) > ANSWER_MAX;
        if !self.waiting.values().flatten().any(is_late) {
            return;
        }
        self.waiting.retain(|_, waiting| {
            waiting.retain(|it| !is_late(it));
            !waiting.is_empty()
        });
        self.in_flight = self.waiting.values().map(Vec::len).sum();
        self.lost += (before - self.in_flight) as u64;
    }
}

/// From a join-request to the windows of its accept, in microseconds of the gateway.
const ACCEPT_DELAY_1: u32 = 5_000_000;
const ACCEPT_DELAY_2: u32 = 6_000_000;
/// When an accept has not come, it does not come.
const ANSWER_MAX: Duration = Duration::from_secs(7);
const STEP: Duration = Duration::from_millis(1);
/// Uplinks per second that prove the sessions.
const PROOF_RATE: f64 = 1000.0;
