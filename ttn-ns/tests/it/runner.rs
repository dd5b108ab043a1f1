//! The whole component on tokio, with memory stores and fake peers.

use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use ttn_core::{
    clock::SystemClock,
    msg::{ApplicationBatch, Scheduled, TxRequest, UplinkBatch},
    peer::{AsNs as _, GsNs as _, Local, NsAs, NsGs, PeerError},
    store::{Durable, Position, Refused, Replaces},
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
        Ok(Scheduled {
            gateway_id: "gateway-a".parse().unwrap(),
            path: 0,
            rx2: false,
            delay: tx.rx1_delay,
            refused: Vec::new(),
        })
    }
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
