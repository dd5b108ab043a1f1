//! Streams of MAC commands: they end, nothing panics, and what may be sent is parsed as it was built.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ttn_mac::{
    command::{Direction, parse},
    frame::FrequencyStep,
};

fuzz_target!(|octets: &[u8]| {
    for direction in [Direction::Uplink, Direction::Downlink] {
        for step in [FrequencyStep::Hz100, FrequencyStep::Hz200] {
            let mut built = Vec::new();
            let commands: Vec<_> = parse(direction, step, octets)
                .filter_map(Result::ok)
                .filter(|command| command.encode(step, &mut built).is_ok())
                .collect();
            let parsed: Result<Vec<_>, _> = parse(direction, step, &built).collect();
            assert_eq!(parsed, Ok(commands));
        }
    }
});
