//! The whole component on tokio, with memory stores and fake peers.

use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use ttn_core::{
    clock::{Clock as _, SystemClock},
    msg::{ApplicationBatch, Scheduled, TxRequest, UplinkBatch},
    peer::{AsNs as _, GsNs as _, Local, NsAs, NsGs, PeerError},
    store::{Durable, Position, Refusal, Refused, Replaces},
    task::Tasks,
};
use ttn_ns::{NetworkServer, config::Config};

use crate::harness::{World, abp, abp_device, downlink, key};

#[derive(Debug, Default)]
struct Peers {
    application: Mutex<Vec<ApplicationBatch>>,
    transmissions: Mutex<Vec<TxRequest>>,
    wake: tokio::sync::Notify,
}

impl NsAs for Peers {
    fn uplinks(&self, batch: ApplicationBatch) -> Result<Position, Refused<ApplicationBatch>> {
        let lane = batch.lane;
        self.application.lock().push(batch);
        Ok(Position { lane, seq: 0 })
    }
}

#[async_trait]
impl NsGs for Peers {
    async fn schedule_downlink(
        &self,
        tx: &TxRequest,
        _proof: Durable,
    ) -> Result<Scheduled, PeerError> {
        self.transmissions.lock().push(tx.clone());
        self.wake.notify_one();
        let scheduled = Scheduled::new("gateway-a".parse().unwrap(), tx.rx1_delay);
        Ok(Scheduled { reports: true, ..scheduled })
    }
}

/// A component with one device in which nothing is to be said, and its fakes.
struct Running {
    ns: Arc<NetworkServer>,
    peers: Arc<Local>,
    others: Arc<Peers>,
    world: World,
    tasks: Tasks,
}

impl Running {
    async fn start() -> Self {
        let (peers, others) = (Arc::new(Local::default()), Arc::new(Peers::default()));
        peers.set_ns_as(&others).set_ns_gs(&others);
        let clock = Arc::new(SystemClock::new());
        let ns = NetworkServer::builder(Config::default(), clock, peers.clone()).build().unwrap();
        let mut tasks = Tasks::new();
        ns.start(&mut tasks);
        ns.create_device(abp(), None).await.unwrap();
        Self { ns, peers, others, world: World::new(&abp()), tasks }
    }

    /// One frame of the device, received now.
    fn batch(&mut self, confirmed: bool) -> UplinkBatch {
        self.world.now = ttn_core::clock::Clock::now(&SystemClock::new());
        let tx = abp_device().uplink(1, b"x", confirmed, &self.world.entropy).unwrap();
        UplinkBatch { uplinks: vec![self.world.uplink(&tx, "gateway-a")] }
    }
}

async fn wait(seconds: u64) {
    let clock = SystemClock::new();
    let until = clock.monotonic().plus(std::time::Duration::from_secs(seconds));
    clock.sleep_until(until).await;
}

// What was taken is carried out: the window closes, the message is logged, the answer is transmitted.
#[tokio::test(start_paused = true)]
async fn a_stop_carries_out_what_was_taken_and_refuses_what_comes_then() {
    let mut running = Running::start().await;
    let batch = running.batch(true);
    running.ns.uplinks(batch).unwrap();
    let stopping = running.tasks.stopping();
    let (ns, later) = (running.ns.clone(), running.batch(false));
    let refusal = async move {
        stopping.cancelled().await;
        for _ in 0..4 {
            tokio::task::yield_now().await;
        }
        let refused = ns.uplinks(later).map_err(|refused| refused.reason);
        (refused, ns.list_downlinks(&key()).await)
    };
    let ready = async {
        // The uplink is in the runner's hands.
        tokio::task::yield_now().await;
    };
    let (ended, (refused, listed)) =
        tokio::join!(running.tasks.until_shutdown(ready, std::future::pending()), refusal);
    ended.unwrap();
    assert_eq!(refused, Err(Refusal::Unavailable));
    assert!(listed.is_err(), "a call is answered by name");
    assert_eq!(running.others.application.lock().len(), 1);
    assert_eq!(running.others.transmissions.lock().len(), 1);
}

// NS-19: uplinks wait for the Application Server, none is lost
#[tokio::test(start_paused = true)]
async fn an_application_server_that_comes_later_gets_what_came_meanwhile() {
    let mut running = Running::start().await;
    let absent = Arc::new(Peers::default());
    running.peers.set_ns_as(&absent);
    drop(absent);
    let batch = running.batch(false);
    running.ns.uplinks(batch).unwrap();
    wait(120).await;
    assert_eq!(running.others.application.lock().len(), 0);
    running.peers.set_ns_as(&running.others);
    wait(1).await;
    assert_eq!(running.others.application.lock().len(), 1);
    running.ns.list_downlinks(&key()).await.unwrap();
    drop(running.tasks);
}

#[tokio::test(start_paused = true)]
async fn an_uplink_through_the_running_component_is_answered() {
    let peers = Arc::new(Local::default());
    let others = Arc::new(Peers::default());
    peers.set_ns_as(&others).set_ns_gs(&others);
    let clock = Arc::new(SystemClock::new());
    let ns =
        NetworkServer::builder(Config::default(), clock.clone(), peers.clone()).build().unwrap();
    let mut tasks = Tasks::new();
    ns.start(&mut tasks);
    let view = ns.create_device(abp(), None).await.unwrap();
    assert!(ns.put_device(view.device, None, Replaces::Nothing).await.is_err());
    ns.push_downlinks(&key(), vec![downlink(0, false)]).await.unwrap();
    assert_eq!(ns.list_downlinks(&key()).await.unwrap().len(), 1);

    let mut world = World::new(&abp());
    world.now = ttn_core::clock::Clock::now(clock.as_ref());
    let tx = abp_device().uplink(1, b"x", false, &world.entropy).unwrap();
    let uplink = world.uplink(&tx, "gateway-a");
    ns.uplinks(UplinkBatch { uplinks: vec![uplink] }).unwrap();
    others.wake.notified().await;
    assert_eq!(others.transmissions.lock().len(), 1);
    assert_eq!(others.application.lock().len(), 1);
    assert!(ns.list_downlinks(&key()).await.unwrap().is_empty());
    ns.delete_device(&key(), Replaces::Any).await.unwrap();
    assert!(ns.device(&key()).await.is_err());
}
