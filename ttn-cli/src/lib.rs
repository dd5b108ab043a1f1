//! The command-line client as a library: [`api`] calls the HTTP/JSON API of a server, [`device`] makes one
//! device of what four registries have, [`command`] has one file per resource, [`output`] shows answers as tables or
//! JSON, [`story`] tells what happened to a frame, and [`error::Error`] says what to do next.
//!
//! ```no_run
//! use ttn_cli::{
//!     api::{Api, Http},
//!     login::ApiKey,
//! };
//!
//! let http = Http::new("http://localhost:1885")?;
//! let api = Api::new("my server", Box::new(http), Some(ApiKey::new("NNSXS.…")));
//! for application in api.list("/applications?field_mask=name", "applications")? {
//!     println!("{}", application["name"]);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # A new command
//!
//! One file `command/NAME.rs` with a type `Arguments` (`clap::Args`) that implements [`command::Run`], and one line in
//! the list of `command/mod.rs`.

pub mod api;
pub mod command;
pub mod device;
pub mod error;
pub mod login;
pub mod output;
pub mod story;
