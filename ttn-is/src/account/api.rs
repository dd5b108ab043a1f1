//! Logging in and out for programs, in JSON or as forms (IS-42).

use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderMap, header},
    response::{IntoResponse as _, Response},
};
use serde_json::{Value, json};
use ttn_core::auth::Principal;

use super::{Account, cookie, empty, failed, forms, require_csrf};
use crate::{auth::LoginError, convert::Convert as _, error::Error, server::OpenSession};

pub(super) async fn log_in(
    State(account): State<Account>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let opened = async {
        let fields = forms::read(&headers, &body)?;
        require_csrf(&headers, fields.get("_csrf"))?;
        let user = Some(fields.get("user_id")).filter(|text| !text.is_empty());
        let user = user.ok_or(LoginError::MissingUser)?;
        let password = Some(fields.get("password")).filter(|text| !text.is_empty());
        let password = password.ok_or(LoginError::MissingPassword)?;
        account.server().open_session(user, password, Some(Account::call(&headers))).await
    };
    logged_in(&account, opened.await)
}

/// Logs in by a token that was mailed (IS-38).
pub(super) async fn log_in_by_token(
    State(account): State<Account>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let opened = async {
        let fields = forms::read(&headers, &body)?;
        require_csrf(&headers, fields.get("_csrf"))?;
        let call = Account::call(&headers);
        account.server().open_session_by_token(fields.get("token"), call).await
    };
    logged_in(&account, opened.await)
}

fn logged_in(account: &Account, opened: Result<OpenSession, Error>) -> Response {
    match opened {
        Ok(opened) => {
            let mut answer = empty();
            account.remember(&mut answer, &opened.token);
            answer
        }
        Err(error) => failed(error),
    }
}

pub(super) async fn log_out(
    State(account): State<Account>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let ended = async {
        let fields = forms::read(&headers, &body)?;
        require_csrf(&headers, fields.get("_csrf"))?;
        account.end(&headers).await
    };
    match ended.await {
        Ok(()) => {
            let mut answer = empty();
            account.forget(&mut answer);
            answer
        }
        Err(error) => failed(error),
    }
}

/// Who is logged in. Programs get the cookie `_csrf` here.
pub(super) async fn me(State(account): State<Account>, headers: HeaderMap) -> Response {
    let mut answer = match account.me(&headers).await {
        Ok(value) => {
            ([(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
        }
        Err(error) => failed(error),
    };
    if cookie::get(&headers, cookie::CSRF).is_none() {
        account.set_csrf(&mut answer);
    }
    answer
}

impl Account {
    async fn me(&self, headers: &HeaderMap) -> Result<Value, Error> {
        let (session, user) = self.session(headers).await?;
        let broken = |_| Error::InvalidField { field: "user", reason: "does not convert" };
        let user = ttn_proto::json::to_string(&user.to_api().map_err(broken)?);
        let user: Value = serde_json::from_str(&user).unwrap_or_default();
        let session_message = session.to_api().map_err(broken)?;
        let session_message = ttn_proto::json::to_string(&session_message);
        let times: Value = serde_json::from_str(&session_message).unwrap_or_default();
        Ok(json!({
            "user": user,
            "logged_in_at": times["created_at"],
            "session_id": session.session_id,
        }))
    }

    /// Ends the session of the cookie.
    pub(super) async fn end(&self, headers: &HeaderMap) -> Result<(), Error> {
        let (session, user) = self.session(headers).await?;
        let caller = crate::server::user_principal(&user.id().parse()?);
        let caller = Principal { call: Some(Self::call(headers)), ..caller };
        self.server().end_session(&caller, &session).await
    }

    /// Sets the cookie of a session, and a new one against forgery: what was known before the login is worth nothing.
    pub(super) fn remember(&self, answer: &mut Response, token: &str) {
        let value = token.split_once('.').map_or("", |(_, rest)| rest);
        let seconds = self.server().config().login.session_ttl.as_secs();
        let headers = answer.headers_mut();
        cookie::set(headers, (cookie::SESSION, value), Some(seconds), self.secure);
        self.set_csrf(answer);
    }

    pub(super) fn forget(&self, answer: &mut Response) {
        cookie::set(answer.headers_mut(), (cookie::SESSION, ""), Some(0), self.secure);
    }

    pub(super) fn set_csrf(&self, answer: &mut Response) -> String {
        let token = self.server().draw_csrf();
        cookie::set(answer.headers_mut(), (cookie::CSRF, &token), None, self.secure);
        token
    }
}
