//! The database: connections, statements, transactions. Nothing else names the client library.

mod failure;
mod migrate;
mod target;
mod tls;

pub(crate) use failure::{Failure, PAUSE_MAX, PAUSE_MIN};
pub(crate) use migrate::SCHEMA;
pub(crate) use tokio_postgres::{
    Row,
    types::{FromSql, ToSql},
};

use std::{fmt, sync::Arc, time::Duration};

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod};
use futures::{
    StreamExt as _,
    future::{BoxFuture, join_all},
    stream::BoxStream,
};
use tokio::{runtime::Handle, time::timeout};
use ttn_core::{
    clock::{Clock as _, SystemClock},
    store::{StoreError, StoreErrorKind},
};

use crate::options::Options;
use target::Target;

/// A database and the threads that speak with it.
pub(crate) struct Engine {
    pool: Pool,
    handle: Handle,
    pub(crate) clock: SystemClock,
    pub(crate) options: Options,
    /// Which database it is, for errors.
    pub(crate) name: String,
}

/// A connection. Dropped without [`Self::keep`] it is closed, because nobody knows what it is in the middle of.
pub(crate) struct Db(Option<Object>);

/// A statement with its parameters.
pub(crate) struct Step<'a> {
    pub(crate) sql: &'static str,
    pub(crate) params: Vec<Box<dyn ToSql + Sync + Send + 'a>>,
}

/// What happens on a connection; it may happen again after a failure that changed nothing.
pub(crate) type Work<A, T> = for<'a> fn(&'a Db, &'a A) -> BoxFuture<'a, Result<T, Failure>>;

impl Engine {
    /// Prepares connections, of which none is made yet.
    pub(crate) fn new(
        url: &str,
        options: Options,
        handle: Handle,
    ) -> Result<Arc<Self>, StoreError> {
        let Target { config, tls, name } = Target::parse(url)?;
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_config(config, tls, recycling);
        // One more for the writer.
        let pool = Pool::builder(manager).max_size(options.connections.max(1) + 1).build();
        let pool = pool
            .map_err(|error| StoreError::new(StoreErrorKind::Io, name.clone()).caused_by(error))?;
        Ok(Arc::new(Self { pool, handle, clock: SystemClock::new(), options, name }))
    }

    /// Takes a connection.
    pub(crate) async fn db(&self) -> Result<Db, Failure> {
        let taken =
            async { self.pool.get().await.map_err(|error| failure::of_pool(error, &self.name)) };
        Ok(Db(Some(self.in_time(taken).await?)))
    }

    /// Takes a connection for a longer work of the caller's.
    #[cfg(feature = "dump")]
    pub(crate) async fn lend(self: &Arc<Self>) -> Result<Db, Failure> {
        let engine = self.clone();
        let lent = self.handle.spawn(async move { engine.db().await });
        lent.await.unwrap_or_else(|_| Err(self.closed().into()))
    }

    /// Reads.
    pub(crate) async fn read<A, T>(
        self: &Arc<Self>,
        args: A,
        work: Work<A, T>,
    ) -> Result<T, StoreError>
    where
        A: Send + Sync + 'static,
        T: Send + 'static,
    {
        Ok(self.call(args, work, false).await?)
    }

    /// Writes in a transaction. The caller may be dropped halfway: then it happens or not, as a whole.
    pub(crate) async fn write<A, T>(
        self: &Arc<Self>,
        args: A,
        work: Work<A, T>,
    ) -> Result<T, Failure>
    where
        A: Send + Sync + 'static,
        T: Send + 'static,
    {
        self.call(args, work, true).await
    }

    /// Works in the store's own threads: the caller's may live in another time, or end.
    async fn call<A, T>(
        self: &Arc<Self>,
        args: A,
        work: Work<A, T>,
        writes: bool,
    ) -> Result<T, Failure>
    where
        A: Send + Sync + 'static,
        T: Send + 'static,
    {
        let engine = self.clone();
        let call = self.handle.spawn(async move { engine.persist(&args, work, writes).await });
        call.await.unwrap_or_else(|_| Err(self.closed().into()))
    }

    fn closed(&self) -> StoreError {
        StoreError::new(StoreErrorKind::Io, format!("{} (the store was closed)", self.name))
    }

