//! OAuth 2.0 over HTTP: the question to the user, the token endpoint, and the ways back (IS-45 to IS-49).

use axum::{
    body::{Bytes, to_bytes},
    extract::{RawQuery, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use data_encoding::BASE64;
use serde_json::{Value, json};
use ttn_core::auth::Principal;

use super::{
    Account, failed,
    forms::{self, Fields},
    html::{Button, Form, Page},
    pages::{Sent, fields, go},
    words,
};
use crate::{
    auth::oauth::{
        AuthorizationParameters, AuthorizationRequest, OAuthError, Refusal, TokenRequest, redirect,
    },
    error::Error,
    record::{Client, Session, User},
    server::user_principal,
};

/// The browser comes with the question of a client.
pub(super) async fn authorize(
    State(account): State<Account>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let query = query.unwrap_or_default();
    match account.asked(&headers, &query).await {
        Ok((request, session, user)) => {
            let known = account.server().is_authorized(&user, &request).await;
            match known {
                Ok(true) => account.approve(&headers, &session, &request).await,
                Ok(false) => account.consent(&headers, &request, &user, &query),
                Err(error) => account.refuse(&error),
            }
        }
        Err(answer) => *answer,
    }
}

/// The user answers the question.
pub(super) async fn submit_authorize(
    State(account): State<Account>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    Sent(form): Sent,
) -> Response {
    match account.asked(&headers, &query.unwrap_or_default()).await {
        Ok((request, session, _)) if form.get("authorize") == "true" => {
            account.approve(&headers, &session, &request).await
        }
        Ok((request, ..)) => go(&request.answer_to.error(&OAuthError::AccessDenied)),
        Err(answer) => *answer,
    }
}

/// Codes and refresh tokens become tokens.
pub(super) async fn token(
    State(account): State<Account>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let exchanged = async {
        let form = forms::read(&headers, &body)?;
        let basic = basic(&headers)?;
        let (client_id, client_secret) = match &basic {
            Some((id, secret)) => (id.as_str(), secret.as_str()),
            None => (form.get("client_id"), form.get("client_secret")),
        };
        let request = TokenRequest {
            grant_type: form.get("grant_type"),
            code: form.get("code"),
            refresh_token: form.get("refresh_token"),
            redirect_uri: form.get("redirect_uri"),
            code_verifier: form.get("code_verifier"),
            client_id,
            client_secret,
        };
        account.server().exchange(&request, Account::call(&headers)).await
    };
    let mut answer = match exchanged.await {
        Ok(tokens) => {
            let mut body = json!({
                "access_token": tokens.access_token,
                "token_type": "bearer",
                "expires_in": tokens.expires_in.as_secs(),
            });
            if let Some(refresh) = tokens.refresh_token {
                body["refresh_token"] = refresh.into();
            }
            ([(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
        }
        Err(error) => token_error(error).await,
    };
    let headers = answer.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    answer
}

/// A client ends its token and the session in which it was given.
pub(super) async fn client_logout(
    State(account): State<Account>,
    RawQuery(query): RawQuery,
) -> Response {
    let query = fields(query);
    let (token, to) = (query.get("access_token_id"), query.get("post_logout_redirect_uri"));
    match account.server().log_out_of_client(token, to).await {
        Ok(location) => {
            let mut answer = go(if location.is_empty() { "/oauth/login" } else { &location });
            account.forget(&mut answer);
            answer
        }
        Err(error) => account.refuse(&error),
    }
}

/// Hands the answer on to a program on the user's machine (IS-48).
pub(super) async fn local_callback(RawQuery(query): RawQuery) -> Response {
    let query = fields(query);
    let port = query.get("port").parse::<u16>().unwrap_or(LOCAL_PORT);
    let names = ["code", "state", "error", "error_description"];
    let pairs = names.map(|name| (name, query.get(name)));
    go(&redirect::with(&format!("http://localhost:{port}/oauth/callback"), &pairs))
}

/// Shows the code, for programs that nothing can be handed to (IS-48).
pub(super) async fn show_code(
    State(account): State<Account>,
    RawQuery(query): RawQuery,
) -> Response {
    let query = fields(query);
    let page = match (query.get("code"), query.get("error_description")) {
        ("", "") => Page::new("No code").error("There is no code here. Start again in your program."),
        ("", error) => Page::new("Not authorized").error(error),
        (code, _) => Page::new("Your code")
            .text("Copy this code into the program that asked for it. It works once, for five minutes.")
            .code(code),
    };
    page.answer(account.network())
}

impl Account {
    /// What a client asks whom; otherwise the answer to the browser.
    async fn asked(
        &self,
        headers: &HeaderMap,
        query: &str,
    ) -> Result<(AuthorizationRequest, Session, User), Box<Response>> {
        let asked = forms::query(query).map_err(|error| Box::new(self.refuse(&error)))?;
        let parameters = AuthorizationParameters {
            response_type: asked.get("response_type"),
            client_id: asked.get("client_id"),
            redirect_uri: asked.get("redirect_uri"),
            state: asked.get("state"),
            code_challenge: asked.get("code_challenge"),
            code_challenge_method: asked.get("code_challenge_method"),
        };
        let request = match self.server().authorization_request(&parameters).await {
            Ok(request) => request,
            Err(Refusal::ToClient(to, error)) => return Err(Box::new(go(&to.error(&error)))),
            Err(Refusal::ToUser(error)) => return Err(Box::new(self.refuse(&error))),
        };
        match self.session(headers).await {
            Ok((session, user)) => Ok((request, session, user)),
            Err(_) => {
                let here = format!("/oauth/authorize?{query}");
                Err(Box::new(go(&redirect::with("/oauth/login", &[("next", &here)]))))
            }
        }
    }

    async fn approve(
        &self,
        headers: &HeaderMap,
        session: &Session,
        request: &AuthorizationRequest,
    ) -> Response {
        let Ok(id) = session.user_id().parse() else {
            return self.refuse(&OAuthError::AccessDenied.into());
        };
        let caller = Principal { call: Some(Self::call(headers)), ..user_principal(&id) };
        match self.server().authorize_client(&caller, session, request).await {
            Ok(location) => go(&location),
            Err(error) => self.refuse(&error),
        }
    }

    /// The question.
    fn consent(
        &self,
        headers: &HeaderMap,
        request: &AuthorizationRequest,
        user: &User,
        query: &str,
    ) -> Response {
        let client = &request.client;
        let name = name(client);
        let page = Page::new(&format!("Authorize {name}"));
        let page = match client.description.as_str() {
            "" => page,
            description => page.text(&format!("“{description}”")),
        };
        let page = page
            .text(&format!("{name} asks to act in your name, {}. It could:", user.id()))
            .list(&words::of(client.rights()))
            .may_lead_to(request.answer_to.location());
        let page = if client.endorsed {
            page.note("An administrator of this network vouches for it.")
        } else {
            page.warning("Nobody of this network vouches for it. Go on only if you trust it.")
        };
        let action = format!("/oauth/authorize?{query}");
        let form = Form { action: &action, ..CONSENT };
        self.show(headers, page, &form, &Fields::default())
    }
}

const CONSENT: Form<'static> = Form {
    action: "",
    inputs: &[],
    hidden: &[],
    buttons: &[
        Button { text: "Authorize", name: "authorize", value: "true" },
        Button { text: "Cancel", name: "authorize", value: "false" },
    ],
};

fn name(client: &Client) -> &str {
    if client.name.is_empty() { client.id() } else { &client.name }
}

/// Client id and secret of the header (RFC 6749, 2.3.1).
fn basic(headers: &HeaderMap) -> Result<Option<(String, String)>, Error> {
    let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(None) };
    let reason = "the header Authorization must be `Basic <client id:secret in base64>`";
    let malformed = || OAuthError::InvalidRequest { reason };
    let (scheme, text) =
        value.to_str().ok().and_then(|value| value.split_once(' ')).ok_or_else(malformed)?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(malformed().into());
    }
    let octets = BASE64.decode(text.trim().as_bytes()).map_err(|_| malformed())?;
    let text = String::from_utf8(octets).map_err(|_| malformed())?;
    let (id, secret) = text.split_once(':').ok_or_else(malformed)?;
    Ok(Some((forms::decode(id)?, forms::decode(secret)?)))
}

/// The error as the API has it, with what RFC 6749 (5.2) wants besides, and with its status.
async fn token_error(error: Error) -> Response {
    let rfc = match &error {
        Error::OAuth(error) => Some(error.rfc()),
        Error::InvalidField { .. } => Some("invalid_request"),
        _ => None,
    };
    let text = error.to_string();
    let answer = failed(error);
    let Some(rfc) = rfc else { return answer };
    let (mut parts, body) = answer.into_parts();
    let octets = to_bytes(body, ERROR_MAX).await.unwrap_or_default();
    let mut body: Value = serde_json::from_slice(&octets).unwrap_or_else(|_| json!({}));
    body["error"] = rfc.into();
    body["error_description"] = text.into();
    parts.status = StatusCode::BAD_REQUEST;
    if rfc == "invalid_client" {
        parts.status = StatusCode::UNAUTHORIZED;
        parts.headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic"));
    }
    parts.headers.remove(header::CONTENT_LENGTH);
    (parts, body.to_string()).into_response()
}

/// Where command-line clients listen unless they say otherwise.
const LOCAL_PORT: u16 = 11885;
const ERROR_MAX: usize = 64 << 10;
