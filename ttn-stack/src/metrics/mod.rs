//! `GET /metrics`: what happened since the start, in the text format of Prometheus (EVT-10, AS-46, GS-79, NS-117).

mod events;

use std::{
    fmt,
    future::ready,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{
    Router,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::get,
};
use data_encoding::BASE64;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, NoLabelSet, text},
    metrics::MetricType,
    registry::Registry,
};
use ttn_as::ApplicationServer;
use ttn_core::event::{EventBus, Events};
use ttn_gs::{GatewayServer, count::Counters, frontend::udp::UdpCounters};
use ttn_ns::{
    NetworkServer,
    stats::{Histogram, NetworkStats},
    store::NetworkStore,
};

use events::{CountedEvents, FAMILIES};

/// The metrics of a stack.
#[derive(Debug)]
pub(crate) struct Metrics {
    events: Arc<CountedEvents>,
}

/// Tells the metrics.
#[derive(Clone, Debug)]
pub(crate) struct Exporter {
    registry: Arc<Registry>,
}

/// What is read for an answer; it keeps no component alive.
struct Sources {
    events: Arc<CountedEvents>,
    applications: Weak<ApplicationServer>,
    gateways: Weak<GatewayServer>,
    network: Weak<NetworkServer>,
    store: Weak<dyn NetworkStore>,
    udp: Arc<UdpCounters>,
}

/// What all names begin with.
const PREFIX: &str = "ttn_lw";
/// The user of basic authentication.
const USER: &str = "metrics";
const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

impl Metrics {
    pub(crate) fn new(bus: Arc<EventBus>) -> Self {
        Self { events: Arc::new(CountedEvents::new(bus)) }
    }

    /// The bus, with every event counted on its way.
    pub(crate) fn sink(&self) -> Events {
        self.events.clone()
    }

    /// What is told of them and of the components.
    pub(crate) fn exporter(
        &self,
        applications: &Arc<ApplicationServer>,
        gateways: &Arc<GatewayServer>,
        network: &Arc<NetworkServer>,
        store: &Arc<dyn NetworkStore>,
        udp: &Arc<UdpCounters>,
    ) -> Exporter {
        let sources = Sources {
            events: self.events.clone(),
            applications: Arc::downgrade(applications),
            gateways: Arc::downgrade(gateways),
            network: Arc::downgrade(network),
            store: Arc::downgrade(store),
            udp: udp.clone(),
        };
        let mut registry = Registry::with_prefix(PREFIX);
        registry.register_collector(Box::new(sources));
        Exporter { registry: Arc::new(registry) }
    }
}

impl Exporter {
    /// The metrics as text.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to memory does not fail, and a collector that does leaves out the rest.
        if let Err(error) = text::encode(&mut text, &self.registry) {
            tracing::warn!(%error, "the metrics are incomplete");
        }
        text
    }

    /// `GET /metrics`, for everybody or with a password.
    pub(crate) fn routes(&self, password: Option<&str>) -> Router {
        let exporter = self.clone();
        let credentials = password.map(|password| {
            format!("Basic {}", BASE64.encode(format!("{USER}:{password}").as_bytes()))
        });
        let answer =
            move |headers: HeaderMap| ready(exporter.answer(credentials.as_deref(), &headers));
        Router::new().route("/metrics", get(answer))
    }

    fn answer(&self, credentials: Option<&str>, headers: &HeaderMap) -> Response {
        let given = headers.get(header::AUTHORIZATION).map_or(&[][..], |value| value.as_bytes());
        if credentials.is_some_and(|wanted| !is_same(wanted.as_bytes(), given)) {
            let challenge = [(header::WWW_AUTHENTICATE, "Basic realm=\"metrics\"")];
            return (StatusCode::UNAUTHORIZED, challenge, "the password of `metrics` is needed\n")
                .into_response();
        }
        ([(header::CONTENT_TYPE, CONTENT_TYPE)], self.text()).into_response()
    }
}

/// Compares in a time that does not tell where the difference is.
fn is_same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").finish_non_exhaustive()
    }
}

impl Collector for Sources {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut out = Out(encoder);
        out.events(&self.events)?;
        if let Some(network) = self.network.upgrade() {
            out.network(network.stats())?;
        }
        if let Some(gateways) = self.gateways.upgrade() {
            let connected = gateways.connected_by_protocol();
            let help = "Gateways that are connected";
            out.labelled("gs_connected_gateways", help, MetricType::Gauge, "protocol", connected)?;
            let help = "Status messages that the registry was told of";
            out.counter("gs_status_forwarded", help, gateways.status_forwarded())?;
        }
        if let Some(store) = self.store.upgrade() {
            out.counter("store_syncs", "Commits that were made durable", store.syncs())?;
        }
        out.udp(&self.udp)?;
        if let Some(applications) = self.applications.upgrade() {
            let webhooks = applications.webhook_counters();
            out.counter("as_webhook_sent", "Requests of webhooks that succeeded", webhooks.sent())?;
            let failed = webhooks.failed().map(|(kind, count)| (kind.name(), count));
            let help = "Requests of webhooks that failed";
            out.labelled("as_webhook_failed", help, MetricType::Counter, "error", failed)?;
        }
        Ok(())
    }
}

