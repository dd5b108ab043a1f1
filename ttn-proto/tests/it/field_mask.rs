//! Field masks: no path panics, and what a mask selects is what it copies, clears and finds set.
//!
//! Both the fuzz target of this name and a test that replays its seeds run this.

use serde_json::json;
use ttn_proto::{ApiMessage, json, mask, rpc::SERVICES, v3};

/// The first line is the paths, joined by commas; the rest is a message as JSON.
pub(crate) fn check(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    let (text, message) = text.split_once('\n').unwrap_or((text, "{}"));
    written_as_read(text);
    let paths: Vec<_> = text.split(',').take(PATHS_MAX).collect();
    for rule in SERVICES.iter().flat_map(|service| service.rpcs).filter_map(|rpc| rpc.field_mask) {
        for path in paths.iter().filter(|path| rule.allows(path)) {
            assert!(!rule.forbidden().iter().any(|forbidden| forbidden == path), "{path}");
        }
    }
    applied::<v3::ApplicationUp>(&paths, message);
    applied::<v3::EndDevice>(&paths, message);
    applied::<v3::Gateway>(&paths, message);
    applied::<v3::MacCommand>(&paths, message);
}

/// As a field of JSON.
fn written_as_read(text: &str) {
    let value = json!({ "field_mask": text });
    let Ok(request) = json::from_value::<v3::GetEndDeviceRequest>(value) else { return };
    let written = json::to_string(&request);
    let again = json::from_slice::<v3::GetEndDeviceRequest>(written.as_bytes()).unwrap();
    assert_eq!(json::to_string(&again), written);
}

fn applied<T: ApiMessage>(paths: &[&str], text: &str) {
    let Ok(message) = json::from_slice::<T>(text.as_bytes()) else { return };
    let (known, unknown): (Vec<&str>, Vec<&str>) =
        paths.iter().partition(|path| T::descriptor().has_path(path));
    for path in unknown {
        assert!(mask::filter(&message, [path]).is_err(), "{path}");
        assert!(!mask::is_set(&message, path), "{path}");
    }
    let selected = mask::filter(&message, &known).unwrap();
    let again = mask::filter(&selected, &known).unwrap();
    assert_eq!(again.encode_to_vec(), selected.encode_to_vec(), "{known:?}");

    let mut same = message.clone();
    mask::apply(&mut same, &message, &known).unwrap();
    assert_eq!(same.encode_to_vec(), message.encode_to_vec(), "{known:?}");

    let mut cleared = message.clone();
    mask::clear(&mut cleared, &known).unwrap();
    for path in &known {
        assert!(!mask::is_set(&cleared, path), "{path}");
        assert!(mask::selects(&known, path) && mask::touches(&known, path), "{path}");
    }
    mask::apply(&mut cleared, &message, &known).unwrap();
    assert_eq!(cleared.encode_to_vec(), message.encode_to_vec(), "{known:?}");
}

/// More say no more.
const PATHS_MAX: usize = 16;
