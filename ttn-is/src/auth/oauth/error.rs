//! What can go wrong between an OAuth client and the server.

use ttn_core::error::{ApiError, Attributes, ErrorKind};

/// A request of an OAuth client that is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OAuthError {
    /// The user does not want it.
    #[error("the user did not authorize the client")]
    AccessDenied,
    /// A logout that names no access token (IS-49).
    #[error("the parameter `access_token_id` is missing")]
    AccessTokenIdMissing,
    /// An access token that is not known, or has ended, or whose user may not log in.
    #[error("the access token has expired or was revoked; refresh it or log in again")]
    AccessTokenEnded,
    /// There is no such token of the client for the user (IS-50).
    #[error("there is no access token {id}")]
    AccessTokenNotFound {
        /// The id.
        id: String,
    },
    /// The user never let the client, or took it back (IS-50).
    #[error("user {user} has not authorized client {client}")]
    AuthorizationNotFound {
        /// The user.
        user: String,
        /// The client.
        client: String,
    },
    /// The client may not use this grant (IS-47).
    #[error("the client may not use the grant {grant}; an administrator can change that")]
    ClientMissingGrant {
        /// The grant.
        grant: &'static str,
    },
    /// The client waits for approval (IS-47).
    #[error("the client is not approved; an administrator can do that")]
    ClientNotApproved,
    /// The client was refused (IS-47).
    #[error("the client was rejected")]
    ClientRejected,
    /// The client may not be used for now (IS-47).
    #[error("the client is suspended")]
    ClientSuspended,
    /// The code or refresh token is wrong, was used, has ended, or is another client's.
    #[error(
        "the code or refresh token is wrong, was used before, has expired or is another client's"
    )]
    InvalidGrant,
    /// There is no such client, or its secret is another one.
    #[error("there is no such client, or its secret is wrong")]
    InvalidClient,
    /// Something is missing or malformed.
    #[error("{reason}")]
    InvalidRequest {
        /// What.
        reason: &'static str,
    },
    /// Nobody is sent there after the logout (IS-49).
    #[error("the client has not registered this post_logout_redirect_uri")]
    LogoutRedirectUri,
    /// A field that is needed.
    #[error("the parameter `{field}` is missing")]
    Missing {
        /// Its name.
        field: &'static str,
    },
    /// Nobody is sent there, and no token is given for it.
    #[error("the redirect_uri is not the one that is registered or was used before")]
    RedirectUri,
    /// A token of a client that was refused.
    #[error("the OAuth client of the access token was rejected: {description}")]
    TokenOfRejectedClient {
        /// Why.
        description: String,
    },
    /// A token of a client that may not be used for now.
    #[error("the OAuth client of the access token is suspended: {description}")]
    TokenOfSuspendedClient {
        /// Why.
        description: String,
    },
    /// A grant that is not served.
    #[error("the grant_type must be authorization_code or refresh_token")]
    UnsupportedGrantType,
    /// A response type that is not served.
    #[error("the response_type must be code")]
    UnsupportedResponseType,
}

impl OAuthError {
    /// The error code of RFC 6749 (4.1.2.1 and 5.2).
    #[must_use]
    pub const fn rfc(&self) -> &'static str {
        match self {
            Self::AccessDenied => "access_denied",
            Self::ClientMissingGrant { .. }
            | Self::ClientNotApproved
            | Self::ClientRejected
            | Self::ClientSuspended => "unauthorized_client",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant | Self::RedirectUri => "invalid_grant",
            Self::Missing { field } => match field.as_bytes() {
                b"client_secret" => "invalid_client",
                _ => "invalid_request",
            },
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::UnsupportedResponseType => "unsupported_response_type",
            _ => "invalid_request",
        }
    }

    /// Namespace, name and kind, as in the API.
    fn row(&self) -> (&'static str, &'static str, ErrorKind) {
        use ErrorKind::{
            InvalidArgument, NotFound, PermissionDenied, Unauthenticated, Unimplemented,
        };
        match self {
            Self::AccessDenied => (OAUTH, "access_denied", PermissionDenied),
            Self::AccessTokenIdMissing => {
                (OAUTH, "missing_param_access_token_id", PermissionDenied)
            }
            Self::AccessTokenEnded => (SERVER, "token_expired", Unauthenticated),
            Self::AccessTokenNotFound { .. } => (STORE, "access_token_not_found", NotFound),
            Self::AuthorizationNotFound { .. } => (STORE, "authorization_not_found", NotFound),
            Self::ClientMissingGrant { .. } => (OAUTH, "client_missing_grant", PermissionDenied),
            Self::ClientNotApproved => (OAUTH, "client_not_approved", PermissionDenied),
            Self::ClientRejected => (OAUTH, "client_rejected", PermissionDenied),
            Self::ClientSuspended => (OAUTH, "client_suspended", PermissionDenied),
            Self::InvalidGrant => (OAUTH, "invalid_grant", PermissionDenied),
            Self::InvalidClient => (OAUTH, "invalid client", PermissionDenied),
            Self::InvalidRequest { .. } => (OAUTH, "invalid_request", InvalidArgument),
            Self::LogoutRedirectUri => (OAUTH, "invalid_logout_redirect_uri", InvalidArgument),
            Self::Missing { field } => {
                let name = match *field {
                    "client_id" => "missing_client_id",
                    "client_secret" => "missing_client_secret",
                    "code" => "missing_authorization_code",
                    "grant_type" => "missing_grant_type",
                    "refresh_token" => "missing_refresh_token",
                    _ => "invalid_request",
                };
                (OAUTH, name, InvalidArgument)
            }
            Self::RedirectUri => (OAUTH, "invalid_redirect_uri", PermissionDenied),
            Self::TokenOfRejectedClient { .. } => {
                (SERVER, "oauth_client_rejected", PermissionDenied)
            }
            Self::TokenOfSuspendedClient { .. } => {
                (SERVER, "oauth_client_suspended", PermissionDenied)
            }
            Self::UnsupportedGrantType => (OAUTH, "unsupported_grant_type", Unimplemented),
            Self::UnsupportedResponseType => (OAUTH, "unsupported_response_type", Unimplemented),
        }
    }
}

impl ApiError for OAuthError {
    fn namespace(&self) -> &'static str {
        self.row().0
    }

    fn name(&self) -> &'static str {
        self.row().1
    }

    fn kind(&self) -> ErrorKind {
        self.row().2
    }

    fn attributes(&self) -> Attributes {
        match self {
            Self::AccessTokenNotFound { id } => {
                Attributes::from([("access_token_id", id.as_str().into())])
            }
            Self::AuthorizationNotFound { user, client } => Attributes::from([
                ("user_id", user.as_str().into()),
                ("client_id", client.as_str().into()),
            ]),
            Self::ClientMissingGrant { grant } => Attributes::from([("grant", (*grant).into())]),
            Self::TokenOfRejectedClient { description }
            | Self::TokenOfSuspendedClient { description } => {
                Attributes::from([("description", description.as_str().into())])
            }
            _ => Attributes::new(),
        }
    }
}

const OAUTH: &str = "pkg/oauth";
const SERVER: &str = "pkg/identityserver";
const STORE: &str = "pkg/identityserver/store";
