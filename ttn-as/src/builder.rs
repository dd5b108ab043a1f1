//! How an Application Server is made and started.

use std::{collections::BTreeSet, fmt, sync::Arc, time::Duration};

use futures::StreamExt as _;
use parking_lot::Mutex;
use tokio::sync::Notify;
use ttn_core::{
    clock::Clock,
    event::{Events, NoEvents},
    id::DeviceKey,
    key::{Aes128Key, KeyEnvelope},
    limit::{RateLimiter, Unlimited},
    peer::Peers,
    rand::Entropy,
    store::{LaneId, Position, Refusal},
    task::Tasks,
    time::Timestamp,
    vault::KeyVault,
};

#[cfg(feature = "webhook")]
use crate::integration::webhook;
use crate::{
    Config, Error,
    directory::Errands,
    format::{CodecRepository, Formatter, Formatters},
    integration::mqtt::Mqtt,
    integration::packages::Packages,
    integrations::Integrations,
    last_seen::LastSeen,
    log::{
        ApplicationLog, Cursor, Live, LogBatch, LogEntry, LogFilter, Reader, Record, RecordState,
        Start, Tail,
    },
    state::{Change, State, Waiting},
    stats::Stats,
    store::{ApplicationStore, FormatterKind, Loaded, RegistryRecord, SessionRecord},
};

#[cfg(feature = "grpc")]
use crate::integration::pubsub;

/// An Application Server. See the crate's front page for how to start one.
#[derive(Debug)]
pub struct ApplicationServer {
    pub(crate) config: Config,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) peers: Arc<dyn Peers>,
    pub(crate) log: Arc<dyn ApplicationLog>,
    pub(crate) store: Arc<dyn ApplicationStore>,
    pub(crate) events: Events,
    pub(crate) vault: Option<Arc<dyn KeyVault>>,
    pub(crate) formatters: Formatters,
    pub(crate) tail: Tail,
    pub(crate) state: Mutex<State>,
    pub(crate) work: Notify,
    pub(crate) last_seen: LastSeen,
    pub(crate) integrations: Integrations,
    pub(crate) errands: Errands,
    pub(crate) packages: Packages,
    #[cfg(feature = "grpc")]
    pub(crate) pubsub_providers: pubsub::Providers,
    pub(crate) stats: Stats,
    #[cfg(feature = "webhook")]
    pub(crate) webhooks: webhook::Webhooks,
    pub(crate) limiter: Arc<dyn RateLimiter>,
    pub(crate) mqtt: Mqtt,
    pub(crate) started_at: Timestamp,
}

/// Makes an [`ApplicationServer`].
pub struct Builder {
    config: Config,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    peers: Arc<dyn Peers>,
    log: Arc<dyn ApplicationLog>,
    store: Arc<dyn ApplicationStore>,
    events: Events,
    vault: Option<Arc<dyn KeyVault>>,
    formatters: Formatters,
    #[cfg(feature = "webhook")]
    webhook_transport: Arc<dyn webhook::Transport>,
    #[cfg(feature = "webhook")]
    webhook_templates: Vec<ttn_proto::v3::ApplicationWebhookTemplate>,
    limiter: Arc<dyn RateLimiter>,
    #[cfg(feature = "grpc")]
    pubsub_providers: pubsub::Providers,
}

/// What waited when the server stopped.
#[derive(Default)]
struct Found {
    /// The devices whose messages wait.
    pending: BTreeSet<DeviceKey>,
    /// When the oldest of them was received.
    since: Option<Timestamp>,
}

impl ApplicationServer {
    /// Begins a server with its log and store, which share a backend.
    #[must_use]
    pub fn builder(
        config: Config,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        peers: Arc<dyn Peers>,
        log: Arc<dyn ApplicationLog>,
        store: Arc<dyn ApplicationStore>,
    ) -> Builder {
        let formatters = Formatters::new(clock.clone(), config.formatter_timeout);
        let events: Events = Arc::new(NoEvents::default());
        let limiter = Arc::new(Unlimited::default());
        Builder {
            config,
            clock,
            entropy,
            peers,
            log,
            store,
            events,
            vault: None,
            formatters,
            #[cfg(feature = "webhook")]
            webhook_transport: Arc::new(webhook::NoTransport::default()),
            #[cfg(feature = "webhook")]
            webhook_templates: Vec::new(),
            limiter,
            #[cfg(feature = "grpc")]
            pubsub_providers: pubsub::Providers::new(),
        }
    }

