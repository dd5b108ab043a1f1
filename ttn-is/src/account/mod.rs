//! The account: logging in and out over HTTP, OAuth 2.0, and pages for people (IS-42, IS-43, IS-45 to IS-49). Below
//! `/oauth`; usable without JavaScript.
//!
//! Whoever is logged in has the cookie `_session`, which scripts cannot read. Every form and every call that changes
//! something carries the value of the cookie `_csrf`, as field `_csrf` or header `X-CSRF-Token`: another site can send
//! cookies, but not read them.

mod api;
mod cookie;
mod forms;
mod html;
mod oauth;
mod pages;
mod words;

use std::sync::Arc;

use axum::{
    Router,
    http::{HeaderMap, StatusCode},
    response::Response,
    routing::{get, post},
};
use tonic::{Request, metadata::MetadataMap};
use ttn_core::event::EventCaller;

use crate::{
    api::Api,
    auth::LoginError,
    error::Error,
    record::{Session, User},
    server::IdentityServer,
};

/// The routes of the account. `secure` says whether cookies are for TLS only.
pub fn routes(server: &Arc<IdentityServer>, secure: bool) -> Router {
    let account = Account { api: Arc::new(Api(server.clone())), secure };
    Router::new()
        .route("/oauth/api/auth/login", post(api::log_in))
        .route("/oauth/api/auth/token-login", post(api::log_in_by_token))
        .route("/oauth/api/auth/logout", post(api::log_out))
        .route("/oauth/api/me", get(api::me))
        .route("/oauth", get(pages::overview))
        .route("/oauth/login", get(pages::login).post(pages::submit_login))
        .route("/oauth/logout-form", post(pages::submit_logout))
        .route("/oauth/register", get(pages::register).post(pages::submit_register))
        .route("/oauth/forgot-password", get(pages::forgot).post(pages::submit_forgot))
        .route("/oauth/update-password", get(pages::update).post(pages::submit_update))
        .route("/oauth/token-login", get(pages::token_login).post(pages::submit_token_login))
        .route("/oauth/validate", get(pages::validate).post(pages::submit_validate))
        .route("/oauth/authorize", get(oauth::authorize).post(oauth::submit_authorize))
        .route("/oauth/token", post(oauth::token))
        .route("/oauth/logout", get(oauth::client_logout))
        .route("/oauth/local-callback", get(oauth::local_callback))
        .route("/oauth/code", get(oauth::show_code))
        .route("/oauth/style.css", get(html::style))
        .with_state(account)
}

#[derive(Clone, Debug)]
pub(crate) struct Account {
    api: Arc<Api>,
    secure: bool,
}

impl Account {
    fn server(&self) -> &IdentityServer {
        &self.api.0
    }

    /// Who is logged in, by his cookie.
    async fn session(&self, headers: &HeaderMap) -> Result<(Session, User), Error> {
        let token = cookie::get(headers, cookie::SESSION).ok_or(LoginError::NotLoggedIn)?;
        let (id, secret) = token.split_once('.').ok_or(LoginError::NotLoggedIn)?;
        let session = self.server().session_of(id, secret).await?;
        let user = self.server().live_user(&session.user_id().parse()?).await?;
        Ok((session, user.ok_or(LoginError::SessionEnded)?))
    }

    /// Who calls, for events and limits.
    fn call(headers: &HeaderMap) -> Arc<EventCaller> {
        let mut request = Request::new(());
        *request.metadata_mut() = MetadataMap::from_headers(headers.clone());
        Arc::new(ttn_rpc::auth::event_caller(&request))
    }
}

/// Refuses what another site may have sent.
fn require_csrf(headers: &HeaderMap, field: &str) -> Result<(), Error> {
    let header = headers.get("x-csrf-token").and_then(|value| value.to_str().ok());
    let given = header.unwrap_or(field);
    let known = cookie::get(headers, cookie::CSRF).unwrap_or_default();
    let fits = known.len() >= CSRF_LENGTH_MIN
        && ttn_core::auth::same_secret(known.as_bytes(), given.as_bytes());
    if fits { Ok(()) } else { Err(LoginError::Csrf.into()) }
}

/// The answer of an error in JSON.
fn failed(error: Error) -> Response {
    ttn_rpc::status::to_http(&crate::api::status(error))
}

fn empty() -> Response {
    let mut answer = Response::new(axum::body::Body::empty());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    answer
}

const CSRF_LENGTH_MIN: usize = 32;
