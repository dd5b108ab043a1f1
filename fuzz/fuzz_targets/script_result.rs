//! What script workers answer: no octets panic, and what is taken is bounded.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ttn_as::format::javascript::result;

fuzz_target!(|octets: &[u8]| {
    if let Ok(decoded) = result::decoded(octets) {
        assert!(decoded.warnings.len() <= 32);
        assert!(decoded.normalized.is_none_or(|it| it.measurements.len() <= 64));
    }
    if let Ok(encoded) = result::encoded(octets) {
        assert!(encoded.octets.len() <= 1024);
    }
});
