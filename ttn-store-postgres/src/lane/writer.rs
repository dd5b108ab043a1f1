//! The writer: one transaction after the other, and patience with a server that is away.

use std::{collections::BTreeMap, sync::Arc, task::Waker};

use ttn_core::{
    clock::Clock as _,
    rand::{Entropy as _, OsEntropy},
    store::{PartitionId, StoreError, StoreErrorKind},
    time::Monotonic,
};

use super::{
    Acquired, COMMIT_INTERVAL, Group, PENDING_BATCHES_MAX, PENDING_BYTES_MAX, Shared, group::Steps,
};
use crate::engine::{Db, Engine, Failure, PAUSE_MAX, PAUSE_MIN, get};

pub(super) struct Writer {
    engine: Arc<Engine>,
    shared: Arc<Shared>,
    db: Option<Db>,
    /// Which writer of the database this is.
    id: i64,
    /// The number of the last transaction that is known to be committed.
    commits: i64,
}

/// What a commit has brought.
#[derive(Default)]
pub(super) struct Committed {
    pub(super) log_last: Option<u64>,
    pub(super) acquired: BTreeMap<PartitionId, Acquired>,
}

impl Writer {
    /// Enters a new writer into the database.
    pub(super) async fn register(
        engine: Arc<Engine>,
        shared: Arc<Shared>,
    ) -> Result<Self, StoreError> {
        let id = OsEntropy::default().next_u64().cast_signed();
        let entered = engine.write(id, |db, id| {
            Box::pin(async move {
                db.run(FORGET, &[]).await?;
                db.run("INSERT INTO writers (id, commits) VALUES ($1, 0)", &[id]).await?;
                Ok(())
            })
        });
        entered.await?;
        Ok(Self { engine, shared, db: None, id, commits: 0 })
    }

    /// At once when idle, at most every [`COMMIT_INTERVAL`] when busy. Ends when the store closes and everything is
    /// committed, or when it cannot write any more.
    pub(super) async fn run(mut self) {
        let mut not_before = self.now();
        while let Some(mut group) = self.next(not_before).await {
            not_before = self.now().plus(COMMIT_INTERVAL);
            let result = self.commit(&mut group).await;
            let wakers = self.shared.state.lock().end_commit(result);
            wakers.into_iter().for_each(Waker::wake);
        }
        // What remains is forgotten by the next start.
        if let Some(db) = &self.db {
            db.run("DELETE FROM writers WHERE id = $1", &[&self.id]).await.ok();
        }
    }

    /// Waits for something to commit; `None` at the end.
    async fn next(&self, not_before: Monotonic) -> Option<Group> {
        loop {
            let work = self.shared.work.notified();
            let is_idle = {
                let mut state = self.shared.state.lock();
                if state.failure.is_some() || (state.pending.is_empty() && state.is_closing) {
                    return None;
                }
                let is_full = state.pending.bytes >= PENDING_BYTES_MAX
                    || state.pending.batches >= PENDING_BATCHES_MAX;
                let is_due = state.is_closing || is_full || self.now() >= not_before;
                if !state.pending.is_empty() && is_due {
                    return Some(state.begin_commit());
                }
                state.pending.is_empty()
            };
            if is_idle {
                work.await;
            } else {
                self.engine.clock.sleep_until(not_before).await;
            }
        }
    }

    /// Commits a group, however often the server goes away in between, but not for ever.
    async fn commit(&mut self, group: &mut Group) -> Result<Committed, StoreError> {
        let until = self.now().plus(self.engine.options.outage_max);
        let mut pause = PAUSE_MIN;
        loop {
            let number = self.commits + 1;
            let error = match self.attempt(group, number).await {
                Ok(Attempt::Now(committed)) => {
                    self.commits = number;
                    return Ok(committed);
                }
                Ok(Attempt::Earlier { log_last }) => {
                    self.commits = number;
                    group.only_acquires();
                    if group.is_empty() {
                        return Ok(Committed { log_last, ..Committed::default() });
                    }
                    // The epochs were lost with the answer.
                    continue;
                }
                Err(Failure::Again(error)) => error,
                Err(failure) => return Err(failure.into()),
            };
            let is_over = self.shared.state.lock().failure.is_some();
            if is_over || self.now() >= until {
                let waited = self.engine.options.outage_max;
                let context = format!("{} (for {waited:?}: {error})", self.engine.name);
                return Err(StoreError::new(StoreErrorKind::Io, context));
            }
            tracing::warn!(%error, "the database cannot be written; trying again");
            self.engine.clock.sleep_until(self.now().plus(pause)).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// One transaction. After a failure its connection is closed, so that it is never committed without our knowing.
    async fn attempt(&mut self, group: &mut Group, number: i64) -> Result<Attempt, Failure> {
        let engine = self.engine.clone();
        let db = match self.db.take() {
            Some(db) => db,
            None => engine.db().await?,
        };
        let steps = Steps::of(group, self.id, number);
        let answers = engine.in_time(db.begin_with(&steps.steps)).await?;
        let (fence, log, acquires) = (steps.fence, steps.log, steps.acquires);
        drop(steps);
        let answer = |place: usize| answers.get(place).map(Vec::as_slice).unwrap_or_default();
        if answer(0).is_empty() {
            let log_last = self.earlier(&db, number).await?;
            self.db = Some(db);
            return Ok(Attempt::Earlier { log_last });
        }
        if let Some(place) = fence {
            group.fenced(answer(place))?;
        }
        let log_last = log.and_then(|place| answer(place).first());
        let log_last = log_last.map(|row| get::<i64>(row, 0)).transpose()?;
        engine.in_time(db.batch("COMMIT")).await?;
        self.db = Some(db);
        let acquired = match acquires {
            Some(place) => group.acquired(answer(place), answer(place + 1))?,
            None => BTreeMap::new(),
        };
        Ok(Attempt::Now(Committed { log_last: log_last.map(i64::cast_unsigned), acquired }))
    }

    /// A try that finds its turn taken: by an earlier one, whose answer was lost. Gives where the log ends.
    async fn earlier(&self, db: &Db, number: i64) -> Result<Option<u64>, Failure> {
        let state = async {
            db.batch("ROLLBACK").await?;
            db.row(EARLIER, &[&self.id]).await
        };
        let row = self.engine.in_time(state).await?;
        match row {
            Some(row) if get::<i64>(&row, 0)? == number => {
                Ok(Some(get::<i64>(&row, 1)?.cast_unsigned()))
            }
            _ => {
                let context =
                    format!("the row of this process in `writers` of {}", self.engine.name);
                Err(StoreError::new(StoreErrorKind::Fenced, context).into())
            }
        }
    }

    fn now(&self) -> Monotonic {
        self.engine.clock.monotonic()
    }
}

/// How a try ended.
enum Attempt {
    /// An earlier one was committed, and its answer lost.
    Earlier { log_last: Option<u64> },
    /// It is committed.
    Now(Committed),
}

const EARLIER: &str = "SELECT w.commits, s.last FROM writers w, log_state s WHERE w.id = $1";
/// Writers that have not written for long; none of them lives.
const FORGET: &str = "DELETE FROM writers WHERE touched < now() - interval '30 days'";
