//! Keys that others can guess, that several devices share, or that cannot be opened. No key is ever shown.

use std::collections::BTreeMap;

use ttn_core::{id::DeviceKey, key::Aes128Key};

use super::{Finding, store::Inventory};

const CHECK: &str = "keys";
/// The example key of the AES standard, which firmware examples come with.
const AES_EXAMPLE: [u8; 16] = [
    0x2B, 0x7E, 0x15, 0x16, 0x28, 0xAE, 0xD2, 0xA6, 0xAB, 0xF7, 0x15, 0x88, 0x09, 0xCF, 0x4F, 0x3C,
];
/// How many devices a finding names.
const NAMED_MAX: usize = 5;

pub(super) fn check(inventory: &Inventory) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut holders: BTreeMap<[u8; 16], Vec<(&DeviceKey, &str)>> = BTreeMap::new();
    for (device, known) in &inventory.devices {
        for (name, key) in &known.keys {
            let Some(key) = key else {
                let text = format!("{name} of {device} cannot be opened with the KEK that is here");
                let fix = "bring back the KEK of this store, or set the keys of the device again";
                findings.push(Finding::error(CHECK, text, fix));
                continue;
            };
            if let Some(why) = weakness(key) {
                let text = format!("{name} of {device} is {why}: anybody can guess it");
                let fix =
                    "give the device a random key, in its firmware and with `ttn-cli devices set`";
                findings.push(Finding::warning(CHECK, text, fix));
                continue;
            }
            holders.entry(*key.expose()).or_default().push((device, name));
        }
    }
    for shared in holders.values() {
        let mut devices: Vec<_> = shared.iter().map(|(device, _)| device.to_string()).collect();
        devices.dedup();
        if devices.len() > 1 {
            let more = devices.len().saturating_sub(NAMED_MAX);
            devices.truncate(NAMED_MAX);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let name = shared.first().map_or("key", |(_, name)| name);
            let text = format!("{} share one key ({name}){more}", devices.join(", "));
            let fix = "give each device a key of its own: who opens one of them has all";
            findings.push(Finding::warning(CHECK, text, fix));
        }
    }
    if findings.is_empty() {
        findings.push(Finding::fine(CHECK, "no key is weak or shared"));
    }
    findings
}

/// Why a key can be guessed.
fn weakness(key: &Aes128Key) -> Option<&'static str> {
    let octets = key.expose();
    let [first, rest @ ..] = octets;
    if rest.iter().all(|octet| octet == first) {
        return Some(if *first == 0 { "all zero" } else { "one octet over and over" });
    }
    let steps =
        |step: u8| octets.iter().zip(rest).all(|(one, next)| one.wrapping_add(step) == *next);
    if steps(1) || steps(0xFF) || steps(0x11) {
        return Some("a sequence");
    }
    let [left, right] = [octets.get(..8), octets.get(8..)];
    if left == right {
        return Some("one half twice");
    }
    let mut backwards = AES_EXAMPLE;
    backwards.reverse();
    (*octets == AES_EXAMPLE || *octets == backwards).then_some("the example of the AES standard")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::doctor::{Severity, store::Known};

    #[test]
    fn weak_keys_are_known() {
        let weak = |text: &str| weakness(&text.parse().unwrap());
        for text in [
            "00000000000000000000000000000000",
            "ABABABABABABABABABABABABABABABAB",
            "000102030405060708090A0B0C0D0E0F",
            "0102030405060708090A0B0C0D0E0F10",
            "00112233445566778899AABBCCDDEEFF",
            "2B7E151628AED2A6ABF7158809CF4F3C",
            "11C5D2A9E04B776611C5D2A9E04B7766",
        ] {
            assert!(weak(text).is_some(), "{text}");
        }
        assert_eq!(weak("8F3C51D2A9E04B7766C1F00D9B2E4A15"), None);
    }

    #[test]
    fn a_shared_key_and_one_that_does_not_open_are_found_without_being_shown() {
        let key: Aes128Key = "8F3C51D2A9E04B7766C1F00D9B2E4A15".parse().unwrap();
        let with =
            |key: Option<Aes128Key>| Known { keys: vec![("AppKey", key)], ..Known::default() };
        let devices = [
            ("app.one".parse().unwrap(), with(Some(key.clone()))),
            ("app.two".parse().unwrap(), with(Some(key))),
            ("app.lost".parse().unwrap(), with(None)),
        ];
        let findings = check(&Inventory { devices: devices.into() });
        let severities: Vec<_> = findings.iter().map(|finding| finding.severity).collect();
        assert_eq!(severities, [Severity::Error, Severity::Warning]);
        assert!(findings[1].text.contains("app.one, app.two"), "{findings:?}");
        assert!(!format!("{findings:?}").contains("8F3C51"));
    }
}
