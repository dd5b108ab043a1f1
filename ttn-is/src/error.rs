//! What can go wrong, as callers and clients see it.

use ttn_core::{
    auth::AccessDenied,
    error::{ApiError, Attributes, ErrorKind},
    eui::GatewayEui,
    id::{DeviceKey, EntityId, IdError, TenantId},
    peer::PeerError,
    store::StoreError,
};

use crate::{
    auth::{LoginError, oauth::OAuthError},
    entity::Account,
    record::Device,
    store::WriteError,
};

/// An error of the Identity Server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The caller lacks rights.
    #[error(transparent)]
    Access(#[from] AccessDenied),
    /// Only administrators may do this.
    #[error("only administrators may {what}")]
    AdminOnly {
        /// What.
        what: AdminOnly,
    },
    /// The API key has ended.
    #[error("API key {id} has expired; create a new one")]
    ApiKeyExpired {
        /// The key.
        id: String,
    },
    /// Nobody gave out this API key, or it was deleted, or its secret is wrong.
    #[error("the API key is not known; it may have been deleted")]
    ApiKeyUnknown,
    /// The entity has no such API key.
    #[error("{} {} has no API key {id}", entity.kind(), entity.uid())]
    ApiKeyNotFound {
        /// The entity.
        entity: EntityId,
        /// The key.
        id: String,
    },
    /// The application still has devices (IS-07).
    #[error("application {id} still has {count} end devices; delete them first")]
    ApplicationHasDevices {
        /// The application.
        id: String,
        /// How many.
        count: u64,
    },
    /// The account is a contact of the entity (IS-19).
    #[error("{} {} is a contact of the entity; name another one first", account.kind(), account.id())]
    CollaboratorIsContact {
        /// The account.
        account: Account,
    },
    /// Only oneself may be named as a contact (IS-19).
    #[error("only you yourself can be the contact: this server does not let you name others")]
    ContactRestricted,
    /// The user has no such bookmark (IS-53).
    #[error("{} {} is not among the bookmarks", entity.kind(), entity.uid())]
    BookmarkNotFound {
        /// The entity.
        entity: EntityId,
    },
    /// The key of another cluster.
    #[error("the cluster key is not one of this cluster's")]
    ClusterKey,
    /// An update was tried too often against other writers.
    #[error("{what} is being changed by others; try again")]
    Contention {
        /// What was to be changed.
        what: String,
    },
    /// A contact that is no member.
    #[error("contact {} is no collaborator of the entity; add him first", contact.id())]
    ContactNoCollaborator {
        /// The contact.
        contact: Account,
    },
    /// Nobody may draw DevEUIs here (IS-17).
    #[error("this server gives out no DevEUIs")]
    DevEuisDisabled,
    /// The application drew all that it may (IS-17).
    #[error("the application has drawn its {limit} DevEUIs")]
    DevEuiLimit {
        /// How many it may.
        limit: u32,
    },
    /// Every block of EUIs is used up (IS-17).
    #[error("all DevEUIs of this server are given out; an administrator can add a block")]
    DevEuisUsedUp,
    /// Another device has these EUIs (IS-13).
    #[error("the EUIs are those of end device {} of application {}", device.id(), device.application_id())]
    DeviceEuisTaken {
        /// That device.
        device: Box<Device>,
    },
    /// Nobody registered a device with these EUIs.
    #[error("no end device has these EUIs")]
    DeviceNotFoundByEuis,
    /// An address differs from the application's (IS-13).
    #[error("the {server} address {address:?} differs from the application's {expected:?}")]
    AddressMismatch {
        /// Which server.
        server: Server,
        /// What was given.
        address: String,
        /// What the application has.
        expected: String,
    },
    /// A list of rights is empty where one is needed.
    #[error("the request names no rights")]
    EmptyRequest,
    /// The id is kept for other uses (IS-01).
    #[error("id {id:?} is reserved; choose another one")]
    ForbiddenId {
        /// The id.
        id: String,
    },
    /// Another gateway has this EUI (IS-10).
    #[error(
        "EUI {eui} is that of gateway {gateway_id}; ask its contact to delete it or to clear the EUI"
    )]
    GatewayEuiTaken {
        /// The EUI.
        eui: GatewayEui,
        /// The gateway that has it.
        gateway_id: String,
        /// Its administrative contact.
        contact: String,
    },
    /// No gateway has this EUI.
    #[error("no gateway has EUI {eui}")]
    GatewayNotFoundByEui {
        /// The EUI.
        eui: GatewayEui,
    },
    /// There is as much as there may be.
    #[error("there may be no more than {limit} of this kind here ({entity})")]
    LimitReached {
        /// What there is so much of, such as `application`.
        entity: &'static str,
        /// How many there may be.
        limit: u64,
    },
    /// A login, or what leads to one, failed.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// The id is taken, perhaps by something that was deleted.
    #[error("id {id:?} is taken; a deleted entity keeps its id until it is purged")]
    IdTaken {
        /// The id.
        id: String,
    },
    /// The e-mail address is taken.
    #[error("another user has this e-mail address")]
    EmailTaken,
    /// A request of an OAuth client is refused.
    #[error(transparent)]
    OAuth(#[from] OAuthError),
    /// An identifier is missing or malformed.
    #[error(transparent)]
    Id(#[from] IdError),
    /// A field has a value that is not allowed.
    #[error("{field}: {reason}")]
    InvalidField {
        /// The field.
        field: &'static str,
        /// What is wrong.
        reason: &'static str,
    },
    /// The last administrator.
    #[error("user {id} is the last administrator")]
    LastAdmin {
        /// The user.
        id: String,
    },
    /// Rights that the caller lacks himself.
    #[error("you lack rights that you would give or take: {missing}")]
    InsufficientRights {
        /// The rights.
        missing: String,
    },
    /// The account is no member of the entity.
    #[error("{} {} is no collaborator of {} {}", account.kind(), account.id(), entity.kind(), entity.uid())]
    MembershipNotFound {
        /// The entity.
        entity: EntityId,
        /// The account.
        account: Account,
    },
    /// The last member with all rights (IS-25).
    #[error("{} {} needs at least one collaborator with all rights", entity.kind(), entity.uid())]
    NeedsCollaborator {
        /// The entity.
        entity: EntityId,
    },
    /// Organizations as members of organizations (IS-11).
    #[error("an organization cannot be a member of an organization")]
    NestedOrganizations,
    /// Rights of other entities where those of gateways are asked for (IS-15).
    #[error("only rights on gateways can be asked for here")]
    NonGatewayRights,
    /// Some of several gateways do not exist (IS-15).
    #[error("some of the gateways do not exist")]
    SomeGatewaysNotFound,
    /// It does not exist, or is deleted.
    #[error("{} {} does not exist", entity.kind(), entity.uid())]
    NotFound {
        /// The entity.
        entity: EntityId,
    },
    /// The old password is wrong (IS-36).
    #[error("the old password is wrong")]
    OldPassword,
    /// The password is too weak (IS-35).
    #[error(transparent)]
    Password(#[from] crate::auth::PasswordRule),
    /// Pictures are not taken here (IS-18).
    #[error("this server takes no pictures")]
    PicturesDisabled {
        /// The field of the record.
        field: &'static str,
    },
    /// It was deleted too long ago (IS-16).
    #[error("{} {} was deleted too long ago to be restored", entity.kind(), entity.uid())]
    RestoreWindowExpired {
        /// The entity.
        entity: EntityId,
    },
    /// The caller may not search (IS-52).
    #[error(
        "searching is for users and organizations, and for users only administrators search; use their credentials"
    )]
    SearchForbidden,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A key that looks after no tenants.
    #[error("the tenant admin key is not one of this server's")]
    TenantAdminKey,
    /// The configuration of a tenant is not sound.
    #[error("the configuration of the tenant: {reason}")]
    TenantConfiguration {
        /// What is wrong, with the key.
        reason: String,
    },
    /// There is no such tenant.
    #[error("there is no tenant {id}")]
    TenantNotFound {
        /// The tenant.
        id: TenantId,
    },
    /// The credentials are no token.
    #[error("the credentials are no token of the form NNSXS.<id>.<secret>")]
    Token,
    /// A kind of token that is not built.
    #[error("{what} is not built")]
    Unsupported {
        /// What.
        what: &'static str,
    },
    /// A field that only administrators write.
    #[error("only administrators may change {field} of a user")]
    UpdateAdminField {
        /// The field.
        field: &'static str,
    },
    /// The state of the user's account does not allow it (IS-06).
    #[error("user {id} is {state}; an administrator can change that")]
    UserState {
        /// The user.
        id: String,
        /// The state.
        state: &'static str,
        /// Why.
        description: String,
    },
}

