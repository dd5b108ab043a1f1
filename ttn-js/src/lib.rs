//! The Join Server: keeps root keys, checks join-requests, derives session keys and hands them out.
//!
//! * [`JoinServer`] is the component: it implements [`NsJs`](ttn_core::peer::NsJs) and
//!   [`AsJs`](ttn_core::peer::AsJs) and has the registry of devices;
//! * [`join`] decides a join as a pure function;
//! * [`store`] is what it needs of a store, with one in memory.
//!
//! Nonces are the promise: JoinNonce strictly rises, a DevNonce is accepted at most once per root key over all
//! history, and both outlive the deletion of the device. Nothing is answered before it is durable. Keys at rest are
//! always wrapped.
//!
//! ```
//! use std::sync::Arc;
//! use ttn_core::{clock::SystemClock, peer::Local, rand::OsEntropy, vault::KeyVault};
//! use ttn_js::{Config, JoinServer, store::MemoryStore};
//!
//! fn join_server(vault: Arc<dyn KeyVault>) -> Result<Arc<JoinServer>, ttn_js::Error> {
//!     let (clock, entropy) = (Arc::new(SystemClock::new()), Arc::new(OsEntropy::default()));
//!     JoinServer::builder(Config::default(), clock, entropy, Arc::new(Local::default()))
//!         .store(Arc::new(MemoryStore::new()))
//!         .vault(vault)
//!         .build()
//! }
//! ```

#[cfg(feature = "grpc")]
pub mod api;
#[cfg(feature = "proto")]
pub mod convert;
pub mod count;
pub mod device;
pub mod event;
pub mod join;
pub mod store;

mod builder;
mod config;
mod error;
mod keys;
mod peer;
mod registry;
mod server;

pub use builder::Builder;
pub use config::{Config, PrefixText};
pub use device::{ActivationSettings, Device, Euis, RootKeys};
pub use error::{Error, Reject, RootKey};
pub use registry::{NoncesImport, NoncesView};
pub use server::JoinServer;
