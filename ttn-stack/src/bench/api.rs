//! Calls of the API over HTTP at an even pace, reads and writes mixed.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::Context as _;
use axum::body::{Body, to_bytes};
use hyper::{
    Method, Request,
    client::conn::http1::{SendRequest, handshake},
    header,
};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{
    net::TcpStream,
    sync::{Mutex, mpsc},
};
use ttn_core::{clock::Clock, task::Tasks, time::Monotonic};

use super::{
    fleet::{APPLICATION, device_name},
    ledger::{Latency, Sum},
    options::BenchOptions,
    report::{Meter, Report, rounded},
    server::Server,
};

/// How many connections carry the calls: as many are under way at most.
const CONNECTIONS: usize = 32;
/// The largest answer that is read.
const ANSWER_OCTETS_MAX: usize = 16 << 20;
/// How many devices a page has.
const PAGE: usize = 100;

/// What is called, in a round of twenty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Create,
    FirstPage,
    Get,
    Page,
    Rights,
    Session,
    Set,
}

impl Kind {
    const ALL: [Self; 7] = [
        Self::Create,
        Self::FirstPage,
        Self::Get,
        Self::Page,
        Self::Rights,
        Self::Session,
        Self::Set,
    ];

    const fn of(number: u64) -> Self {
        match number % 20 {
            0 => Self::Create,
            4 => Self::FirstPage,
            8 | 16 => Self::Page,
            12 => Self::Rights,
            2 | 10 | 18 => Self::Session,
            1 | 5 | 9 | 13 | 17 => Self::Set,
            _ => Self::Get,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::FirstPage => "first_page",
            Self::Get => "get",
            Self::Page => "page",
            Self::Rights => "rights",
            Self::Session => "session",
            Self::Set => "set",
        }
    }

    /// The call with a number, of a device among so many.
    fn call(self, number: u64, devices: usize) -> (Method, String, Value) {
        // Neighbours are not called one behind the other.
        let mixed = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        let index = usize::try_from(mixed).unwrap_or_default() % devices;
        let device = device_name(index);
        let all = format!("/applications/{APPLICATION}");
        let page = |page: usize| format!("{all}/devices?limit={PAGE}&page={page}&field_mask=name");
        let get = |path: String| (Method::GET, path, Value::Null);
        match self {
            Self::Create => {
                let (id, eui) = (format!("new-{number}"), format!("70B3D57ED2{number:06X}"));
                let ids = json!({ "device_id": id, "dev_eui": eui, "join_eui": "0".repeat(16) });
                let device = json!({ "end_device": { "ids": ids } });
                (Method::POST, format!("{all}/devices"), device)
            }
            Self::FirstPage => get(page(1)),
            Self::Get => get(format!("{all}/devices/{device}?field_mask=name,attributes")),
            Self::Page => get(page(1 + index / PAGE)),
            Self::Rights => get(format!("{all}/rights")),
            Self::Session => get(format!("/ns{all}/devices/{device}?field_mask=session")),
            Self::Set => {
                let change = json!({
                    "end_device": { "name": format!("call {number}") },
                    "field_mask": { "paths": ["name"] },
                });
                (Method::PUT, format!("{all}/devices/{device}"), change)
            }
        }
    }
}

/// What came of the calls.
#[derive(Debug, Default)]
struct Books {
    micros: BTreeMap<Kind, Vec<u32>>,
    /// The first refusal, and how many there were.
    refused: Option<String>,
    refusals: u64,
    last: Option<Monotonic>,
}

/// A connection on which one call follows the other.
struct Line {
    sender: SendRequest<Body>,
    api_key: String,
}

impl Line {
    async fn open(server: &Server, api_key: &str, tasks: &mut Tasks) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(server.http).await.context("the API")?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tasks.spawn("bench api connection", async move {
            // What fails is told to the call.
            let _ = connection.await;
        });
        Ok(Self { sender, api_key: api_key.to_owned() })
    }

    async fn call(&mut self, method: Method, path: &str, body: &Value) -> anyhow::Result<()> {
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        let request = Request::builder()
            .method(method)
            .uri(format!("/api/v3{path}"))
            .header(header::HOST, "localhost")
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::AUTHORIZATION, format!("Bearer {}", self.api_key))
            .body(body)?;
        self.sender.ready().await?;
        let answer = self.sender.send_request(request).await?;
        let status = answer.status();
        let octets = to_bytes(Body::new(answer.into_body()), ANSWER_OCTETS_MAX).await?;
        anyhow::ensure!(
            status.is_success(),
            "{path} answered {status}: {}",
            String::from_utf8_lossy(&octets)
        );
        Ok(())
    }
}

