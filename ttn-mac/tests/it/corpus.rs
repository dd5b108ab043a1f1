//! The seeds of the fuzz targets, replayed as ordinary tests.

use std::{fs, path::Path};

use ttn_mac::{
    command::Direction,
    frame::{self, FrequencyStep, RelayForwardUplink},
};

use crate::{app_package, command::check_stream, frame::check_rebuilt, join::check_payload};

/// Runs a target over its seeds.
fn replay(target: &str, run: fn(&[u8])) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let mut seeds = 0;
    for entry in fs::read_dir(&directory).unwrap() {
        run(&fs::read(entry.unwrap().path()).unwrap());
        seeds += 1;
    }
    assert!(seeds > 0, "{} is empty", directory.display());
}

#[test]
fn seeds_of_frames_are_parsed_and_built_again() {
    replay("frame", |octets| {
        if let Ok(phy) = frame::parse(octets) {
            check_rebuilt(&phy);
        }
    });
}

#[test]
fn seeds_of_mac_commands_are_parsed_and_built_again() {
    replay("mac_commands", |octets| {
        check_stream(Direction::Uplink, octets);
        check_stream(Direction::Downlink, octets);
    });
}

#[test]
fn seeds_of_joins_are_parsed_and_built_again() {
    replay("join", check_payload);
}

#[test]
fn seeds_of_relayed_frames_are_read_as_they_were_written() {
    replay("relay", |octets| {
        let step = FrequencyStep::Hz100;
        let Some(forwarded) = RelayForwardUplink::decode(step, octets) else { return };
        if let Ok(built) = forwarded.encode(step) {
            assert_eq!(RelayForwardUplink::decode(step, &built), Some(forwarded));
        }
    });
}

#[test]
fn seeds_of_packages_are_read_and_written_again() {
    replay("app_package", app_package::check);
}

// NS-107
#[cfg(feature = "std")]
#[test]
fn seeds_of_frequency_plans_are_valid_or_refused() {
    replay("plan", |octets| {
        let Ok(text) = core::str::from_utf8(octets) else { return };
        let (index, file) = text.split_once("----\n").unwrap_or((text, ""));
        for plan in ttn_mac::plan::load(index, |_| Some(file)).unwrap_or_default() {
            assert_eq!(plan.validate(), Ok(()));
        }
    });
}
