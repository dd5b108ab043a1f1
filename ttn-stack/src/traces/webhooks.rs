//! How long endpoints of webhooks take, as the end of the way of a frame.

use std::sync::Arc;

use async_trait::async_trait;
use http::Uri;
use tokio::sync::mpsc::Sender;
use ttn_as::integration::webhook::{Answer, Request, SendError, Transport};
use ttn_core::clock::Clock;

use super::spans::{Span, Stage, TraceId};

/// Tells of every request that carries the correlation id of a reception.
#[derive(Debug)]
pub(super) struct TracedTransport {
    pub(super) inner: Arc<dyn Transport>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) probability: f64,
    pub(super) spans: Sender<Span>,
}

#[async_trait]
impl Transport for TracedTransport {
    async fn send(&self, request: Request) -> Result<Answer, SendError> {
        let trace = TraceId::find(&request.body).filter(|it| it.is_sampled(self.probability));
        let Some(trace) = trace else { return self.inner.send(request).await };
        let host = request.url.host().unwrap_or_default().to_owned();
        let start = self.clock.utc();
        let answer = self.inner.send(request).await;
        let end = self.clock.utc().max(start);
        let mut attributes = vec![("server.address", host)];
        let failure = match &answer {
            Ok(answer) => {
                attributes.push(("http.response.status_code", answer.status.to_string()));
                let is_success = (200..300).contains(&answer.status);
                (!is_success).then(|| "as:webhook_status".to_owned())
            }
            Err(error) => Some(error.to_string()),
        };
        let stage = Stage::WebhookDeliver;
        // A collector that is slow costs traces, nothing else.
        let _ = self.spans.try_send(Span { trace, stage, start, end, failure, attributes });
        answer
    }

    fn check(&self, url: &Uri) -> Result<(), SendError> {
        self.inner.check(url)
    }
}
