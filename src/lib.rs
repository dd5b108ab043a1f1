//! The Things Stack in Rust.
