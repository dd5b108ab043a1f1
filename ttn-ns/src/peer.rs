//! What other components may ask of a Network Server. Nothing here waits for the shard, except calls that return when
//! something is durable.

use async_trait::async_trait;
use tokio::sync::mpsc::error::TrySendError;
use ttn_core::{
    id::DeviceKey,
    msg::{Downlink, TxAck, UplinkBatch},
    peer::{AsNs, GsNs, PeerError},
    store::{Refusal, Refused},
};

use crate::{
    NetworkServer,
    runner::Message,
    shard::{Command, Reply},
};

impl GsNs for NetworkServer {
    fn uplinks(&self, batch: UplinkBatch) -> Result<(), Refused<UplinkBatch>> {
        if self.is_draining() {
            return Err(Refused { batch, reason: Refusal::Unavailable });
        }
        self.inputs.try_send(Message::Uplinks(batch)).map_err(|error| match error {
            TrySendError::Full(Message::Uplinks(batch)) => Refused { batch, reason: Refusal::Full },
            TrySendError::Closed(Message::Uplinks(batch)) => {
                Refused { batch, reason: Refusal::Unavailable }
            }
            // The channel gives back what was sent.
            _ => Refused { batch: UplinkBatch::default(), reason: Refusal::Unavailable },
        })
    }

    fn tx_acks(&self, acks: Vec<TxAck>) -> Result<(), Refused<Vec<TxAck>>> {
        self.inputs.try_send(Message::TxAcks(acks)).map_err(|error| match error {
            TrySendError::Full(Message::TxAcks(batch)) => Refused { batch, reason: Refusal::Full },
            TrySendError::Closed(Message::TxAcks(batch)) => {
                Refused { batch, reason: Refusal::Unavailable }
            }
            _ => Refused { batch: Vec::new(), reason: Refusal::Unavailable },
        })
    }
}

#[async_trait]
impl AsNs for NetworkServer {
    async fn push_downlinks(
        &self,
        device: &DeviceKey,
        downlinks: Vec<Downlink>,
    ) -> Result<(), PeerError> {
        self.call(Command::PushQueue { key: device.clone(), downlinks }).await?;
        Ok(())
    }

    async fn replace_downlinks(
        &self,
        device: &DeviceKey,
        downlinks: Vec<Downlink>,
    ) -> Result<(), PeerError> {
        self.call(Command::ReplaceQueue { key: device.clone(), downlinks }).await?;
        Ok(())
    }

    async fn list_downlinks(&self, device: &DeviceKey) -> Result<Vec<Downlink>, PeerError> {
        match self.call(Command::ListQueue { key: device.clone() }).await? {
            Reply::Queue(queue) => Ok(queue),
            _ => Err(PeerError::Unavailable { relation: "AsNs" }),
        }
    }
}
