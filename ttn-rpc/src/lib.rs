//! gRPC and HTTP/JSON transport of the API: servers, authentication metadata, error bodies.
//!
//! Services are objects behind the traits of [`ttn_proto::service`]; both transports call the same
//! object in process.
//!
//! * [`server::Api`]: everything that one server offers, as an [`axum::Router`];
//! * [`auth`]: credentials in request metadata;
//! * [`events`]: the `Events` service over the event bus of a process;
//! * [`status`]: errors of components as [`tonic::Status`], and back.
//!
//! ```
//! use std::sync::Arc;
//!
//! use tonic::{Request, Response, Status};
//! use ttn_core::{clock::SystemClock, rand::OsEntropy};
//! use ttn_proto::{service, v3};
//! use ttn_rpc::server::Api;
//!
//! struct Configuration;
//!
//! #[tonic::async_trait]
//! impl service::Configuration for Configuration {
//!     async fn list_frequency_plans(
//!         &self,
//!         _: Request<v3::ListFrequencyPlansRequest>,
//!     ) -> Result<Response<v3::ListFrequencyPlansResponse>, Status> {
//!         Ok(Response::new(v3::ListFrequencyPlansResponse::default()))
//!     }
//! }
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
//! # let _guard = runtime.enter();
//! let api = Api::builder(Arc::new(SystemClock::new()), Arc::new(OsEntropy::default()))
//!     .methods(service::configuration(Arc::new(Configuration)))
//!     .build();
//! let router: axum::Router = api.router();
//! # drop(router);
//! ```

pub mod auth;
pub mod events;
mod http;
pub mod server;
pub mod status;