/// What only administrators may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the names say it")]
pub enum AdminOnly {
    CleanUp,
    CreateApplications,
    CreateClients,
    CreateEuiBlocks,
    CreateGateways,
    CreateOrganizations,
    CreateUsers,
    ListUsers,
    ManageTenants,
    PurgeApplications,
    PurgeClients,
    PurgeGateways,
    PurgeOrganizations,
    PurgeUsers,
    ReadAudit,
    RestoreUsers,
}

impl std::fmt::Display for AdminOnly {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::CleanUp => "clean up",
            Self::CreateApplications => "create applications",
            Self::CreateClients => "create OAuth clients",
            Self::CreateEuiBlocks => "create blocks of DevEUIs",
            Self::CreateGateways => "create gateways",
            Self::CreateOrganizations => "create organizations",
            Self::CreateUsers => "create users: self-registration is disabled",
            Self::ListUsers => "list users",
            Self::ManageTenants => "look after tenants",
            Self::PurgeApplications => "purge applications",
            Self::PurgeClients => "purge OAuth clients",
            Self::PurgeGateways => "purge gateways",
            Self::PurgeOrganizations => "purge organizations",
            Self::PurgeUsers => "purge users",
            Self::ReadAudit => "read the audit log",
            Self::RestoreUsers => "restore users",
        })
    }
}

