//! Spans as OTLP over gRPC.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use opentelemetry_proto::tonic::{
    collector::trace::v1::{ExportTraceServiceRequest, trace_service_client::TraceServiceClient},
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value},
    resource::v1::Resource,
    trace::v1::{
        ResourceSpans, ScopeSpans, Span as Message, Status, span::SpanKind, status::StatusCode,
    },
};
use tokio::sync::mpsc::Receiver;
use tonic::transport::{Channel, Endpoint};
use ttn_core::{clock::Clock, time::Timestamp};

use super::spans::{Span, Stage};

/// How many spans go together.
const BATCH_MAX: usize = 512;
/// How long a span waits for others.
const BATCH_AGE: Duration = Duration::from_secs(2);
/// How long the collector may take.
const TIMEOUT: Duration = Duration::from_secs(10);
const SERVICE: &str = "ttn-stack";

/// A connection to a collector, made when it is used first; `None` if there is no such address.
pub(super) fn endpoint(address: &str) -> Option<Endpoint> {
    if !address.starts_with("http://") {
        return None;
    }
    let endpoint = Endpoint::from_shared(address.to_owned()).ok()?;
    Some(endpoint.connect_timeout(TIMEOUT).timeout(TIMEOUT))
}

/// Sends spans until there are no more. What the collector does not take is lost.
pub(super) async fn run(mut spans: Receiver<Span>, endpoint: Endpoint, clock: Arc<dyn Clock>) {
    let mut client = TraceServiceClient::new(endpoint.connect_lazy());
    let mut is_broken = false;
    while let Some(first) = spans.recv().await {
        let mut batch = VecDeque::from([first]);
        let late = clock.sleep_until(clock.monotonic().plus(BATCH_AGE));
        tokio::pin!(late);
        while batch.len() < BATCH_MAX {
            tokio::select! {
                biased;
                span = spans.recv() => match span {
                    Some(span) => batch.push_back(span),
                    None => break,
                },
                () = &mut late => break,
            }
        }
        let count = batch.len();
        let sent = send(&mut client, batch).await;
        // Told once, not every two seconds.
        match (&sent, is_broken) {
            (Err(error), false) => tracing::warn!(%error, count, "the collector takes no traces"),
            (Ok(()), true) => tracing::info!("the collector takes traces again"),
            _ => {}
        }
        is_broken = sent.is_err();
    }
}

async fn send(
    client: &mut TraceServiceClient<Channel>,
    batch: VecDeque<Span>,
) -> Result<(), tonic::Status> {
    let scope =
        InstrumentationScope { name: SERVICE.to_owned(), ..InstrumentationScope::default() };
    let spans = batch.into_iter().map(message).collect();
    let scope_spans = vec![ScopeSpans { scope: Some(scope), spans, ..ScopeSpans::default() }];
    let attributes = [("service.name", SERVICE), ("service.version", env!("CARGO_PKG_VERSION"))];
    let attributes = attributes.map(|(key, value)| attribute(key, value.to_owned())).into();
    let resource = Some(Resource { attributes, ..Resource::default() });
    let spans = ResourceSpans { resource, scope_spans, ..ResourceSpans::default() };
    let request = ExportTraceServiceRequest { resource_spans: vec![spans] };
    client.export(request).await.map(drop)
}

fn message(span: Span) -> Message {
    let id = |stage: Stage| span.trace.span(stage).to_be_bytes().to_vec();
    let kind = match span.stage {
        Stage::GatewayReceive => SpanKind::Server,
        Stage::GatewayTransmit | Stage::WebhookDeliver => SpanKind::Client,
        _ => SpanKind::Internal,
    };
    let status =
        span.failure.clone().map(|message| Status { message, code: StatusCode::Error.into() });
    Message {
        trace_id: span.trace.0.to_be_bytes().to_vec(),
        span_id: id(span.stage),
        parent_span_id: span.stage.parent().map(id).unwrap_or_default(),
        name: span.stage.name().to_owned(),
        kind: kind.into(),
        start_time_unix_nano: nanos(span.start),
        end_time_unix_nano: nanos(span.end),
        attributes: span.attributes.into_iter().map(|(key, value)| attribute(key, value)).collect(),
        status,
        ..Message::default()
    }
}

fn nanos(time: Timestamp) -> u64 {
    u64::try_from(time.unix_nanos()).unwrap_or_default()
}

fn attribute(key: &str, value: String) -> KeyValue {
    let value = Some(AnyValue { value: Some(Value::StringValue(value)) });
    KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
}
