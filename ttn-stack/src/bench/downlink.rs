//! `downlink`: the application queues downlinks while uplinks flow; each has to come in RX1 after the device's next uplink.

use std::{sync::Arc, time::Duration};

use anyhow::ensure;
use parking_lot::Mutex;
use serde_json::json;
use tokio::sync::mpsc;
use ttn_core::{
    addr::DevAddr,
    map::Map,
    task::{TaskError, Tasks},
};
use ttn_mac::device::{Received, ReceivedData};

use super::{
    fleet::{OnAir, RX1_DELAY},
    ledger::{Latency, Ledger},
    mqtt::{Login, Publisher},
    radio::Heard,
    report::{Meter, Report, rounded},
    traffic::{Bench, Sent, uplinks_in},
};

/// What becomes of the downlinks.
#[derive(Debug)]
struct Answers {
    on_air: Arc<OnAir>,
    ledger: Ledger,
    books: Mutex<Books>,
}

#[derive(Debug, Default)]
struct Books {
    /// The counters of the gateways at the last uplink of a device.
    counters: Map<usize, u32>,
    rx1: u64,
    rx2: u64,
    /// Neither after an uplink of the device.
    elsewhere: u64,
    /// From the datagram to the window, in microseconds.
    lead: Vec<u32>,
}

impl Bench {
    /// `downlink`.
    pub(super) async fn downlink(
        &self,
        rate: f64,
        login: &Login,
        heard: mpsc::Receiver<Heard>,
        tasks: &mut Tasks,
    ) -> anyhow::Result<Report> {
        let (devices, duration) = (self.fleet.devices as u64, self.options.duration);
        let period = self.fleet.devices as f64 / rate;
        ensure!(
            period >= PERIOD_MIN,
            "each of {devices} devices would send every {period:.1} s: take more devices, so that its windows are over \
             before it sends again, which takes {PERIOD_MIN} s"
        );
        let answers = Arc::new(Answers {
            on_air: self.on_air.clone(),
            ledger: Ledger::default(),
            books: Mutex::default(),
        });
        tasks.spawn("bench downlinks", take(answers.clone(), heard));
        let (pushes, queue) = mpsc::channel(QUEUE_MAX);
        tasks.spawn_fallible("bench publisher", publish(login.publisher().await?, queue));
        // The windows of these are open, too, when the first downlinks are queued.
        let note = |sent: Sent| {
            answers.books.lock().counters.insert(sent.device, sent.counter);
        };
        self.warm_up(rate, note).await?;
        let meter = Meter::begin(&self.server)?;
        let count = uplinks_in(rate, duration);
        let every = (rate / self.options.downlinks).round().max(1.0) as u64;
        let ahead = devices / 2;
        let took = self
            .send(rate, count, duration, |sent: Sent| {
                note(sent);
                // There has to be another uplink to answer.
                // Every so many, at changing places: the gateway of a device goes by its number.
                let place = (sent.number / every * 7) % every;
                if sent.number % every == place && sent.number + ahead + 1 < count {
                    let device = (sent.device + self.fleet.devices / 2) % self.fleet.devices;
                    let payload = answers.ledger.send(self.clock.monotonic(), device);
                    if pushes.try_send((device, payload.to_vec())).is_err() {
                        tracing::warn!("the server takes no more downlinks");
                    }
                }
            })
            .await?;
        self.settle(&self.ledger, ANSWER_MAX).await;
        self.settle(&answers.ledger, ANSWER_MAX).await;
        let mut report = self.report(&meter, rate, took)?;
        answers.add_to(&mut report);
        Ok(report)
    }
}

impl Answers {
    fn heard(&self, heard: &Heard) {
        let addr = heard.emission.phy.get(1..5).and_then(|octets| octets.first_chunk::<4>());
        let addr = addr.map(|octets| DevAddr::from_u32(u32::from_le_bytes(*octets)));
        let device = addr.and_then(|addr| self.on_air.of_addr(addr)).unwrap_or(usize::MAX);
        let taken = self.on_air.with(device, |it, _| it.hear(&heard.emission.phy));
        let payload = match taken {
            Some(Ok(Received::Data(ReceivedData { payload, f_port: Some(1..), .. }))) => payload,
            // Commands alone; nobody has queued them.
            Some(Ok(_)) => return,
            other => {
                tracing::warn!(?other, "a downlink that no device takes");
                Vec::new()
            }
        };
        self.ledger.deliver(heard.at, device, &payload, Duration::ZERO);
        let mut books = self.books.lock();
        let uplink = books.counters.get(&device).copied();
        let delay = heard.emission.tmst.zip(uplink).map(|(tmst, uplink)| tmst.wrapping_sub(uplink));
        match delay {
            Some(RX1) => books.rx1 += 1,
            Some(RX2) => books.rx2 += 1,
            _ => books.elsewhere += 1,
        }
        if let Some(starts_at) = heard.starts_at {
            let lead = starts_at.since(heard.at).as_micros();
            books.lead.push(u32::try_from(lead).unwrap_or(u32::MAX));
        }
    }

    fn add_to(&self, report: &mut Report) {
        let sum = self.ledger.sum();
        let mut books = self.books.lock();
        books.lead.sort_unstable();
        let least = books.lead.first().map(|micros| rounded(f64::from(*micros) / 1000.0));
        report.wrong += sum.wrong;
        report.add(
            "downlinks",
            json!({
                "queued": sum.sent, "sent": sum.delivered, "lost": sum.sent - sum.delivered,
                "duplicated": sum.duplicated, "rx1": books.rx1, "rx2": books.rx2,
                "elsewhere": books.elsewhere, "lead_ms_min": least,
                "lead_ms_p50": Latency::of_sorted(&books.lead).p50,
            }),
        );
    }
}

async fn take(answers: Arc<Answers>, mut heard: mpsc::Receiver<Heard>) {
    while let Some(one) = heard.recv().await {
        answers.heard(&one);
    }
}

async fn publish(
    mut publisher: Publisher,
    mut queue: mpsc::Receiver<(usize, Vec<u8>)>,
) -> Result<(), TaskError> {
    while let Some((device, payload)) = queue.recv().await {
        publisher.push(device, &payload).await?;
    }
    Ok(())
}

/// The least time between two uplinks of a device: both windows, and what is in them.
const PERIOD_MIN: f64 = 7.0;
const RX1: u32 = RX1_DELAY as u32 * 1_000_000;
const RX2: u32 = RX1 + 1_000_000;
/// When a downlink has not come after the last window, it does not come.
const ANSWER_MAX: Duration = Duration::from_secs(8);
/// How many downlinks wait for the connection; further ones are lost.
const QUEUE_MAX: usize = 65_536;
