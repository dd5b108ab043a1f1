//! One webhook at work: reads the log, sends, waits, saves how far it is.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::{
    StreamExt as _,
    future::{BoxFuture, Either, select},
    stream::FuturesUnordered,
};
use parking_lot::Mutex;
use tokio::sync::Notify;
use ttn_core::{
    id::DeviceKey,
    store::Revision,
    time::{Monotonic, Timestamp},
};
use ttn_proto::{convert::error_details, json};

use super::{
    failure::{Failure, FailureKind},
    gate::Suspension,
    outbox::{About, Job, Limits, Outbox, Outcome, Source, UNSAVED_MAX},
    progress,
    record::Webhook,
    request::{self, Context},
    transport::SendError,
};
use crate::{
    ApplicationServer,
    config::WebhookConfig,
    event,
    log::{Cursor, Delivery, Item, LogEntry, LogFilter, Reader, RecordState, Start},
    store::IntegrationKey,
};

/// The pause after the log or the store failed.
const FAILED_PAUSE: Duration = Duration::from_secs(5);
/// After how many messages without a pause others may run.
const YIELD_EVERY: usize = 64;

/// What a runner and the server share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) outbox: Mutex<Outbox>,
    settings: Mutex<(Revision, Arc<Webhook>)>,
    command: Mutex<Option<Command>>,
    changed: Notify,
    has_ended: AtomicBool,
}

/// Go on at another place.
#[derive(Clone, Debug)]
pub(super) struct Command {
    pub(super) cursor: Cursor,
    pub(super) since: Timestamp,
}

#[derive(Debug)]
pub(super) struct Runner {
    server: Arc<ApplicationServer>,
    key: IntegrationKey,
    shared: Arc<Shared>,
    /// Messages that may have been handed out before this start, or that are delivered again.
    repeats: Repeats,
    revision: Revision,
    was_paused: bool,
}

#[derive(Clone, Copy, Debug)]
struct Repeats {
    before: Timestamp,
    left: usize,
}

type Jobs = FuturesUnordered<BoxFuture<'static, Done>>;

struct Done {
    job: Job,
    about: Option<About>,
    message: Option<Arc<Delivery>>,
    outcome: Outcome,
}

impl Shared {
    pub(super) fn tell(&self, command: Command) {
        *self.command.lock() = Some(command);
        self.changed.notify_one();
    }

    pub(super) fn set(&self, revision: Revision, webhook: Arc<Webhook>) {
        let mut settings = self.settings.lock();
        if settings.0 != revision {
            *settings = (revision, webhook);
            self.changed.notify_one();
        }
    }

    pub(super) fn end(&self) {
        self.has_ended.store(true, Ordering::Relaxed);
        self.changed.notify_one();
    }

    pub(super) fn created_at(&self) -> Timestamp {
        self.settings.lock().1.created_at
    }

    fn settings(&self) -> (Revision, Arc<Webhook>) {
        self.settings.lock().clone()
    }
}

impl Runner {
    pub(super) fn new(
        server: Arc<ApplicationServer>,
        key: IntegrationKey,
        revision: Revision,
        webhook: Arc<Webhook>,
    ) -> Self {
        let config = &server.config.webhook;
        let limits = limits(config);
        let handed_out_max = UNSAVED_MAX + limits.window_max + limits.under_way_max;
        let kept = server.reader_state(&key);
        let left = if kept.is_some() { handed_out_max } else { 0 };
        let repeats = Repeats { before: server.started_at, left };
        let cursor = kept.as_ref().map_or_else(|| server.log.end(), |kept| kept.cursor.clone());
        let mut outbox = Outbox::new(limits, cursor.clone());
        match kept {
            Some(kept) => {
                if let Err(error) = progress::restore(&mut outbox, &kept.progress) {
                    tracing::error!(application = %key.application_id, webhook = key.id, %error,
                        "what a webhook had set aside cannot be read");
                }
            }
            // The place of a new one is kept at once: it gets what comes from now on.
            None => outbox.move_to(cursor, None),
        }
        let was_paused = webhook.paused;
        let shared = Arc::new(Shared {
            outbox: Mutex::new(outbox),
            settings: Mutex::new((revision, webhook)),
            command: Mutex::default(),
            changed: Notify::new(),
            has_ended: AtomicBool::new(false),
        });
        Self { server, key, shared, repeats, revision, was_paused }
    }

