//! The pages of the account (IS-43). Each is a form: shown, and shown again with what went wrong.

use axum::{
    body::Bytes,
    extract::{FromRequest, RawQuery, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use ttn_core::auth::Principal;

use super::{
    Account, CSRF_LENGTH_MIN, cookie, empty,
    forms::{self, Fields},
    html::{Button, Form, Input, Page},
    require_csrf,
};
use crate::{
    auth::oauth::AuthorizationParameters, error::Error, record::User, rights::STATE_APPROVED,
};

const fn input(
    name: &'static str,
    label: &'static str,
    kind: &'static str,
    complete: &'static str,
) -> Input {
    Input { name, label, kind, complete }
}

const USER: Input = input("user_id", "User id or e-mail address", "text", "username");
const NEW_PASSWORD: Input = input("new", "New password", "password", "new-password");

const LOGIN: Form<'static> = Form {
    action: "/oauth/login",
    inputs: &[USER, input("password", "Password", "password", "current-password")],
    hidden: &["next"],
    buttons: &[Button::new("Log in")],
};
const LOGOUT: Form<'static> = Form {
    action: "/oauth/logout-form",
    inputs: &[],
    hidden: &[],
    buttons: &[Button::new("Log out")],
};
const REGISTER: Form<'static> = Form {
    action: "/oauth/register",
    inputs: &[
        input("user_id", "User id", "text", "username"),
        input("email", "E-mail address", "email", "email"),
        input("new", "Password", "password", "new-password"),
    ],
    hidden: &["invitation_token"],
    buttons: &[Button::new("Register")],
};
const FORGOT: Form<'static> = Form {
    action: "/oauth/forgot-password",
    inputs: &[USER],
    hidden: &[],
    buttons: &[Button::new("Send a temporary password")],
};
const UPDATE: Form<'static> = Form {
    action: "/oauth/update-password",
    inputs: &[
        USER,
        input("current", "Old or temporary password", "password", "current-password"),
        NEW_PASSWORD,
    ],
    hidden: &[],
    buttons: &[Button::new("Change the password")],
};
/// From the mail, which has the temporary password in its link.
const RESET: Form<'static> =
    Form { inputs: &[USER, NEW_PASSWORD], hidden: &["temporary"], ..UPDATE };
const TOKEN_LOGIN: Form<'static> = Form {
    action: "/oauth/token-login",
    inputs: &[],
    hidden: &["token"],
    buttons: &[Button::new("Log in")],
};
const VALIDATE: Form<'static> = Form {
    action: "/oauth/validate",
    inputs: &[],
    hidden: &["reference", "token"],
    buttons: &[Button::new("Yes, it is mine")],
};

/// A form that was sent from a page of ours. Others are answered with what is wrong.
pub(super) struct Sent(pub(super) Fields);

impl FromRequest<Account> for Sent {
    type Rejection = Response;

    async fn from_request(request: Request, account: &Account) -> Result<Self, Response> {
        let headers = request.headers().clone();
        let body = Bytes::from_request(request, account).await.map_err(|e| e.into_response())?;
        let read = forms::read(&headers, &body).and_then(|form| {
            require_csrf(&headers, form.get("_csrf"))?;
            Ok(Self(form))
        });
        read.map_err(|error| account.refuse(&error))
    }
}

pub(super) async fn overview(State(account): State<Account>, headers: HeaderMap) -> Response {
    let Ok((_, user)) = account.session(&headers).await else { return go("/oauth/login") };
    let validated = match user.primary_email_address_validated_at {
        Some(_) => "yes",
        None => "not yet",
    };
    let page = Page::new("Your account")
        .facts(&[
            ("User id", user.id()),
            ("E-mail address", &user.primary_email_address),
            ("Validated", validated),
        ])
        .link("/oauth/update-password", "Change the password");
    account.show(&headers, page, &LOGOUT, &Fields::default())
}

pub(super) async fn login(
    State(account): State<Account>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let known = fields(query);
    let page = Page::new("Log in");
    let page = match known.get("note") {
        "logged-out" => page.note("You are logged out."),
        "password" => page.note("Your password is changed. Log in with it."),
        "registered" => page.note("Your account is ready. Log in with it."),
        _ => page,
    };
    account.login_page(&headers, page, &known).await
}

