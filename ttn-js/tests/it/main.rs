//! The Join Server through its public surface, over a memory store.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

#[cfg(feature = "grpc")]
mod api;
mod exchange;
mod fixture;
mod joins;
mod registry;

/// The port's promises, on the memory store.
#[cfg(feature = "testing")]
mod memory_store {
    ttn_js::join_store_suite!((ttn_js::store::MemoryStore::new(), ()));
}