    /// Loads devices, links, integrations, sessions and what was pending. To be called once, before [`Self::start`] and before
    /// the first message.
    ///
    /// # Errors
    ///
    /// The store cannot be read, or the vault lacks the key that settings of integrations are sealed with.
    pub async fn load(&self) -> Result<(), Error> {
        let mut found = Found::default();
        // Sessions of devices that are not there yet.
        let mut early = Vec::new();
        let mut loaded = self.store.load();
        while let Some(record) = loaded.next().await.transpose()? {
            match record {
                Loaded::Registry(record) => {
                    let revision = record.revision;
                    let mut state = self.state.lock();
                    match record.value {
                        RegistryRecord::Device(ref device) => {
                            let octets = record.value.encode();
                            state.devices.load(&device.ids.key, &octets, revision);
                        }
                        RegistryRecord::Link(link) => {
                            let id = link.application_id.clone();
                            state.links.insert(id, (revision, Arc::new(link)));
                        }
                        RegistryRecord::Integration(mut integration) => {
                            integration.settings = self.settings_in_clear(integration.settings)?;
                            self.integrations.load(integration, revision);
                        }
                    }
                }
                Loaded::Reader(key, state) => self.integrations.load_reader(key, state),
                Loaded::Sessions(key, hot) => {
                    if !self.load_sessions(&key, &hot, &mut found) {
                        early.push((key, hot));
                    }
                }
            }
        }
        drop(loaded);
        self.mqtt.load(self)?;
        for (key, hot) in early {
            self.load_sessions(&key, &hot, &mut found);
        }
        self.load_pending(found).await
    }

    /// Gives a device its sessions; `false` if there is no such device.
    fn load_sessions(&self, key: &DeviceKey, hot: &Arc<SessionRecord>, found: &mut Found) -> bool {
        let envelopes = [&hot.current, &hot.pending].into_iter().flatten();
        let keys = envelopes.filter_map(|session| {
            let key = self.unwrap(session.app_s_key.as_ref()?)?;
            Some((session.session_key_id.clone(), key))
        });
        let keys: Vec<_> = keys.collect();
        if !self.state.lock().devices.load_sessions(key, hot, &keys) {
            return false;
        }
        if hot.pending_records > 0 || hot.pending_since.is_some() {
            found.pending.insert(key.clone());
            found.since = hot.pending_since.into_iter().chain(found.since).min();
        }
        true
    }

    /// Starts its tasks.
    pub fn start(self: &Arc<Self>, tasks: &mut Tasks) {
        let server = self.clone();
        tasks.spawn_fallible("as-publish", async move { server.publish_durable().await });
        let server = self.clone();
        tasks.spawn("as-complete", async move { server.work_pending().await });
        let server = self.clone();
        tasks.spawn("as-retention", async move { server.retain().await });
        let server = self.clone();
        tasks.spawn("as-errands", async move { server.run_errands().await });
        #[cfg(feature = "webhook")]
        tasks.spawn("as-webhooks", self.clone().run_webhooks());
        let (server, stop) = (self.clone(), tasks.stopping());
        tasks.spawn("as-mqtt-sessions", async move { server.mqtt.maintain(&server, stop).await });
        let server = self.clone();
        tasks.spawn("as-packages", async move { server.run_packages().await });
        #[cfg(feature = "grpc")]
        tasks.spawn("as-pubsub", pubsub::serve(self.clone()));
        if !self.config.last_seen_interval.is_zero() {
            let server = self.clone();
            tasks.spawn("as-last-seen", async move { server.report_last_seen().await });
        }
    }

    /// Reads the messages of an application from the durable log.
    #[must_use]
    pub fn read(&self, application: &ttn_core::id::ApplicationId, start: Start) -> Reader {
        let live = self.subscribe(application);
        Reader::new(self.log.clone(), live, application.clone(), start, self.started_at)
    }

