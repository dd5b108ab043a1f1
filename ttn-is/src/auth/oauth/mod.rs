//! OAuth 2.0 (RFC 6749) with PKCE (RFC 7636): what is asked, and what it must be like. The flow is in `server/oauth`.

mod error;
pub(crate) mod pkce;
pub(crate) mod redirect;

pub use error::OAuthError;

use std::{fmt, time::Duration};

use crate::{error::Error, record::Client};

/// What an OAuth client sends a user's browser with (RFC 6749, 4.1.1; RFC 7636, 4.3). What is absent is empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "built by whoever serves the page")]
#[expect(missing_docs, reason = "the names are those of the RFCs")]
pub struct AuthorizationParameters<'a> {
    pub response_type: &'a str,
    pub client_id: &'a str,
    pub redirect_uri: &'a str,
    pub state: &'a str,
    pub code_challenge: &'a str,
    pub code_challenge_method: &'a str,
}

/// A request of an OAuth client that a user can be asked about.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct AuthorizationRequest {
    /// Who asks.
    pub client: Client,
    /// Where the answer goes.
    pub answer_to: AnswerTo,
    /// As it was asked, for the comparison with the token request.
    pub(crate) redirect_uri: String,
    pub(crate) code_challenge: String,
}

/// Where a client wants its answer, and what it wants to find in it. Only made of redirect URIs that are registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerTo {
    pub(crate) location: String,
    pub(crate) state: String,
}

impl AnswerTo {
    /// The place, without an answer.
    #[must_use]
    pub fn location(&self) -> &str {
        &self.location
    }

    /// The address with a code.
    pub(crate) fn code(&self, code: &str) -> String {
        redirect::with(&self.location, &[("code", code), ("state", &self.state)])
    }

    /// The address with an error (RFC 6749, 4.1.2.1).
    #[must_use]
    pub fn error(&self, error: &OAuthError) -> String {
        let text = error.to_string();
        let pairs = [("error", error.rfc()), ("error_description", &text), ("state", &self.state)];
        redirect::with(&self.location, &pairs)
    }
}

/// Why a user is not asked.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum Refusal {
    /// The client is told, where it is registered.
    ToClient(AnswerTo, OAuthError),
    /// The user is told: there is no place that is known to be the client's.
    ToUser(Error),
}

/// What an OAuth client asks for tokens with (RFC 6749, 4.1.3 and 6; RFC 7636, 4.5). What is absent is empty. `Debug`
/// gives grant and client only.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "built by whoever serves the request")]
#[expect(missing_docs, reason = "the names are those of the RFCs")]
pub struct TokenRequest<'a> {
    pub grant_type: &'a str,
    pub code: &'a str,
    pub refresh_token: &'a str,
    pub redirect_uri: &'a str,
    pub code_verifier: &'a str,
    pub client_id: &'a str,
    pub client_secret: &'a str,
}

impl fmt::Debug for TokenRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenRequest")
            .field("grant_type", &self.grant_type)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

/// Tokens, which are given once. `Debug` hides them.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tokens {
    /// `MFRWG.<id>.<secret>`.
    pub access_token: String,
    /// `OJSWM.<id>.<secret>`, if the client may refresh.
    pub refresh_token: Option<String>,
    /// How long the access token lasts.
    pub expires_in: Duration,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("expires_in", &self.expires_in).finish_non_exhaustive()
    }
}
