//! Tasks with an owner.

use std::{fmt, future::Future};

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Owns tasks: dropping it stops them.
///
/// A task that ends with an error stops the whole set; [`Tasks::until_shutdown`] gives its name and error.
#[derive(Default)]
pub struct Tasks {
    set: JoinSet<(&'static str, Result<(), TaskError>)>,
    stop: CancellationToken,
}

/// Why a task ended.
pub type TaskError = Box<dyn std::error::Error + Send + Sync>;

/// A task that ended although nobody stopped it.
#[derive(Debug, thiserror::Error)]
#[error("task {name} ended: {source}")]
#[non_exhaustive]
pub struct TaskEnded {
    /// The task.
    pub name: &'static str,
    /// Its error.
    pub source: TaskError,
}

impl Tasks {
    /// Makes an empty set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The token that is cancelled when the set stops. A task that wants to drain watches it.
    #[must_use]
    pub fn stopping(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Spawns a task. It is dropped when the set stops, unless it watches [`Self::stopping`] and ends by itself.
    pub fn spawn<F>(&mut self, name: &'static str, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.set.spawn(async move {
            task.await;
            (name, Ok(()))
        });
    }

    /// Spawns a task whose error stops the set.
    pub fn spawn_fallible<F>(&mut self, name: &'static str, task: F)
    where
        F: Future<Output = Result<(), TaskError>> + Send + 'static,
    {
        self.set.spawn(async move { (name, task.await) });
    }

    /// How many tasks there are, those included that have ended and were not taken with [`Self::next_ended`].
    #[must_use]
    pub fn len(&self) -> usize {
        self.set.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.set.is_empty()
    }

    /// Waits until a task ends and forgets it; `None` without tasks. For sets that grow and shrink. Safe to drop
    /// halfway.
    pub async fn next_ended(&mut self) -> Option<Result<(), TaskEnded>> {
        self.set.join_next().await.map(outcome)
    }

    /// Waits for `signal` or for a task that fails, then stops all tasks: those that watch
    /// [`Self::stopping`] may end by themselves while `grace` is pending.
    ///
    /// # Errors
    ///
    /// A task failed or panicked.
    pub async fn until_shutdown<S, G>(mut self, signal: S, grace: G) -> Result<(), TaskEnded>
    where
        S: Future<Output = ()> + Send,
        G: Future<Output = ()> + Send,
    {
        tokio::pin!(signal);
        let result = loop {
            tokio::select! {
                biased;
                () = &mut signal => break Ok(()),
                Some(ended) = self.set.join_next() => {
                    if let Err(ended) = outcome(ended) {
                        break Err(ended);
                    }
                }
            }
        };
        self.stop.cancel();
        tokio::pin!(grace);
        loop {
            tokio::select! {
                biased;
                ended = self.set.join_next() => if ended.is_none() { break },
                () = &mut grace => break,
            }
        }
        self.set.shutdown().await;
        result
    }
}

fn outcome(
    ended: Result<(&'static str, Result<(), TaskError>), tokio::task::JoinError>,
) -> Result<(), TaskEnded> {
    match ended {
        Ok((_, Ok(()))) => Ok(()),
        Ok((name, Err(source))) => Err(TaskEnded { name, source }),
        Err(error) => Err(TaskEnded { name: "(panicked)", source: error.into() }),
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl fmt::Debug for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tasks").field("running", &self.set.len()).finish_non_exhaustive()
    }
}
