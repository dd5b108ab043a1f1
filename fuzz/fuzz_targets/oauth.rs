//! OAuth 2.0: no request panics, nobody is sent where the client is not registered, and nothing asked becomes markup.
#![no_main]

#[path = "../../ttn-is/tests/it/questions.rs"]
mod questions;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| questions::check(octets));
