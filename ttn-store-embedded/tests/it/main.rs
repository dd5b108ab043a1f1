//! The embedded store: every port's suite, lanes, and what a kill leaves.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod at_rest;
mod conformance;
mod directory;
mod kill;
mod lanes;
mod log;
