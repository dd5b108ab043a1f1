//! The rights of The Things Stack and sets of them.

use std::fmt;

macro_rules! rights {
    ($($name:ident = $number:literal, $text:literal, [$($implied:ident),*];)*) => {
        /// A right on an entity; the names are those of the API.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        #[non_exhaustive]
        #[expect(missing_docs, reason = "the names say what they allow")]
        pub enum Right { $($name = $number),* }

        impl Right {
            /// Every right, in the order of the API.
            pub const ALL_RIGHTS: &'static [Self] = &[$(Self::$name),*];

            /// The name in the API.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }

            /// The rights that come with this one (one step).
            const fn implied(self) -> &'static [Self] {
                match self { $(Self::$name => &[$(Self::$implied),*]),* }
            }
        }
    };
}

rights! {
    UserInfo = 1, "RIGHT_USER_INFO", [];
    UserSettingsBasic = 2, "RIGHT_USER_SETTINGS_BASIC", [];
    UserSettingsApiKeys = 3, "RIGHT_USER_SETTINGS_API_KEYS", [];
    UserDelete = 4, "RIGHT_USER_DELETE", [];
    UserAuthorizedClients = 5, "RIGHT_USER_AUTHORIZED_CLIENTS", [];
    UserApplicationsList = 6, "RIGHT_USER_APPLICATIONS_LIST", [];
    UserApplicationsCreate = 7, "RIGHT_USER_APPLICATIONS_CREATE", [];
    UserGatewaysList = 8, "RIGHT_USER_GATEWAYS_LIST", [];
    UserGatewaysCreate = 9, "RIGHT_USER_GATEWAYS_CREATE", [];
    UserClientsList = 10, "RIGHT_USER_CLIENTS_LIST", [];
    UserClientsCreate = 11, "RIGHT_USER_CLIENTS_CREATE", [];
    UserOrganizationsList = 12, "RIGHT_USER_ORGANIZATIONS_LIST", [];
    UserOrganizationsCreate = 13, "RIGHT_USER_ORGANIZATIONS_CREATE", [];
    UserNotificationsRead = 59, "RIGHT_USER_NOTIFICATIONS_READ", [];
    UserAll = 14, "RIGHT_USER_ALL", [UserApplicationsCreate, UserApplicationsList, UserAuthorizedClients, UserClientsCreate, UserClientsList, UserDelete, UserGatewaysCreate, UserGatewaysList, UserInfo, UserNotificationsRead, UserOrganizationsCreate, UserOrganizationsList, UserSettingsApiKeys, UserSettingsBasic];
    ApplicationInfo = 15, "RIGHT_APPLICATION_INFO", [];
    ApplicationSettingsBasic = 16, "RIGHT_APPLICATION_SETTINGS_BASIC", [];
    ApplicationSettingsApiKeys = 17, "RIGHT_APPLICATION_SETTINGS_API_KEYS", [];
    ApplicationSettingsCollaborators = 18, "RIGHT_APPLICATION_SETTINGS_COLLABORATORS", [];
    ApplicationSettingsPackages = 56, "RIGHT_APPLICATION_SETTINGS_PACKAGES", [];
    ApplicationDelete = 19, "RIGHT_APPLICATION_DELETE", [];
    ApplicationDevicesRead = 20, "RIGHT_APPLICATION_DEVICES_READ", [];
    ApplicationDevicesWrite = 21, "RIGHT_APPLICATION_DEVICES_WRITE", [];
    ApplicationDevicesReadKeys = 22, "RIGHT_APPLICATION_DEVICES_READ_KEYS", [];
    ApplicationDevicesWriteKeys = 23, "RIGHT_APPLICATION_DEVICES_WRITE_KEYS", [];
    ApplicationTrafficRead = 24, "RIGHT_APPLICATION_TRAFFIC_READ", [];
    ApplicationTrafficUpWrite = 25, "RIGHT_APPLICATION_TRAFFIC_UP_WRITE", [];
    ApplicationTrafficDownWrite = 26, "RIGHT_APPLICATION_TRAFFIC_DOWN_WRITE", [];
    ApplicationLink = 27, "RIGHT_APPLICATION_LINK", [ApplicationInfo, ApplicationTrafficRead, ApplicationTrafficDownWrite];
    ApplicationAll = 28, "RIGHT_APPLICATION_ALL", [ApplicationDelete, ApplicationDevicesRead, ApplicationDevicesReadKeys, ApplicationDevicesWrite, ApplicationDevicesWriteKeys, ApplicationInfo, ApplicationLink, ApplicationSettingsApiKeys, ApplicationSettingsBasic, ApplicationSettingsCollaborators, ApplicationSettingsPackages, ApplicationTrafficDownWrite, ApplicationTrafficRead, ApplicationTrafficUpWrite];
    ClientAll = 29, "RIGHT_CLIENT_ALL", [ClientInfo, ClientSettingsBasic, ClientSettingsCollaborators, ClientDelete];
    ClientInfo = 60, "RIGHT_CLIENT_INFO", [];
    ClientSettingsBasic = 61, "RIGHT_CLIENT_SETTINGS_BASIC", [];
    ClientSettingsCollaborators = 62, "RIGHT_CLIENT_SETTINGS_COLLABORATORS", [];
    ClientDelete = 63, "RIGHT_CLIENT_DELETE", [];
    GatewayInfo = 30, "RIGHT_GATEWAY_INFO", [];
    GatewaySettingsBasic = 31, "RIGHT_GATEWAY_SETTINGS_BASIC", [];
    GatewaySettingsApiKeys = 32, "RIGHT_GATEWAY_SETTINGS_API_KEYS", [];
    GatewaySettingsCollaborators = 33, "RIGHT_GATEWAY_SETTINGS_COLLABORATORS", [];
    GatewayDelete = 34, "RIGHT_GATEWAY_DELETE", [];
    GatewayTrafficRead = 35, "RIGHT_GATEWAY_TRAFFIC_READ", [];
    GatewayTrafficDownWrite = 36, "RIGHT_GATEWAY_TRAFFIC_DOWN_WRITE", [];
    GatewayLink = 37, "RIGHT_GATEWAY_LINK", [GatewayInfo];
    GatewayStatusRead = 38, "RIGHT_GATEWAY_STATUS_READ", [];
    GatewayLocationRead = 39, "RIGHT_GATEWAY_LOCATION_READ", [];
    GatewayWriteSecrets = 57, "RIGHT_GATEWAY_WRITE_SECRETS", [];
    GatewayReadSecrets = 58, "RIGHT_GATEWAY_READ_SECRETS", [];
    GatewayAll = 40, "RIGHT_GATEWAY_ALL", [GatewayDelete, GatewayInfo, GatewayLink, GatewayLocationRead, GatewayReadSecrets, GatewaySettingsApiKeys, GatewaySettingsBasic, GatewaySettingsCollaborators, GatewayStatusRead, GatewayTrafficDownWrite, GatewayTrafficRead, GatewayWriteSecrets];
    OrganizationInfo = 41, "RIGHT_ORGANIZATION_INFO", [];
    OrganizationSettingsBasic = 42, "RIGHT_ORGANIZATION_SETTINGS_BASIC", [];
    OrganizationSettingsApiKeys = 43, "RIGHT_ORGANIZATION_SETTINGS_API_KEYS", [];
    OrganizationSettingsMembers = 44, "RIGHT_ORGANIZATION_SETTINGS_MEMBERS", [];
    OrganizationDelete = 45, "RIGHT_ORGANIZATION_DELETE", [];
    OrganizationApplicationsList = 46, "RIGHT_ORGANIZATION_APPLICATIONS_LIST", [];
    OrganizationApplicationsCreate = 47, "RIGHT_ORGANIZATION_APPLICATIONS_CREATE", [];
    OrganizationGatewaysList = 48, "RIGHT_ORGANIZATION_GATEWAYS_LIST", [];
    OrganizationGatewaysCreate = 49, "RIGHT_ORGANIZATION_GATEWAYS_CREATE", [];
    OrganizationClientsList = 50, "RIGHT_ORGANIZATION_CLIENTS_LIST", [];
    OrganizationClientsCreate = 51, "RIGHT_ORGANIZATION_CLIENTS_CREATE", [];
    OrganizationAddAsCollaborator = 52, "RIGHT_ORGANIZATION_ADD_AS_COLLABORATOR", [];
    OrganizationAll = 53, "RIGHT_ORGANIZATION_ALL", [OrganizationAddAsCollaborator, OrganizationApplicationsCreate, OrganizationApplicationsList, OrganizationClientsCreate, OrganizationClientsList, OrganizationDelete, OrganizationGatewaysCreate, OrganizationGatewaysList, OrganizationInfo, OrganizationSettingsApiKeys, OrganizationSettingsBasic, OrganizationSettingsMembers];
    SendInvites = 54, "RIGHT_SEND_INVITES", [];
    All = 55, "RIGHT_ALL", [];
}

