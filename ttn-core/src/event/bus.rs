//! The bus of one process: bounded subscriptions, of which the slow lose their oldest events, and the history.

use std::{
    collections::VecDeque,
    fmt,
    ops::Deref,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use parking_lot::Mutex;

use super::{Event, EventFilter, EventSink, HistoryConfig, history::History};
use crate::{rand::Entropy, time::Timestamp};

/// Hands events to the subscriptions of a process and keeps the last of every entity.
#[derive(Debug)]
pub struct EventBus {
    state: Mutex<State>,
    /// Live subscriptions.
    live: Arc<AtomicUsize>,
    keeps_history: bool,
    origin: Arc<str>,
    /// The random part of the ids; the number of the event is added.
    id_base: u128,
    publishes: AtomicU64,
    dropped: AtomicU64,
}

#[derive(Debug)]
struct State {
    next: u64,
    history: History,
    subscriptions: Vec<Weak<Inner>>,
}

/// An event that was published.
#[derive(Debug)]
#[non_exhaustive]
pub struct Published {
    /// What happened.
    pub event: Event,
    /// Its place in the order of the process, from 1.
    pub number: u64,
    id: u128,
}

impl Published {
    /// The id of the event (EVT-01): a ULID of its time and a number that is never used twice.
    #[must_use]
    pub fn unique_id(&self) -> String {
        ulid::Ulid::from_parts(self.event.time.unix_millis(), self.id).to_string()
    }
}

impl Deref for Published {
    type Target = Event;

    fn deref(&self) -> &Event {
        &self.event
    }
}

struct Inner {
    filter: EventFilter,
    queue: Mutex<Queue>,
    wake: futures::task::AtomicWaker,
    live: Arc<AtomicUsize>,
}

#[derive(Default)]
struct Queue {
    events: VecDeque<Arc<Published>>,
    lost: u64,
    lost_untold: u64,
}

/// Reads events from a bus; dropping it ends the subscription.
#[derive(Debug)]
pub struct Subscription(Arc<Inner>);

/// How many events wait for one reader; further ones push out the oldest, which is counted.
pub const QUEUE_MAX: usize = 4096;
/// The bits of an id that count; the other 32 of the 80 random ones are drawn once.
const COUNTER_BITS: u32 = 48;

impl EventBus {
    /// Makes a bus without readers that keeps nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::build(HistoryConfig::OFF, "", 0)
    }

    /// Makes a bus that keeps the last events of every entity. `origin` names the process in every event.
    #[must_use]
    pub fn with_history(config: HistoryConfig, origin: &str, entropy: &dyn Entropy) -> Self {
        let drawn = u128::from(entropy.next_u64() >> 32);
        Self::build(config, origin, drawn << COUNTER_BITS)
    }

    fn build(config: HistoryConfig, origin: &str, id_base: u128) -> Self {
        let history = History::new(config);
        Self {
            keeps_history: history.is_on(),
            state: Mutex::new(State { next: 1, history, subscriptions: Vec::new() }),
            live: Arc::default(),
            origin: origin.into(),
            id_base,
            publishes: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
        }
    }

    /// Subscribes to all events from now on.
    #[must_use]
    pub fn subscribe(&self) -> Subscription {
        self.subscribe_after(EventFilter::ALL, 0, Timestamp::UNIX_EPOCH).1
    }

    /// Subscribes to some events, and gives the last `tail` of them after a point in time that are kept. No event is
    /// missing between the two, and none is in both.
    #[must_use]
    pub fn subscribe_after(
        &self,
        filter: EventFilter,
        tail: usize,
        after: Timestamp,
    ) -> (Vec<Arc<Published>>, Subscription) {
        let inner = Arc::new(Inner {
            filter,
            queue: Mutex::default(),
            wake: futures::task::AtomicWaker::new(),
            live: self.live.clone(),
        });
        self.live.fetch_add(1, Ordering::SeqCst);
        let mut state = self.state.lock();
        let kept =
            if tail == 0 { Vec::new() } else { state.history.tail(&inner.filter, tail, after) };
        state.subscriptions.push(Arc::downgrade(&inner));
        (kept, Subscription(inner))
    }

    /// The last `limit` events that are kept and that `wanted` selects, the oldest first. It looks at every event
    /// that is kept, while publishers wait.
    #[must_use]
    pub fn search(
        &self,
        wanted: &dyn Fn(&Published) -> bool,
        limit: usize,
        now: Timestamp,
    ) -> Vec<Arc<Published>> {
        let state = self.state.lock();
        let oldest = state.history.oldest(now);
        state.history.search(wanted, limit, oldest)
    }

    /// The time before which events are not kept.
    #[must_use]
    pub fn oldest(&self, now: Timestamp) -> Timestamp {
        self.state.lock().history.oldest(now)
    }

    /// Whether the last events are kept.
    #[must_use]
    pub const fn keeps_history(&self) -> bool {
        self.keeps_history
    }

    /// The process that events come from.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// How many events were published (EVT-10).
    #[must_use]
    pub fn publishes_total(&self) -> u64 {
        self.publishes.load(Ordering::Relaxed)
    }

    /// How many events readers lost because they were slow (EVT-10).
    #[must_use]
    pub fn channel_dropped_total(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

impl Default for EventBus {
    fn default() -> Self {
        Self::new()
    }
}

impl EventSink for EventBus {
    fn is_enabled(&self) -> bool {
        self.keeps_history || self.live.load(Ordering::Relaxed) > 0
    }

    fn publish(&self, event: Event) {
        if !self.is_enabled() {
            return;
        }
        self.publishes.fetch_add(1, Ordering::Relaxed);
        let mut state = self.state.lock();
        let number = state.next;
        state.next += 1;
        let event = Arc::new(Published { event, number, id: self.id_base + u128::from(number) });
        state.history.keep(&event);
        state.subscriptions.retain(|subscription| {
            let Some(inner) = subscription.upgrade() else { return false };
            if inner.filter.matches(&event) && inner.push(&event) {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
            true
        });
    }
}

impl Inner {
    /// Adds an event; gives whether another had to go.
    fn push(&self, event: &Arc<Published>) -> bool {
        let mut queue = self.queue.lock();
        let full = queue.events.len() == QUEUE_MAX;
        if full {
            queue.events.pop_front();
            queue.lost += 1;
            queue.lost_untold += 1;
        }
        queue.events.push_back(event.clone());
        drop(queue);
        self.wake.wake();
        full
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("filter", &self.filter).finish_non_exhaustive()
    }
}

impl Subscription {
    /// Takes the next event, if one is there.
    #[must_use]
    pub fn try_next(&self) -> Option<Arc<Published>> {
        self.0.queue.lock().events.pop_front()
    }

    /// Waits for the next event. Safe to drop halfway.
    pub async fn next(&mut self) -> Arc<Published> {
        std::future::poll_fn(|cx| {
            self.0.wake.register(cx.waker());
            self.try_next().map_or(std::task::Poll::Pending, std::task::Poll::Ready)
        })
        .await
    }

    /// How many events were lost because this reader was slow.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.0.queue.lock().lost
    }

    /// How many were lost since the last call: they are missing before the event that comes next.
    pub fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.0.queue.lock().lost_untold)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.0.live.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        event::{RadioIds, named},
        id::EntityId,
    };

    static RECEIVE: crate::event::EventDefinition = named("ns.up.data.receive");
    static FORWARD: crate::event::EventDefinition = named("as.up.data.forward");

    #[derive(Debug)]
    struct Sevens;

    impl Entropy for Sevens {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.fill(7);
        }
    }

    fn event(
        definition: &'static crate::event::EventDefinition,
        device: &str,
        second: u64,
    ) -> Event {
        Event {
            definition,
            time: Timestamp::UNIX_EPOCH.plus(Duration::from_secs(1_000_000 + second)),
            identifiers: vec![EntityId::Device(device.parse().unwrap())],
            radio_ids: RadioIds::default(),
            correlation_ids: vec![format!("gs:uplink:{second}").into()],
            caller: None,
            data: serde_json::json!({ "second": second }).into(),
        }
    }

    fn of_device(device: &str) -> EventFilter {
        let entities = Some(vec![EntityId::Device(device.parse().unwrap())]);
        EventFilter { entities, definitions: None }
    }

    fn seconds(events: &[Arc<Published>]) -> Vec<u64> {
        events.iter().map(|event| event.data.to_json()["second"].as_u64().unwrap()).collect()
    }

    fn tail(bus: &EventBus, filter: EventFilter, limit: usize) -> Vec<u64> {
        seconds(&bus.subscribe_after(filter, limit, Timestamp::UNIX_EPOCH).0)
    }

    fn bus(per_entity: usize, entities: usize) -> EventBus {
        let config = HistoryConfig { per_entity, entities, ..HistoryConfig::default() };
        EventBus::with_history(config, "here", &Sevens)
    }

    // EVT-05
    #[test]
    fn a_busy_device_pushes_out_only_its_own_oldest_events() {
        let bus = bus(3, 10);
        bus.publish(event(&RECEIVE, "app.quiet", 0));
        (1..=5).for_each(|second| bus.publish(event(&RECEIVE, "app.busy", second)));
        assert_eq!(tail(&bus, of_device("app.busy"), 10), [3, 4, 5]);
        assert_eq!(tail(&bus, of_device("app.busy"), 2), [4, 5]);
        assert_eq!(tail(&bus, of_device("app.quiet"), 10), [0]);
    }

    // EVT-05
    #[test]
    fn at_the_limit_the_quietest_entities_are_forgotten() {
        let bus = bus(3, 10);
        (0..11).for_each(|n| bus.publish(event(&RECEIVE, &format!("app.device-{n}"), n)));
        assert!(tail(&bus, of_device("app.device-0"), 10).is_empty());
        assert_eq!(tail(&bus, of_device("app.device-9"), 10), [9]);
        assert_eq!(tail(&bus, of_device("app.device-10"), 10), [10]);
    }

    // EVT-05
    #[test]
    fn old_events_go() {
        let config = HistoryConfig { age: Duration::from_secs(60), ..HistoryConfig::default() };
        let bus = EventBus::with_history(config, "here", &Sevens);
        for second in [0, 50, 100] {
            bus.publish(event(&RECEIVE, "app.device", second));
        }
        assert_eq!(tail(&bus, of_device("app.device"), 10), [50, 100]);
    }

    // EVT-02
    #[test]
    fn an_application_shows_what_its_devices_pass_on() {
        let bus = bus(10, 10);
        bus.publish(event(&RECEIVE, "app.device", 1));
        bus.publish(event(&FORWARD, "app.device", 2));
        bus.publish(event(&FORWARD, "app-two.device", 3));
        let entities = Some(vec![EntityId::Application("app".parse().unwrap())]);
        assert_eq!(tail(&bus, EventFilter { entities, definitions: None }, 10), [2]);
        let definitions = Some(vec![&RECEIVE]);
        assert_eq!(tail(&bus, EventFilter { entities: None, definitions }, 10), [1]);
    }

    // EVT-01
    #[test]
    fn ids_are_unique_and_the_same_seed_gives_the_same() {
        let ids = || {
            let bus = bus(10, 10);
            (0..3).for_each(|_| bus.publish(event(&RECEIVE, "app.device", 1)));
            let kept = bus.subscribe_after(EventFilter::ALL, 10, Timestamp::UNIX_EPOCH).0;
            kept.iter().map(|event| event.unique_id()).collect::<Vec<_>>()
        };
        let first = ids();
        assert!(first.is_sorted_by(|a, b| a < b), "{first:?}");
        assert!(first.iter().all(|id| id.len() == 26), "{first:?}");
        assert_eq!(first, ids());
    }

    // EVT-10
    #[test]
    fn a_slow_reader_loses_the_oldest_and_learns_how_many() {
        let bus = EventBus::new();
        let mut reader = bus.subscribe();
        let count = QUEUE_MAX as u64 + 2;
        (0..count).for_each(|second| bus.publish(event(&RECEIVE, "app.device", second)));
        assert_eq!((reader.lost(), reader.take_lost(), reader.take_lost()), (2, 2, 0));
        assert_eq!(seconds(&[reader.try_next().unwrap()]), [2]);
        assert_eq!((bus.publishes_total(), bus.channel_dropped_total()), (count, 2));
    }

    // DESIGN 6: what an event costs that nobody reads
    #[test]
    fn an_event_that_is_kept_costs_four_allocations() {
        let bus = bus(100, 1000);
        let ids: crate::msg::CorrelationIds = vec!["gs:uplink:1".into(), "ns:uplink:2".into()];
        let device = EntityId::Device("app.device".parse().unwrap());
        let publish = |f_cnt: u32| {
            bus.publish(Event {
                definition: &RECEIVE,
                time: Timestamp::UNIX_EPOCH,
                identifiers: vec![device.clone()],
                radio_ids: RadioIds::default(),
                correlation_ids: ids.clone(),
                caller: None,
                data: crate::event::EventData::later(move || f_cnt.into()),
            });
        };
        (0..1000).for_each(publish);
        let counted = allocation_counter::measure(|| (0..1000).for_each(publish));
        // Identifiers, correlation ids, data, the event; nothing of it grows.
        assert_eq!(counted.count_total, 4 * 1000);
        assert!(counted.bytes_total < 400 * 1000, "{counted:?}");
        assert_eq!(counted.count_current, 0, "the oldest went");
    }

    #[test]
    fn without_readers_and_history_nothing_is_wanted() {
        let bus = EventBus::new();
        assert!(!bus.is_enabled());
        drop(bus.subscribe());
        assert!(!bus.is_enabled());
        assert!(self::bus(1, 1).is_enabled());
    }
}
