//! The `ttn.lorawan.v3` messages with the JSON rules of The Things Stack, and conversions to and from
//! `ttn-core` types.
//!
//! * [`v3`]: the messages;
//! * [`convert`]: to and from the types of `ttn-core`;
//! * [`json`]: JSON in and out;
//! * [`mask`]: field masks;
//! * [`validate`]: validation rules;
//! * [`rpc`]: the services as tables, with their HTTP bindings;
//! * `service` (feature `service`): one trait per service, and the methods that call it;
//! * `status` (feature `service`): errors with details.
//!
//! ```
//! use ttn_proto::{json, mask, v3};
//!
//! let device: v3::EndDeviceIdentifiers =
//!     json::from_slice(br#"{"deviceId":"dev","dev_eui":"70b3d57ed0000001"}"#)?;
//! assert_eq!(json::to_string(&device), r#"{"device_id":"dev","dev_eui":"70B3D57ED0000001"}"#);
//! assert!(mask::filter(&device, ["device_id"]).unwrap().dev_eui.is_empty());
//! # Ok::<(), ttn_proto::json::JsonError>(())
//! ```

pub mod convert;
pub mod json;
pub mod mask;
mod message;
pub mod rpc;
#[cfg(feature = "service")]
pub mod service;
#[cfg(feature = "service")]
pub mod status;
pub mod validate;

pub use self::message::{ApiMessage, Descriptor, DynMessage, Field, Json, Kind, Label};

/// The messages and enums of the API, and of `ttn.v1`.
pub mod v3 {
    pub use crate::generated::messages::*;
}

/// The `.proto` files as an encoded `google.protobuf.FileDescriptorSet`, for reflection.
#[cfg(feature = "service")]
pub const FILE_DESCRIPTORS: &[u8] = include_bytes!("gen/descriptors.bin");

/// The HTTP bindings of the whole API, served or not, as an OpenAPI 3.1 document.
#[cfg(feature = "service")]
pub const OPENAPI: &str = include_str!("gen/openapi.json");

/// What `cargo xtask codegen` makes.
#[rustfmt::skip]
#[path = "gen"]
#[allow(
    clippy::all, clippy::exhaustive_enums, clippy::exhaustive_structs, clippy::too_many_lines,
    clippy::use_self, deprecated, missing_docs, unreachable_pub, unused_qualifications,
    reason = "generated, and messages are built by other crates"
)]
mod generated {
    #[path = "field_masks.rs"]
    mod field_masks;
    #[path = "impls/mod.rs"]
    mod impls;
    #[path = "messages/mod.rs"]
    pub mod messages;
    #[path = "patterns.rs"]
    pub(crate) mod patterns;
    #[path = "registry.rs"]
    pub(crate) mod registry;
    #[path = "rpcs.rs"]
    pub(crate) mod rpcs;
    #[cfg(feature = "service")]
    #[path = "services/mod.rs"]
    pub(crate) mod services;
}
