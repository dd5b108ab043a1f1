//! The bus of one process: bounded subscriptions, the slow lose their oldest events.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Weak,
        atomic::{AtomicUsize, Ordering},
    },
};

use parking_lot::Mutex;

use super::{Event, EventSink};

/// Hands events to all subscriptions of a process.
#[derive(Debug, Default)]
pub struct EventBus {
    subscriptions: Mutex<Vec<Weak<Inner>>>,
    live: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct Inner {
    queue: Mutex<Queue>,
    wake: futures::task::AtomicWaker,
    live: Arc<AtomicUsize>,
}

#[derive(Debug, Default)]
struct Queue {
    events: VecDeque<Arc<Event>>,
    lost: u64,
}

/// Reads events from a bus; dropping it ends the subscription.
#[derive(Debug)]
pub struct Subscription(Arc<Inner>);

/// How many events wait for one reader; further ones push out the oldest, which is counted.
pub const QUEUE_MAX: usize = 4096;

impl EventBus {
    /// Makes a bus without readers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Subscribes to all events from now on.
    #[must_use]
    pub fn subscribe(&self) -> Subscription {
        let inner = Arc::new(Inner {
            queue: Mutex::default(),
            wake: futures::task::AtomicWaker::new(),
            live: self.live.clone(),
        });
        self.live.fetch_add(1, Ordering::SeqCst);
        self.subscriptions.lock().push(Arc::downgrade(&inner));
        Subscription(inner)
    }
}

impl EventSink for EventBus {
    fn is_enabled(&self) -> bool {
        self.live.load(Ordering::Relaxed) > 0
    }

    fn publish(&self, event: Event) {
        if !self.is_enabled() {
            return;
        }
        let event = Arc::new(event);
        self.subscriptions.lock().retain(|subscription| {
            let Some(inner) = subscription.upgrade() else { return false };
            let mut queue = inner.queue.lock();
            if queue.events.len() == QUEUE_MAX {
                queue.events.pop_front();
                queue.lost += 1;
            }
            queue.events.push_back(event.clone());
            drop(queue);
            inner.wake.wake();
            true
        });
    }
}

impl Subscription {
    /// Takes the next event, if one is there.
    #[must_use]
    pub fn try_next(&self) -> Option<Arc<Event>> {
        self.0.queue.lock().events.pop_front()
    }

    /// Waits for the next event. Safe to drop halfway.
    pub async fn next(&mut self) -> Arc<Event> {
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
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.0.live.fetch_sub(1, Ordering::SeqCst);
    }
}
