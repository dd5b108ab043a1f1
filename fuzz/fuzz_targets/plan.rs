//! Frequency plans in the public format: nothing panics, and what is accepted is valid.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ttn_mac::plan;

fuzz_target!(|octets: &[u8]| {
    let Ok(text) = core::str::from_utf8(octets) else { return };
    // The index, a line of dashes, and the file that every plan names.
    let (index, file) = text.split_once("----\n").unwrap_or((text, ""));
    for plan in plan::load(index, |_| Some(file)).unwrap_or_default() {
        assert_eq!(plan.validate(), Ok(()));
    }
});