    /// Tries again while the server is away, for a while.
    async fn persist<A: Sync, T>(
        &self,
        args: &A,
        work: Work<A, T>,
        writes: bool,
    ) -> Result<T, Failure> {
        let until = self.clock.monotonic().plus(self.options.call_max);
        let mut pause = PAUSE_MIN;
        loop {
            let error = match self.once(args, work, writes).await {
                Err(Failure::Again(error)) => error,
                result => return result,
            };
            let now = self.clock.monotonic();
            if now >= until {
                return Err(error.into());
            }
            self.clock.sleep_until(now.plus(pause)).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    async fn once<A: Sync, T>(
        &self,
        args: &A,
        work: Work<A, T>,
        writes: bool,
    ) -> Result<T, Failure> {
        let db = self.db().await?;
        let deed = async {
            if writes {
                db.batch("BEGIN ISOLATION LEVEL READ COMMITTED").await?;
            }
            work(&db, args).await
        };
        let result = self.in_time(deed).await;
        let is_clean = match &result {
            Ok(_) if writes => {
                self.in_time(db.batch("COMMIT")).await.map_err(failure::in_doubt)?;
                true
            }
            Err(failure) if writes || failure.is_passing() => {
                matches!(timeout(ROLLBACK_MAX, db.batch("ROLLBACK")).await, Ok(Ok(())))
            }
            _ => true,
        };
        if is_clean {
            db.keep();
        }
        result
    }

    /// A server that does not answer is as good as away.
    pub(crate) async fn in_time<T>(
        &self,
        deed: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        timeout(self.options.answer_max, deed).await.unwrap_or_else(|_| {
            let context = format!("{} (no answer within {:?})", self.name, self.options.answer_max);
            Err(Failure::Again(StoreError::new(StoreErrorKind::Io, context)))
        })
    }
}

impl Db {
    fn object(&self) -> Result<&Object, Failure> {
        // It is taken by `keep` and by the drop alone.
        self.0
            .as_ref()
            .ok_or_else(|| StoreError::new(StoreErrorKind::Io, "a closed connection").into())
    }

    /// Gives the connection back for others to use.
    pub(crate) fn keep(mut self) {
        self.0.take();
    }

    /// Runs statements without parameters.
    pub(crate) async fn batch(&self, sql: &str) -> Result<(), Failure> {
        Ok(self.object()?.batch_execute(sql).await?)
    }

    /// Reads rows.
    pub(crate) async fn rows(
        &self,
        sql: &'static str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Failure> {
        let object = self.object()?;
        let statement = object.prepare_cached(sql).await?;
        Ok(object.query(&statement, params).await?)
    }

    /// Reads a row.
    pub(crate) async fn row(
        &self,
        sql: &'static str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Option<Row>, Failure> {
        Ok(self.rows(sql, params).await?.into_iter().next())
    }

    /// Reads rows by a statement that is not kept.
    #[cfg(feature = "dump")]
    pub(crate) async fn loose_rows(&self, sql: &str) -> Result<Vec<Row>, Failure> {
        Ok(self.object()?.query(sql, &[]).await?)
    }

    /// Writes by a statement that is not kept.
    #[cfg(feature = "dump")]
    pub(crate) async fn loose_run(
        &self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<u64, Failure> {
        Ok(self.object()?.execute(sql, params).await?)
    }

    /// Writes; gives how many rows.
    pub(crate) async fn run(
        &self,
        sql: &'static str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<u64, Failure> {
        let object = self.object()?;
        let statement = object.prepare_cached(sql).await?;
        Ok(object.execute(&statement, params).await?)
    }

    /// Begins a transaction and runs all steps, without waiting for answers in between.
    pub(crate) async fn begin_with(&self, steps: &[Step<'_>]) -> Result<Vec<Vec<Row>>, Failure> {
        let object = self.object()?;
        let mut statements = Vec::with_capacity(steps.len());
        for step in steps {
            statements.push(object.prepare_cached(step.sql).await?);
        }
        let begin: BoxFuture<'_, Result<Vec<Row>, tokio_postgres::Error>> = Box::pin(async move {
            object.batch_execute("BEGIN ISOLATION LEVEL READ COMMITTED").await?;
            Ok(Vec::new())
        });
        let mut requests = vec![begin];
        for (step, statement) in steps.iter().zip(&statements) {
            requests.push(Box::pin(async move {
                let params: Vec<&(dyn ToSql + Sync)> =
                    step.params.iter().map(|param| &**param as &(dyn ToSql + Sync)).collect();
                object.query(statement, &params).await
            }));
        }
        // So few are polled in their order, and a request is sent at its first poll.
        debug_assert!(requests.len() <= IN_ORDER_MAX);
        let mut answers = Vec::with_capacity(steps.len());
        // The first failure is the cause, those behind it follow from it.
        for answer in join_all(requests).await.into_iter().skip(1) {
            answers.push(answer?);
        }
        Ok(answers)
    }
}

impl Drop for Db {
    fn drop(&mut self) {
        if let Some(object) = self.0.take() {
            // Out of the pool, and closed.
            drop(Object::take(object));
        }
    }
}

/// Makes a stream of pages: `next` reads one and says where to go on.
pub(crate) fn pages<'a, C, T, F>(first: C, next: F) -> BoxStream<'a, Result<T, StoreError>>
where
    C: Send + 'a,
    T: Send + 'a,
    F: FnMut(C) -> BoxFuture<'a, Result<(Vec<T>, Option<C>), StoreError>> + Send + 'a,
{
    let pages = futures::stream::unfold((Some(first), next), |(cursor, mut next)| async move {
        Some(match next(cursor?).await {
            Ok((items, cursor)) => (items.into_iter().map(Ok).collect::<Vec<_>>(), (cursor, next)),
            Err(error) => (vec![Err(error)], (None, next)),
        })
    });
    pages.flat_map(futures::stream::iter).boxed()
}

/// Reads a column.
pub(crate) fn get<'a, T: FromSql<'a>>(row: &'a Row, column: usize) -> Result<T, StoreError> {
    row.try_get(column).map_err(|error| {
        StoreError::new(StoreErrorKind::Corrupt, "a column of the database").caused_by(error)
    })
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("name", &self.name).finish_non_exhaustive()
    }
}

/// How long a connection may take to become clean after a failure.
const ROLLBACK_MAX: Duration = Duration::from_secs(1);
/// How many futures `join_all` polls in their order.
const IN_ORDER_MAX: usize = 30;
