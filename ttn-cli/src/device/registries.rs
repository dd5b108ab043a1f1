//! Which registry has which fields, and writing all of them as one (CLI-05).

use serde_json::{Map, Value, json};

use super::{ids, joins};
use crate::{api::Api, error::Error};

/// A registry of devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(clippy::exhaustive_enums, reason = "the four registries that there are")]
pub enum Registry {
    /// Names and places.
    Identity,
    /// Root keys.
    Join,
    /// MAC settings and the network's half of the session.
    Network,
    /// Formatters and the application's half of the session.
    Application,
}

/// What a registry has of a device.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "what a registry is told")]
pub struct Part {
    /// The registry.
    pub registry: Registry,
    /// The `EndDevice` with these fields only.
    pub end_device: Value,
    /// The paths of its fields.
    pub paths: Vec<String>,
}

/// What creating came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum Created {
    /// Parts were missing of a device that was there.
    Completed,
    /// It was there already, whole.
    Existed,
    /// It is new.
    New,
}

impl Registry {
    /// All, in the order in which a device is created.
    pub const ALL: [Self; 4] = [Self::Identity, Self::Join, Self::Network, Self::Application];

    /// The name of its server.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Identity => "Identity Server",
            Self::Join => "Join Server",
            Self::Network => "Network Server",
            Self::Application => "Application Server",
        }
    }

    /// The path of a device.
    pub(crate) fn path(self, application: &str, device: &str) -> String {
        let prefix = match self {
            Self::Identity => "",
            Self::Join => "/js",
            Self::Network => "/ns",
            Self::Application => "/as",
        };
        format!("{prefix}/applications/{application}/devices/{device}")
    }

    /// The fields that it has. A field that ends with `.*` is selected member by member, because others have members of it
    /// too.
    pub(crate) const fn fields(self) -> &'static [&'static str] {
        match self {
            Self::Identity => &[
                "name",
                "description",
                "attributes",
                "version_ids",
                "lora_alliance_profile_ids",
                "service_profile_id",
                "serial_number",
                "locations",
                "picture",
                "network_server_address",
                "application_server_address",
                "join_server_address",
            ],
            Self::Join => &[
                "root_keys.root_key_id",
                "root_keys.app_key.key",
                "root_keys.nwk_key.key",
                "net_id",
                "resets_join_nonces",
                "last_join_nonce",
                "last_dev_nonce",
                "used_dev_nonces",
            ],
            Self::Network => &[
                "frequency_plan_id",
                "lorawan_version",
                "lorawan_phy_version",
                "supports_join",
                "supports_class_b",
                "supports_class_c",
                "multicast",
                "mac_settings",
                "session.dev_addr",
                "session.keys.session_key_id",
                "session.keys.f_nwk_s_int_key.key",
                "session.keys.s_nwk_s_int_key.key",
                "session.keys.nwk_s_enc_key.key",
                "session.last_f_cnt_up",
                "session.last_n_f_cnt_down",
                "session.last_conf_f_cnt_down",
                "session.started_at",
            ],
            Self::Application => &[
                "formatters.up_formatter",
                "formatters.up_formatter_parameter",
                "formatters.down_formatter",
                "formatters.down_formatter_parameter",
                "skip_payload_crypto_override",
                "version_ids",
                "session.dev_addr",
                "session.keys.session_key_id",
                "session.keys.app_s_key.key",
                "session.last_a_f_cnt_down",
            ],
        }
    }
}

impl Part {
    fn of(registry: Registry, device: &Value) -> Self {
        let mut end_device = json!({ "ids": ids_of(device) });
        let mut paths = Vec::new();
        for field in registry.fields() {
            let pointer = format!("/{}", field.replace('.', "/"));
            if let Some(value) = device.pointer(&pointer).filter(|value| !value.is_null()) {
                put(&mut end_device, field, value.clone());
                paths.push((*field).to_owned());
            }
        }
        Self { registry, end_device, paths }
    }

    fn write(&self, api: &Api) -> Result<(), Error> {
        let (application, device) = ids(&self.end_device);
        if self.registry == Registry::Identity {
            let path = format!("/applications/{application}/devices");
            return api.post(&path, &json!({ "end_device": self.end_device })).map(|_| ());
        }
        let mask = json!({ "paths": self.paths });
        let body = json!({ "end_device": self.end_device, "field_mask": mask });
        api.put(&self.registry.path(application, device), &body).map(|_| ())
    }
}

/// The identifiers that every registry is told: the address of a session belongs to the session.
fn ids_of(device: &Value) -> Value {
    let mut ids = device["ids"].clone();
    if let Some(ids) = ids.as_object_mut() {
        ids.remove("dev_addr");
    }
    ids
}

/// Puts a value where a path leads.
pub(crate) fn put(device: &mut Value, path: &str, value: Value) {
    let mut place = device;
    for name in path.split('.') {
        if !place.is_object() {
            *place = Value::Object(Map::new());
        }
        place = &mut place[name];
    }
    *place = value;
}

/// What each registry is told of a device, in the order of creation. A device that does not join has no part in the Join
/// Server.
#[must_use]
pub fn parts(device: &Value) -> Vec<Part> {
    let registries = Registry::ALL.into_iter().filter(|it| *it != Registry::Join || joins(device));
    registries.map(|registry| Part::of(registry, device)).collect()
}

