//! A whole device read back from all registries.

use serde_json::Value;

use super::Registry;
use crate::{api::Api, error::Error};

/// Which secrets are read.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "built by users")]
pub struct Secrets {
    /// Root keys.
    pub root_keys: bool,
    /// Session keys.
    pub session_keys: bool,
}

/// Reads a device from every registry that has it, and the names of those that do not.
///
/// # Errors
///
/// No registry has it, or a registry refuses.
pub fn read(
    api: &Api,
    application: &str,
    device: &str,
    secrets: Secrets,
) -> Result<(Value, Vec<Registry>), Error> {
    let mut whole = Value::Null;
    let mut absent = Vec::new();
    let mut missing = None;
    for registry in Registry::ALL {
        let path = registry.path(application, device);
        match api.get(&format!("{path}?field_mask={}", mask(registry, secrets))) {
            Ok(part) => merge(&mut whole, part),
            Err(error) if error.code() == 6 => {
                absent.push(registry);
                missing = Some(error);
            }
            Err(error) => return Err(error),
        }
    }
    match missing {
        Some(error) if whole.is_null() => Err(error),
        _ => Ok((whole, absent)),
    }
}

fn mask(registry: Registry, secrets: Secrets) -> String {
    let is_secret = |path: &str| {
        path.starts_with("root_keys") && !secrets.root_keys
            || path.starts_with("session.keys") && !secrets.session_keys
    };
    let fields = registry.fields().iter().copied().filter(|path| !is_secret(path));
    ["ids"].into_iter().chain(fields).collect::<Vec<_>>().join(",")
}

/// Lays `over` over what is there: members are merged, the first value stays.
fn merge(whole: &mut Value, over: Value) {
    match (whole, over) {
        (Value::Object(whole), Value::Object(over)) => {
            for (name, value) in over {
                match whole.get_mut(&name) {
                    Some(there) => merge(there, value),
                    None => drop(whole.insert(name, value)),
                }
            }
        }
        (whole @ Value::Null, over) => *whole = over,
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn parts_become_one() {
        let mut whole = json!({ "ids": { "device_id": "d" }, "session": { "keys": { "a": 1 } } });
        merge(
            &mut whole,
            json!({ "ids": { "device_id": "d" }, "session": { "keys": { "b": 2 } } }),
        );
        let keys = json!({ "a": 1, "b": 2 });
        assert_eq!(whole, json!({ "ids": { "device_id": "d" }, "session": { "keys": keys } }));
    }

    #[test]
    fn keys_are_read_only_on_demand() {
        assert!(!mask(Registry::Join, Secrets::default()).contains("key"));
        assert!(!mask(Registry::Network, Secrets::default()).contains("key"));
        let secrets = Secrets { root_keys: true, session_keys: false };
        assert!(mask(Registry::Join, secrets).contains("root_keys.app_key.key"));
    }
}