    pub(super) const fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Works until the webhook is deleted. May be dropped at any time: what was not saved is delivered again.
    pub(super) async fn run(mut self) {
        let mut jobs = Jobs::new();
        let mut reader = self.open();
        let mut save_at = Some(self.server.clock.monotonic());
        let mut read = 0_usize;
        while !self.shared.has_ended.load(Ordering::Relaxed) {
            if self.take_changes() {
                jobs.clear();
                reader = self.open();
            }
            let webhook = self.shared.settings().1;
            // One time for both: what is not due for the first is to come for the second.
            let now = self.server.clock.monotonic();
            if !webhook.paused {
                self.begin(&webhook, now, &mut jobs);
            }
            let (is_dirty, must_save, has_room, next_at) = {
                let outbox = self.shared.outbox.lock();
                let next_at = outbox.next_at(now);
                (outbox.is_dirty(), outbox.must_save(), outbox.has_room(), next_at)
            };
            if is_dirty && save_at.is_none() {
                save_at = Some(now.plus(self.server.config.webhook.save_interval));
            }
            if must_save || (is_dirty && save_at.is_some_and(|at| at <= now)) {
                save_at = self.save(now).await;
                continue;
            }
            if !is_dirty {
                save_at = None;
            }
            let wake = [next_at, save_at].into_iter().flatten().min();
            tokio::select! {
                biased;
                () = self.shared.changed.notified() => {}
                Some(done) = jobs.next(), if !jobs.is_empty() => self.finish(done),
                item = reader.next(), if has_room && !webhook.paused => match item {
                    Some(Ok(item)) => {
                        self.take(&webhook, item, &reader);
                        read += 1;
                        if read.is_multiple_of(YIELD_EVERY) {
                            tokio::task::yield_now().await;
                        }
                    }
                    Some(Err(error)) => {
                        tracing::warn!(webhook = self.key.id, %error, "the log cannot be read");
                        self.server.sleep(FAILED_PAUSE).await;
                    }
                    None => return,
                },
                () = until(&self.server, wake), if wake.is_some() => {}
            }
        }
    }

    fn open(&self) -> Reader {
        let outbox = self.shared.outbox.lock();
        self.server.read(&self.key.application_id, Start::At(outbox.read_from().clone()))
    }

    /// Takes over what was changed. Tells whether everything begins anew.
    fn take_changes(&mut self) -> bool {
        let (revision, webhook) = self.shared.settings();
        let mut outbox = self.shared.outbox.lock();
        let mut is_new = false;
        if revision != self.revision {
            self.revision = revision;
            outbox.hurry(self.server.clock.monotonic());
            if self.was_paused != webhook.paused {
                // What comes in a pause, and what still waits, is skipped (AS-44).
                outbox.move_to(self.server.log.end(), None);
                is_new = true;
            }
            self.was_paused = webhook.paused;
        }
        if let Some(Command { cursor, since }) = self.shared.command.lock().take() {
            outbox.move_to(cursor, Some(since));
            self.repeats = Repeats { before: self.server.clock.utc(), left: usize::MAX };
            is_new = true;
        }
        is_new
    }

    fn begin(&self, webhook: &Arc<Webhook>, now: Monotonic, jobs: &mut Jobs) {
        let mut outbox = self.shared.outbox.lock();
        while let Some(job) = outbox.next(now) {
            let (server, key) = (self.server.clone(), self.key.clone());
            jobs.push(Box::pin(attempt(server, key, webhook.clone(), job)));
        }
    }

    fn take(&mut self, webhook: &Webhook, item: Item, reader: &Reader) {
        match item {
            Item::Gap { lost } => {
                self.server.webhooks.counters.count_lost(lost);
                tracing::warn!(application = %self.key.application_id, webhook = self.key.id, lost,
                    "the log forgot messages before a webhook had delivered them");
            }
            Item::Message(message) => {
                let received_at = message.record().up.received_at;
                let may_repeat = self.repeats.left > 0 && received_at < self.repeats.before;
                if may_repeat {
                    self.repeats.left -= 1;
                }
                let is_wanted = request::wants(webhook, &message).is_some();
                let behind = reader.cursor().clone();
                self.shared.outbox.lock().push(message, behind, is_wanted, may_repeat);
            }
        }
    }

    fn finish(&self, done: Done) {
        let Done { job, about, message, outcome } = done;
        let server = &self.server;
        match &outcome {
            Outcome::Delivered => server.webhooks.counters.count_sent(),
            Outcome::Failed { failure, .. } => {
                server.webhooks.counters.count_failed(failure.kind);
                self.report(failure, message.as_deref());
            }
            _ => {}
        }
        let (now, about) = (server.clock.now(), about.as_ref());
        let mut outbox = self.shared.outbox.lock();
        if outbox.finish(&job, about, outcome, now, &*server.entropy).is_some() {
            server.webhooks.counters.count_dead();
        }
    }

    /// Tells that an attempt failed (`as.webhook.fail`).
    fn report(&self, failure: &Failure, message: Option<&Delivery>) {
        let Some(message) = message else { return };
        let up = &message.record().up;
        let server = &self.server;
        let (definition, now) = (&event::WEBHOOK_FAIL, server.clock.utc());
        event::publish(&server.events, definition, now, &up.ids, &up.correlation_ids, || {
            let details = error_details(&failure.to_body(&self.key.id));
            serde_json::from_str::<serde_json::Value>(&json::to_string(&details))
                .unwrap_or_default()
        });
    }