/// A server whose address a device and its application must agree on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Server {
    Application,
    Join,
    Network,
}

impl std::fmt::Display for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Application => "Application Server",
            Self::Join => "Join Server",
            Self::Network => "Network Server",
        })
    }
}

impl From<WriteError> for Error {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Conflict { .. } => Self::Contention { what: error.to_string() },
            WriteError::Store(error) => Self::Store(error),
        }
    }
}

impl From<Error> for PeerError {
    fn from(error: Error) -> Self {
        Self::rejected(&error)
    }
}

impl ApiError for Error {
    fn namespace(&self) -> &'static str {
        match self {
            Self::Access(error) => error.namespace(),
            Self::Login(error) => error.namespace(),
            Self::OAuth(error) => error.namespace(),
            Self::ApiKeyNotFound { .. }
            | Self::BookmarkNotFound { .. }
            | Self::ContactRestricted
            | Self::DevEuiLimit { .. }
            | Self::DevEuisUsedUp
            | Self::DeviceNotFoundByEuis
            | Self::GatewayNotFoundByEui { .. }
            | Self::LastAdmin { .. }
            | Self::MembershipNotFound { .. }
            | Self::NotFound { .. }
            | Self::TenantNotFound { .. } => "pkg/identityserver/store",
            Self::ClusterKey => "pkg/auth/cluster",
            Self::Contention { .. } | Self::Store(_) => "pkg/identityserver/store",
            Self::EmailTaken | Self::IdTaken { .. } => "pkg/util/store",
            Self::ForbiddenId { .. } => "pkg/identityserver/blocklist",
            Self::Id(_) | Self::InvalidField { .. } => "pkg/errors",
            Self::Token => "pkg/auth",
            _ => "pkg/identityserver",
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Access(error) => error.name(),
            Self::Login(error) => error.name(),
            Self::OAuth(error) => error.name(),
            Self::AddressMismatch { server: Server::Application, .. } => {
                "application_server_address_mismatch"
            }
            Self::AddressMismatch { server: Server::Join, .. } => "join_server_address_mismatch",
            Self::AddressMismatch { server: Server::Network, .. } => {
                "network_server_address_mismatch"
            }
            Self::AdminOnly { what } => admin_only(*what),
            Self::ApiKeyExpired { .. } => "api_key_expired",
            Self::ApiKeyUnknown | Self::ApiKeyNotFound { .. } => "api_key_not_found",
            Self::ApplicationHasDevices { .. } => "application_has_devices",
            Self::BookmarkNotFound { .. } => "user_bookmark_not_found",
            Self::ClusterKey => "cluster_key",
            Self::CollaboratorIsContact { .. } => "collaborator_is_contact",
            Self::ContactNoCollaborator { .. } => "contact_no_collaborator",
            Self::ContactRestricted => "contact_info_restricted",
            Self::Contention { .. } => "conflict",
            Self::DevEuisDisabled => "dev_eui_issuing_not_enabled",
            Self::DevEuiLimit { .. } => "application_dev_eui_limit_reached",
            Self::DevEuisUsedUp => "no_eui_or_block_available",
            Self::DeviceEuisTaken { .. } => "end_device_euis_taken",
            Self::DeviceNotFoundByEuis => "end_device_not_found",
            Self::EmailTaken => "already_exists",
            Self::EmptyRequest => "empty_request",
            Self::ForbiddenId { .. } => "forbidden_id",
            Self::GatewayEuiTaken { .. } => "gateway_eui_taken",
            Self::GatewayNotFoundByEui { .. } => "gateway_not_found_by_eui",
            Self::Id(_) | Self::InvalidField { .. } => "validation",
            Self::IdTaken { .. } => "id_taken",
            Self::InsufficientRights { .. } => "insufficient_rights",
            Self::LastAdmin { .. } => "last_admin",
            Self::LimitReached { .. } => "limit_reached",
            Self::MembershipNotFound { .. } => "membership_not_found",
            Self::NeedsCollaborator { entity } => match entity {
                EntityId::Client(_) => "client_needs_collaborator",
                EntityId::Gateway(_) => "gateway_needs_collaborator",
                EntityId::Organization(_) => "organization_needs_collaborator",
                _ => "application_needs_collaborator",
            },
            Self::NestedOrganizations => "nested_organizations",
            Self::NonGatewayRights => "non_gateway_rights",
            Self::NotFound { entity } => not_found(entity),
            Self::SomeGatewaysNotFound => "some_gateways_not_found",
            Self::OldPassword => "old_password",
            Self::Password(rule) => rule.name(),
            Self::PicturesDisabled { field: "picture" } => "end_device_picture_uploads_disabled",
            Self::PicturesDisabled { .. } => "profile_picture_uploads_disabled",
            Self::RestoreWindowExpired { .. } => "restore_window_expired",
            Self::SearchForbidden => "search_forbidden",
            Self::Store(_) => "store",
            Self::TenantAdminKey => "tenant_admin_key",
            Self::TenantConfiguration { .. } => "tenant_configuration",
            Self::TenantNotFound { .. } => "tenant_not_found",
            Self::Token => "token",
            Self::Unsupported { .. } => "unsupported_authorization",
            Self::UpdateAdminField { .. } => "update_admin_field",
            Self::UserState { state, .. } => match *state {
                "rejected" => "user_rejected",
                "suspended" => "user_suspended",
                _ => "user_requested",
            },
        }
    }

    fn kind(&self) -> ErrorKind {
        match self {
            Self::Access(error) => error.kind(),
            Self::Login(error) => error.kind(),
            Self::OAuth(error) => error.kind(),
            Self::AdminOnly { what: AdminOnly::CreateUsers } => ErrorKind::InvalidArgument,
            Self::AdminOnly { .. }
            | Self::ClusterKey
            | Self::ContactRestricted
            | Self::InsufficientRights { .. }
            | Self::SearchForbidden
            | Self::TenantAdminKey
            | Self::UpdateAdminField { .. }
            | Self::UserState { .. } => ErrorKind::PermissionDenied,
            Self::ApiKeyExpired { .. } | Self::ApiKeyUnknown | Self::OldPassword => {
                ErrorKind::Unauthenticated
            }
            Self::ApplicationHasDevices { .. }
            | Self::CollaboratorIsContact { .. }
            | Self::DevEuiLimit { .. }
            | Self::DevEuisUsedUp
            | Self::LastAdmin { .. }
            | Self::NeedsCollaborator { .. }
            | Self::PicturesDisabled { .. }
            | Self::RestoreWindowExpired { .. } => ErrorKind::FailedPrecondition,
            Self::Contention { .. } => ErrorKind::Aborted,
            Self::LimitReached { .. } => ErrorKind::ResourceExhausted,
            Self::ApiKeyNotFound { .. }
            | Self::BookmarkNotFound { .. }
            | Self::DeviceNotFoundByEuis
            | Self::GatewayNotFoundByEui { .. }
            | Self::MembershipNotFound { .. }
            | Self::NotFound { .. }
            | Self::SomeGatewaysNotFound
            | Self::TenantNotFound { .. } => ErrorKind::NotFound,
            Self::DeviceEuisTaken { .. }
            | Self::EmailTaken
            | Self::GatewayEuiTaken { .. }
            | Self::IdTaken { .. } => ErrorKind::AlreadyExists,
            Self::Store(_) => ErrorKind::Unavailable,
            Self::Unsupported { .. } => ErrorKind::Unimplemented,
            _ => ErrorKind::InvalidArgument,
        }
    }

    fn attributes(&self) -> Attributes {
        match self {
            Self::Access(error) => error.attributes(),
            Self::Login(error) => error.attributes(),
            Self::OAuth(error) => error.attributes(),
            Self::AddressMismatch { address, expected, .. } => Attributes::from([
                ("address", address.as_str().into()),
                ("expected", expected.as_str().into()),
            ]),
            Self::ApiKeyNotFound { entity, id } => Attributes::from([
                ("entity_type", entity.kind().into()),
                ("entity_id", entity.uid().into()),
                ("api_key_id", id.as_str().into()),
            ]),
            Self::ApplicationHasDevices { count, .. } => {
                Attributes::from([("count", (*count).into())])
            }
            Self::ContactNoCollaborator { contact } => {
                Attributes::from([("contact", contact.id().into())])
            }
            Self::CollaboratorIsContact { account } => {
                Attributes::from([("collaborator_id", account.id().into())])
            }
            Self::DevEuiLimit { limit } => Attributes::from([("dev_eui_limit", (*limit).into())]),
            Self::DeviceEuisTaken { device } => euis_taken(device),
            Self::ForbiddenId { id } => Attributes::from([("id", id.as_str().into())]),
            Self::GatewayEuiTaken { eui, gateway_id, contact } => Attributes::from([
                ("gateway_eui", eui.to_string().into()),
                ("gateway_id", gateway_id.as_str().into()),
                ("administrative_contact", contact.as_str().into()),
            ]),
            Self::GatewayNotFoundByEui { eui } => {
                Attributes::from([("gateway_eui", eui.to_string().into())])
            }
            Self::InvalidField { field, reason } => {
                Attributes::from([("field", (*field).into()), ("reason", (*reason).into())])
            }
            Self::LimitReached { entity, limit } => {
                Attributes::from([("entity", (*entity).into()), ("limit", (*limit).into())])
            }
            Self::TenantConfiguration { reason } => {
                Attributes::from([("reason", reason.as_str().into())])
            }
            Self::TenantNotFound { id } => Attributes::from([("tenant_id", id.as_str().into())]),
            Self::LastAdmin { id } => Attributes::from([("user_id", id.as_str().into())]),
            Self::MembershipNotFound { entity, account } => Attributes::from([
                ("account_type", account.kind().into()),
                ("account_id", account.id().into()),
                ("entity_type", entity.kind().into()),
                ("entity_id", entity.uid().into()),
            ]),
            Self::NotFound { entity } => not_found_attributes(entity),
            Self::Password(rule) => rule.attributes(),
            Self::UpdateAdminField { field } => Attributes::from([("field", (*field).into())]),
            Self::UserState { description, .. } => {
                Attributes::from([("description", description.as_str().into())])
            }
            _ => Attributes::new(),
        }
    }
}

