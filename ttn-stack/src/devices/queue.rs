//! Calls that are carried out to their end, whoever still waits for the answer.

use std::future::Future;

use futures::{StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tonic::{Response, Status};

/// How many calls are carried out at the same time, and how many wait to be.
const CALLS_MAX: usize = 64;

type Job = BoxFuture<'static, ()>;

/// Takes calls. Whoever finds it full waits.
#[derive(Clone)]
pub(crate) struct Queue(mpsc::Sender<Job>);

/// Carries calls out.
pub(crate) struct Worker(mpsc::Receiver<Job>);

impl Queue {
    pub(crate) fn new() -> (Self, Worker) {
        let (sender, receiver) = mpsc::channel(CALLS_MAX);
        (Self(sender), Worker(receiver))
    }

    /// Waits for a call. Dropping this does not end the call.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        call: impl Future<Output = Result<T, Status>> + Send + 'static,
    ) -> Result<Response<T>, Status> {
        let (sender, receiver) = oneshot::channel();
        let job = async move {
            // Nobody may be waiting any more.
            let _ = sender.send(call.await);
        };
        let stopping = || Status::unavailable("the server is stopping");
        self.0.send(Box::pin(job)).await.map_err(|_| stopping())?;
        receiver.await.map_err(|_| stopping())?.map(Response::new)
    }
}

impl Worker {
    /// Runs until everything stops; what has begun then is finished.
    pub(crate) async fn run(mut self, stopping: CancellationToken) {
        let mut running = FuturesUnordered::<Job>::new();
        loop {
            tokio::select! {
                biased;
                Some(()) = running.next(), if !running.is_empty() => {}
                () = stopping.cancelled() => break,
                job = self.0.recv(), if running.len() < CALLS_MAX => match job {
                    Some(job) => running.push(job),
                    None => break,
                },
            }
        }
        drop(self.0);
        while running.next().await.is_some() {}
    }
}
