//! Drives the shard: the only place with I/O. Inputs come through one bounded channel and are drained in batches;
//! commits go into the lane in order; Gateway Servers and Join Servers are waited for without holding up the shard.

use std::{
    collections::{BTreeMap, VecDeque},
    future::{pending, poll_fn},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
    time::Duration,
};

use futures::{
    StreamExt as _, TryFutureExt as _, TryStreamExt as _,
    future::BoxFuture,
    stream::{self, FuturesUnordered},
};
use tokio::sync::{mpsc, oneshot};
use ttn_core::{
    msg::{ApplicationBatch, ApplicationUp, DownlinkPath, TxAck, TxRequest, UplinkBatch},
    peer::{PeerError, Peers},
    store::{Durable, Owned, PartitionId, Position, Refusal, StoreError, StoreErrorKind},
    task::{TaskError, Tasks},
    time::{Monotonic, Now},
};

use crate::{
    NetworkServer,
    error::Error,
    shard::{CallId, Command, Commit, Effect, Effects, Input, NotScheduled, Reply, Shard},
    store::{NetworkBatch, NetworkWrite},
};

/// What comes through the input channel.
#[derive(Debug)]
pub(crate) enum Message {
    Call(Command, oneshot::Sender<Result<Reply, Error>>),
    TxAcks(Vec<TxAck>),
    Uplinks(UplinkBatch),
}

/// How many inputs are drained before their effects are carried out.
const DRAIN_MAX: usize = 256;
/// How many pages of devices are read ahead while they are taken over.
const PAGES_MAX: usize = 8;
/// How many commits wait for the application log or the store; then no input is taken any more.
const COMMITS_MAX: usize = 64;
/// How many transmissions and joins are waited for; then no input is taken any more.
const REQUESTS_MAX: usize = 4096;
/// How many partitions are acquired at a time: the store writes them together.
const ACQUIRE_MAX: usize = 128;
/// How long a drain waits for what gateways and Join Servers still have to say.
const DRAIN: Duration = Duration::from_secs(2);
/// When a refused commit is tried again.
const RETRY: Duration = Duration::from_millis(20);

impl NetworkServer {
    /// Takes all devices over, while others load too. [`Self::start`] does it where nobody has; a second call does
    /// nothing.
    ///
    /// # Errors
    ///
    /// The store cannot be read. The server cannot be started any more.
    pub async fn load(&self) -> Result<(), StoreError> {
        let Some(receiver) = self.receiver.lock().take() else { return Ok(()) };
        let mut runner = Box::new(Runner::new(self, receiver));
        runner.load().await?;
        *self.loaded.lock() = Some(runner);
        Ok(())
    }

    /// Spawns the task that owns all devices. To be called once; a second call does nothing.
    pub fn start(self: &Arc<Self>, tasks: &mut Tasks) {
        let loaded = self.loaded.lock().take();
        let is_loaded = loaded.is_some();
        let fresh = || Some(Box::new(Runner::new(self, self.receiver.lock().take()?)));
        let Some(mut runner) = loaded.or_else(fresh) else { return };
        let stopping = tasks.stopping();
        runner.stopping = Box::pin(async move { stopping.cancelled().await });
        tasks.spawn_fallible("network server", async move {
            if !is_loaded {
                runner.load().await.map_err(RunError::Store)?;
            }
            runner.run().await
        });
    }

    /// Asks the owner of the devices.
    pub(crate) async fn call(&self, command: Command) -> Result<Reply, Error> {
        if self.is_draining() {
            return Err(Error::Stopping);
        }
        let (sender, receiver) = oneshot::channel();
        self.inputs.send(Message::Call(command, sender)).await.map_err(|_| Error::Stopping)?;
        receiver.await.map_err(|_| Error::Stopping)?
    }
}

