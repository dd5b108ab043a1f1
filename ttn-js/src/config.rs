//! What can be set.
#![expect(clippy::exhaustive_structs, reason = "built by other crates")]

use serde::{Deserialize, Serialize};
use ttn_core::eui::{JoinEui, JoinEuiPrefix};

/// The settings of a Join Server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    /// The JoinEUIs that are served, such as `70B3D57ED0000000/36`; every one by default.
    #[serde(rename = "join-eui-prefix")]
    pub join_eui_prefixes: Vec<PrefixText>,
    /// The JoinEUI that the Console and the CLI propose.
    pub default_join_eui: JoinEui,
    /// The label of the key encryption key for keys at rest. The vault must have it.
    pub device_kek_label: String,
    /// How many sets of session keys each device keeps.
    pub session_key_limit: usize,
}

impl Config {
    /// The label of the key encryption key that keys at rest are wrapped with by default.
    pub const DEVICE_KEK_LABEL: &'static str = "at-rest";
    /// How many sets of session keys each device keeps by default (JS-10).
    pub const SESSION_KEY_LIMIT: usize = 10;

    /// Whether a JoinEUI is served (JS-02).
    #[must_use]
    pub fn serves(&self, join_eui: JoinEui) -> bool {
        self.join_eui_prefixes.iter().any(|prefix| prefix.0.contains(join_eui))
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            join_eui_prefixes: vec![PrefixText(JoinEuiPrefix::ALL)],
            default_join_eui: JoinEui::default(),
            device_kek_label: Self::DEVICE_KEK_LABEL.to_owned(),
            session_key_limit: Self::SESSION_KEY_LIMIT,
        }
    }
}

/// A prefix of JoinEUIs, written `70B3D57ED0000000/36`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrefixText(pub JoinEuiPrefix);

impl Serialize for PrefixText {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (join_eui, length) = self.0.parts();
        serializer.collect_str(&format_args!("{join_eui}/{length}"))
    }
}

impl<'de> Deserialize<'de> for PrefixText {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let refuse = || {
            let text: String = text.chars().take(64).collect();
            serde::de::Error::custom(format!(
                "{text:?} is no JoinEUI prefix: write it like 70B3D57ED0000000/36"
            ))
        };
        let (join_eui, length) = text.split_once('/').ok_or_else(refuse)?;
        let join_eui = join_eui.parse().map_err(|_| refuse())?;
        let length = length.parse().map_err(|_| refuse())?;
        JoinEuiPrefix::new(join_eui, length).map(Self).ok_or_else(refuse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // JS-02
    #[test]
    fn serves_the_prefixes_it_is_given_and_everything_by_default() {
        let all = Config::default();
        assert!(all.serves(JoinEui::from_u64(0)) && all.serves(JoinEui::from_u64(u64::MAX)));
        let some: Config =
            serde_json::from_str(r#"{"join-eui-prefix": ["70B3D57ED0000000/36"]}"#).unwrap();
        assert!(some.serves("70B3D57ED0ABCDEF".parse().unwrap()));
        assert!(!some.serves("70B3D57EE0000000".parse().unwrap()));
        assert_eq!(
            serde_json::from_value::<Config>(serde_json::to_value(&some).unwrap()).unwrap(),
            some
        );
        for bad in ["70B3D57ED0000000", "70B3D57ED0000000/65", "70B3/2", "/"] {
            let text = format!(r#"{{"join-eui-prefix": ["{bad}"]}}"#);
            let error = serde_json::from_str::<Config>(&text).unwrap_err();
            assert!(error.to_string().contains(bad), "{error}");
        }
    }
}
