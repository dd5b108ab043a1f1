//! Traces of a stack: from the bus to the collector.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tonic::transport::Endpoint;
use ttn_as::integration::webhook::Transport;
use ttn_core::{
    clock::Clock,
    event::{EventBus, Subscription},
    task::Tasks,
    time::Timestamp,
};

use super::{
    TracesConfig, TracesError, export,
    spans::{self, Recorder, Span},
    webhooks::TracedTransport,
};

/// How many spans wait for the collector; further ones are lost.
const SPANS_MAX: usize = 8_192;

/// The traces of a stack, if there are any.
#[derive(Debug)]
pub(crate) struct Traces(Option<On>);

#[derive(Debug)]
struct On {
    probability: f64,
    clock: Arc<dyn Clock>,
    spans: Sender<Span>,
    /// Taken at the start.
    exported: Mutex<Option<(Receiver<Span>, Endpoint)>>,
}

impl Traces {
    pub(crate) fn new(config: &TracesConfig, clock: &Arc<dyn Clock>) -> Result<Self, TracesError> {
        let probability = config.probability;
        if !(0.0..=1.0).contains(&probability) {
            return Err(TracesError::Probability { probability });
        }
        let Some(address) = &config.endpoint else { return Ok(Self(None)) };
        let endpoint = export::endpoint(address)
            .ok_or_else(|| TracesError::Endpoint { endpoint: address.clone() })?;
        let (spans, receiver) = channel(SPANS_MAX);
        let exported = Mutex::new(Some((receiver, endpoint)));
        Ok(Self(Some(On { probability, clock: clock.clone(), spans, exported })))
    }

    /// The way to endpoints, with traces if there are any.
    pub(crate) fn webhooks(&self, inner: Arc<dyn Transport>) -> Arc<dyn Transport> {
        let Some(on) = &self.0 else { return inner };
        let (clock, probability) = (on.clock.clone(), on.probability);
        Arc::new(TracedTransport { inner, clock, probability, spans: on.spans.clone() })
    }

    pub(crate) fn start(&self, bus: &Arc<EventBus>, tasks: &mut Tasks) {
        let Some(on) = &self.0 else { return };
        let Some((spans, endpoint)) = on.exported.lock().take() else { return };
        tasks.spawn("traces-export", export::run(spans, endpoint, on.clock.clone()));
        let (_, events) = bus.subscribe_after(spans::filter(), 0, Timestamp::UNIX_EPOCH);
        tasks.spawn("traces", record(events, Recorder::new(on.probability), on.spans.clone()));
    }
}

