//! Field masks: no path panics, and what a mask selects is what it copies, clears and finds set.
#![no_main]

#[path = "../../ttn-proto/tests/it/field_mask.rs"]
mod field_mask;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| field_mask::check(octets));
