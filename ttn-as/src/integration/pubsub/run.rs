//! The life of integrations (AS-51): one task each, restarted with growing pauses.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{
    FutureExt as _,
    future::{Either, select},
};
use prost::Message as _;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use ttn_core::{error::ErrorBody, store::Revision, task::Tasks, time::Monotonic};
use ttn_proto::{json, v3};

use super::{
    Format, Incoming, Message, MessageKind, ProviderError, PubSub, PubSubProvider, Publisher,
    Session, downlinks, event,
};
use crate::{
    ApplicationServer,
    log::{Cursor, Delivery, Item, Reader, Start},
    store::{IntegrationKey, IntegrationKind, ReaderState},
};

/// How long a broker may take to accept a connection with its subscriptions, or a batch of messages.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The first and the longest pause between two connections.
const PAUSE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(60));
/// By how much of itself a pause is shortened at most, so that not everybody comes back together.
const JITTER_PERCENT: u64 = 30;
/// How many messages are handed over together.
const BATCH_MAX: usize = 64;
/// How long a place in the log waits to be kept; what was published since comes again after a crash.
const KEEP_INTERVAL: Duration = Duration::from_secs(1);
/// How long a task may take to end.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// Runs the pub/subs of all applications, and follows their changes.
pub(crate) async fn serve(server: Arc<ApplicationServer>) {
    let mut changes = server.integration_changes(IntegrationKind::PubSub);
    let mut running: BTreeMap<IntegrationKey, (Revision, Tasks)> = BTreeMap::new();
    loop {
        changes.mark_unchanged();
        let wanted = server.integrations(IntegrationKind::PubSub, None);
        let mut ending = Vec::new();
        running.retain(|key, (revision, tasks)| {
            let stays = wanted.iter().any(|(k, stored)| k == key && stored.revision == *revision);
            if !stays {
                ending.push((key.clone(), std::mem::take(tasks)));
            }
            stays
        });
        for (key, tasks) in ending {
            // It keeps its place on the way out.
            let _ = tasks.until_shutdown(std::future::ready(()), server.sleep(STOP_TIMEOUT)).await;
            event::report(&server, &event::STOP, &key.application_id, &key.id, None);
        }
        for (key, stored) in wanted {
            if running.contains_key(&key) {
                continue;
            }
            let mut tasks = Tasks::new();
            match Integration::new(&server, &key, &stored.value, tasks.stopping()) {
                Ok(integration) => tasks.spawn("pubsub", integration.run()),
                Err(error) => {
                    let error = Some(&error);
                    event::report(&server, &event::FAIL, &key.application_id, &key.id, error);
                }
            }
            running.insert(key, (stored.revision, tasks));
        }
        if changes.changed().await.is_err() {
            return;
        }
    }
}

struct Integration {
    server: Arc<ApplicationServer>,
    key: IntegrationKey,
    pubsub: PubSub,
    format: Format,
    provider: Arc<dyn PubSubProvider>,
    stop: CancellationToken,
    /// Everything up to here is published.
    place: Place,
    pause: Duration,
}

struct Place {
    cursor: Cursor,
    /// When the cursor has to be kept at last, if it moved.
    keep_at: Option<Monotonic>,
    /// Whether somebody may have published behind the cursor: the process before, say.
    is_uncertain: bool,
}

impl Integration {
    fn new(
        server: &Arc<ApplicationServer>,
        key: &IntegrationKey,
        settings: &Bytes,
        stop: CancellationToken,
    ) -> Result<Self, ErrorBody> {
        let prepare = || {
            let pubsub = PubSub::decode(settings)?;
            let kind = pubsub.kind()?;
            server.check_provider(kind)?;
            let format = Format::of_name(&pubsub.format)?;
            Ok((pubsub, kind, format))
        };
        let prepared: Result<_, super::PubSubError> = prepare();
        let (pubsub, kind, format) = prepared.map_err(|error| error.to_body())?;
        let provider = server.pubsub_providers.get(&kind).cloned();
        let missing = super::PubSubError::ProviderNotImplemented { provider: kind.name() };
        let provider = provider.ok_or_else(|| missing.to_body())?;
        let kept = server.reader_state(key);
        let is_uncertain = kept.is_some();
        let cursor = kept.map_or_else(|| server.log.end(), |state| state.cursor);
        // A new one begins with what comes from now on, whenever its broker is reached.
        let keep_at = (!is_uncertain).then(|| server.clock.monotonic());
        let place = Place { cursor, keep_at, is_uncertain };
        let (server, key) = (server.clone(), key.clone());
        Ok(Self { server, key, pubsub, format, provider, stop, place, pause: PAUSE.0 })
    }

