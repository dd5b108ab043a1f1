//! The memory store keeps the promises of the port.

use std::sync::Arc;

use async_trait::async_trait;
use ttn_ns::store::{MemoryNetworkStore, NetworkStore, conformance::Backend};

struct Memory(Arc<MemoryNetworkStore>);

#[async_trait]
impl Backend for Memory {
    async fn open(&self) -> Arc<dyn NetworkStore> {
        self.0.clone()
    }

    async fn kill(&self, _store: Arc<dyn NetworkStore>) {
        self.0.crash();
    }
}

mod at_once {
    use super::*;

    ttn_ns::network_store_conformance!(Memory(Arc::new(MemoryNetworkStore::new())));
}
