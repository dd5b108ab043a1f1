//! Packages of the application layer: no octets panic the codecs or the sessions, and what was read is written again.
//!
//! Both the fuzz target of this name and a test that replays its seeds run this.

use ttn_core::{key::Aes128Key, radio::Frequency};
use ttn_mac::{
    frame::FrequencyStep,
    package::{
        Source, Version, certification, clock_sync, firmware, fragmentation, multicast_setup,
    },
};

const KEY: Aes128Key = Aes128Key::new([1; 16]);
const STEP: FrequencyStep = FrequencyStep::Hz100;

struct AnyRadio;

impl multicast_setup::Radio for AnyRadio {
    fn is_usable(&self, frequency: Frequency) -> bool {
        !frequency.is_zero()
    }

    fn is_defined(&self, dr: u8) -> bool {
        dr < 16
    }
}

/// The first octet is the package, the version and whom the downlinks go to; payloads follow, each behind its length.
pub(crate) fn check(octets: &[u8]) {
    let Some((first, mut rest)) = octets.split_first() else { return };
    let version = if first & 0x08 == 0 { Version::V1 } else { Version::V2 };
    let source = if first & 0x10 == 0 { Source::Unicast } else { Source::Multicast(first >> 5) };
    let mut payloads = Vec::new();
    while let Some((length, behind)) = rest.split_first() {
        let (payload, behind) = behind.split_at(behind.len().min((*length).into()));
        payloads.push(payload);
        rest = behind;
    }
    match first & 0x07 {
        0 => clock(version, &payloads),
        1 => blocks(version, source, &payloads),
        2 => groups(version, source, &payloads),
        3 => images(source, &payloads),
        _ => tested(&payloads),
    }
}

fn clock(version: Version, payloads: &[&[u8]]) {
    let mut device = clock_sync::Device::new(version, true);
    for payload in payloads {
        for command in clock_sync::parse_uplink(payload).flatten() {
            let mut written = Vec::new();
            command.encode(&mut written);
            assert!(clock_sync::parse_uplink(&written).eq([Ok(command)]));
        }
        for command in clock_sync::parse_downlink(payload).flatten() {
            let mut written = Vec::new();
            command.encode(&mut written);
            assert!(clock_sync::parse_downlink(&written).eq([Ok(command)]));
        }
        device.handle(0, payload).for_each(drop);
    }
}

fn blocks(version: Version, source: Source, payloads: &[&[u8]]) {
    let key = (version == Version::V2).then_some(KEY);
    let limits = fragmentation::Limits { octets_max: 4096, rows_max: 16 };
    let mut device = fragmentation::Device::new(key, limits);
    for payload in payloads {
        for command in fragmentation::parse_uplink(version, payload).flatten() {
            let mut written = Vec::new();
            command.encode(version, &mut written).expect("what was read goes onto the wire");
            assert!(fragmentation::parse_uplink(version, &written).eq([Ok(command)]));
            fragmentation::Transfer::new(0).handle(&command);
        }
        let mut to_groups = false;
        for command in fragmentation::parse_downlink(version, payload).flatten() {
            let mut written = Vec::new();
            command.encode(version, &mut written).expect("what was read goes onto the wire");
            to_groups |= matches!(command, fragmentation::Downlink::DataFragment { .. });
            assert!(fragmentation::parse_downlink(version, &written).eq([Ok(command)]));
        }
        let source = if to_groups { source } else { Source::Unicast };
        let effects = device.handle(source, payload);
        for answer in fragmentation::Effect::answers(&effects) {
            answer.encode(version, &mut Vec::new()).expect("answers go onto the wire");
        }
    }
}

fn groups(version: Version, source: Source, payloads: &[&[u8]]) {
    let mut device = multicast_setup::Device::new(version, STEP, KEY);
    for payload in payloads {
        for command in multicast_setup::parse_uplink(version, payload).flatten() {
            multicast_setup::Member::new(0).handle(0, &command);
            let mut written = Vec::new();
            // Bits that are not assigned are errors, and are not written.
            if command.encode(version, &mut written).is_ok() {
                assert!(multicast_setup::parse_uplink(version, &written).eq([Ok(command)]));
            }
        }
        for command in multicast_setup::parse_downlink(STEP, payload).flatten() {
            let mut written = Vec::new();
            if command.encode(STEP, &mut written).is_ok() {
                assert!(multicast_setup::parse_downlink(STEP, &written).eq([Ok(command)]));
            }
        }
        for effect in device.handle(payload.len() as u32, &AnyRadio, source, payload, 51) {
            if let multicast_setup::Effect::Answer(answer) = effect {
                answer.encode(version, &mut Vec::new()).expect("answers go onto the wire");
            }
        }
    }
}

fn images(source: Source, payloads: &[&[u8]]) {
    let mut device = firmware::Device::new(1, 2);
    for payload in payloads {
        for command in firmware::parse_uplink(payload).flatten() {
            let mut written = Vec::new();
            command.encode(&mut written).expect("what was read goes onto the wire");
            assert!(firmware::parse_uplink(&written).eq([Ok(command)]));
        }
        for command in firmware::parse_downlink(payload).flatten() {
            let mut written = Vec::new();
            command.encode(&mut written).expect("what was read goes onto the wire");
            assert!(firmware::parse_downlink(&written).eq([Ok(command)]));
        }
        for effect in device.handle(9, Some(payload.len() as u32), source, payload) {
            if let firmware::Effect::Answer(answer) = effect {
                answer.encode(&mut Vec::new()).expect("answers go onto the wire");
            }
        }
    }
}

fn tested(payloads: &[&[u8]]) {
    let mut device = certification::Device::new(certification::Versions::default());
    for payload in payloads {
        if let Ok(command) = certification::parse_uplink(payload) {
            assert_eq!(certification::parse_uplink(&command.encode()), Ok(command));
        }
        if let Ok(command) = certification::parse_downlink(payload)
            && let Ok(written) = command.encode()
        {
            assert_eq!(certification::parse_downlink(&written), Ok(command));
        }
        device.handle(Some(certification::F_PORT), false, payload);
    }
}