/// Makes spans of events until it is dropped.
async fn record(mut events: Subscription, mut recorder: Recorder, spans: Sender<Span>) {
    loop {
        let event = events.next().await;
        if let Some(span) = recorder.on_event(&event) {
            // A collector that is slow costs traces, nothing else.
            let _ = spans.try_send(span);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, time::Duration};

    use opentelemetry_proto::tonic::{
        collector::trace::v1::{
            ExportTraceServiceRequest, ExportTraceServiceResponse,
            trace_service_server::{TraceService, TraceServiceServer},
        },
        trace::v1::Span as Message,
    };
    use tonic::{Request, Response, Status};
    use ttn_core::{
        addr::DevAddr,
        clock::SystemClock,
        eui::DevEui,
        id::{ApplicationId, DeviceKey},
        key::Aes128Key,
    };
    use ttn_testkit::{Action, Link};

    use super::*;
    use crate::{
        config::Config,
        endpoint::MemoryEndpoint,
        provision::{self, Activation, NewDevice},
        simulation::Simulation,
        traces::spans::{Stage, TraceId},
    };

    /// Takes spans as a collector does.
    #[derive(Debug)]
    struct Collector(tokio::sync::mpsc::UnboundedSender<Message>);

    #[tonic::async_trait]
    impl TraceService for Collector {
        async fn export(
            &self,
            request: Request<ExportTraceServiceRequest>,
        ) -> Result<Response<ExportTraceServiceResponse>, Status> {
            let spans = request.into_inner().resource_spans.into_iter();
            let spans = spans.flat_map(|it| it.scope_spans).flat_map(|it| it.spans);
            spans.for_each(|span| drop(self.0.send(span)));
            Ok(Response::new(ExportTraceServiceResponse::default()))
        }
    }

    // CLU-14
    #[tokio::test]
    async fn spans_reach_a_collector_over_otlp() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = Some(format!("http://{}", listener.local_addr().unwrap()));
        let (taken, mut spans) = tokio::sync::mpsc::unbounded_channel();
        let service = TraceServiceServer::new(Collector(taken));
        let router = tonic::service::Routes::new(service).into_axum_router();
        let mut tasks = Tasks::new();
        tasks.spawn("collector", async move { axum::serve(listener, router).await.unwrap() });
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let config = TracesConfig { endpoint, ..TracesConfig::default() };
        let traces = Traces::new(&config, &clock).unwrap();
        traces.start(&Arc::new(EventBus::new()), &mut tasks);
        // A webhook whose endpoint refuses.
        let inner = Arc::new(MemoryEndpoint::default());
        inner.answer(503);
        let body = r#"{"correlation_ids":["as:up:x","gs:uplink:01ARZ3NDEKTSV4RRFFQ69G5FAV"]}"#;
        let request = ttn_as::integration::webhook::Request {
            url: "https://a.example/up".parse().unwrap(),
            headers: http::HeaderMap::new(),
            body: body.into(),
        };
        traces.webhooks(inner).send(request).await.unwrap();
        let span = spans.recv().await.unwrap();
        let trace = TraceId::find(body.as_bytes()).unwrap();
        assert_eq!(span.name, "as.webhook.deliver");
        assert_eq!(span.trace_id, trace.0.to_be_bytes());
        assert_eq!(span.parent_span_id, trace.span(Stage::ApplicationHandle).to_be_bytes());
        assert_eq!(span.status.unwrap().code, 2);
        let attributes: Vec<_> = span.attributes.iter().map(|it| it.key.as_str()).collect();
        assert_eq!(attributes, ["server.address", "http.response.status_code"]);
    }

    // CLU-14
    #[tokio::test(start_paused = true)]
    async fn the_way_of_a_frame_is_one_trace() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store");
        let sim = Simulation::start(7, path, Config::default()).await.unwrap();
        let application: ApplicationId = "test-app".parse().unwrap();
        provision::create_application(sim.client().unwrap(), &application).await.unwrap();
        sim.add_gateway(&"roof".parse().unwrap(), "EU_863_870_TTN").await.unwrap();
        let (addr, key) = (DevAddr::from_u32(0x1001), |octet| Aes128Key::new([octet; 16]));
        let device = NewDevice::new(
            DeviceKey::new(application, "sensor".parse().unwrap()),
            DevEui::from_u64(0x70B3_D57E_D000_1001),
            Activation::abp(addr, key(0x11), key(0x41)),
        );
        let near = Link { rssi: -60.0, snr: 9.0, loss_per_mille: 0 };
        let node = sim.add_device(&device, near).await.unwrap();
        let bus = &sim.stack().unwrap().events;
        let (_, events) = bus.subscribe_after(spans::filter(), 0, Timestamp::UNIX_EPOCH);
        let uplink = Action::Uplink { f_port: 1, payload: vec![1], confirmed: true };
        sim.world.act(node, uplink);
        sim.wait(Duration::from_secs(10)).await;
        let mut recorder = Recorder::new(1.0);
        let mut traces: BTreeMap<TraceId, Vec<Span>> = BTreeMap::new();
        while let Some(event) = events.try_next() {
            if let Some(span) = recorder.on_event(&event) {
                traces.entry(span.trace).or_default().push(span);
            }
        }
        let (_, way) = traces.pop_first().unwrap();
        let stages: Vec<_> = way.iter().map(|span| span.stage).collect();
        let wanted = [Stage::GatewayReceive, Stage::NetworkHandle, Stage::ApplicationHandle];
        assert!(wanted.iter().all(|stage| stages.contains(stage)), "{way:?}");
        // The acknowledgement goes back the same way.
        let back = [Stage::NetworkSchedule, Stage::GatewayTransmit];
        assert!(back.iter().all(|stage| stages.contains(stage)), "{way:?}");
        let ids = &way.last().unwrap().attributes;
        assert!(ids.iter().any(|(key, ids)| *key == "ttn.correlation_ids" && !ids.is_empty()));
        assert!(way.iter().all(|span| span.failure.is_none() && span.start <= span.end));
        let parents: Vec<_> = wanted.iter().map(|stage| stage.parent()).collect();
        assert_eq!(parents, [None, Some(wanted[0]), Some(wanted[1])]);
    }

    #[test]
    fn a_part_of_all_frames_is_traced() {
        let sampled = |probability: f64| {
            let traces = (0..10_000_u128).map(|it| TraceId(it.wrapping_mul(0x9E37_79B9_7F4A_7C15)));
            traces.filter(|trace| trace.is_sampled(probability)).count()
        };
        assert_eq!((sampled(0.0), sampled(1.0)), (0, 10_000));
        assert!((900..1_100).contains(&sampled(0.1)), "{}", sampled(0.1));
    }

    #[test]
    fn wrong_settings_are_named() {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let error = |endpoint: Option<&str>, probability| {
            let endpoint = endpoint.map(str::to_owned);
            Traces::new(&TracesConfig { endpoint, probability }, &clock).unwrap_err().to_string()
        };
        assert!(error(None, 1.5).contains("traces.probability"));
        assert!(error(Some("localhost:4317"), 1.0).contains("traces.endpoint"));
    }
}
