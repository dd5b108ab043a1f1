//! Credentials: no header panics, and nothing but the tokens that were issued lets anybody in.
#![no_main]

#[path = "../../ttn-is/tests/it/tokens.rs"]
mod tokens;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| tokens::check(octets));
