//! Configuration: plain data.
#![expect(clippy::exhaustive_structs, reason = "built by other crates")]

use std::{fmt, time::Duration};

use ttn_core::eui::DevEui;

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
    /// What people may create who are no administrators (IS-32).
    pub user_rights: UserRights,
    /// Whether collaborators may name others than themselves as contacts (IS-19).
    pub set_others_as_contacts: bool,
    /// DevEUIs that applications may draw; none are given out without it (IS-17).
    pub dev_euis: Option<DevEuis>,
}

/// What people may create who are no administrators (IS-32).
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct UserRights {
    /// Applications.
    pub create_applications: bool,
    /// OAuth clients.
    pub create_clients: bool,
    /// Gateways.
    pub create_gateways: bool,
    /// Organizations.
    pub create_organizations: bool,
}

impl Default for UserRights {
    fn default() -> Self {
        Self {
            create_applications: true,
            create_clients: true,
            create_gateways: true,
            create_organizations: true,
        }
    }
}

/// DevEUIs that applications may draw (IS-17).
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DevEuis {
    /// The blocks, drawn from in this order.
    pub blocks: Vec<EuiBlock>,
    /// How many one application may draw.
    pub application_limit: u32,
}

/// A block of EUIs: all that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct EuiBlock {
    /// The first EUI of the block.
    pub first: DevEui,
    /// How many bits all of them share.
    pub length: u8,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            cluster_keys: Vec::new(),
            admin_rights_all: false,
            registration_enabled: true,
            registration_admin_approval: false,
            restore_window: Duration::from_secs(24 * 3600),
            user_rights: UserRights::default(),
            set_others_as_contacts: true,
            dev_euis: None,
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
            .field("user_rights", &self.user_rights)
            .field("set_others_as_contacts", &self.set_others_as_contacts)
            .field("dev_euis", &self.dev_euis)
            .finish()
    }
}
