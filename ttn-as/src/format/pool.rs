//! Turns: so many run at a time, and applications take turns.

use std::{collections::VecDeque, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::oneshot;
use ttn_core::{id::ApplicationId, map::Map};

/// How many calls wait for their turn.
pub(super) const WAITING_MAX: usize = 4096;

/// Gives turns, round robin among applications. While one application runs as much as it may, others get the rest.
#[derive(Debug)]
pub(super) struct Pool {
    max: usize,
    application_max: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    running: usize,
    waiting: usize,
    applications: Map<ApplicationId, Application>,
    /// Applications with waiting calls; the next is the first.
    order: VecDeque<ApplicationId>,
}

#[derive(Debug, Default)]
struct Application {
    running: usize,
    waiting: VecDeque<oneshot::Sender<Turn>>,
}

/// A turn; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    pool: Arc<Pool>,
    application: ApplicationId,
    /// Whether the next one is called when it ends: not while somebody does so already.
    gives_next: bool,
}

impl Pool {
    /// `max` turns at a time; one application has all but one of them at most.
    pub(super) fn new(max: usize) -> Arc<Self> {
        let max = max.max(1);
        let application_max = (max - 1).max(1);
        Arc::new(Self { max, application_max, state: Mutex::default() })
    }

    /// Waits for a turn; `None` if too many wait. Safe to drop halfway.
    pub(super) async fn turn(self: &Arc<Self>, application: &ApplicationId) -> Option<Turn> {
        let (sender, turn) = oneshot::channel();
        {
            let mut state = self.state.lock();
            if state.waiting == WAITING_MAX {
                return None;
            }
            state.waiting += 1;
            let queue = &mut state.applications.entry(application.clone()).or_default().waiting;
            queue.push_back(sender);
            if queue.len() == 1 {
                state.order.push_back(application.clone());
            }
        }
        self.give();
        turn.await.ok()
    }

    /// Gives the turns that are free.
    fn give(self: &Arc<Self>) {
        while let Some((sender, application)) = self.next() {
            let turn = Turn { pool: self.clone(), application, gives_next: true };
            // Who does not wait any more gives the turn back.
            if let Err(mut turn) = sender.send(turn) {
                turn.gives_next = false;
            }
        }
    }

    fn next(&self) -> Option<(oneshot::Sender<Turn>, ApplicationId)> {
        let mut state = self.state.lock();
        let state = &mut *state;
        if state.running >= self.max {
            return None;
        }
        let may_run = |id: &ApplicationId| {
            state.applications.get(id).is_some_and(|it| it.running < self.application_max)
        };
        let at = state.order.iter().position(may_run)?;
        let id = state.order.remove(at)?;
        let application = state.applications.get_mut(&id)?;
        let sender = application.waiting.pop_front()?;
        application.running += 1;
        if !application.waiting.is_empty() {
            state.order.push_back(id.clone());
        }
        state.waiting -= 1;
        state.running += 1;
        Some((sender, id))
    }

    fn end(&self, id: &ApplicationId) {
        let mut state = self.state.lock();
        state.running -= 1;
        if let Some(application) = state.applications.get_mut(id) {
            application.running -= 1;
            if application.running == 0 && application.waiting.is_empty() {
                state.applications.remove(id);
            }
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.pool.end(&self.application);
        if self.gives_next {
            self.pool.give();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    fn application(name: &str) -> ApplicationId {
        name.parse().unwrap()
    }

    // AS-13
    #[tokio::test]
    async fn one_application_cannot_have_all_turns() {
        let pool = Pool::new(3);
        let (greedy, other) = (application("greedy"), application("other"));
        let first = pool.turn(&greedy).now_or_never().flatten();
        let second = pool.turn(&greedy).now_or_never().flatten();
        assert!(first.is_some() && second.is_some());
        let mut third = Box::pin(pool.turn(&greedy));
        assert!(third.as_mut().now_or_never().is_none(), "the last turn is for others");
        let theirs = pool.turn(&other).now_or_never().flatten();
        assert!(theirs.is_some());
        drop(first);
        assert!(third.now_or_never().flatten().is_some());
    }

    // AS-13
    #[tokio::test]
    async fn applications_take_turns() {
        let pool = Pool::new(1);
        let (greedy, other) = (application("greedy"), application("other"));
        let running = pool.turn(&greedy).await;
        let mut greedy_next = Box::pin(pool.turn(&greedy));
        let mut greedy_last = Box::pin(pool.turn(&greedy));
        let mut other_next = Box::pin(pool.turn(&other));
        assert!(greedy_next.as_mut().now_or_never().is_none());
        assert!(greedy_last.as_mut().now_or_never().is_none());
        assert!(other_next.as_mut().now_or_never().is_none());
        drop(running);
        drop(greedy_next.now_or_never().flatten().expect("the first in line"));
        let theirs = other_next.now_or_never().flatten();
        assert!(theirs.is_some(), "the other application comes before the third call of the first");
        assert!(greedy_last.as_mut().now_or_never().is_none());
        drop(theirs);
        assert!(greedy_last.now_or_never().flatten().is_some());
    }

    #[tokio::test]
    async fn a_call_that_no_longer_waits_loses_no_turn() {
        let pool = Pool::new(1);
        let id = application("app");
        let running = pool.turn(&id).await;
        let mut given_up = Box::pin(pool.turn(&id));
        assert!(given_up.as_mut().now_or_never().is_none());
        drop(given_up);
        drop(running);
        assert!(pool.turn(&id).now_or_never().flatten().is_some());
        assert!(pool.state.lock().applications.is_empty());
    }
}
