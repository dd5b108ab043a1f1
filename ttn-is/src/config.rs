//! Configuration: plain data.
#![expect(clippy::exhaustive_structs, reason = "built by other crates")]

use std::{fmt, time::Duration};

/// How the Identity Server behaves.
#[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    /// The keys that servers of this cluster may call with (`ClusterKey`), 16 octets or more each.
    pub cluster_keys: Vec<Vec<u8>>,
    /// Whether administrators have really every right on everything (IS-31).
    pub admin_rights_all: bool,
    /// Whether people may register themselves (IS-34).
    pub registration_enabled: bool,
    /// Whether an administrator must approve those who register themselves (IS-34).
    pub registration_admin_approval: bool,
    /// How long deleted entities can be restored (IS-16).
    pub restore_window: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            cluster_keys: Vec::new(),
            admin_rights_all: false,
            registration_enabled: true,
            registration_admin_approval: false,
            restore_window: Duration::from_secs(24 * 3600),
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("cluster_keys", &self.cluster_keys.len())
            .field("admin_rights_all", &self.admin_rights_all)
            .field("registration_enabled", &self.registration_enabled)
            .field("registration_admin_approval", &self.registration_admin_approval)
            .field("restore_window", &self.restore_window)
            .finish()
    }
}