/// Creates a device in all registries, or in none: what was written before a failure is deleted again.
///
/// # Errors
///
/// A registry refuses. If the way back fails too, the error says what is left over and how to delete it.
pub fn create(api: &Api, device: &Value) -> Result<(), Error> {
    let mut written = Vec::new();
    for part in parts(device) {
        if let Err(error) = part.write(api) {
            // A registry that could not be reached may have heard us.
            if matches!(error, Error::Unreachable { .. }) {
                written.push(part.registry);
            }
            return Err(rolled_back(api, device, &written, error));
        }
        written.push(part.registry);
    }
    Ok(())
}

fn rolled_back(api: &Api, device: &Value, written: &[Registry], error: Error) -> Error {
    let (application, id) = ids(device);
    let gone = |registry: &&Registry| {
        let deleted = api.delete(&registry.path(application, id));
        deleted.is_err_and(|error| error.code() != 6)
    };
    let left: Vec<_> = written.iter().rev().filter(gone).map(|it| it.name()).collect();
    if left.is_empty() {
        return error;
    }
    Error::LeftOver {
        application: application.to_owned(),
        device: id.to_owned(),
        servers: left.join(", "),
        source: Box::new(error),
    }
}

/// Brings a device to where [`create`] would, if an earlier attempt was cut off: registries that have it are left alone.
///
/// # Errors
///
/// A registry refuses. What is there stays.
pub fn finish(api: &Api, device: &Value) -> Result<Created, Error> {
    let (application, id) = ids(device);
    let mut missing = Vec::new();
    for part in parts(device) {
        match api.get(&format!("{}?field_mask=ids", part.registry.path(application, id))) {
            Ok(_) => {}
            Err(error) if error.code() == 6 => missing.push(part),
            Err(error) => return Err(error),
        }
    }
    let created = if missing.is_empty() { Created::Existed } else { Created::Completed };
    missing.iter().try_for_each(|part| part.write(api))?;
    Ok(created)
}

/// Changes fields; `changes` are paths of `EndDevice` and their values. Each goes to the registries that have it. A value of
/// null clears a field.
///
/// # Errors
///
/// No registry has a path, or a registry refuses: earlier ones have taken their part.
pub fn set(api: &Api, key: (&str, &str), changes: &[(String, Value)]) -> Result<(), Error> {
    let (application, id) = key;
    let at = json!({ "application_ids": { "application_id": application }, "device_id": id });
    for (path, _) in changes {
        if !Registry::ALL.iter().any(|registry| has(*registry, path)) {
            let advice = "name a field as `ttn-cli devices get` shows it, such as name or mac_settings.rx1_delay";
            return Err(Error::invalid(format!("devices have no field {path:?} to set"), advice));
        }
    }
    for registry in Registry::ALL {
        let mut end_device = json!({ "ids": at });
        let mut paths = Vec::new();
        for (path, value) in changes.iter().filter(|(path, _)| has(registry, path)) {
            // The choice between modes is a segment of a path, but not of the JSON.
            put(&mut end_device, &path.replace(".mode.", "."), value.clone());
            paths.push(path.clone());
        }
        if !paths.is_empty() {
            let body = json!({ "end_device": end_device, "field_mask": { "paths": paths } });
            api.put(&registry.path(application, id), &body)?;
        }
    }
    Ok(())
}

/// Whether a registry has a path: one of its fields, or one below.
fn has(registry: Registry, path: &str) -> bool {
    registry.fields().iter().any(|field| {
        let below = path.strip_prefix(field).is_some_and(|rest| rest.starts_with('.'));
        *field == path || below
    })
}

/// Deletes a device from all registries, the Identity Server last: until then it can be found and deleted again.
///
/// # Errors
///
/// It is in no registry, or a registry refuses.
pub fn delete(api: &Api, application: &str, device: &str) -> Result<(), Error> {
    let mut found = false;
    let mut missing = None;
    for registry in Registry::ALL.into_iter().rev() {
        match api.delete(&registry.path(application, device)) {
            Ok(_) => found = true,
            Err(error) if error.code() == 6 => missing = Some(error),
            Err(error) => return Err(error),
        }
    }
    match missing {
        Some(error) if !found => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device() -> Value {
        let key = json!({ "key": "00112233445566778899AABBCCDDEEFF" });
        json!({
            "ids": { "device_id": "d", "dev_addr": "01020304" },
            "name": "n", "lorawan_version": "MAC_V1_0_3", "mac_settings": { "rx1_delay": 5 },
            "session": { "dev_addr": "01020304", "keys": { "app_s_key": key, "f_nwk_s_int_key": key } },
        })
    }

    #[test]
    fn each_registry_is_told_its_fields_only() {
        // CLI-05
        let parts = parts(&device());
        let registries: Vec<_> = parts.iter().map(|part| part.registry).collect();
        assert_eq!(registries, [Registry::Identity, Registry::Network, Registry::Application]);
        let network = &parts[1];
        let paths = ["lorawan_version", "mac_settings", "session.dev_addr"];
        assert_eq!(network.paths[..3], paths);
        assert_eq!(network.paths[3], "session.keys.f_nwk_s_int_key.key");
        assert!(network.end_device["session"]["keys"]["app_s_key"].is_null());
        assert_eq!(parts[2].paths, ["session.dev_addr", "session.keys.app_s_key.key"]);
    }

    #[test]
    fn a_path_goes_to_the_registries_that_have_it() {
        let of = |path| Registry::ALL.into_iter().filter(|it| has(*it, path)).collect::<Vec<_>>();
        assert_eq!(of("name"), [Registry::Identity]);
        assert_eq!(of("mac_settings.rx1_delay"), [Registry::Network]);
        assert_eq!(of("version_ids"), [Registry::Identity, Registry::Application]);
        assert_eq!(of("nam"), []);
        assert_eq!(of("named"), []);
    }
}
