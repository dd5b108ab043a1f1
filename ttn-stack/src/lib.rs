//! The reference binary of The Things Stack in Rust: configuration, composition and commands.