pub(crate) struct Runner {
    parts: Parts,
    shard: Shard,
    receiver: mpsc::Receiver<Message>,
    stopping: BoxFuture<'static, ()>,
    /// Until when the drain lasts, once it began.
    drain_until: Option<Monotonic>,
    effects: Effects,
    calls: BTreeMap<CallId, oneshot::Sender<Result<Reply, Error>>>,
    call_next: u64,
    requests: FuturesUnordered<BoxFuture<'static, Input>>,
    /// Not taken yet by the log or the store, oldest first.
    commits: VecDeque<PendingCommit>,
    /// Taken, but not durable.
    submitted: VecDeque<(u64, Position)>,
}

/// What the runner needs of the component; it does not keep the component itself alive.
struct Parts {
    clock: Arc<dyn ttn_core::clock::Clock>,
    peers: Arc<dyn Peers>,
    store: Arc<dyn crate::store::NetworkStore>,
    events: ttn_core::event::Events,
    owner: ttn_core::store::OwnerId,
    ready: Arc<AtomicBool>,
    draining: Arc<AtomicBool>,
}

struct PendingCommit {
    ticket: u64,
    lane: ttn_core::store::LaneId,
    /// Emptied when the log has taken them.
    application: Vec<(Owned, ApplicationUp)>,
    writes: Vec<(Owned, NetworkWrite)>,
    logged: Option<Position>,
}

/// Why the runner ends.
#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error("the store can no longer write, so nothing is acknowledged any more: {0}")]
    Store(StoreError),
    #[error("the store refused a write: {0}")]
    Refused(Refusal),
}

impl Runner {
    fn new(ns: &NetworkServer, receiver: mpsc::Receiver<Message>) -> Self {
        let mut shard = Shard::new(
            ns.config.clone(),
            ns.defaults.clone(),
            ns.lane,
            ns.sealer.clone(),
            ns.entropy.clone(),
        );
        shard.count_in(ns.stats.clone());
        Self {
            parts: Parts {
                clock: ns.clock.clone(),
                peers: ns.peers.clone(),
                store: ns.store.clone(),
                events: ns.events.clone(),
                owner: ns.owner,
                ready: ns.ready.clone(),
                draining: ns.draining.clone(),
            },
            shard,
            receiver,
            stopping: Box::pin(pending()),
            drain_until: None,
            effects: Effects::default(),
            calls: BTreeMap::new(),
            call_next: 0,
            requests: FuturesUnordered::new(),
            commits: VecDeque::new(),
            submitted: VecDeque::new(),
        }
    }

    async fn run(mut self) -> Result<(), TaskError> {
        self.parts.ready.store(true, Ordering::Release);
        self.carry_out()?;
        while self.step().await? {
            self.carry_out()?;
        }
        Ok(())
    }

    /// Begins to end: nothing new is taken, what was taken is carried out.
    fn begin_drain(&mut self) {
        self.parts.draining.store(true, Ordering::Release);
        self.drain_until = Some(self.parts.clock.monotonic().plus(DRAIN));
        while let Ok(message) = self.receiver.try_recv() {
            self.take(message);
        }
        self.tell(Input::Drain);
    }

    /// Whether everything that was taken is durable, transmitted or given back. Reports of gateways are waited for as
    /// long as the drain lasts; after that, their downlinks have an unknown outcome at the next start.
    fn is_drained(&self) -> bool {
        let Some(until) = self.drain_until else { return false };
        let written = self.commits.is_empty() && self.submitted.is_empty();
        let late = self.parts.clock.monotonic() >= until;
        written && (late || (self.requests.is_empty() && !self.shard.is_busy()))
    }