/// Calls at a rate, for a time. Each call is timed from when it was due, so that one that waits for a connection counts.
pub(super) async fn run(
    options: &BenchOptions,
    rate: f64,
    server: &Server,
    api_key: &str,
    clock: &Arc<dyn Clock>,
    tasks: &mut Tasks,
) -> anyhow::Result<Report> {
    let books = Arc::new(Mutex::new(Books::default()));
    let (sender, receiver) = mpsc::unbounded_channel::<(u64, Monotonic)>();
    let receiver = Arc::new(Mutex::new(receiver));
    let mut callers = Tasks::new();
    for _ in 0..CONNECTIONS {
        let line = Line::open(server, api_key, tasks).await?;
        let (receiver, books) = (receiver.clone(), books.clone());
        let (clock, devices) = (clock.clone(), options.devices);
        callers.spawn("bench api", work(line, receiver, books, clock, devices));
    }
    let meter = Meter::begin(server)?;
    let began = clock.monotonic();
    // Saturates.
    let count = (rate * options.duration.as_secs_f64()) as u64;
    for number in 0..count {
        let due = began.plus(Duration::from_secs_f64(number as f64 / rate));
        clock.sleep_until(due).await;
        sender.send((number, due)).ok();
    }
    drop(sender);
    while let Some(ended) = callers.next_ended().await {
        ended?;
    }
    let mut books = books.lock().await;
    let lasted = books.last.map_or(Duration::ZERO, |last| last.since(began));
    let mut all: Vec<u32> = books.micros.values().flatten().copied().collect();
    all.sort_unstable();
    let sum = Sum {
        sent: count,
        delivered: all.len() as u64,
        duplicated: 0,
        wrong: 0,
        lasted,
        latency: Latency::of_sorted(&all),
    };
    let mut report = meter.end(server, options.scenario.name(), rate, &sum, options.duration)?;
    for kind in Kind::ALL {
        let Some(micros) = books.micros.get_mut(&kind) else { continue };
        micros.sort_unstable();
        let Latency { p50, p99, .. } = Latency::of_sorted(micros);
        report.add(
            &format!("{}_ms", kind.name()),
            json!({ "p50": rounded(p50), "p99": rounded(p99) }),
        );
    }
    if let Some(first) = books.refused.take() {
        report.add("refused", json!({ "count": books.refusals, "first": first }));
    }
    Ok(report)
}

async fn work(
    mut line: Line,
    calls: Arc<Mutex<mpsc::UnboundedReceiver<(u64, Monotonic)>>>,
    books: Arc<Mutex<Books>>,
    clock: Arc<dyn Clock>,
    devices: usize,
) {
    loop {
        let next = calls.lock().await.recv().await;
        let Some((number, due)) = next else { return };
        let kind = Kind::of(number);
        let (method, path, body) = kind.call(number, devices);
        let answered = line.call(method, &path, &body).await;
        let now = clock.monotonic();
        let took = u32::try_from(now.since(due).as_micros()).unwrap_or(u32::MAX);
        let mut books = books.lock().await;
        books.last = Some(now);
        match answered {
            Ok(()) => books.micros.entry(kind).or_default().push(took),
            Err(error) => {
                books.refusals += 1;
                books.refused.get_or_insert_with(|| error.to_string());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_has_every_kind_and_more_reads_than_writes() {
        let round: Vec<_> = (0..20).map(Kind::of).collect();
        assert!(Kind::ALL.iter().all(|kind| round.contains(kind)));
        let writes = round.iter().filter(|kind| matches!(kind, Kind::Create | Kind::Set)).count();
        assert_eq!(writes, 6);
        let calls: std::collections::BTreeSet<_> =
            (0..20_000).map(|number| Kind::of(number).call(number, 20_000).1).collect();
        assert!(calls.len() > 5_000, "{} different paths", calls.len());
    }
}
