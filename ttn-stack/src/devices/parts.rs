//! Which registry has which fields of a device, by the field masks that its RPCs take.

use tonic::Status;
use ttn_proto::{
    ApiMessage as _, mask,
    rpc::{self, FieldMaskRule},
    status, v3,
};

/// A registry of devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Registry {
    Identity,
    Join,
    Network,
    Application,
}

/// What one registry is told.
#[derive(Clone, PartialEq)]
pub(super) struct Part {
    pub(super) registry: Registry,
    /// The identifiers and what the paths select.
    pub(super) device: v3::EndDevice,
    pub(super) paths: Vec<String>,
}

/// Paths that hold keys: reading them needs a right of its own.
const KEYS: [&str; 5] = [
    "mac_state.queued_join_accept",
    "pending_mac_state.queued_join_accept",
    "pending_session.keys",
    "root_keys",
    "session.keys",
];
/// What every registry is told or sets by itself.
const EVERYWHERE: [&str; 3] = ["created_at", "ids", "updated_at"];

impl Registry {
    /// All, in the order in which a device is created. It is deleted the other way round: what the Identity Server does not
    /// have any more is gone.
    pub(super) const ALL: [Self; 4] =
        [Self::Identity, Self::Join, Self::Network, Self::Application];

    pub(super) const fn service(self) -> &'static str {
        match self {
            Self::Application => "AsEndDeviceRegistry",
            Self::Identity => "EndDeviceRegistry",
            Self::Join => "JsEndDeviceRegistry",
            Self::Network => "NsEndDeviceRegistry",
        }
    }

    /// The RPC that changes a device; all but the Identity Server create with it too.
    pub(super) const fn set(self) -> &'static str {
        if matches!(self, Self::Identity) { "Update" } else { "Set" }
    }

    fn rule(self, name: &str) -> Option<&'static FieldMaskRule> {
        rpc::find(self.service(), name)?.field_mask
    }

    fn sets(self, path: &str) -> bool {
        self.rule(self.set()).is_some_and(|rule| rule.allows(path))
    }

    fn gets(self, path: &str) -> bool {
        self.rule("Get").is_some_and(|rule| rule.allows(path))
    }
}

impl Part {
    fn new(registry: Registry, device: &v3::EndDevice, paths: Vec<String>) -> Self {
        let mut part = mask::filter(device, &paths).unwrap_or_default();
        part.ids.clone_from(&device.ids);
        Self { registry, device: part, paths }
    }
}

/// What each registry is told of a new device, in the order of creation.
///
/// # Errors
///
/// Something is set that no registry keeps.
pub(super) fn of_new(device: &v3::EndDevice) -> Result<Vec<Part>, Status> {
    let mut device = device.clone();
    if let Some(ids) = &mut device.ids {
        // The address of a session belongs to the session.
        ids.dev_addr.clear();
    }
    let set = set_paths(&device);
    let nobodys: Vec<_> = given(&device)
        .into_iter()
        .filter(|path| !Registry::ALL.iter().any(|registry| registry.sets(path)))
        .collect();
    if !nobodys.is_empty() {
        return Err(status::forbidden_paths(&nobodys.iter().map(|it| &**it).collect::<Vec<_>>()));
    }
    let parts = Registry::ALL.into_iter().map(|registry| {
        let own = |path: &str| registry.sets(path) && !is_within_any(path, &EVERYWHERE);
        Part::new(registry, &device, lowest(&set, own))
    });
    // Who joins by the keys of another Join Server is not known to ours.
    let joins_here = device.supports_join && device.join_server_address.is_empty();
    let is_wanted = |part: &Part| {
        part.registry != Registry::Join || joins_here || mask::touches(&part.paths, "root_keys")
    };
    Ok(parts.filter(is_wanted).collect())
}

/// The paths of what a device says, without what is everywhere.
pub(super) fn given(device: &v3::EndDevice) -> Vec<String> {
    lowest(&set_paths(device), |path| !is_within_any(path, &EVERYWHERE))
}

