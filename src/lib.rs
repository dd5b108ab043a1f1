//! The Things Stack in Rust: a LoRaWAN network as a library.
//!
//! This crate re-exports the others under one name and has no code of its own.
//!
//! | module | what it is | feature |
//! |---|---|---|
//! | [`core`] | the vocabulary: ids, keys, radio units, time, messages, peer traits | always |
//! | [`mac`] | LoRaWAN itself: frames, MAC commands, cryptography, bands, the MAC engine, devices | always |
//! | `gateway_server` | gateway protocols, concentrator clocks, downlink scheduling | `gateway-server` |
//! | `network_server` | deduplication, matching, the driver of the MAC engine, downlink slots | `network-server` |
//! | `application_server` | payload cryptography, formatters, the log and its readers | `application-server` |
//! | `identity_server` | users, applications, gateways, rights | `identity-server` |
//! | `join_server` | root keys, joins, session keys | `join-server` |
//! | `proto`, `rpc` | the API's messages, gRPC and HTTP/JSON | `api` |
//! | `store_embedded` | all storage ports in one directory | `store-embedded` |
//! | `store_postgres` | all storage ports in a PostgreSQL database | `store-postgres` |
//! | `testkit` | virtual time, air, devices and gateways | `testkit` |
//! | `stack` | all of it composed into one process | `stack` |

pub use ttn_core as core;
pub use ttn_mac as mac;

#[cfg(feature = "application-server")]
pub use ttn_as as application_server;
#[cfg(feature = "gateway-server")]
pub use ttn_gs as gateway_server;
#[cfg(feature = "identity-server")]
pub use ttn_is as identity_server;
#[cfg(feature = "join-server")]
pub use ttn_js as join_server;
#[cfg(feature = "network-server")]
pub use ttn_ns as network_server;
#[cfg(feature = "api")]
pub use ttn_proto as proto;
#[cfg(feature = "api")]
pub use ttn_rpc as rpc;
#[cfg(feature = "stack")]
pub use ttn_stack as stack;
#[cfg(feature = "store-embedded")]
pub use ttn_store_embedded as store_embedded;
#[cfg(feature = "store-postgres")]
pub use ttn_store_postgres as store_postgres;
#[cfg(feature = "testkit")]
pub use ttn_testkit as testkit;
