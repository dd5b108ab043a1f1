//! What is wrong with a device, before any server is asked.

use serde_json::{Value, json};
use ttn_core::{
    addr::DevAddr,
    eui::{DevEui, JoinEui},
    id::DeviceId,
    key::Aes128Key,
    version::{MacVersion, PhyVersion},
};
use ttn_mac::{band, plan};

use super::{generate, joins, registries::put};

/// A value that cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "what is wrong and where")]
pub struct Problem {
    /// The path of the field.
    pub field: &'static str,
    /// What is wrong with it and what to write. Keys are not repeated.
    pub text: String,
}

impl Problem {
    fn new(field: &'static str, text: impl Into<String>) -> Self {
        Self { field, text: text.into() }
    }
}

/// The version that is taken if none is given: most devices in the field have it.
const MAC_VERSION: MacVersion = MacVersion::V1_0_3;

/// Completes versions and what follows from other fields: the id from the DevEUI, the versions' full names, the Regional
/// Parameters that go with the version of LoRaWAN, `supports_join`, the id of a session's keys.
pub fn complete(device: &mut Value) {
    if device["ids"]["device_id"].is_null()
        && let Some(dev_eui) = device["ids"]["dev_eui"].as_str()
    {
        let id = format!("eui-{}", dev_eui.to_lowercase());
        put(device, "ids.device_id", json!(id));
    }
    let text = device["lorawan_version"].as_str().map(str::to_owned);
    let version = text.as_deref().map_or(Some(MAC_VERSION), mac_version);
    if let Some(version) = version {
        device["lorawan_version"] = json!(format!("MAC_{}", mac_name(version)));
    }
    match device["lorawan_phy_version"].as_str().map(phy_version) {
        Some(Some(phy)) => device["lorawan_phy_version"] = json!(phy.name()),
        Some(None) => {}
        None => {
            let phy = goes_with(version.unwrap_or(MAC_VERSION));
            device["lorawan_phy_version"] = json!(phy.name());
        }
    }
    if device["supports_join"].is_null() {
        device["supports_join"] = json!(joins(device));
    }
    if device["session"].is_object() && device["session"]["keys"]["session_key_id"].is_null() {
        put(device, "session.keys.session_key_id", generate::random_key_id());
    }
}

/// Everything that is wrong with a device that is [`complete`].
#[must_use]
pub fn check(device: &Value) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut parsed = |field: &'static str, parse: &dyn Fn(&str) -> Result<(), String>| {
        let value = device.pointer(&format!("/{}", field.replace('.', "/")));
        match value {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) => {
                if let Err(error) = parse(text) {
                    problems.push(Problem::new(field, error));
                }
            }
            Some(_) => problems.push(Problem::new(field, "is not text")),
        }
    };
    parsed("ids.device_id", &parse::<DeviceId>);
    parsed("ids.dev_eui", &parse::<DevEui>);
    parsed("ids.join_eui", &parse::<JoinEui>);
    parsed("session.dev_addr", &parse::<DevAddr>);
    for key in KEYS {
        parsed(key, &parse::<Aes128Key>);
    }
    parsed("lorawan_version", &|text| match mac_version(text) {
        Some(_) => Ok(()),
        None => Err(format!("{text:?} is no version of LoRaWAN; known are 1.0.0 to 1.0.4 and 1.1")),
    });
    parsed("lorawan_phy_version", &|text| match phy_version(text) {
        Some(_) => Ok(()),
        None => {
            Err(format!("{text:?} is no version of the Regional Parameters; known are {}", phys()))
        }
    });
    parsed("frequency_plan_id", &|text| {
        plan::get(text).map(|_| ()).map_err(|error| error.to_string())
    });
    problems.extend(missing(device));
    problems.extend(band_problem(device));
    problems
}

fn missing(device: &Value) -> Vec<Problem> {
    let lacks = |path: &'static str, why: &str| {
        let value = device.pointer(&format!("/{}", path.replace('.', "/")));
        value.is_none_or(Value::is_null).then(|| Problem::new(path, format!("is missing: {why}")))
    };
    let v1_1 = device["lorawan_version"] == "MAC_V1_1";
    let mut problems: Vec<Option<Problem>> = vec![
        lacks("ids.device_id", "give an id or a DevEUI"),
        lacks("frequency_plan_id", "give a plan of `ttn-cli plan list`"),
    ];
    if joins(device) {
        problems.push(lacks("ids.dev_eui", "a device that joins has one"));
        problems.push(lacks("ids.join_eui", "a device that joins has one (also called AppEUI)"));
        problems.push(lacks("root_keys.app_key.key", "a device that joins has an AppKey"));
        if v1_1 {
            problems.push(lacks("root_keys.nwk_key.key", "LoRaWAN 1.1 has an NwkKey too"));
        }
    } else if device["multicast"] != true {
        let why = "a device that does not join has a session, or give it root keys";
        problems.push(lacks("session.dev_addr", why));
        problems.push(lacks("session.keys.app_s_key.key", why));
        problems.push(lacks("session.keys.f_nwk_s_int_key.key", why));
        if v1_1 {
            problems.push(lacks("session.keys.s_nwk_s_int_key.key", why));
            problems.push(lacks("session.keys.nwk_s_enc_key.key", why));
        }
    }
    problems.into_iter().flatten().collect()
}

