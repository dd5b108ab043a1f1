//! Packages of the application layer: no octets panic the codecs or the sessions, and what was read is written again.
#![no_main]

#[path = "../../ttn-mac/tests/it/app_package.rs"]
mod app_package;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| app_package::check(octets));