    /// Takes all partitions over and loads their devices.
    async fn load(&mut self) -> Result<(), StoreError> {
        let store = self.parts.store.clone();
        let owner = self.parts.owner;
        let acquired = stream::iter(PartitionId::all())
            .map(|partition| {
                store.acquire(partition, owner).map_ok(move |epoch| (partition, epoch))
            })
            .buffered(ACQUIRE_MAX);
        let acquired: Vec<_> = acquired.try_collect().await?;
        for (partition, epoch) in &acquired {
            self.shard.own(*partition, *epoch);
        }
        // Read and decoded on one core, taken over on another.
        let (sender, mut pages) = mpsc::channel(PAGES_MAX);
        let mut reading = Tasks::new();
        let store = self.parts.store.clone();
        reading.spawn("devices", async move {
            for (partition, epoch) in acquired {
                let mut pages = store.load(partition, epoch);
                while let Some(rows) = pages.next().await {
                    // Whoever does not want them any more has stopped.
                    if sender.send(rows.map(|rows| (partition, rows))).await.is_err() {
                        return;
                    }
                }
            }
        });
        while let Some((partition, rows)) = pages.recv().await.transpose()? {
            for row in rows {
                let key = row.record.value.key().clone();
                let now = self.parts.clock.now();
                if let Err(error) = self.shard.load(now, partition, row, &mut self.effects) {
                    tracing::error!(device = %key, %error, "device left out: it cannot be loaded");
                }
            }
        }
        // If it did not come to its end, devices are missing.
        let ended = reading.next_ended().await.unwrap_or(Ok(()));
        ended.map_err(|ended| StoreError::new(StoreErrorKind::Io, ended.to_string()))
    }

    /// Waits for something to happen and tells the shard. Gives `false` when it is time to end.
    async fn step(&mut self) -> Result<bool, RunError> {
        if self.is_drained() {
            return Ok(false);
        }
        // When the drain is over, only the store is waited for.
        let now = self.parts.clock.monotonic();
        let drained_at = self.drain_until.filter(|until| *until > now);
        let deadline = [self.shard.next_deadline(), drained_at].into_iter().flatten().min();
        let clock = self.parts.clock.clone();
        let tick = async {
            match deadline {
                Some(deadline) => clock.sleep_until(deadline).await,
                None => pending().await,
            }
        };
        let retry = async {
            if self.commits.is_empty() {
                pending().await
            } else {
                clock.sleep_until(clock.monotonic().plus(RETRY)).await;
            }
        };
        let room = self.commits.len() < COMMITS_MAX && self.requests.len() < REQUESTS_MAX;
        let (store, first) = (self.parts.store.clone(), self.submitted.front().copied());
        let durable = poll_fn(move |cx| match first {
            Some((_, at)) => store.poll_durable(at.lane, at.seq, cx),
            None => Poll::Pending,
        });
        let mut batch = Vec::new();
        tokio::select! {
            biased;
            proof = durable => self.on_durable(proof.map_err(RunError::Store)?),
            Some(input) = self.requests.next() => self.tell(input),
            () = &mut self.stopping, if self.drain_until.is_none() => self.begin_drain(),
            () = tick => self.tell(Input::Tick),
            () = retry => {}
            count = self.receiver.recv_many(&mut batch, DRAIN_MAX), if room => {
                if count == 0 {
                    return Ok(false);
                }
            }
        }
        for message in batch {
            self.take(message);
        }
        Ok(true)
    }

    fn now(&self) -> Now {
        self.parts.clock.now()
    }