/// What each registry is told of a change, in the order in which they are asked: those that refuse most come first.
///
/// # Errors
///
/// No registry sets a path.
pub(super) fn of_change(device: &v3::EndDevice, paths: &[String]) -> Result<Vec<Part>, Status> {
    let set = set_paths(device);
    let paths: Vec<_> = paths.iter().filter(|path| !is_within_any(path, &EVERYWHERE)).collect();
    let mut parts = Vec::new();
    for registry in [Registry::Network, Registry::Join, Registry::Application, Registry::Identity] {
        let mut own = Vec::new();
        for path in &paths {
            let below: Vec<_> = set.iter().filter(|it| is_within(it, path)).cloned().collect();
            if registry.sets(path) && below.iter().all(|path| registry.sets(path)) {
                own.push((*path).clone());
            } else {
                // Others keep a part of it, which this registry would refuse.
                own.extend(lowest(&below, |path| registry.sets(path)));
            }
        }
        if !own.is_empty() {
            parts.push(Part::new(registry, device, own));
        }
    }
    let is_told =
        |path: &&&String| parts.iter().any(|part| part.paths.iter().any(|it| is_within(it, path)));
    match paths.iter().find(|path| !is_told(path)) {
        Some(path) => Err(status::forbidden_paths(&[path.as_str()])),
        None => Ok(parts),
    }
}

/// What to read from a registry. Without paths it is everything but keys.
pub(super) fn of_reading(registry: Registry, paths: &[String]) -> Vec<String> {
    let all = v3::EndDevice::descriptor().paths();
    if paths.is_empty() {
        let is_shown = |path: &String| registry.gets(path) && !holds_keys(path);
        return all.into_iter().filter(is_shown).collect();
    }
    let mut own = Vec::new();
    for path in paths {
        if registry.gets(path) {
            own.push(path.clone());
        } else {
            let below = all.iter().filter(|it| is_within(it, path) && registry.gets(it));
            own.extend(below.cloned());
        }
    }
    own
}

/// Those of some paths that a registry shows.
pub(super) fn readable(registry: Registry, paths: &[String]) -> Vec<String> {
    paths.iter().filter(|path| registry.gets(path)).cloned().collect()
}

/// What is left of paths for those who may not read keys.
pub(super) fn without_keys(paths: &[String]) -> Vec<String> {
    paths.iter().filter(|path| !holds_keys(path)).cloned().collect()
}

/// Whether a path is within keys, or has keys below.
fn holds_keys(path: &str) -> bool {
    KEYS.iter().any(|keys| is_within(path, keys) || is_within(keys, path))
}

/// Puts together what registries answered.
pub(super) fn merge(whole: &mut v3::EndDevice, part: &v3::EndDevice) {
    let set = set_paths(part);
    // The paths are those of the message.
    let _ = mask::apply(whole, part, lowest(&set, |_| true));
}

/// The paths of everything that is set, parents before children.
fn set_paths(device: &v3::EndDevice) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut unset: Option<String> = None;
    for path in v3::EndDevice::descriptor().paths() {
        if unset.as_ref().is_some_and(|parent| is_within(&path, parent)) {
            continue;
        }
        if mask::is_set(device, &path) {
            found.push(path);
        } else {
            unset = Some(path);
        }
    }
    found
}

/// Those of some paths that have no other of them below.
fn lowest(paths: &[String], is_one: impl Fn(&str) -> bool) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for path in paths.iter().filter(|path| is_one(path)) {
        // Parents come before their children.
        while found.last().is_some_and(|parent| is_within(path, parent)) {
            found.pop();
        }
        found.push(path.clone());
    }
    found
}

