//! What relays forward: nothing panics, and what may be sent is read as it was written.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ttn_mac::frame::{FrequencyStep, RelayForwardUplink};

fuzz_target!(|octets: &[u8]| {
    for step in [FrequencyStep::Hz100, FrequencyStep::Hz200] {
        let Some(forwarded) = RelayForwardUplink::decode(step, octets) else { continue };
        if let Ok(built) = forwarded.encode(step) {
            assert_eq!(RelayForwardUplink::decode(step, &built), Some(forwarded));
        }
    }
});
