//! Webhooks (AS-37 to AS-46): messages by HTTP to endpoints of the application's choice, and downlinks back.
//!
//! Each webhook reads the log at its own cursor, so that an endpoint that was away gets everything afterwards, in order per
//! device. How order, concurrency and one cursor go together is decided in `docs/adr/0008-webhook-delivery.md`:
//!
//! * `outbox` decides what is sent next: a machine without I/O;
//! * `gate` decides whether the endpoint is called at all;
//! * `runner` reads, sends, waits and saves;
//! * [`Transport`] is how requests leave; [`http`] is the one over sockets.

mod error;
mod failure;
mod gate;
#[cfg(feature = "webhook-http")]
pub mod http;
mod outbox;
mod progress;
mod record;
mod request;
mod runner;
mod signature;
mod template;
mod transport;
mod url;

pub use error::WebhookError;
pub use failure::{Counters, DeadLetter, Failure, FailureKind, Health};
pub use record::{Format, MessageKind, Webhook};
pub use signature::{SECRET_HEADER, SIGNATURE_HEADER, hmac_sha256, sign};
pub use template::{ParseTemplateError, TemplateField, TemplateFile};
pub use transport::{ANSWER_OCTETS_MAX, Answer, NoTransport, Request, SendError, Transport};
pub use url::{URL_LENGTH_MAX, UrlError, check as check_url, target as target_url};

use std::{collections::BTreeMap, sync::Arc};

use ::http::{HeaderName, HeaderValue};
use futures::{StreamExt as _, stream::FuturesUnordered};
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use ttn_core::{
    id::{ApplicationId, DeviceIds, DeviceKey},
    store::{Replaces, Revision, Versioned},
    time::Timestamp,
};
use ttn_proto::v3;

use self::{
    outbox::Outbox,
    runner::{Command, Runner, Shared},
};
use crate::{
    ApplicationServer,
    config::WebhookConfig,
    log::{Cursor, LogEntry, LogFilter},
    store::{IntegrationKey, IntegrationKind},
};

/// The webhooks of a server.
#[derive(Debug)]
pub(crate) struct Webhooks {
    transport: Arc<dyn Transport>,
    templates: Vec<v3::ApplicationWebhookTemplate>,
    counters: Counters,
    /// Requests under way, of all webhooks.
    slots: Semaphore,
    running: Mutex<BTreeMap<IntegrationKey, Arc<Shared>>>,
}

/// After how many records a long search lets others run.
const YIELD_EVERY: usize = 256;

impl Webhooks {
    pub(crate) fn new(
        config: &WebhookConfig,
        transport: Arc<dyn Transport>,
        templates: Vec<v3::ApplicationWebhookTemplate>,
    ) -> Self {
        Self {
            transport,
            templates,
            counters: Counters::default(),
            slots: Semaphore::new(config.requests_max.max(1)),
            running: Mutex::default(),
        }
    }
}

/// The key of a webhook.
#[must_use]
pub fn webhook_key(application: &ApplicationId, webhook_id: &str) -> IntegrationKey {
    IntegrationKey::new(IntegrationKind::Webhook, application.clone(), webhook_id)
}

/// Webhooks: settings, health, dead letters.
impl ApplicationServer {
    /// Reads a webhook.
    ///
    /// # Errors
    ///
    /// It does not exist, or does not decode.
    pub fn webhook(&self, key: &IntegrationKey) -> Result<Versioned<Webhook>, WebhookError> {
        let stored = self.integration(key).ok_or(WebhookError::NotFound)?;
        let value = Webhook::decode(&stored.value).map_err(crate::Error::from)?;
        Ok(Versioned { revision: stored.revision, value })
    }

    /// The webhooks of an application, in the order of their ids.
    #[must_use]
    pub fn webhooks(&self, application: &ApplicationId) -> Vec<(IntegrationKey, Webhook)> {
        let stored = self.integrations(IntegrationKind::Webhook, Some(application)).into_iter();
        let decoded = stored.map(|(key, stored)| Some((key, Webhook::decode(&stored.value).ok()?)));
        decoded.flatten().collect()
    }

    /// Creates or changes a webhook. A new one gets what comes from now on.
    ///
    /// # Errors
    ///
    /// A setting is wrong, another revision is stored, there are too many, or the store failed.
    pub async fn set_webhook(
        &self,
        key: IntegrationKey,
        webhook: &Webhook,
        replaces: Replaces,
    ) -> Result<Revision, WebhookError> {
        self.check_webhook(&key.application_id, webhook)?;
        let max = self.config.webhook.webhooks_max;
        let is_new = self.integration(&key).is_none();
        let kind = IntegrationKind::Webhook;
        if is_new && self.integrations(kind, Some(&key.application_id)).len() >= max {
            return Err(WebhookError::TooMany { max });
        }
        Ok(self.set_integration(key, webhook.encode(), replaces).await?)
    }

    /// Deletes a webhook, with what it still had to deliver.
    ///
    /// # Errors
    ///
    /// It does not exist, or the store failed.
    pub async fn delete_webhook(&self, key: &IntegrationKey) -> Result<(), WebhookError> {
        self.integration(key).ok_or(WebhookError::NotFound)?;
        Ok(self.delete_integration(key, Replaces::Any).await?)
    }

    /// How a webhook fares (AS-41).
    #[must_use]
    pub fn webhook_health(&self, key: &IntegrationKey) -> Health {
        self.webhooks.look(key, |outbox| outbox.health().clone()).unwrap_or_default()
    }

