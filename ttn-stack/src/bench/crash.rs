//! `crash`: the server is killed at random instants under traffic and started again, many times; then every frame is
//! accounted for.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, ensure};
use serde::Serialize;
use tokio::sync::mpsc;
use ttn_core::{
    clock::Clock,
    rand::{Entropy, OsEntropy},
    task::Tasks,
};
use ttn_gs::config::Ack;
use ttn_mac::{crypto::join::decrypt_join_accept, device::Received, frame};

use super::{
    GRACE,
    books::{Account, Books},
    fleet::{Fleet, OnAir},
    mqtt::{F_PORT, Login},
    options::BenchOptions,
    prepare::Prepared,
    radio::{Heard, Radio},
    report::rounded,
    server::Server,
};
use crate::provision::Activation;

/// What a `crash` has shown.
#[derive(Debug, Serialize)]
pub(super) struct CrashReport {
    scenario: &'static str,
    ack: Ack,
    kills: usize,
    rate_offered: f64,
    seconds: f64,
    #[serde(flatten)]
    account: Account,
}

/// What outlives the server.
struct Crash<'a> {
    options: &'a BenchOptions,
    file: &'a Path,
    clock: Arc<dyn Clock>,
    fleet: Fleet,
    on_air: OnAir,
    books: Arc<Books>,
    api_key: &'a str,
    turn: AtomicUsize,
}

/// How long a life of the server is under traffic.
const LIFE_MS: std::ops::Range<u64> = 300..1500;
/// Every so manyth life is longer by as much as a join takes.
const LONG_LIFE: usize = 4;
const JOIN: Duration = Duration::from_secs(6);
/// The rate of frames if none is given.
const RATE: f64 = 500.0;
/// Every so manyth uplink wants an acknowledgement.
const CONFIRMED: u64 = 3;
/// How long nothing may come before nothing comes any more.
const QUIET: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(100);
/// From an uplink to its windows, in microseconds of the gateway.
const WINDOWS: [u32; 2] = [1_000_000, 2_000_000];