const fn admin_only(what: AdminOnly) -> &'static str {
    match what {
        AdminOnly::CreateApplications => "admins_create_applications",
        AdminOnly::CreateClients => "admins_create_clients",
        AdminOnly::CreateGateways => "admins_create_gateways",
        AdminOnly::CreateOrganizations => "admins_create_organizations",
        AdminOnly::CreateUsers => "user_registration_disabled",
        AdminOnly::PurgeApplications => "admins_purge_applications",
        AdminOnly::PurgeClients => "admins_purge_clients",
        AdminOnly::PurgeGateways => "admins_purge_gateways",
        AdminOnly::PurgeOrganizations => "admins_purge_organizations",
        AdminOnly::PurgeUsers => "admins_purge_users",
        AdminOnly::CleanUp
        | AdminOnly::CreateEuiBlocks
        | AdminOnly::ListUsers
        | AdminOnly::ManageTenants
        | AdminOnly::ReadAudit
        | AdminOnly::RestoreUsers => "permission_denied",
    }
}

const fn not_found(entity: &EntityId) -> &'static str {
    match entity {
        EntityId::Application(_) => "application_not_found",
        EntityId::Client(_) => "client_not_found",
        EntityId::Device(_) => "end_device_not_found",
        EntityId::Gateway(_) => "gateway_not_found",
        EntityId::Organization(_) => "organization_not_found",
        EntityId::User(_) => "user_not_found",
        _ => "entity_not_found",
    }
}

fn not_found_attributes(entity: &EntityId) -> Attributes {
    let name = match entity {
        EntityId::Device(DeviceKey { application_id, device_id }) => {
            return Attributes::from([
                ("application_id", application_id.as_str().into()),
                ("device_id", device_id.as_str().into()),
            ]);
        }
        EntityId::Application(_) => "application_id",
        EntityId::Client(_) => "client_id",
        EntityId::Gateway(_) => "gateway_id",
        EntityId::Organization(_) => "organization_id",
        _ => "user_id",
    };
    Attributes::from([(name, entity.uid().into())])
}

fn euis_taken(device: &Device) -> Attributes {
    let mut attributes = Attributes::from([
        ("device_id", device.id().into()),
        ("application_id", device.application_id().into()),
    ]);
    if let Some((join_eui, dev_eui)) = device.euis() {
        attributes.insert("join_eui", join_eui.to_string().into());
        attributes.insert("dev_eui", dev_eui.to_string().into());
    }
    attributes
}
