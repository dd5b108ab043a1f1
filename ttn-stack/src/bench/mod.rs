//! `ttn-stack bench`: what can this host carry?
//!
//! A server of its own runs in a child process on a temporary directory. Virtual devices with real keys send through
//! virtual gateways over UDP, a subscriber reads over MQTT, and every payload is checked. What the server uses is read from
//! the kernel, so that it says what an operator would see.

mod api;
mod books;
mod crash;
mod downlink;
mod fleet;
mod join;
mod ledger;
mod mqtt;
mod options;
mod prepare;
mod radio;
mod report;
mod server;
mod traffic;
mod usage;

use std::{
    sync::{Arc, atomic::AtomicUsize},
    time::Duration,
};

use anyhow::ensure;
use ttn_core::{
    clock::{Clock, SystemClock},
    rand::OsEntropy,
    task::Tasks,
};

pub use options::{BenchOptions, Scenario};

use fleet::Fleet;
use ledger::Ledger;
use mqtt::Login;
use prepare::Prepared;
use radio::Radio;
use report::{Report, rounded};
use server::{Scratch, Server};
use traffic::Bench;

/// The rate of uplinks if none is given.
const RATE: f64 = 100.0;
const GRACE: Duration = Duration::from_millis(100);

/// Runs a bench and prints what it shows.
///
/// # Errors
///
/// The options do not go together, the server does not run, or a message came with a content that was not sent.
pub async fn run(options: BenchOptions) -> anyhow::Result<()> {
    options.check()?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let scratch = Scratch::make(options.directory.as_deref())?;
    let (config, file) = scratch.config(options.ack)?;
    let (devices, gateways) = (options.devices, options.gateways);
    let fleet = Fleet::new(options.scenario, devices, gateways, &OsEntropy::default());
    let say = |text: &str| {
        if !options.json {
            println!("{text}");
        }
    };
    say(&format!("registers {} devices and {gateways} gateways …", fleet.devices));
    let prepared = prepare::fill(&config, &fleet, &clock).await?;
    let per_second = fleet.devices as f64 / prepared.took.as_secs_f64().max(0.001);
    say(&format!("… {per_second:.0} devices per second; starts the server …"));
    if options.scenario == Scenario::Crash {
        let report = crash::run(&options, fleet, &prepared, &file, &clock).await?;
        if !options.json {
            print!("\n{}\n", report::table(&report)?);
        }
        println!("{}", serde_json::to_string(&report)?);
        return report.check(options.ack);
    }
    let server = Server::start(options.program.as_deref(), &file, &clock).await?;
    let (ready_ms, idle) = (server.ready_after.as_secs_f64() * 1e3, server.usage()?);
    say(&format!("… ready after {ready_ms:.0} ms; measures …"));
    let load = usage::load();
    let mut tasks = Tasks::new();
    let measured = measure(options.clone(), fleet, server, &prepared, &clock, &mut tasks).await;
    let waiting = clock.clone();
    let grace = async move { waiting.sleep_until(waiting.monotonic().plus(GRACE)).await };
    // A task that ended with an error says more than what follows from it.
    tasks.until_shutdown(std::future::ready(()), grace).await?;
    let mut report = measured?;
    report.add("devices", devices);
    report.add("gateways", gateways);
    report.add("copies", options.copies);
    report.add("subscribers", options.subscribers);
    report.add("qos", options.qos);
    report.add("devices_registered_per_second", rounded(per_second));
    report.add("ready_ms", rounded(ready_ms));
    report.add("rss_mib_at_start", rounded(idle.resident_kib as f64 / 1024.0));
    report.add("load", load);
    if !options.json {
        print!("\n{}\n", report::table(&report)?);
    }
    println!("{}", serde_json::to_string(&report)?);
    ensure!(report.wrong == 0, "{} messages have a content that was not sent", report.wrong);
    Ok(())
}

/// Connects gateways and subscribers and lets happen what is asked for.
async fn measure(
    options: BenchOptions,
    fleet: Fleet,
    server: Server,
    prepared: &Prepared,
    clock: &Arc<dyn Clock>,
    tasks: &mut Tasks,
) -> anyhow::Result<Report> {
    let rate = options.rate_or(RATE);
    if options.scenario == Scenario::Api {
        return api::run(&options, rate, &server, &prepared.api_key, clock, tasks).await;
    }
    let (radio, mut heard) = Radio::open(server.udp, fleet.gateways, clock, tasks).await?;
    radio.connected().await?;
    let login = |role: &str| Login {
        server: server.mqtt,
        client_id: fleet.client_id(role),
        api_key: prepared.api_key.clone(),
    };
    let ledger = Arc::new(Ledger::default());
    let window = ttn_ns::config::Config::default().deduplication_window;
    login("checks").check(options.qos, window, &ledger, clock, tasks).await?;
    for number in 1..options.subscribers {
        login(&format!("reads-{number}")).listen(options.qos, tasks).await?;
    }
    let publisher = login("queues");
    let on_air = Arc::new(fleet.on_air()?);
    let clock = clock.clone();
    let turn = AtomicUsize::new(0);
    let bench = Bench { options, clock, server, fleet, on_air, radio, ledger, window, turn };
    let mut report = match bench.options.scenario {
        Scenario::Api | Scenario::Crash => anyhow::bail!("it is measured elsewhere"),
        Scenario::Collide => bench.collide(rate).await,
        Scenario::Downlink => bench.downlink(rate, &publisher, heard, tasks).await,
        Scenario::Join => bench.join(&mut heard).await,
        Scenario::Soak => bench.soak(rate).await,
        Scenario::Storm => bench.storm().await,
        Scenario::Uplink if bench.options.find_max => bench.find_max().await,
        Scenario::Uplink => bench.uplink(rate, bench.options.duration).await,
    }?;
    report.add("acknowledged_datagrams", bench.radio.acknowledged());
    report.add("socket_drops", usage::socket_drops(bench.server.udp.port()));
    if let Some(stall) = bench.options.stall {
        report.add("stall_ms", rounded(stall.as_secs_f64() * 1e3));
    }
    Ok(report)
}
