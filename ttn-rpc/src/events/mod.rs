//! The `Events` service (EVT-02, EVT-03): live events, the last ones, and related ones.
//!
//! It serves the bus of its process and knows no component: who may see what is asked of the Identity Server through
//! [`Peers`].

mod message;
mod names;
mod viewer;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::future::{Either, select};
use prost_types::Value;
use tonic::{Code, Request, Response, Status};
use ttn_core::clock::Clock;
use ttn_core::event::{EventBus, EventDefinition, EventFilter, Published, Subscription, table};
use ttn_core::id::EntityId;
use ttn_core::peer::Peers;
use ttn_core::time::{Monotonic, Timestamp};
use ttn_proto::service::{self, BoxStream, Method};
use ttn_proto::{convert, status, v3};

use self::viewer::Viewer;

/// How long rights count before they are asked for again: a stream outlives its rights by no more.
pub const RIGHTS_AGE_MAX: Duration = Duration::from_secs(30);
/// How many related events one call gives, the last ones.
pub const RELATED_MAX: usize = 500;
/// How many entities one stream can be about.
pub const IDENTIFIERS_MAX: usize = 100;

/// The methods of the `Events` service over the events of this process.
pub fn methods(bus: &Arc<EventBus>, peers: Arc<dyn Peers>, clock: Arc<dyn Clock>) -> Vec<Method> {
    service::events(Arc::new(Events { bus: bus.clone(), peers, clock }))
}

struct Events {
    bus: Arc<EventBus>,
    peers: Arc<dyn Peers>,
    clock: Arc<dyn Clock>,
}

#[tonic::async_trait]
impl service::Events for Events {
    async fn stream(
        &self,
        request: Request<v3::StreamEventsRequest>,
    ) -> Result<Response<BoxStream<v3::Event>>, Status> {
        let (metadata, _, request) = request.into_parts();
        let entities = entities(&request.identifiers)?;
        let definitions = names::select(&request.names)?;
        let viewer = Viewer::of_entities(self.peers.clone(), &metadata, &entities).await?;
        let (tail, after) = self.wanted_past(&request)?;
        let mut start = self.about_stream(&table::STREAM_START, &entities, |start| {
            start.data = definitions.as_deref().map(|names| message::any_value(list(names)));
        });
        let filter = EventFilter { entities: Some(entities.clone()), definitions };
        let (past, subscription) = self.bus.subscribe_after(filter, tail, after);
        let seen = past.iter().filter(|event| viewer.sees(event));
        let waiting = seen.map(|event| message::event(event, self.bus.origin()));
        let mut waiting: VecDeque<_> = waiting.collect();
        // Not in the reference: how many past events follow, so that a client can stop behind them.
        start.context.insert("tail".to_owned(), waiting.len().to_string().into_bytes());
        waiting.push_front(start);
        let live = Live {
            waiting,
            gap: self.about_stream(&table::STREAM_GAP, &entities, |_| ()),
            subscription,
            viewer,
            checked: self.clock.monotonic(),
            clock: self.clock.clone(),
            origin: self.bus.origin().to_owned(),
        };
        let stream = futures::stream::unfold(Some(live), |live| async {
            let mut live = live?;
            match live.next().await {
                Ok(event) => Some((Ok(event), Some(live))),
                Err(status) => Some((Err(status), None)),
            }
        });
        Ok(Response::new(stream.boxed()))
    }

    async fn find_related(
        &self,
        request: Request<v3::FindRelatedEventsRequest>,
    ) -> Result<Response<v3::FindRelatedEventsResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        let mut viewer = Viewer::of_entities(self.peers.clone(), &metadata, &[]).await?;
        self.require_history()?;
        let id = request.correlation_id;
        let related = |event: &Published| is_related(event, &id);
        let found = self.bus.search(&related, RELATED_MAX, self.clock.utc());
        let mut events = Vec::with_capacity(found.len());
        for event in found {
            viewer.learn(&event.identifiers).await?;
            let message = message::event(&event, self.bus.origin());
            events.push(if viewer.sees(&event) {
                message
            } else {
                message::without_content(message)
            });
        }
        Ok(Response::new(v3::FindRelatedEventsResponse { events }))
    }
}

