//! The Identity Server.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};
use ttn_is::{DevEuis, EuiBlock, UserRights};

/// People, and what they may do by themselves.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Identity {
    /// Whether people may register themselves.
    pub registration: bool,
    /// Whether an administrator must approve those who register themselves.
    pub registration_approval: bool,
    /// What others than administrators may create.
    pub create: UserRights,
    /// Whether collaborators may name others than themselves as contacts.
    pub set_others_as_contacts: bool,
    /// Whether administrators have really every right on everything, reading keys included.
    pub admin_rights_all: bool,
    /// For how many hours deleted entities can be restored.
    pub restore_hours: u32,
    /// Blocks of DevEUIs that applications may draw from.
    pub dev_eui_blocks: Vec<EuiBlock>,
    /// How many DevEUIs one application may draw.
    pub dev_eui_limit: u32,
    /// The keys that other servers of this cluster call with, hexadecimal, 16 octets or more each.
    #[serde(skip_serializing)]
    pub cluster_keys: Vec<ClusterKey>,
}

impl Default for Identity {
    fn default() -> Self {
        Self {
            registration: true,
            registration_approval: false,
            create: UserRights::default(),
            set_others_as_contacts: true,
            admin_rights_all: false,
            restore_hours: 24,
            dev_eui_blocks: Vec::new(),
            dev_eui_limit: 10,
            cluster_keys: Vec::new(),
        }
    }
}

impl Identity {
    pub(super) fn config(&self) -> ttn_is::Config {
        let blocks = self.dev_eui_blocks.clone();
        let dev_euis = DevEuis { blocks, application_limit: self.dev_eui_limit };
        ttn_is::Config {
            cluster_keys: self.cluster_keys.iter().map(|key| key.0.clone()).collect(),
            admin_rights_all: self.admin_rights_all,
            registration_enabled: self.registration,
            registration_admin_approval: self.registration_approval,
            restore_window: Duration::from_secs(u64::from(self.restore_hours) * 3600),
            user_rights: self.create,
            set_others_as_contacts: self.set_others_as_contacts,
            dev_euis: Some(dev_euis).filter(|_| !self.dev_eui_blocks.is_empty()),
        }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.config().fmt(f)
    }
}

/// A key of the cluster. `Debug` hides it.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct ClusterKey(Vec<u8>);

impl TryFrom<String> for ClusterKey {
    type Error = data_encoding::DecodeError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes()).map(Self)
    }
}

impl fmt::Debug for ClusterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClusterKey")
    }
}