    /// How many messages live readers lost because too many waited for the store.
    #[must_use]
    pub fn live_lost(&self) -> u64 {
        self.tail.lost()
    }

    /// Reads what comes from now on; a slow reader loses the oldest.
    pub(crate) fn subscribe(&self, application: &ttn_core::id::ApplicationId) -> Live {
        self.tail.subscribe(application)
    }

    /// Appends changes and takes them over. Nothing has changed when it is refused.
    pub(crate) fn commit(
        &self,
        state: &mut State,
        lane: LaneId,
        changes: Vec<Change>,
    ) -> Result<Position, Refusal> {
        let mut batch = LogBatch { lane, records: Vec::new(), sessions: Vec::new() };
        let mut taken = Vec::with_capacity(changes.len());
        for mut change in changes {
            change.hot.lane = lane;
            let hot = Arc::new(change.hot);
            let records: Vec<_> = change.records.into_iter().map(Arc::new).collect();
            batch.sessions.push((change.owned, change.key.clone(), hot.clone()));
            batch.records.extend(records.iter().map(|record| (change.owned, record.clone())));
            taken.push((change.key, change.owned, hot, change.keys, records));
        }
        let position = self.log.append(batch).map_err(|refused| refused.reason)?;
        for (key, owned, hot, keys, records) in taken {
            let Some(entry) = state.devices.get_mut(&key) else { continue };
            entry.hot = hot;
            entry.owned = owned;
            entry.position = position;
            entry.remember(keys);
            for record in records {
                self.tail.push(position, &record);
                if let Some(number) = record.completes {
                    entry.queue.retain(|waiting| waiting.record.number != number);
                }
                if record.state == RecordState::Pending {
                    entry.queue.push_back(Waiting { position, record });
                }
            }
            if !entry.queue.is_empty() && !entry.busy {
                entry.busy = true;
                state.ready.push(key);
                self.work.notify_one();
            }
        }
        state.devices.settle(self.config.devices_awake);
        Ok(position)
    }

    /// The clear key of an envelope, if it can be had.
    pub(crate) fn unwrap(&self, envelope: &KeyEnvelope) -> Option<Aes128Key> {
        match envelope.clear() {
            Some(key) => Some(key.clone()),
            None => self.vault.as_ref()?.unwrap(envelope).ok(),
        }
    }

    /// The envelope as it is kept (AS-06): wrapped, if there is a key encryption key.
    pub(crate) fn wrap(&self, envelope: KeyEnvelope) -> KeyEnvelope {
        let (Some(vault), Some(key)) = (&self.vault, envelope.clear()) else { return envelope };
        vault.wrap(key, &self.config.device_kek_label).unwrap_or(envelope)
    }

    /// Waits.
    pub(crate) async fn sleep(&self, duration: Duration) {
        self.clock.sleep_until(self.clock.monotonic().plus(duration)).await;
    }

    async fn publish_durable(&self) -> Result<(), ttn_core::task::TaskError> {
        let failed = std::future::poll_fn(|cx| {
            let published = &mut |record: &Arc<Record>| {
                self.report_forward(record);
                self.offer_to_packages(record);
            };
            self.tail.poll_publish(&*self.log, published, cx)
        });
        Err(failed.await.into())
    }

    /// Finds the messages that waited when the server stopped; they are completed again.
    async fn load_pending(&self, found: Found) -> Result<(), Error> {
        let Found { pending, since } = found;
        if since.is_none() {
            return Ok(());
        }
        let filter = LogFilter { since, ..LogFilter::default() };
        let mut entries = self.log.read(&Cursor::start(), &filter);
        while let Some(found) = entries.next().await.transpose()? {
            let LogEntry::Record(record) = found.entry else { continue };
            // The others rest.
            if !pending.contains(&record.up.ids.key) {
                continue;
            }
            let mut state = self.state.lock();
            let Some(entry) = state.devices.get_mut(&record.up.ids.key) else { continue };
            if let Some(number) = record.completes {
                entry.queue.retain(|waiting| waiting.record.number != number);
            }
            if record.state == RecordState::Pending
                && entry.hot.pending_records > 0
                && entry.queue.len() < self.config.pending_max.max(1)
            {
                entry.queue.push_back(Waiting { position: Position::default(), record });
            }
        }
        drop(entries);
        let mut state = self.state.lock();
        let State { devices, ready, .. } = &mut *state;
        for key in pending {
            let Some(entry) = devices.get_mut(&key) else { continue };
            let mut hot = (*entry.hot).clone();
            hot.pending_records = u32::try_from(entry.queue.len()).unwrap_or(u32::MAX);
            hot.pending_since = entry.queue.front().map(|w| w.record.up.received_at);
            entry.hot = Arc::new(hot);
            if !entry.queue.is_empty() {
                entry.busy = true;
                ready.push(key);
            }
        }
        self.work.notify_one();
        Ok(())
    }
}

