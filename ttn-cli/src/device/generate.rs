//! What is issued for a new device that did not bring it: EUIs, keys, addresses.

use data_encoding::{BASE64, HEXUPPER};
use serde_json::{Value, json};
use ttn_core::{
    eui::DevEui,
    rand::{Entropy, OsEntropy},
};

use super::{ids, registries::put};
use crate::{api::Api, error::Error};

/// What a device shall have that it was not given.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "built by users")]
pub struct Wanted {
    /// Root keys: it joins.
    pub root_keys: bool,
    /// A session: it is activated by personalization.
    pub session: bool,
}

/// The paths of what was issued.
pub type Issued = Vec<String>;

/// Completes a device with what it needs and was not given: a JoinEUI (the server's), a DevEUI (from the application's block,
/// else a random one that is administered locally), root keys, or an address and session keys.
///
/// # Errors
///
/// The server refuses.
pub fn issue(api: &Api, device: &mut Value, wanted: Wanted) -> Result<Issued, Error> {
    let mut issued = Issued::new();
    let mut give = |device: &mut Value, path: &str, value: Value| {
        put(device, path, value);
        issued.push(path.to_owned());
    };
    let v1_1 = device["lorawan_version"] == "MAC_V1_1";
    let missing = |device: &Value, path: &str| {
        device.pointer(&format!("/{}", path.replace('.', "/"))).is_none_or(Value::is_null)
    };
    if missing(device, "ids.dev_eui") {
        let dev_eui = dev_eui(api, ids(device).0)?;
        give(device, "ids.dev_eui", dev_eui);
    }
    if wanted.root_keys {
        if missing(device, "ids.join_eui") {
            let join_eui = api.get("/js/default_join_eui")?["join_eui"].take();
            let join_eui = if join_eui.is_null() { json!("0000000000000000") } else { join_eui };
            give(device, "ids.join_eui", join_eui);
        }
        let keys: &[&str] = if v1_1 { &["app_key", "nwk_key"] } else { &["app_key"] };
        for name in keys {
            let path = format!("root_keys.{name}.key");
            if missing(device, &path) {
                give(device, &path, random_hex(16));
            }
        }
    }
    if wanted.session {
        if missing(device, "session.dev_addr") {
            let dev_addr = api.get("/ns/dev_addr")?["dev_addr"].take();
            give(device, "session.dev_addr", dev_addr);
        }
        // It is between the servers; the device does not know it.
        if missing(device, "session.keys.session_key_id") {
            put(device, "session.keys.session_key_id", random_key_id());
        }
        let keys: &[&str] = if v1_1 {
            &["app_s_key", "f_nwk_s_int_key", "s_nwk_s_int_key", "nwk_s_enc_key"]
        } else {
            &["app_s_key", "f_nwk_s_int_key"]
        };
        for name in keys {
            let path = format!("session.keys.{name}.key");
            if missing(device, &path) {
                give(device, &path, random_hex(16));
            }
        }
    }
    Ok(issued)
}

fn dev_eui(api: &Api, application: &str) -> Result<Value, Error> {
    match api.post(&format!("/applications/{application}/dev-eui"), &Value::Null) {
        Ok(mut answer) if answer["dev_eui"].is_string() => Ok(answer["dev_eui"].take()),
        // A server without a block of EUIs.
        Ok(_) => Ok(json!(random_dev_eui().to_string())),
        Err(error) if matches!(error.status().map(|it| it.as_u16()), Some(400 | 404 | 501)) => {
            Ok(json!(random_dev_eui().to_string()))
        }
        Err(error) => Err(error),
    }
}

/// A random EUI-64 whose bits say that it is administered locally and names one device.
fn random_dev_eui() -> DevEui {
    let mut octets = [0; 8];
    OsEntropy::default().fill(&mut octets);
    octets[0] = octets[0] & 0xFC | 0x02;
    DevEui::from_be_bytes(octets)
}

fn random(length: usize) -> Vec<u8> {
    let mut octets = vec![0; length];
    OsEntropy::default().fill(&mut octets);
    octets
}

pub(super) fn random_hex(length: usize) -> Value {
    json!(HEXUPPER.encode(&random(length)))
}

pub(super) fn random_key_id() -> Value {
    json!(BASE64.encode(&random(16)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_euis_are_local_and_of_one_device() {
        let first = random_dev_eui().to_be_bytes()[0];
        assert_eq!(first & 0b11, 0b10);
        assert_ne!(random_dev_eui(), random_dev_eui());
    }
}
