//! JSON of any message: no text panics, and what was read is written and read again as the same.
#![no_main]

#[path = "../../ttn-proto/tests/it/api_json.rs"]
mod api_json;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| api_json::check(octets));