pub(super) async fn submit_login(
    State(account): State<Account>,
    headers: HeaderMap,
    Sent(form): Sent,
) -> Response {
    let (user, password) = (form.get("user_id"), form.get("password"));
    let call = Account::call(&headers);
    match account.server().open_session(user, password, Some(call)).await {
        Ok(opened) => {
            let mut answer = go(local(form.get("next")).unwrap_or("/oauth"));
            account.remember(&mut answer, &opened.token);
            answer
        }
        Err(error) => {
            let page = Page::new("Log in").error(&error.to_string());
            account.login_page(&headers, page, &form).await
        }
    }
}

pub(super) async fn submit_logout(
    State(account): State<Account>,
    headers: HeaderMap,
    _: Sent,
) -> Response {
    // Whose session has ended before is logged out too.
    let ended = account.end(&headers).await;
    tracing::debug!(ended = ended.is_ok(), "a user logs out");
    let mut answer = go("/oauth/login?note=logged-out");
    account.forget(&mut answer);
    answer
}

pub(super) async fn register(
    State(account): State<Account>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let page = Page::new("Register");
    match account.server().require_registration() {
        Ok(()) => account.register_page(&headers, page, &fields(query)),
        Err(error) => page.error(&error.to_string()).answer(account.network()),
    }
}

pub(super) async fn submit_register(
    State(account): State<Account>,
    headers: HeaderMap,
    Sent(form): Sent,
) -> Response {
    let created = async {
        let user = User::new(&form.get("user_id").parse()?, form.get("email"));
        let caller = Principal { call: Some(Account::call(&headers)), ..Principal::anonymous() };
        let invitation = form.get("invitation_token");
        account.server().create_user(&caller, user, form.get("new"), invitation).await
    };
    match created.await {
        Ok(user) if user.state == STATE_APPROVED => go("/oauth/login?note=registered"),
        Ok(_) => Page::new("Registered")
            .text("You are registered. An administrator will look at your account.")
            .answer(account.network()),
        Err(error) => {
            let page = Page::new("Register").error(&error.to_string());
            account.register_page(&headers, page, &form)
        }
    }
}

pub(super) async fn forgot(State(account): State<Account>, headers: HeaderMap) -> Response {
    let page = Page::new("Forgot your password?")
        .text("We send a temporary one to your e-mail address. With it you choose a new one.");
    account.show(&headers, page, &FORGOT, &Fields::default())
}

/// Says the same whoever exists.
pub(super) async fn submit_forgot(
    State(account): State<Account>,
    headers: HeaderMap,
    Sent(form): Sent,
) -> Response {
    let call = Account::call(&headers);
    if let Err(error) = account.server().forgot_password(form.get("user_id"), call).await {
        tracing::debug!(%error, "no temporary password was sent");
    }
    let text = "If there is such an account, a temporary password is on its way to its address.";
    Page::new("Look into your mail")
        .text(text)
        .link("/oauth/update-password", "I have it")
        .answer(account.network())
}

pub(super) async fn update(
    State(account): State<Account>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let query = fields(query);
    let known = query.with("temporary", query.get("current"));
    account.update_page(&headers, Page::new("Choose a new password"), &known)
}

pub(super) async fn submit_update(
    State(account): State<Account>,
    headers: HeaderMap,
    Sent(form): Sent,
) -> Response {
    let old = [form.get("current"), form.get("temporary")];
    let old = old.into_iter().find(|old| !old.is_empty()).unwrap_or_default();
    let (user, new, call) = (form.get("user_id"), form.get("new"), Account::call(&headers));
    match account.server().choose_password(user, old, new, call).await {
        Ok(()) => {
            let mut answer = go("/oauth/login?note=password");
            account.forget(&mut answer);
            answer
        }
        Err(error) => {
            let page = Page::new("Choose a new password").error(&error.to_string());
            account.update_page(&headers, page, &form)
        }
    }
}

/// The link of a mail that logs in. Programs open such links too: only the button uses the token.
pub(super) async fn token_login(
    State(account): State<Account>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    account.show(&headers, Page::new("Log in"), &TOKEN_LOGIN, &fields(query))
}

pub(super) async fn submit_token_login(
    State(account): State<Account>,
    headers: HeaderMap,
    Sent(form): Sent,
) -> Response {
    let call = Account::call(&headers);
    match account.server().open_session_by_token(form.get("token"), call).await {
        Ok(opened) => {
            let mut answer = go("/oauth");
            account.remember(&mut answer, &opened.token);
            answer
        }
        Err(error) => account.refuse(&error),
    }
}

/// A link in a mail is opened by programs too: only the button answers.
pub(super) async fn validate(
    State(account): State<Account>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let page = Page::new("Is this your address?")
        .text("Somebody, you we hope, gave the address that this link was sent to for an account.");
    account.show(&headers, page, &VALIDATE, &fields(query))
}

