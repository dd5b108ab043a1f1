//! The peer traits that the Gateway Server implements.

use async_trait::async_trait;
use ttn_core::{
    msg::{Scheduled, TxRequest},
    peer::{NsGs, PeerError},
    store::Durable,
};

use crate::server::GatewayServer;

#[async_trait]
impl NsGs for GatewayServer {
    async fn schedule_downlink(
        &self,
        tx: &TxRequest,
        _proof: Durable,
    ) -> Result<Scheduled, PeerError> {
        self.schedule(tx).map_err(PeerError::Rejected)
    }
}