impl Builder {
    /// Publishes events there.
    #[must_use]
    pub fn events(mut self, events: Events) -> Self {
        self.events = events;
        self
    }

    /// Wraps and unwraps keys with it, and seals the settings of integrations (AS-06).
    #[must_use]
    pub fn vault(mut self, vault: Arc<dyn KeyVault>) -> Self {
        self.vault = Some(vault);
        self
    }

    /// Adds or replaces the formatter of a kind.
    #[must_use]
    pub fn formatter(mut self, kind: FormatterKind, formatter: Arc<dyn Formatter>) -> Self {
        self.formatters.set(kind, formatter);
        self
    }

    /// Finds the codecs of devices there, for the formatter of the device repository (AS-12). Without one it answers
    /// `formatter_not_configured`.
    #[must_use]
    pub fn codec_repository(mut self, repository: Arc<dyn CodecRepository>) -> Self {
        self.formatters.set_repository(repository);
        self
    }

    /// Sends the requests of webhooks; without this nothing is delivered, and everything waits.
    #[cfg(feature = "webhook")]
    #[must_use]
    pub fn webhook_transport(mut self, transport: Arc<dyn webhook::Transport>) -> Self {
        self.webhook_transport = transport;
        self
    }

    /// Offers templates of webhooks (AS-43).
    #[cfg(feature = "webhook")]
    #[must_use]
    pub fn webhook_templates(
        mut self,
        templates: Vec<ttn_proto::v3::ApplicationWebhookTemplate>,
    ) -> Self {
        self.webhook_templates = templates;
        self
    }

    /// Limits how often applications call, how often MQTT clients connect (class `as:accept:mqtt`, by address) and how
    /// often they send downlinks (class `as:down:mqtt`, by device). Without one there is no limit.
    #[must_use]
    pub fn limiter(mut self, limiter: Arc<dyn RateLimiter>) -> Self {
        self.limiter = limiter;
        self
    }

    /// Lets pub/subs reach brokers of a kind.
    #[cfg(feature = "grpc")]
    #[must_use]
    pub fn pubsub_provider(
        mut self,
        kind: pubsub::ProviderKind,
        provider: Arc<dyn pubsub::PubSubProvider>,
    ) -> Self {
        self.pubsub_providers.insert(kind, provider);
        self
    }

    /// Makes the server. It knows nothing before [`ApplicationServer::load`].
    #[must_use]
    pub fn build(self) -> Arc<ApplicationServer> {
        let started_at = self.clock.utc();
        #[cfg(feature = "webhook")]
        let webhooks = webhook::Webhooks::new(
            &self.config.webhook,
            self.webhook_transport,
            self.webhook_templates,
        );
        Arc::new(ApplicationServer {
            tail: Tail::new(self.config.reader_lag_max),
            config: self.config,
            clock: self.clock,
            entropy: self.entropy,
            peers: self.peers,
            log: self.log,
            store: self.store,
            events: self.events,
            vault: self.vault,
            formatters: self.formatters,
            state: Mutex::default(),
            work: Notify::new(),
            last_seen: LastSeen::default(),
            integrations: Integrations::default(),
            errands: Errands::default(),
            packages: Packages::default(),
            #[cfg(feature = "grpc")]
            pubsub_providers: self.pubsub_providers,
            stats: Stats::default(),
            #[cfg(feature = "webhook")]
            webhooks,
            limiter: self.limiter,
            mqtt: Mqtt::default(),
            started_at,
        })
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("config", &self.config).finish_non_exhaustive()
    }
}
