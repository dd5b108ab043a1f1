//! What can go wrong on the way in.

use std::time::Duration;

use ttn_core::{
    error::{ApiError, Attributes, ErrorKind},
    id::UserId,
};

/// A login, or what leads to one, that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoginError {
    /// A form that does not repeat the cookie `_csrf`.
    #[error("the request does not carry the token of the page; load the page again")]
    Csrf,
    /// The invitation was sent already (IS-39).
    #[error("this address is invited already")]
    InvitationAlreadySent,
    /// The invitation is too old.
    #[error("the invitation has expired; ask for another one")]
    InvitationExpired,
    /// There is no such invitation.
    #[error("there is no such invitation")]
    InvitationNotFound,
    /// Only those register who are invited (IS-34).
    #[error("only those can register here who are invited")]
    InvitationRequired,
    /// Somebody registered with the invitation.
    #[error("the invitation was used already")]
    InvitationUsed,
    /// The login token is too old (IS-38).
    #[error("the link has expired; ask for another one")]
    LoginTokenExpired,
    /// There is no such login token.
    #[error("the link is not known; ask for another one")]
    LoginTokenNotFound,
    /// Somebody logged in with the login token.
    #[error("the link was used already; ask for another one")]
    LoginTokenUsed,
    /// Login tokens are switched off (IS-38).
    #[error("this server has no login tokens: log in with a password")]
    LoginTokensDisabled,
    /// The user has as many login tokens as he may have (IS-38).
    #[error("links to log in were sent and can still be used; look into the mail")]
    LoginTokensStillValid,
    /// A login without a password.
    #[error("the field `password` is missing")]
    MissingPassword,
    /// A login without a user.
    #[error("the field `user_id` is missing")]
    MissingUser,
    /// The caller may not invite people (IS-39).
    #[error("you may not invite people: administrators may")]
    NoInviteRights,
    /// The user and the password do not fit, whoever exists.
    #[error("the user or the password is wrong")]
    NoPasswordMatch,
    /// The address is known to be the user's (IS-40).
    #[error("the e-mail address is validated already")]
    NoValidationNeeded,
    /// Nobody is logged in.
    #[error("you are not logged in")]
    NotLoggedIn,
    /// The session has ended, or there was none.
    #[error("the session has ended; log in again")]
    SessionEnded,
    /// The user has no such session.
    #[error("user {user} has no session {session}")]
    SessionNotFound {
        /// The user.
        user: UserId,
        /// The session.
        session: String,
    },
    /// The temporary password is too old (IS-37).
    #[error("the temporary password has expired; ask for another one")]
    TemporaryPasswordExpired,
    /// The temporary password can still be used (IS-37).
    #[error("a temporary password was sent and can still be used; look into the mail")]
    TemporaryPasswordStillValid,
    /// Too many passwords were tried.
    #[error("too many attempts; try again in {seconds} s")]
    TooManyAttempts {
        /// In how many seconds.
        seconds: u64,
    },
    /// The question was asked a short while ago (IS-40).
    #[error("the mail was sent a short while ago; look for it, or ask again after {} s", retry.as_secs())]
    ValidationAlreadySent {
        /// How long until it is sent again.
        retry: Duration,
    },
    /// The answer is too late.
    #[error("the link has expired; ask for another one")]
    ValidationExpired {
        /// The question.
        id: String,
    },
    /// Nobody asked this.
    #[error("the link is not known; ask for another one")]
    ValidationNotFound {
        /// The question.
        id: String,
    },
    /// It was answered.
    #[error("the link was used already")]
    ValidationUsed {
        /// The question.
        id: String,
    },
}

impl LoginError {
    /// Namespace, name and kind, as in the API.
    const fn row(&self) -> (&'static str, &'static str, ErrorKind) {
        use ErrorKind::{
            AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, PermissionDenied,
            ResourceExhausted, Unauthenticated,
        };
        match self {
            Self::Csrf => ("pkg/webmiddleware", "invalid_csrf_token", PermissionDenied),
            Self::InvitationAlreadySent => (STORE, "invitation_already_sent", AlreadyExists),
            Self::InvitationExpired => (STORE, "invitation_expired", FailedPrecondition),
            Self::InvitationNotFound => (STORE, "invitation_not_found", NotFound),
            Self::InvitationRequired => (SERVER, "invitation_token_required", InvalidArgument),
            Self::InvitationUsed => (STORE, "invitation_already_used", FailedPrecondition),
            Self::LoginTokenExpired => (STORE, "login_token_expired", FailedPrecondition),
            Self::LoginTokenNotFound => (STORE, "login_token_not_found", NotFound),
            Self::LoginTokenUsed => (STORE, "login_token_already_used", FailedPrecondition),
            Self::LoginTokensDisabled => (SERVER, "login_tokens_disabled", FailedPrecondition),
            Self::LoginTokensStillValid => (SERVER, "login_tokens_still_valid", AlreadyExists),
            Self::MissingPassword => ("pkg/account", "missing_password", InvalidArgument),
            Self::MissingUser => ("pkg/account", "missing_user_id", InvalidArgument),
            Self::NoInviteRights => (SERVER, "no_invite_rights", PermissionDenied),
            Self::NoPasswordMatch => (SESSION, "no_user_id_password_match", InvalidArgument),
            Self::NoValidationNeeded => (SERVER, "no_validation_needed", InvalidArgument),
            Self::NotLoggedIn => ("pkg/account", "not_authenticated", Unauthenticated),
            Self::SessionEnded => (SESSION, "session_expired", Unauthenticated),
            Self::SessionNotFound { .. } => (STORE, "user_session_not_found", NotFound),
            Self::TemporaryPasswordExpired => {
                (SERVER, "temporary_password_expired", Unauthenticated)
            }
            Self::TemporaryPasswordStillValid => {
                (SERVER, "temporary_password_still_valid", InvalidArgument)
            }
            Self::TooManyAttempts { .. } => {
                ("pkg/ratelimit", "rate_limit_exceeded", ResourceExhausted)
            }
            Self::ValidationAlreadySent { .. } => {
                (SERVER, "validations_already_sent", AlreadyExists)
            }
            Self::ValidationExpired { .. } => {
                (STORE, "validation_token_expired", FailedPrecondition)
            }
            Self::ValidationNotFound { .. } => (STORE, "validation_token_not_found", NotFound),
            Self::ValidationUsed { .. } => {
                (STORE, "validation_token_already_used", FailedPrecondition)
            }
        }
    }
}

impl ApiError for LoginError {
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
            Self::SessionNotFound { user, session } => Attributes::from([
                ("user_id", user.as_str().into()),
                ("session_id", session.as_str().into()),
            ]),
            Self::ValidationAlreadySent { retry } => {
                Attributes::from([("retry_interval", format!("{}s", retry.as_secs()).into())])
            }
            Self::ValidationExpired { id }
            | Self::ValidationNotFound { id }
            | Self::ValidationUsed { id } => {
                Attributes::from([("validation_id", id.as_str().into())])
            }
            _ => Attributes::new(),
        }
    }
}

const SERVER: &str = "pkg/identityserver";
const SESSION: &str = "pkg/account/session";
const STORE: &str = "pkg/identityserver/store";
