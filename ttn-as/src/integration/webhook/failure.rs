//! Why a message was not delivered, and what is kept of it.
#![expect(clippy::exhaustive_structs, clippy::exhaustive_enums, reason = "read by other crates")]

use std::sync::atomic::{AtomicU64, Ordering};

use ttn_core::{
    error::{ErrorBody, ErrorKind},
    id::DeviceId,
    time::Timestamp,
};

use super::{gate::Fault, record::MessageKind, transport::SendError};

/// The kinds of failures, as counters name them (AS-46).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum FailureKind {
    /// The connection ended before the answer.
    Closed = 0,
    /// There was no connection.
    Connect = 1,
    /// The target may not be reached.
    Forbidden = 2,
    /// The request could not be made: the URL, say.
    Request = 3,
    /// The answer was not 2xx.
    Status = 4,
    /// There was no answer in time.
    Timeout = 5,
}

impl FailureKind {
    /// Every kind, by its number.
    pub const ALL: [Self; 6] =
        [Self::Closed, Self::Connect, Self::Forbidden, Self::Request, Self::Status, Self::Timeout];

    /// The name in counters.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Connect => "connect",
            Self::Forbidden => "forbidden",
            Self::Request => "request",
            Self::Status => "status",
            Self::Timeout => "timeout",
        }
    }
}

/// A failed attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What kind it is of.
    pub kind: FailureKind,
    /// The status of the answer; 0 if there was none.
    pub status: u16,
    /// What happened, or the beginning of the answer.
    pub detail: String,
    /// Where the request went, without its query.
    pub url: String,
}

/// How much of a detail is kept with dead letters and health.
const KEPT_MAX: usize = 256;

impl Failure {
    pub(super) fn of_sending(error: &SendError, url: String) -> Self {
        let kind = match error {
            SendError::Closed(_) => FailureKind::Closed,
            SendError::Connect(_) => FailureKind::Connect,
            SendError::Forbidden(_) => FailureKind::Forbidden,
            SendError::Timeout(_) => FailureKind::Timeout,
        };
        Self { kind, status: 0, detail: error.to_string(), url }
    }

    /// What it says something about.
    pub(super) const fn fault(&self) -> Fault {
        match (self.kind, self.status) {
            (FailureKind::Closed | FailureKind::Connect | FailureKind::Timeout, _)
            | (FailureKind::Status, 408 | 429 | 502..=504) => Fault::Endpoint,
            _ => Fault::Message,
        }
    }

    /// Whether the endpoint may have got the message all the same.
    pub(super) const fn may_have_arrived(&self) -> bool {
        matches!(self.kind, FailureKind::Closed | FailureKind::Status | FailureKind::Timeout)
    }

    /// As clients see it.
    #[must_use]
    pub fn to_body(&self, webhook_id: &str) -> ErrorBody {
        let (namespace, name) = ("pkg/applicationserver/io/web/sink", "request");
        let message = match self.status {
            0 => format!("the request to the webhook failed: {}", self.detail),
            status => format!("the endpoint answered {status}: {}", self.detail),
        };
        let body = ErrorBody::new(namespace, name, ErrorKind::Unavailable, message)
            .with("webhook_id", webhook_id)
            .with("url", self.url.as_str());
        if self.status == 0 { body } else { body.with("status_code", self.status) }
    }

    /// The same, short enough to be kept.
    pub(super) fn shortened(mut self) -> Self {
        if let Some((end, _)) = self.detail.char_indices().nth(KEPT_MAX) {
            self.detail.truncate(end);
        }
        self
    }
}

/// A message that was given up (AS-45).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// The device.
    pub device_id: DeviceId,
    /// The number of the message among those of the device.
    pub number: u64,
    /// What it is.
    pub kind: MessageKind,
    /// When the server received it.
    pub received_at: Timestamp,
    /// When it was given up.
    pub failed_at: Timestamp,
    /// How often it was tried.
    pub attempts: u32,
    /// The last failure.
    pub failure: Failure,
}

/// How a webhook fares (AS-41).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Whether a request has succeeded or failed at all.
    pub is_known: bool,
    /// Failed requests since the last success.
    pub failed_attempts: u64,
    /// When the last one failed.
    pub last_failed_at: Timestamp,
    /// Why.
    pub last_failure: Option<Failure>,
}

impl Health {
    pub(super) fn succeeded(&mut self) {
        *self = Self { is_known: true, ..Self::default() };
    }

    pub(super) fn failed(&mut self, failure: &Failure, now: Timestamp) {
        self.is_known = true;
        self.failed_attempts = self.failed_attempts.saturating_add(1);
        self.last_failed_at = now;
        self.last_failure = Some(failure.clone().shortened());
    }
}

/// What all webhooks of a server did (AS-46).
#[derive(Debug, Default)]
pub struct Counters {
    sent: AtomicU64,
    failed: [AtomicU64; 6],
    dead: AtomicU64,
    lost: AtomicU64,
}

impl Counters {
    /// Requests that succeeded.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Requests that failed, by kind.
    #[must_use]
    pub fn failed(&self) -> [(FailureKind, u64); 6] {
        FailureKind::ALL.map(|kind| (kind, self.failed[kind as usize].load(Ordering::Relaxed)))
    }

    /// Messages that were given up.
    #[must_use]
    pub fn dead(&self) -> u64 {
        self.dead.load(Ordering::Relaxed)
    }

    /// Messages that the log forgot before they were delivered; other applications' are counted too.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    pub(super) fn count_sent(&self) {
        self.sent.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_failed(&self, kind: FailureKind) {
        self.failed[kind as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_dead(&self) {
        self.dead.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_lost(&self, lost: u64) {
        self.lost.fetch_add(lost, Ordering::Relaxed);
    }
}
