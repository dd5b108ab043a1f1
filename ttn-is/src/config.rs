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
    /// How long the audit log remembers; with zero nothing is written down.
    pub audit_retention: Duration,
    /// What people may create who are no administrators (IS-32).
    pub user_rights: UserRights,
    /// Whether collaborators may name others than themselves as contacts (IS-19).
    pub set_others_as_contacts: bool,
    /// DevEUIs that applications may draw; none are given out without it (IS-17).
    pub dev_euis: Option<DevEuis>,
    /// Passwords, sessions, and what is mailed.
    pub login: Login,
    /// How much there may be.
    pub limits: Limits,
    /// The tenants of this server, if it has a host for them.
    pub tenancy: Tenancy,
    /// Pictures of users and end devices.
    pub pictures: Pictures,
}

/// How much there may be; `None`: as much as people like. What was deleted and can be restored does not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Limits {
    /// Applications.
    pub max_applications: Option<u32>,
    /// OAuth clients.
    pub max_clients: Option<u32>,
    /// End devices of all applications.
    pub max_end_devices: Option<u32>,
    /// Gateways.
    pub max_gateways: Option<u32>,
    /// Organizations.
    pub max_organizations: Option<u32>,
    /// Users.
    pub max_users: Option<u32>,
}

/// The tenants of this server (IS-61). `Debug` hides the keys.
#[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Tenancy {
    /// The keys that tenants may be looked after with (`TenantAdminKey`), 16 octets or more each.
    pub admin_keys: Vec<String>,
    /// How many tenants there may be.
    pub tenants_max: usize,
}

impl Default for Tenancy {
    fn default() -> Self {
        Self { admin_keys: Vec::new(), tenants_max: 64 }
    }
}

impl fmt::Debug for Tenancy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tenancy")
            .field("admin_keys", &self.admin_keys.len())
            .field("tenants_max", &self.tenants_max)
            .finish()
    }
}

/// Pictures of users and end devices (IS-18).
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Pictures {
    /// Whether they can be uploaded.
    pub uploads: bool,
    /// Whether who has none is shown with what Gravatar has for his e-mail address. Whoever looks at it then asks that
    /// service, and tells it a hash of the address; the server itself asks nobody.
    pub gravatar: bool,
}

impl Default for Pictures {
    fn default() -> Self {
        Self { uploads: true, gravatar: false }
    }
}

/// Passwords, sessions, and what is mailed.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Login {
    /// What passwords must be like.
    pub password: PasswordRules,
    /// How long a login lasts.
    pub session_ttl: Duration,
    /// How long a temporary password can be used (IS-37).
    pub temporary_password_ttl: Duration,
    /// Whether people can log in by a link that is mailed to them (IS-38).
    pub login_tokens: bool,
    /// How long such a link can be used.
    pub login_token_ttl: Duration,
    /// Whether only those can register who are invited (IS-34, IS-39).
    pub invitation_required: bool,
    /// How long an invitation holds.
    pub invitation_ttl: Duration,
    /// Whether users may do little before their address is known to be theirs (IS-34, IS-40).
    pub email_validation_required: bool,
    /// How long the question for that can be answered.
    pub email_validation_ttl: Duration,
    /// How long until it is asked again.
    pub email_validation_retry: Duration,
    /// How mails and pages call the network.
    pub network_name: String,
    /// Where the pages of the account are, as mails name it: `https://host/oauth`.
    pub account_url: String,
}

impl Default for Login {
    fn default() -> Self {
        let hours = |hours: u64| Duration::from_secs(hours * 3600);
        Self {
            password: PasswordRules::default(),
            session_ttl: hours(30 * 24),
            temporary_password_ttl: hours(1),
            login_tokens: false,
            login_token_ttl: hours(1),
            invitation_required: false,
            invitation_ttl: hours(7 * 24),
            email_validation_required: false,
            email_validation_ttl: hours(2 * 24),
            email_validation_retry: hours(1),
            network_name: "The Things Stack".to_owned(),
            account_url: "http://localhost:1885/oauth".to_owned(),
        }
    }
}

/// What passwords must be like (IS-35).
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct PasswordRules {
    /// How many characters they need.
    pub min_length: usize,
    /// How many they may have.
    pub max_length: usize,
    /// How many capital letters they need.
    pub min_uppercase: usize,
    /// How many digits.
    pub min_digits: usize,
    /// How many characters that are neither letters nor digits.
    pub min_special: usize,
    /// Whether the id of the user may not be part of them.
    pub reject_user_id: bool,
}

impl Default for PasswordRules {
    fn default() -> Self {
        Self {
            min_length: 8,
            max_length: 1000,
            min_uppercase: 1,
            min_digits: 1,
            min_special: 0,
            reject_user_id: true,
        }
    }
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
            audit_retention: Duration::from_secs(365 * 24 * 3600),
            user_rights: UserRights::default(),
            set_others_as_contacts: true,
            dev_euis: None,
            login: Login::default(),
            limits: Limits::default(),
            tenancy: Tenancy::default(),
            pictures: Pictures::default(),
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
            .field("audit_retention", &self.audit_retention)
            .field("user_rights", &self.user_rights)
            .field("set_others_as_contacts", &self.set_others_as_contacts)
            .field("dev_euis", &self.dev_euis)
            .field("login", &self.login)
            .field("limits", &self.limits)
            .field("tenancy", &self.tenancy)
            .finish()
    }
}
