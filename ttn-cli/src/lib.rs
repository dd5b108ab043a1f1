//! The command-line client as a library: [`api`] calls the HTTP/JSON API of a server, [`command`] has one file per
//! resource, [`output`] shows answers as tables or JSON, and [`error::Error`] says what to do next.
//!
//! # A new command
//!
//! One file `command/NAME.rs` with a type `Arguments` (`clap::Args`) that implements [`command::Run`], and one line in
//! the list of `command/mod.rs`.

pub mod api;
pub mod command;
pub mod error;
pub mod login;
pub mod output;
