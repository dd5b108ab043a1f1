//! What the Network Server tells this server.

use ttn_core::{
    msg::ApplicationBatch,
    peer::NsAs,
    store::{Position, Refused},
};

use crate::ApplicationServer;

impl NsAs for ApplicationServer {
    fn uplinks(&self, batch: ApplicationBatch) -> Result<Position, Refused<ApplicationBatch>> {
        self.take_batch(batch)
    }
}