    fn tell(&mut self, input: Input) {
        let now = self.now();
        self.effects.events_wanted = self.parts.events.is_enabled();
        self.shard.handle(now, input, &mut self.effects);
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Call(command, sender) => {
                self.call_next += 1;
                let call = CallId(self.call_next);
                self.calls.insert(call, sender);
                self.tell(Input::Call { call, command });
            }
            Message::TxAcks(acks) => self.tell(Input::TxAcks(acks)),
            Message::Uplinks(batch) => self.tell(Input::Uplinks(batch)),
        }
    }

    fn on_durable(&mut self, proof: Durable) {
        let mut last = None;
        while let Some((ticket, position)) = self.submitted.front().copied() {
            if !proof.covers(position) {
                break;
            }
            self.submitted.pop_front();
            last = Some(ticket);
        }
        if let Some(ticket) = last {
            self.tell(Input::Durable { ticket, proof });
        }
    }

    fn carry_out(&mut self) -> Result<(), RunError> {
        if let Some(Commit { ticket, lane, application, writes, .. }) = self.effects.commit.take() {
            let commit = PendingCommit { ticket, lane, application, writes, logged: None };
            self.commits.push_back(commit);
        }
        self.submit()?;
        for effect in std::mem::take(&mut self.effects.now) {
            match effect {
                Effect::Event(event) => self.parts.events.publish(*event),
                Effect::Join { join, request } => {
                    let peer = self.parts.peers.ns_js(request.join_eui);
                    self.requests.push(Box::pin(async move {
                        let result = match peer {
                            Ok(peer) => peer.join(*request).await.map(Box::new),
                            Err(error) => Err(error),
                        };
                        Input::JoinAnswered { join, result }
                    }));
                }
                Effect::Reply { call, result } => {
                    if let Some(sender) = self.calls.remove(&call) {
                        // Whoever asked may be gone: that is his business.
                        sender.send(result).ok();
                    }
                }
                Effect::Transmit { request, proof } => {
                    let peers = self.parts.peers.clone();
                    self.requests.push(Box::pin(transmit(peers, request, proof)));
                }
            }
        }
        Ok(())
    }

    /// Hands commits over in order: messages first, then writes (DESIGN 4). A log or store that is full is tried again;
    /// meanwhile nothing that depends on it happens.
    fn submit(&mut self) -> Result<(), RunError> {
        while let Some(commit) = self.commits.front_mut() {
            if !commit.application.is_empty() {
                let messages = std::mem::take(&mut commit.application);
                let batch = ApplicationBatch { lane: commit.lane, messages };
                match log(self.parts.peers.as_ref(), batch) {
                    Ok(position) => commit.logged = Some(position),
                    Err(batch) => {
                        commit.application = batch.messages;
                        return Ok(());
                    }
                }
            }
            if commit.writes.is_empty() {
                // Messages alone: their own position counts.
                let none = Position { lane: commit.lane, seq: 0 };
                self.submitted.push_back((commit.ticket, commit.logged.unwrap_or(none)));
                self.commits.pop_front();
                continue;
            }
            let writes = std::mem::take(&mut commit.writes);
            match self.parts.store.submit(NetworkBatch { lane: commit.lane, writes }) {
                Ok(position) => {
                    self.submitted.push_back((commit.ticket, position));
                    self.commits.pop_front();
                }
                Err(refused) if refused.reason == Refusal::Full => {
                    commit.writes = refused.batch.writes;
                    return Ok(());
                }
                Err(refused) => return Err(RunError::Refused(refused.reason)),
            }
        }
        Ok(())
    }
}

fn log(peers: &dyn Peers, batch: ApplicationBatch) -> Result<Position, ApplicationBatch> {
    match peers.ns_as() {
        Ok(peer) => peer.uplinks(batch).map_err(|refused| refused.batch),
        Err(_) => Err(batch),
    }
}

/// Hands a transmission to the Gateway Server of its best path.
async fn transmit(peers: Arc<dyn Peers>, request: Box<TxRequest>, proof: Durable) -> Input {
    let id = request.id;
    let gateway = request.paths.first().map(|path| match path {
        DownlinkPath::Fixed { gateway_id, .. } | DownlinkPath::Uplink { gateway_id, .. } => {
            gateway_id
        }
    });
    let unavailable = PeerError::Unavailable { relation: "NsGs" };
    let peer = gateway.map_or(Err(unavailable), |gateway| peers.ns_gs(gateway));
    let result = match peer {
        Err(error) => Err(NotScheduled::NotSent(error)),
        Ok(peer) => peer.schedule_downlink(&request, proof).await.map_err(|error| match error {
            PeerError::Unavailable { .. } => NotScheduled::Unknown(error),
            refused => NotScheduled::NotSent(refused),
        }),
    };
    Input::Scheduled { id, result }
}