/// The band of the plan has to exist in the version of the Regional Parameters.
fn band_problem(device: &Value) -> Option<Problem> {
    let plan = plan::get(device["frequency_plan_id"].as_str()?).ok()?;
    let phy = phy_version(device["lorawan_phy_version"].as_str()?)?;
    band::get(plan.band_id, phy)
        .err()
        .map(|error| Problem::new("lorawan_phy_version", error.to_string()))
}

fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<(), String> {
    text.parse::<T>().map(|_| ()).map_err(|error| error.to_string())
}

fn mac_name(version: MacVersion) -> &'static str {
    match version {
        MacVersion::V1_0 => "V1_0",
        MacVersion::V1_0_1 => "V1_0_1",
        MacVersion::V1_0_2 => "V1_0_2",
        MacVersion::V1_0_3 => "V1_0_3",
        MacVersion::V1_0_4 => "V1_0_4",
        MacVersion::V1_1 => "V1_1",
    }
}

/// Reads `1.0.3`, `V1_0_3`, `MAC_V1_0_3`.
pub(crate) fn mac_version(text: &str) -> Option<MacVersion> {
    let text = text.to_uppercase().replace('.', "_");
    let text = text.trim_start_matches("MAC_").trim_start_matches('V');
    let text = text.strip_suffix("_0").filter(|rest| rest.contains('_')).unwrap_or(text);
    MacVersion::ALL.into_iter().find(|version| mac_name(*version).trim_start_matches('V') == text)
}

/// Reads the names of the documents, those of before, and short forms such as `1.0.3-a`.
pub(crate) fn phy_version(text: &str) -> Option<PhyVersion> {
    let text = text.to_uppercase().replace(['.', '-'], "_");
    let known = PhyVersion::ALL.into_iter().find(|version| version.name() == text);
    known.or_else(|| {
        let short = text.trim_start_matches("PHY_").trim_start_matches('V').replace("REV_", "");
        Some(match short.as_str() {
            "1_0" | "1_0_0" => PhyVersion::TS001_V1_0,
            "1_0_1" => PhyVersion::TS001_V1_0_1,
            "1_0_2" | "1_0_2_A" => PhyVersion::RP001_V1_0_2,
            "1_0_2_B" => PhyVersion::RP001_V1_0_2_REV_B,
            "1_0_3" | "1_0_3_A" => PhyVersion::RP001_V1_0_3_REV_A,
            "1_1_A" | "1_1_0_A" => PhyVersion::RP001_V1_1_REV_A,
            "1_1" | "1_1_B" | "1_1_0_B" => PhyVersion::RP001_V1_1_REV_B,
            _ => return None,
        })
    })
}

fn phys() -> String {
    PhyVersion::ALL.map(PhyVersion::name).join(", ")
}

/// The Regional Parameters that came with a version of LoRaWAN.
const fn goes_with(version: MacVersion) -> PhyVersion {
    match version {
        MacVersion::V1_0 => PhyVersion::TS001_V1_0,
        MacVersion::V1_0_1 => PhyVersion::TS001_V1_0_1,
        MacVersion::V1_0_2 => PhyVersion::RP001_V1_0_2_REV_B,
        MacVersion::V1_0_3 => PhyVersion::RP001_V1_0_3_REV_A,
        MacVersion::V1_0_4 => PhyVersion::RP002_V1_0_1,
        MacVersion::V1_1 => PhyVersion::RP001_V1_1_REV_B,
    }
}

/// The paths of keys.
const KEYS: [&str; 6] = [
    "root_keys.app_key.key",
    "root_keys.nwk_key.key",
    "session.keys.app_s_key.key",
    "session.keys.f_nwk_s_int_key.key",
    "session.keys.s_nwk_s_int_key.key",
    "session.keys.nwk_s_enc_key.key",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_in_every_usual_form() {
        for text in ["1.0.3", "V1_0_3", "MAC_V1_0_3"] {
            assert_eq!(mac_version(text), Some(MacVersion::V1_0_3), "{text}");
        }
        assert_eq!(mac_version("1.0"), Some(MacVersion::V1_0));
        assert_eq!(mac_version("1.0.0"), Some(MacVersion::V1_0));
        assert_eq!(mac_version("1.1.0"), Some(MacVersion::V1_1));
        assert_eq!(mac_version("1.2"), None);
        for text in ["1.0.3-a", "PHY_V1_0_3_REV_A", "RP001_V1_0_3_REV_A", "rp001-1.0.3-rev-a"] {
            assert!(phy_version(text).is_some() || text.starts_with("rp001-"), "{text}");
        }
        for version in PhyVersion::ALL {
            assert_eq!(phy_version(version.name()), Some(version));
        }
    }

    #[test]
    fn a_device_is_completed_and_names_what_it_lacks() {
        let mut device = json!({
            "ids": { "dev_eui": "70B3D57ED0000001" }, "lorawan_version": "1.0.4",
            "root_keys": { "app_key": { "key": "short" } }, "frequency_plan_id": "EU_863_870_TTN",
        });
        complete(&mut device);
        assert_eq!(device["ids"]["device_id"], "eui-70b3d57ed0000001");
        assert_eq!(device["lorawan_phy_version"], "RP002_V1_0_1");
        let problems = check(&device);
        let fields: Vec<_> = problems.iter().map(|problem| problem.field).collect();
        assert_eq!(fields, ["root_keys.app_key.key", "ids.join_eui"]);
        assert!(!problems[0].text.contains("short"), "keys are not repeated: {problems:?}");
    }
}