    /// The messages that a webhook gave up, the oldest first (AS-45).
    #[must_use]
    pub fn dead_letters(&self, key: &IntegrationKey) -> Vec<DeadLetter> {
        let dead = self.webhooks.look(key, |outbox| outbox.dead().iter().cloned().collect());
        dead.unwrap_or_default()
    }

    /// Forgets the failures of a webhook.
    pub fn reset_webhook_health(&self, key: &IntegrationKey) {
        if let Some(shared) = self.webhooks.running.lock().get(key) {
            shared.outbox.lock().reset_health();
        }
    }

    /// Delivers everything again that was received at a time or later and that the log still has, marked as repeated. What
    /// the webhook still had to deliver is part of it, or older and given up.
    ///
    /// # Errors
    ///
    /// The webhook does not exist or is paused, or the log cannot be read.
    pub async fn replay_webhook(
        &self,
        key: &IntegrationKey,
        since: Timestamp,
    ) -> Result<(), WebhookError> {
        if self.webhook(key)?.value.paused {
            return Err(WebhookError::Paused);
        }
        let cursor = self.place_of(&key.application_id, since).await?;
        let running = self.webhooks.running.lock();
        let shared = running.get(key).ok_or(WebhookError::NotFound)?;
        shared.tell(Command { cursor, since });
        Ok(())
    }

    /// What all webhooks did (AS-46).
    #[must_use]
    pub const fn webhook_counters(&self) -> &Counters {
        &self.webhooks.counters
    }

    /// The templates of webhooks (AS-43).
    #[must_use]
    pub fn webhook_templates(&self) -> &[v3::ApplicationWebhookTemplate] {
        &self.webhooks.templates
    }

    /// The place before the first message that was received at a time or later.
    async fn place_of(
        &self,
        application: &ApplicationId,
        since: Timestamp,
    ) -> Result<Cursor, crate::Error> {
        let filter = LogFilter::application(application.clone());
        let mut entries = self.log.read(&Cursor::start(), &filter);
        let mut place = Cursor::start();
        let mut read = 0;
        while let Some(found) = entries.next().await.transpose()? {
            if let LogEntry::Record(record) = &found.entry
                && record.up.received_at >= since
            {
                return Ok(place);
            }
            place = found.cursor;
            read += 1;
            if read % YIELD_EVERY == 0 {
                tokio::task::yield_now().await;
            }
        }
        Ok(place)
    }

    fn check_webhook(
        &self,
        application: &ApplicationId,
        webhook: &Webhook,
    ) -> Result<(), WebhookError> {
        for (name, value) in &webhook.headers {
            let parsed =
                (HeaderName::try_from(name.as_str()), HeaderValue::try_from(value.as_str()));
            if parsed.0.is_err() || parsed.1.is_err() {
                return Err(WebhookError::Header { name: name.clone() });
            }
        }
        // Any device of the application will do: its ids do not decide whether a URL is one.
        let Ok(device) = "device".parse() else { return Ok(()) };
        let ids = DeviceIds::new(DeviceKey::new(application.clone(), device));
        let wrong = |field| move |source| WebhookError::Url { field, source };
        let base = target_url(&webhook.base_url, "", &ids).map_err(wrong("base_url"))?;
        self.webhooks.transport.check(&base).map_err(WebhookError::Target)?;
        for (kind, path) in &webhook.paths {
            target_url(&webhook.base_url, path, &ids).map_err(wrong(kind.name()))?;
        }
        Ok(())
    }

    /// Runs a runner for each webhook, for as long as it exists.
    pub(crate) async fn run_webhooks(self: Arc<Self>) {
        let mut changes = self.integration_changes(IntegrationKind::Webhook);
        let mut runners = FuturesUnordered::new();
        loop {
            changes.mark_unchanged();
            for runner in self.reconcile_webhooks() {
                runners.push(runner.run());
            }
            tokio::select! {
                biased;
                changed = changes.changed() => if changed.is_err() { return },
                Some(()) = runners.next(), if !runners.is_empty() => {}
            }
        }
    }

    /// Tells runners what has changed, and gives those that are to be started.
    fn reconcile_webhooks(self: &Arc<Self>) -> Vec<Runner> {
        let stored = self.integrations(IntegrationKind::Webhook, None);
        let mut running = self.webhooks.running.lock();
        running.retain(|key, shared| {
            let exists = stored.binary_search_by(|(other, _)| other.cmp(key)).is_ok();
            if !exists {
                shared.end();
            }
            exists
        });
        let mut new = Vec::new();
        for (key, stored) in stored {
            let webhook = match Webhook::decode(&stored.value) {
                Ok(webhook) => Arc::new(webhook),
                Err(error) => {
                    tracing::error!(application = %key.application_id, webhook = key.id, %error,
                        "a webhook cannot be read and does not run");
                    continue;
                }
            };
            match running.get(&key) {
                // Created again: its place in the log is another one.
                Some(shared) if shared.created_at() != webhook.created_at => shared.end(),
                Some(shared) => {
                    shared.set(stored.revision, webhook);
                    continue;
                }
                None => {}
            }
            let runner = Runner::new(self.clone(), key.clone(), stored.revision, webhook);
            running.insert(key, runner.shared().clone());
            new.push(runner);
        }
        new
    }
}

impl Webhooks {
    fn look<R>(&self, key: &IntegrationKey, look: impl FnOnce(&Outbox) -> R) -> Option<R> {
        let shared = self.running.lock().get(key).cloned()?;
        let outbox = shared.outbox.lock();
        Some(look(&outbox))
    }
}
