//! The memory backend keeps the promises of the ports.

use std::sync::Arc;

use futures::future::BoxFuture;
use ttn_as::{
    log::{
        MemoryLog,
        conformance::{Backend, Fixture},
    },
    store::MemoryStore,
};

struct Memory(Arc<MemoryLog>, Arc<MemoryStore>);

impl Memory {
    fn new() -> Self {
        let log = Arc::new(MemoryLog::new());
        Self(log.clone(), Arc::new(MemoryStore::new(log)))
    }
}

impl Fixture for Memory {
    fn open(&self) -> BoxFuture<'_, Backend> {
        Box::pin(async { Backend { log: self.0.clone(), store: self.1.clone() } })
    }
}

ttn_as::application_store_conformance!(Memory::new());