pub(super) async fn submit_validate(State(account): State<Account>, Sent(form): Sent) -> Response {
    let page = Page::new("Your address");
    let done = account.server().validate_email(form.get("reference"), form.get("token")).await;
    let page = match done {
        Ok(()) => page.note("Thank you: it is yours.").link("/oauth", "Your account"),
        Err(error) => page.error(&error.to_string()),
    };
    page.answer(account.network())
}

impl Account {
    pub(super) fn network(&self) -> &str {
        &self.server().config().login.network_name
    }

    /// Tells a person what is wrong.
    pub(super) fn refuse(&self, error: &Error) -> Response {
        let page = Page::new("This does not work").error(&error.to_string());
        page.link("/oauth", "To your account").answer(self.network())
    }

    /// Shows a page with a form, and the cookie that the form repeats.
    pub(super) fn show(
        &self,
        headers: &HeaderMap,
        page: Page,
        form: &Form<'_>,
        known: &Fields,
    ) -> Response {
        self.show_with(headers, page, form, known, &[])
    }

    /// As [`Self::show`], with links below.
    fn show_with(
        &self,
        headers: &HeaderMap,
        page: Page,
        form: &Form<'_>,
        known: &Fields,
        links: &[(&str, &str)],
    ) -> Response {
        let mut carrier = empty();
        let known_csrf = cookie::get(headers, cookie::CSRF);
        let csrf = match known_csrf.filter(|known| known.len() >= CSRF_LENGTH_MIN) {
            Some(known) => known.to_owned(),
            None => self.set_csrf(&mut carrier),
        };
        let page = page.form(form, known, &csrf);
        let page = links.iter().fold(page, |page, (to, text)| page.link(to, text));
        let mut answer = page.answer(self.network());
        answer.headers_mut().extend(carrier.headers().clone());
        answer
    }

    async fn login_page(&self, headers: &HeaderMap, page: Page, known: &Fields) -> Response {
        let next = known.get("next");
        let known = known.with("next", local(next).unwrap_or_default());
        let page = match self.leads_to(next).await {
            Some(place) => page.may_lead_to(&place),
            None => page,
        };
        let mut links = vec![("/oauth/forgot-password", "Forgot your password?")];
        if self.server().require_registration().is_ok() {
            links.push(("/oauth/register", "Register"));
        }
        self.show_with(headers, page, &LOGIN, &known, &links)
    }

    /// Where the question of an OAuth client leads, which may need no answer.
    async fn leads_to(&self, next: &str) -> Option<String> {
        let asked = forms::query(next.strip_prefix("/oauth/authorize?")?).ok()?;
        let parameters = AuthorizationParameters {
            client_id: asked.get("client_id"),
            redirect_uri: asked.get("redirect_uri"),
            ..AuthorizationParameters::default()
        };
        self.server().place_of(&parameters).await
    }

    fn register_page(&self, headers: &HeaderMap, page: Page, known: &Fields) -> Response {
        let links = [("/oauth/login", "I have an account")];
        self.show_with(headers, page, &REGISTER, known, &links)
    }

    fn update_page(&self, headers: &HeaderMap, page: Page, known: &Fields) -> Response {
        match known.get("temporary") {
            "" => self.show(headers, page, &UPDATE, known),
            _ => {
                let links = [("/oauth/update-password", "I have another password")];
                self.show_with(headers, page, &RESET, known, &links)
            }
        }
    }
}

pub(super) fn fields(query: Option<String>) -> Fields {
    forms::query(query.as_deref().unwrap_or_default()).unwrap_or_default()
}

/// A place on this server; nothing else is gone to.
fn local(next: &str) -> Option<&str> {
    let is_path = next.starts_with('/') && !next.starts_with("//") && !next.contains('\\');
    (is_path && next.bytes().all(|octet| octet.is_ascii_graphic())).then_some(next)
}

pub(super) fn go(to: &str) -> Response {
    let mut answer = empty();
    *answer.status_mut() = StatusCode::SEE_OTHER;
    if let Ok(to) = HeaderValue::from_str(to) {
        answer.headers_mut().insert(header::LOCATION, to);
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_to_another_server() {
        for to in [
            "https://evil.example",
            "//evil.example",
            "/\\evil.example",
            "javascript:x",
            "",
            "/a\nb",
        ] {
            assert_eq!(local(to), None, "{to}");
        }
        assert_eq!(local("/oauth/authorize?client_id=x"), Some("/oauth/authorize?client_id=x"));
    }
}