pub(super) async fn run(
    options: &BenchOptions,
    fleet: Fleet,
    prepared: &Prepared,
    file: &Path,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<CrashReport> {
    let crash = Crash {
        options,
        file,
        clock: clock.clone(),
        fleet,
        on_air: fleet.on_air()?,
        books: Arc::default(),
        api_key: &prepared.api_key,
        turn: AtomicUsize::new(0),
    };
    let began = clock.monotonic();
    for kill in 0..options.kills {
        let longer = if kill % LONG_LIFE == 1 { JOIN } else { Duration::ZERO };
        crash.life(longer).await.with_context(|| format!("life {}", kill + 1))?;
    }
    crash.last_life().await.context("the last life")?;
    Ok(CrashReport {
        scenario: options.scenario.name(),
        ack: options.ack,
        kills: options.kills,
        rate_offered: options.rate_or(RATE),
        seconds: rounded(clock.monotonic().since(began).as_secs_f64()),
        account: crash.books.account(),
    })
}

impl CrashReport {
    /// Whether what was promised was kept.
    pub(super) fn check(&self, ack: Ack) -> anyhow::Result<()> {
        let Account { wrong, unmarked, acks_lost, receipts_lost, .. } = self.account;
        let (f_cnt, nonces) = (self.account.f_cnt_reused, self.account.join_nonces_reused);
        ensure!(wrong == 0, "{wrong} messages have a content that was not sent");
        ensure!(unmarked == 0, "{unmarked} messages came twice without a mark");
        ensure!(acks_lost == 0, "{acks_lost} uplinks answered with the ACK bit were lost");
        ensure!(f_cnt == 0, "{f_cnt} downlinks have a counter that another one had");
        ensure!(nonces == 0, "{nonces} join-accepts have a JoinNonce that did not rise");
        let kept = ack != Ack::Durable || receipts_lost == 0;
        ensure!(kept, "{receipts_lost} uplinks with a PUSH_ACK were lost");
        Ok(())
    }
}

impl Crash<'_> {
    /// Starts the server, lets frames flow for a random time, and kills it.
    async fn life(&self, longer: Duration) -> anyhow::Result<()> {
        let span = LIFE_MS.end - LIFE_MS.start;
        let lasts = Duration::from_millis(LIFE_MS.start + OsEntropy::default().below(span));
        let lasts = lasts + longer;
        let mut tasks = Tasks::new();
        let (server, radio, mut heard) = self.start(&mut tasks).await?;
        self.send(&radio, lasts).await?;
        // `kill -9`, in the middle of whatever it does.
        drop(server);
        self.books.receipts(&radio.receipts());
        self.stop(tasks).await?;
        while let Ok(heard) = heard.try_recv() {
            self.hear(&heard)?;
        }
        Ok(())
    }

    /// Starts the server once more, and takes what is left.
    async fn last_life(&self) -> anyhow::Result<()> {
        let mut tasks = Tasks::new();
        let (server, _radio, _heard) = self.start(&mut tasks).await?;
        let (mut messages, mut since) = (self.books.messages(), self.clock.monotonic());
        while self.clock.monotonic().since(since) < QUIET {
            self.clock.sleep_until(self.clock.monotonic().plus(PAUSE)).await;
            let now = self.books.messages();
            if now != messages {
                (messages, since) = (now, self.clock.monotonic());
            }
        }
        drop(server);
        self.stop(tasks).await
    }

    async fn start(
        &self,
        tasks: &mut Tasks,
    ) -> anyhow::Result<(Server, Arc<Radio>, mpsc::Receiver<Heard>)> {
        let program = self.options.program.as_deref();
        let server = Server::start(program, self.file, &self.clock).await?;
        let gateways = self.fleet.gateways;
        let (radio, heard) = Radio::open(server.udp, gateways, &self.clock, tasks).await?;
        radio.connected().await?;
        let books = self.books.clone();
        let note = move |device: usize, octets: &[u8], is_marked: bool| {
            books.delivered(device, octets, is_marked);
        };
        let login = Login {
            server: server.mqtt,
            client_id: self.fleet.client_id("follows"),
            api_key: self.api_key.to_owned(),
        };
        login.follow(tasks, note).await?;
        Ok((server, radio, heard))
    }

    async fn stop(&self, tasks: Tasks) -> anyhow::Result<()> {
        let clock = self.clock.clone();
        let grace = async move { clock.sleep_until(clock.monotonic().plus(GRACE)).await };
        Ok(tasks.until_shutdown(std::future::ready(()), grace).await?)
    }

    async fn send(&self, radio: &Radio, lasts: Duration) -> anyhow::Result<()> {
        let rate = self.options.rate_or(RATE);
        let began = self.clock.monotonic();
        for sent in 0.. {
            let due = Duration::from_secs_f64(f64::from(sent) / rate);
            if due > lasts {
                break;
            }
            self.clock.sleep_until(began.plus(due)).await;
            let device = self.turn.fetch_add(1, Ordering::Relaxed) % self.fleet.devices;
            if self.fleet.joins(device) {
                let tx = self.on_air.with(device, |it, entropy| it.join(entropy));
                let tx = tx.with_context(|| format!("device {device}"))??;
                radio.receive(device, 1, &tx).await;
                continue;
            }
            let (number, payload) = self.books.next(device);
            let confirmed = number.is_multiple_of(CONFIRMED);
            let uplink = |it: &mut ttn_mac::device::Device,
                          entropy: &ttn_testkit::SeededEntropy| {
                it.uplink(F_PORT, &payload, confirmed, entropy)
            };
            let tx = self.on_air.with(device, uplink);
            let tx = tx.with_context(|| format!("device {device}"))??;
            let counter = radio.receive_for_receipt(number, &tx).await;
            self.books.received(number, device, counter);
        }
        Ok(())
    }

    /// Notes what a gateway was asked to send.
    fn hear(&self, heard: &Heard) -> anyhow::Result<()> {
        let phy = &heard.emission.phy;
        let parsed = frame::parse(phy.as_slice());
        if let Some(data) = parsed.as_ref().ok().and_then(|parsed| parsed.data()) {
            if let Some(device) = self.on_air.of_addr(data.dev_addr) {
                let at = |delay: u32| heard.emission.tmst.map(|tmst| tmst.wrapping_sub(delay));
                let (f_cnt, has_ack) = (data.f_cnt, data.f_ctrl.ack);
                self.books.downlink(device, f_cnt, has_ack, phy, WINDOWS.map(at));
            }
            return Ok(());
        }
        for device in (0..self.fleet.devices).filter(|device| self.fleet.joins(*device)) {
            let heard = self.on_air.with(device, |it, _| it.hear(phy));
            if matches!(heard, Some(Ok(Received::Joined))) {
                self.books.join_accept(device, self.join_nonce(device, phy)?, phy);
                break;
            }
        }
        Ok(())
    }

    fn join_nonce(&self, device: usize, phy: &[u8]) -> anyhow::Result<u32> {
        let Activation::Otaa { app_key, .. } = self.fleet.registration(device)?.activation else {
            anyhow::bail!("device {device} does not join");
        };
        let octets = decrypt_join_accept(&app_key, phy.get(1..).unwrap_or_default())
            .map_err(|error| anyhow::anyhow!("{} octets of a join-accept", error.got))?;
        let [a, b, c, ..] = octets.as_slice() else { anyhow::bail!("a short join-accept") };
        Ok(u32::from_le_bytes([*a, *b, *c, 0]))
    }
}