struct Out<'a>(DescriptorEncoder<'a>);

impl Out<'_> {
    fn events(&mut self, events: &CountedEvents) -> fmt::Result {
        let (help, all) = ("Events that were published", events.all());
        self.labelled("events_publishes", help, MetricType::Counter, "name", all)?;
        let (help, dropped) =
            ("Events that slow readers lost", events.bus().channel_dropped_total());
        self.counter("events_channel_dropped", help, dropped)?;
        for family in FAMILIES {
            let counts = family.events.iter().map(|(event, value)| (*value, events.count(event)));
            match family.label {
                None => self.counter(family.name, family.help, counts.map(|(_, it)| it).sum())?,
                Some(label) => {
                    self.labelled(family.name, family.help, MetricType::Counter, label, counts)?;
                }
            }
        }
        Ok(())
    }

    fn network(&mut self, stats: &NetworkStats) -> fmt::Result {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counters = [
            ("ns_uplink_received", "Copies of frames from gateways", &stats.uplink_received),
            ("ns_uplink_duplicates", "Copies but the first of a frame", &stats.uplink_duplicates),
            (
                "ns_match_candidates_uplink",
                "Sessions that came into question",
                &stats.match_candidates,
            ),
            (
                "ns_mic_computations_uplink",
                "Sessions whose MIC was computed",
                &stats.mic_computations,
            ),
        ];
        for (name, help, counter) in counters {
            self.counter(name, help, of(counter))?;
        }
        let help = "Gateways that received a frame";
        self.histogram("ns_uplink_gateways", help, &stats.uplink_gateways)?;
        let help = "Time from the first gateway to the application log";
        self.histogram("ns_uplink_latency_seconds", help, &stats.uplink_latency_seconds)
    }

    fn udp(&mut self, udp: &UdpCounters) -> fmt::Result {
        let received = udp.received.load(Ordering::Relaxed);
        self.counter("gs_io_udp_message_received", "Datagrams", received)?;
        let forwarded = received.saturating_sub(udp.datagrams.total());
        self.counter("gs_io_udp_message_forwarded", "Datagrams that were taken", forwarded)?;
        let mut reasons = |name, help, counters: Vec<(&'static str, u64)>| {
            self.labelled(name, help, MetricType::Counter, "reason", counters)
        };
        let help = "Datagrams that were not taken";
        reasons("gs_io_udp_message_dropped", help, Counters::snapshot(&udp.datagrams))?;
        let help = "Entries of PUSH_DATA that were not taken";
        reasons("gs_io_udp_unmarshal_type_errors", help, Counters::snapshot(&udp.rxpk))
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        metric.encode_counter::<NoLabelSet, _, u64>(&value, None)
    }

    fn labelled<N: TryInto<i64> + Copy>(
        &mut self,
        name: &str,
        help: &str,
        kind: MetricType,
        label: &str,
        values: impl IntoIterator<Item = (&'static str, N)>,
    ) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, None, kind)?;
        for (value, count) in values {
            let count = count.try_into().unwrap_or(i64::MAX);
            let labels = [(label, value)];
            let mut series = metric.encode_family(&labels)?;
            match kind {
                MetricType::Gauge => series.encode_gauge(&count)?,
                _ => series.encode_counter::<NoLabelSet, _, u64>(&count.unsigned_abs(), None)?,
            }
        }
        Ok(())
    }

    fn histogram(&mut self, name: &str, help: &str, of: &Histogram) -> fmt::Result {
        let buckets = of.buckets();
        let count = buckets.iter().map(|(_, count)| count).sum();
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Histogram)?;
        metric.encode_histogram::<NoLabelSet>(of.sum(), count, &buckets, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // CLU-15
    #[test]
    fn with_a_password_only_its_user_reads_them() {
        let exporter = Exporter { registry: Arc::new(Registry::default()) };
        let status = |given: Option<&str>| {
            let mut headers = HeaderMap::new();
            if let Some(given) = given {
                headers.insert(header::AUTHORIZATION, given.parse().unwrap());
            }
            let wanted = format!("Basic {}", BASE64.encode(b"metrics:hunter2"));
            exporter.answer(Some(&wanted), &headers).status()
        };
        // `printf metrics:hunter2 | base64`
        assert_eq!(status(Some("Basic bWV0cmljczpodW50ZXIy")), StatusCode::OK);
        for wrong in [None, Some(""), Some("Basic bWV0cmljczpodW50ZXIz"), Some("Bearer x")] {
            assert_eq!(status(wrong), StatusCode::UNAUTHORIZED, "{wrong:?}");
        }
        let open = exporter.answer(None, &HeaderMap::new());
        assert_eq!(open.status(), StatusCode::OK);
    }
}
