//! Calls over HTTP/JSON: no path, query or body panics, and the path of a call wins over its query and body.
#![no_main]

#[path = "../../ttn-rpc/tests/it/calls.rs"]
mod calls;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| calls::check(octets));