impl Events {
    /// How many past events are wanted, and after when.
    fn wanted_past(&self, request: &v3::StreamEventsRequest) -> Result<(usize, Timestamp), Status> {
        let oldest = self.bus.oldest(self.clock.utc());
        let limit = usize::try_from(request.tail).unwrap_or(usize::MAX);
        let wanted = match &request.after {
            None if limit == 0 => return Ok((0, oldest)),
            None => (limit, oldest),
            Some(after) => {
                let limit = if limit == 0 { usize::MAX } else { limit };
                (limit, convert::to_timestamp(after).max(oldest))
            }
        };
        self.require_history()?;
        Ok(wanted)
    }

    fn require_history(&self) -> Result<(), Status> {
        if self.bus.keeps_history() {
            return Ok(());
        }
        let text = "this server keeps no past events; set `events.per_entity` to keep some";
        let (namespace, name) = ("pkg/events/grpc", "storage_disabled");
        Err(status::named(Code::FailedPrecondition, namespace, name, text, []))
    }

    /// An event that the stream itself sends.
    fn about_stream(
        &self,
        definition: &EventDefinition,
        entities: &[EntityId],
        change: impl FnOnce(&mut v3::Event),
    ) -> v3::Event {
        let mut event = v3::Event {
            name: definition.name.to_owned(),
            time: Some(convert::timestamp(self.clock.utc())),
            identifiers: entities.iter().map(convert::entity_ids).collect(),
            origin: self.bus.origin().to_owned(),
            ..v3::Event::default()
        };
        change(&mut event);
        event
    }
}

/// A stream that is read.
struct Live {
    /// What goes out before anything new.
    waiting: VecDeque<v3::Event>,
    /// What tells that events are missing.
    gap: v3::Event,
    subscription: Subscription,
    viewer: Viewer,
    checked: Monotonic,
    clock: Arc<dyn Clock>,
    origin: String,
}

impl Live {
    async fn next(&mut self) -> Result<v3::Event, Status> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Ok(event);
            }
            let due = self.clock.sleep_until(self.checked.plus(RIGHTS_AGE_MAX));
            // The timer comes first: no event is judged by rights that are too old.
            let next = match select(due, std::pin::pin!(self.subscription.next())).await {
                Either::Left(_) => None,
                Either::Right((event, _)) => Some(event),
            };
            let Some(event) = next else {
                self.viewer.refresh().await?;
                self.checked = self.clock.monotonic();
                continue;
            };
            let lost = self.subscription.take_lost();
            if lost > 0 {
                self.waiting.push_back(self.gap(lost));
            }
            if self.viewer.sees(&event) {
                self.waiting.push_back(message::event(&event, &self.origin));
            }
        }
    }

    fn gap(&self, lost: u64) -> v3::Event {
        let lost = serde_json::json!({ "lost": lost });
        let value = ttn_proto::json::to_proto_value(lost);
        let time = Some(convert::timestamp(self.clock.utc()));
        v3::Event { time, data: Some(message::any_value(value)), ..self.gap.clone() }
    }
}

fn list(names: &[&'static EventDefinition]) -> Value {
    let names: Vec<_> = names.iter().map(|definition| definition.name).collect();
    ttn_proto::json::to_proto_value(names.into())
}

fn entities(identifiers: &[v3::EntityIdentifiers]) -> Result<Vec<EntityId>, Status> {
    if identifiers.is_empty() {
        let text = "name at least one entity in `identifiers`";
        let (namespace, name) = ("pkg/events/grpc", "no_identifiers");
        return Err(status::named(Code::InvalidArgument, namespace, name, text, []));
    }
    if identifiers.len() > IDENTIFIERS_MAX {
        let text = format!("a stream is about at most {IDENTIFIERS_MAX} entities");
        return Err(Status::invalid_argument(text));
    }
    let entity = |ids| {
        convert::to_entity_id(ids).map_err(|error| {
            let text = format!("`identifiers`: {error}");
            let (namespace, name) = ("pkg/ttnpb", "identifiers");
            status::named(Code::InvalidArgument, namespace, name, &text, [])
        })
    };
    identifiers.iter().map(entity).collect()
}

/// Whether an event belongs to an id: a correlation id, the ULID at its end, or the id of the event itself.
fn is_related(event: &Published, id: &str) -> bool {
    let is_ulid = id.len() == ULID_LENGTH && !id.contains(':');
    let belongs = |known: &str| {
        known == id || (is_ulid && known.strip_suffix(id).is_some_and(|rest| rest.ends_with(':')))
    };
    event.correlation_ids.iter().any(|known| belongs(known)) || (is_ulid && event.unique_id() == id)
}

const ULID_LENGTH: usize = 26;