impl Right {
    /// The right with a name of the API.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL_RIGHTS.iter().copied().find(|right| right.name() == name)
    }

    /// The right with a number of the API.
    #[must_use]
    pub fn from_number(number: i32) -> Option<Self> {
        Self::ALL_RIGHTS.iter().copied().find(|right| i32::from(*right as u8) == number)
    }

    /// The number in the API.
    #[must_use]
    pub const fn number(self) -> i32 {
        self as i32
    }
}

impl fmt::Debug for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of rights.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Rights(u128);

impl Rights {
    /// No right.
    pub const NONE: Self = Self(0);

    /// The rights that an administrator has on everything (IS-31).
    #[must_use]
    pub fn admin() -> Self {
        let given = |right: &&Right| {
            let name = right.name();
            !name.ends_with("_KEYS") && !name.ends_with("_ALL")
        };
        Right::ALL_RIGHTS.iter().filter(given).copied().collect()
    }

    /// The rights of other servers of the cluster (IS-30).
    #[must_use]
    pub fn cluster() -> Self {
        let given = |right: &&Right| {
            let name = right.name();
            name.ends_with("_READ") || name.ends_with("_INFO")
        };
        Right::ALL_RIGHTS.iter().filter(given).copied().collect()
    }

    /// Adds a right.
    pub const fn insert(&mut self, right: Right) {
        self.0 |= 1 << right as u8;
    }