fn is_within(path: &str, parent: &str) -> bool {
    path.strip_prefix(parent).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn is_within_any(path: &str, parents: &[&str]) -> bool {
    parents.iter().any(|parent| is_within(path, parent))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(json: &str) -> v3::EndDevice {
        ttn_proto::json::from_value(serde_json::from_str(json).unwrap()).unwrap()
    }

    const ABP: &str = r#"{
        "ids": { "device_id": "dev", "application_ids": { "application_id": "app" }, "dev_addr": "01020304" },
        "name": "n", "lorawan_version": "MAC_V1_0_3", "mac_settings": { "rx1_delay": 5, "supports_32_bit_f_cnt": false },
        "formatters": { "up_formatter": "FORMATTER_CAYENNELPP" },
        "session": { "dev_addr": "01020304", "keys": {
            "app_s_key": { "key": "00112233445566778899AABBCCDDEEFF" },
            "f_nwk_s_int_key": { "key": "00112233445566778899AABBCCDDEEFF" } } }
    }"#;

    #[test]
    fn each_registry_is_told_what_it_keeps() {
        let parts = of_new(&device(ABP)).unwrap();
        let paths = |index: usize| {
            let mut paths = parts[index].paths.clone();
            paths.sort();
            paths.join(" ")
        };
        let registries: Vec<_> = parts.iter().map(|part| part.registry).collect();
        assert_eq!(registries, [Registry::Identity, Registry::Network, Registry::Application]);
        assert_eq!(paths(0), "name");
        assert_eq!(
            paths(1),
            "lorawan_version mac_settings.rx1_delay.value mac_settings.supports_32_bit_f_cnt \
             session.dev_addr session.keys.f_nwk_s_int_key.key"
        );
        assert_eq!(paths(2), "formatters.up_formatter session.dev_addr session.keys.app_s_key.key");
        let keys = parts[1].device.session.as_ref().unwrap().keys.as_ref().unwrap();
        assert!(keys.app_s_key.is_none() && keys.f_nwk_s_int_key.is_some());
        assert!(parts[1].device.ids.as_ref().unwrap().dev_addr.is_empty());
    }

    #[test]
    fn who_joins_by_other_keys_is_not_known_to_our_join_server() {
        let has_join = |json: &str| {
            let parts = of_new(&device(json)).unwrap();
            parts.iter().any(|part| part.registry == Registry::Join)
        };
        assert!(has_join(r#"{ "supports_join": true }"#));
        assert!(!has_join(r#"{ "supports_join": true, "join_server_address": "js.example" }"#));
        let keys = r#""root_keys": { "app_key": { "key": "00112233445566778899AABBCCDDEEFF" } }"#;
        assert!(has_join(&format!(r#"{{ {keys}, "join_server_address": "localhost" }}"#)));
    }

    #[test]
    fn a_change_of_a_parent_goes_to_each_with_its_children() {
        let told = |paths: &[&str]| {
            let paths: Vec<_> = paths.iter().map(|path| (*path).to_owned()).collect();
            of_change(&device(ABP), &paths)
                .map(|parts| parts.iter().map(|it| it.paths.clone()).collect::<Vec<_>>())
        };
        assert_eq!(told(&["name", "ids"]).unwrap(), [["name"]]);
        assert_eq!(told(&["mac_settings"]).unwrap(), [["mac_settings"]]);
        // Nothing of it is set: it is cleared.
        assert_eq!(told(&["root_keys"]).unwrap(), [["root_keys"]]);
        let session = told(&["session.keys"]).unwrap();
        assert_eq!(session, [["session.keys.f_nwk_s_int_key.key"], ["session.keys.app_s_key.key"]]);
        let error = told(&["name", "created_at", "battery_percentage", "activated_at.x"]);
        assert_eq!(error.unwrap_err().code(), tonic::Code::InvalidArgument);
    }

    #[test]
    fn what_is_read_without_paths_holds_no_keys() {
        for registry in Registry::ALL {
            let paths = of_reading(registry, &[]);
            assert!(
                !paths.is_empty() && paths.iter().all(|path| !path.contains("key.")),
                "{paths:?}"
            );
            assert!(!paths.iter().any(|path| path == "session" || path == "mac_state"));
        }
        let session = of_reading(Registry::Network, &["session".to_owned()]);
        assert!(session.iter().any(|path| path.starts_with("session")));
        assert_eq!(of_reading(Registry::Join, &["name".to_owned()]), [""; 0]);
    }

    #[test]
    fn answers_are_put_together_without_loss() {
        let device = device(ABP);
        let mut whole = v3::EndDevice::default();
        for part in of_new(&device).unwrap() {
            merge(&mut whole, &part.device);
        }
        let mut expected = device;
        expected.ids.as_mut().unwrap().dev_addr.clear();
        assert_eq!(whole, expected);
    }
}