    async fn run(mut self) {
        self.keep_place().await;
        let stop = self.stop.clone();
        loop {
            let session = self.session();
            let error = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                error = session => error,
            };
            self.report(&event::FAIL, Some(&ErrorBody::of(&error)));
            self.keep_place().await;
            let pause = self.next_pause();
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = self.server.sleep(pause) => {}
            }
        }
        self.keep_place().await;
    }

    /// Lives with one connection until it ends.
    async fn session(&mut self) -> ProviderError {
        let connect = self.provider.connect(&self.pubsub, self.pubsub.subscriptions());
        let connected = bounded(&self.server, connect).await;
        let Session { driver, mut publisher, incoming } = match connected {
            Ok(session) => session,
            Err(error) => return error,
        };
        self.report(&event::START, None);
        let start = match std::mem::replace(&mut self.place.is_uncertain, false) {
            true => Start::Resume(self.place.cursor.clone()),
            false => Start::At(self.place.cursor.clone()),
        };
        let reader = self.server.read(&self.key.application_id, start);
        let (server, key, format) = (self.server.clone(), self.key.clone(), self.format);
        let publishing = self.publish(reader, &mut *publisher);
        let receiving = receive(&server, &key, format, incoming);
        tokio::select! {
            biased;
            error = driver => error,
            error = publishing => error,
            () = receiving => ProviderError::Lost { reason: "no more messages".to_owned() },
        }
    }

    async fn publish(
        &mut self,
        mut reader: Reader,
        publisher: &mut dyn Publisher,
    ) -> ProviderError {
        loop {
            let keep_at = self.place.keep_at;
            let first = match next_before(&self.server, &mut reader, keep_at).await {
                Next::Item(item) => item,
                Next::Late => {
                    self.keep_place().await;
                    continue;
                }
                Next::End(reason) => return ProviderError::Lost { reason },
            };
            let mut batch = Vec::new();
            self.add(&mut batch, &first);
            // What is there already goes with it.
            while batch.len() < BATCH_MAX {
                let Some(Some(Ok(item))) = reader.next().now_or_never() else { break };
                self.add(&mut batch, &item);
            }
            if !batch.is_empty() {
                let refused = match bounded(&self.server, publisher.publish(batch)).await {
                    Ok(refused) => refused,
                    Err(error) => {
                        // Some may have arrived.
                        self.place.is_uncertain = false;
                        return error;
                    }
                };
                for (_, error) in refused {
                    self.report(&event::FAIL, Some(&ErrorBody::of(&error)));
                }
                self.pause = PAUSE.0;
            }
            self.place.cursor = reader.cursor().clone();
            let keep_at = self.server.clock.monotonic().plus(KEEP_INTERVAL);
            self.place.keep_at.get_or_insert(keep_at);
        }
    }

    fn add(&self, batch: &mut Vec<Message>, item: &Item) {
        let Item::Message(delivery) = item else { return };
        let kind = MessageKind::of(&delivery.record().up.up);
        let Some(topic) = kind.and_then(|kind| self.pubsub.topic(kind)) else { return };
        if let Some(payload) = encode(self.format, delivery) {
            batch.push(Message { topic, payload });
        }
    }

    /// Keeps the place in the log, if it moved.
    async fn keep_place(&mut self) {
        if self.place.keep_at.is_none() {
            return;
        }
        let state = ReaderState { cursor: self.place.cursor.clone(), progress: Bytes::new() };
        match self.server.put_reader_states(vec![(self.key.clone(), state)]).await {
            Ok(()) => self.place.keep_at = None,
            Err(error) => {
                tracing::warn!(integration = ?self.key, %error, "the place in the log is not kept");
                let again = self.server.clock.monotonic().plus(KEEP_INTERVAL);
                self.place.keep_at = Some(again);
            }
        }
    }

    fn next_pause(&mut self) -> Duration {
        let pause = self.pause;
        self.pause = (self.pause * 2).min(PAUSE.1);
        let millis = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        let most = millis.saturating_mul(JITTER_PERCENT) / 100;
        pause.saturating_sub(Duration::from_millis(self.server.entropy.next_u64() % most.max(1)))
    }

    fn report(
        &self,
        definition: &'static ttn_core::event::EventDefinition,
        error: Option<&ErrorBody>,
    ) {
        event::report(&self.server, definition, &self.key.application_id, &self.key.id, error);
    }
}

enum Next {
    End(String),
    Item(Item),
    Late,
}

/// The next item, unless a time comes first.
async fn next_before(
    server: &ApplicationServer,
    reader: &mut Reader,
    until: Option<Monotonic>,
) -> Next {
    let late = async {
        match until {
            Some(until) => server.clock.sleep_until(until).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        item = reader.next() => match item {
            Some(Ok(item)) => Next::Item(item),
            Some(Err(error)) => Next::End(error.to_string()),
            None => Next::End("the server stops".to_owned()),
        },
        () = late => Next::Late,
    }
}

/// Queues what comes from the broker. Nobody can be told there what is wrong: it becomes an event.
async fn receive(
    server: &ApplicationServer,
    key: &IntegrationKey,
    format: Format,
    mut incoming: mpsc::Receiver<Incoming>,
) {
    while let Some(message) = incoming.recv().await {
        match downlinks::read(format, &key.application_id, &message.payload, server.clock.utc()) {
            // A refusal has its own event.
            Ok((device, items)) => {
                let _ = server.queue_downlinks(&device, message.operation, items).await;
            }
            Err(body) => {
                event::report(server, &event::FAIL, &key.application_id, &key.id, Some(&body));
            }
        }
    }
}

fn encode(format: Format, delivery: &Delivery) -> Option<Bytes> {
    match format {
        Format::Json => Some(delivery.json()),
        Format::Protobuf => {
            let message: v3::ApplicationUp = json::from_slice(&delivery.json()).ok()?;
            Some(message.encode_to_vec().into())
        }
    }
}

async fn bounded<T>(
    server: &ApplicationServer,
    work: impl Future<Output = Result<T, ProviderError>> + Send,
) -> Result<T, ProviderError> {
    let deadline = server.clock.monotonic().plus(TIMEOUT);
    match select(std::pin::pin!(work), server.clock.sleep_until(deadline)).await {
        Either::Left((done, _)) => done,
        Either::Right(_) => Err(ProviderError::Timeout { limit: TIMEOUT }),
    }
}