    /// Saves how far it is. Gives when to try again, if that failed.
    async fn save(&self, now: Monotonic) -> Option<Monotonic> {
        let state = {
            let mut outbox = self.shared.outbox.lock();
            outbox.saved();
            progress::save(&outbox)
        };
        let saved = self.server.put_reader_states(vec![(self.key.clone(), state)]).await;
        let Err(error) = saved else { return None };
        tracing::warn!(webhook = self.key.id, %error, "the place of a webhook cannot be saved");
        self.shared.outbox.lock().not_saved();
        self.server.sleep(FAILED_PAUSE).await;
        Some(now)
    }
}

/// Sends the message of a job.
async fn attempt(
    server: Arc<ApplicationServer>,
    key: IntegrationKey,
    webhook: Arc<Webhook>,
    job: Job,
) -> Done {
    let found = match &job.source {
        Source::Window { message, .. } => Ok(Some((Cursor::end(), message.clone()))),
        Source::Log { behind, passed } => {
            let device = DeviceKey::new(key.application_id.clone(), job.device.clone());
            next_of(&server, device, behind, *passed).await
        }
    };
    let (behind, message) = match found {
        Ok(Some(found)) => found,
        Ok(None) => return Done { job, about: None, message: None, outcome: Outcome::Nothing },
        Err(error) => {
            tracing::warn!(webhook = key.id, %error, "the log cannot be read");
            return Done { job, about: None, message: None, outcome: Outcome::Unreadable };
        }
    };
    let record = message.record();
    let kind = request::wants(&webhook, &message);
    let about =
        Some(About { behind, number: record.number, kind, received_at: record.up.received_at });
    let outcome = match kind {
        Some(_) => deliver(&server, &key, &webhook, &job, &message).await,
        None => Outcome::Unwanted,
    };
    Done { job, about, message: Some(message), outcome }
}

/// The next message of a device behind a place, up to a number.
async fn next_of(
    server: &ApplicationServer,
    device: DeviceKey,
    behind: &Cursor,
    passed: u64,
) -> Result<Option<(Cursor, Arc<Delivery>)>, ttn_core::store::StoreError> {
    let filter = LogFilter { device: Some(device), ..LogFilter::default() };
    let mut entries = server.log.read(behind, &filter);
    while let Some(found) = entries.next().await.transpose()? {
        match found.entry {
            LogEntry::Gap { lost } => server.webhooks.counters.count_lost(lost),
            LogEntry::Record(record) if record.state != RecordState::Deliver => {}
            LogEntry::Record(record) if record.number > passed => return Ok(None),
            LogEntry::Record(record) => {
                return Ok(Some((found.cursor, Arc::new(Delivery::new(record)))));
            }
        }
    }
    Ok(None)
}

async fn deliver(
    server: &ApplicationServer,
    key: &IntegrationKey,
    webhook: &Webhook,
    job: &Job,
    message: &Delivery,
) -> Outcome {
    // It is never closed.
    let _slot = server.webhooks.slots.acquire().await;
    let config = &server.config.webhook;
    let context = Context {
        webhook,
        application_id: &key.application_id,
        webhook_id: &key.id,
        config,
        now: server.clock.utc(),
    };
    let request = match request::build(context, message, &job.tries) {
        Ok(request) => request,
        Err(failure) => return Outcome::Failed { failure, retry_after: None },
    };
    let url = request.url.to_string();
    let url = url.split('?').next().unwrap_or_default().to_owned();
    let deadline = server.clock.monotonic().plus(config.timeout);
    let sending = server.webhooks.transport.send(request);
    let answer = match select(sending, server.clock.sleep_until(deadline)).await {
        Either::Left((answer, _)) => answer,
        Either::Right(_) => Err(SendError::Timeout(config.timeout)),
    };
    match answer {
        Ok(answer) if (200..300).contains(&answer.status) => Outcome::Delivered,
        Ok(answer) => Outcome::Failed {
            retry_after: answer.retry_after,
            failure: Failure {
                kind: FailureKind::Status,
                status: answer.status,
                detail: String::from_utf8_lossy(&answer.body).into_owned(),
                url,
            },
        },
        Err(error) => {
            Outcome::Failed { failure: Failure::of_sending(&error, url), retry_after: None }
        }
    }
}

async fn until(server: &ApplicationServer, at: Option<Monotonic>) {
    if let Some(at) = at {
        server.clock.sleep_until(at).await;
    }
}

fn limits(config: &WebhookConfig) -> Limits {
    let after = config.unhealthy_attempts_threshold;
    let pause = config.unhealthy_retry_interval;
    Limits {
        under_way_max: config.requests_per_webhook.max(1),
        window_max: config.read_ahead.max(1),
        aside_max: config.devices_aside_max,
        dead_max: config.dead_letters_max.max(1),
        waits: config.retry_waits.clone(),
        outage_max: config.outage_max,
        suspension: (after > 0 && !pause.is_zero()).then_some(Suspension { after, pause }),
    }
}