    /// Whether the set has a right itself (see [`Self::implied`]).
    #[must_use]
    pub const fn contains(self, right: Right) -> bool {
        self.0 & (1 << right as u8) != 0
    }

    /// Whether the set has every right of `other`.
    #[must_use]
    pub const fn contains_all(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The rights of both sets together.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The rights that both sets have.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The rights of this set that `other` lacks.
    #[must_use]
    pub const fn difference(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether the set is empty.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The set with what its rights imply, one step (IS-22).
    #[must_use]
    pub fn implied(self) -> Self {
        if self.contains(Right::All) {
            return Right::ALL_RIGHTS.iter().copied().collect();
        }
        self.iter().fold(self, |all, right| all.union(right.implied().iter().copied().collect()))
    }

    /// The rights of the set, in the order of the API.
    pub fn iter(self) -> impl Iterator<Item = Right> {
        Right::ALL_RIGHTS.iter().copied().filter(move |right| self.contains(*right))
    }
}

impl FromIterator<Right> for Rights {
    fn from_iter<I: IntoIterator<Item = Right>>(rights: I) -> Self {
        let mut set = Self::NONE;
        rights.into_iter().for_each(|right| set.insert(right));
        set
    }
}

impl fmt::Debug for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // IS-22
    #[test]
    fn all_of_one_kind_implies_that_kind_only() {
        let rights = Rights::from_iter([Right::ApplicationAll]).implied();
        assert!(rights.contains(Right::ApplicationTrafficRead));
        assert!(!rights.contains(Right::GatewayInfo));
        let link = Rights::from_iter([Right::GatewayLink]).implied();
        assert!(link.contains(Right::GatewayInfo) && !link.contains(Right::GatewayStatusRead));
        assert!(Rights::from_iter([Right::All]).implied().contains(Right::SendInvites));
    }

    // IS-31
    #[test]
    fn an_administrator_reads_no_keys() {
        assert!(!Rights::admin().contains(Right::ApplicationDevicesReadKeys));
        assert!(Rights::admin().contains(Right::ApplicationDevicesRead));
    }
}
