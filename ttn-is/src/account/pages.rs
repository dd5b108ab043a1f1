//! The pages of the account (IS-43).

use axum::{
    body::Bytes,
    extract::{RawQuery, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use ttn_core::auth::Principal;

use super::{
    Account, cookie, empty,
    forms::{self, Fields},
    html::{Field, Page},
    require_csrf,
};
use crate::record::User;

const USER: Field<'static> = Field::Input {
    name: "user_id",
    label: "User id or e-mail address",
    kind: "text",
    value: "",
    complete: "username",
};
const PASSWORD: Field<'static> = Field::Input {
    name: "password",
    label: "Password",
    kind: "password",
    value: "",
    complete: "current-password",
};
const NEW_PASSWORD: Field<'static> = Field::Input {
    name: "new",
    label: "New password",
    kind: "password",
    value: "",
    complete: "new-password",
};

pub(super) async fn overview(State(account): State<Account>, headers: HeaderMap) -> Response {
    let Ok((_, user)) = account.session(&headers).await else { return go("/oauth/login") };
    let page = Page::new("Your account")
        .text(&format!("You are logged in as {}.", user.id()))
        .text(&format!("E-mail address: {}", user.primary_email_address))
        .link("/oauth/update-password", "Change the password");
    account.show(&headers, page, "/oauth/logout-form", &[], "Log out")
}

pub(super) async fn login(
    State(account): State<Account>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let next = fields(query).get("next").to_owned();
    account.login_page(&headers, Page::new("Log in"), &next)
}

pub(super) async fn submit_login(
    State(account): State<Account>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let form = forms::read(&headers, &body).unwrap_or_default();
    let opened = async {
        require_csrf(&headers, form.get("_csrf"))?;
        let (user, password) = (form.get("user_id"), form.get("password"));
        account.server().open_session(user, password, Some(Account::call(&headers))).await
    };
    match opened.await {
        Ok(opened) => {
            let mut answer = go(local(form.get("next")).unwrap_or("/oauth"));
            account.remember(&mut answer, &opened.token);
            answer
        }
        Err(error) => {
            let page = Page::new("Log in").error(&error.to_string());
            account.login_page(&headers, page, form.get("next"))
        }
    }
}

pub(super) async fn submit_logout(
    State(account): State<Account>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let form = forms::read(&headers, &body).unwrap_or_default();
    if require_csrf(&headers, form.get("_csrf")).is_err() || account.end(&headers).await.is_err() {
        return go("/oauth");
    }
    let mut answer = go("/oauth/login");
    account.forget(&mut answer);
    answer
}

pub(super) async fn register(
    State(account): State<Account>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    account.register_page(&headers, Page::new("Register"), &fields(query))
}

pub(super) async fn submit_register(
    State(account): State<Account>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let form = forms::read(&headers, &body).unwrap_or_default();
    let created = async {
        require_csrf(&headers, form.get("_csrf"))?;
        let user = User::new(&form.get("user_id").parse()?, form.get("email"));
        let caller = Principal { call: Some(Account::call(&headers)), ..Principal::anonymous() };
        let invitation = form.get("invitation_token");
        account.server().create_user(&caller, user, form.get("new"), invitation).await
    };
    match created.await {
        Ok(user) if user.state == crate::rights::STATE_APPROVED => go("/oauth/login"),
        Ok(_) => {
            let text = "You are registered. An administrator will look at your account.";
            Page::new("Registered").text(text).answer(account.network())
        }
        Err(error) => {
            let page = Page::new("Register").error(&error.to_string());
            account.register_page(&headers, page, &form)
        }
    }
}

pub(super) async fn forgot(State(account): State<Account>, headers: HeaderMap) -> Response {
    let page = Page::new("Forgot your password?").text("We mail a temporary one to you.");
    account.show(&headers, page, "/oauth/forgot-password", &[USER], "Send")
}

/// Says the same whoever exists.
pub(super) async fn submit_forgot(
    State(account): State<Account>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let form = forms::read(&headers, &body).unwrap_or_default();
    if let Err(error) = require_csrf(&headers, form.get("_csrf")) {
        let page = Page::new("Forgot your password?").error(&error.to_string());
        return account.show(&headers, page, "/oauth/forgot-password", &[USER], "Send");
    }
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
    account.update_page(&headers, Page::new("Choose a new password"), &fields(query))
}

pub(super) async fn submit_update(
    State(account): State<Account>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let form = forms::read(&headers, &body).unwrap_or_default();
    let changed = async {
        require_csrf(&headers, form.get("_csrf"))?;
        let (user, old, new) = (form.get("user_id"), form.get("current"), form.get("new"));
        account.server().choose_password(user, old, new, Account::call(&headers)).await
    };
    match changed.await {
        Ok(()) => {
            let mut answer = go("/oauth/login");
            account.forget(&mut answer);
            answer
        }
        Err(error) => {
            let page = Page::new("Choose a new password").error(&error.to_string());
            account.update_page(&headers, page, &form)
        }
    }
}

/// A link in a mail is opened by programs too: only the button answers.
pub(super) async fn validate(
    State(account): State<Account>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let query = fields(query);
    let hidden = [
        Field::Hidden { name: "reference", value: query.get("reference") },
        Field::Hidden { name: "token", value: query.get("token") },
    ];
    let page = Page::new("Is this your address?");
    account.show(&headers, page, "/oauth/validate", &hidden, "Yes, it is mine")
}

pub(super) async fn submit_validate(
    State(account): State<Account>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let form = forms::read(&headers, &body).unwrap_or_default();
    let done = async {
        require_csrf(&headers, form.get("_csrf"))?;
        account.server().validate_email(form.get("reference"), form.get("token")).await
    };
    let page = Page::new("Your address");
    let page = match done.await {
        Ok(()) => page.text("Thank you: it is yours.").link("/oauth", "Your account"),
        Err(error) => page.error(&error.to_string()),
    };
    page.answer(account.network())
}

impl Account {
    fn network(&self) -> &str {
        &self.server().config().login.network_name
    }

    /// Shows a page that ends with a form, and the cookie that the form repeats.
    fn show(
        &self,
        headers: &HeaderMap,
        page: Page,
        to: &str,
        fields: &[Field<'_>],
        button: &str,
    ) -> Response {
        let mut carrier = empty();
        let csrf = match cookie::get(headers, cookie::CSRF) {
            Some(known) => known.to_owned(),
            None => self.set_csrf(&mut carrier),
        };
        let mut out = page.open_form(to);
        for field in fields {
            out = out.field(field);
        }
        let page = out.field(&Field::Hidden { name: "_csrf", value: &csrf }).close_form(button);
        let mut answer = page.answer(self.network());
        answer.headers_mut().extend(carrier.headers().clone());
        answer
    }

    fn login_page(&self, headers: &HeaderMap, page: Page, next: &str) -> Response {
        let next = Field::Hidden { name: "next", value: local(next).unwrap_or_default() };
        let page = page.link("/oauth/forgot-password", "Forgot your password?");
        let page = match self.server().require_registration() {
            Ok(()) => page.link("/oauth/register", "Register"),
            Err(_) => page,
        };
        self.show(headers, page, "/oauth/login", &[USER, PASSWORD, next], "Log in")
    }

    fn register_page(&self, headers: &HeaderMap, page: Page, known: &Fields) -> Response {
        let input = |name, label, kind, complete| Field::Input {
            name,
            label,
            kind,
            value: known.get(name),
            complete,
        };
        let fields = [
            input("user_id", "User id", "text", "username"),
            input("email", "E-mail address", "email", "email"),
            NEW_PASSWORD,
            Field::Hidden { name: "invitation_token", value: known.get("invitation_token") },
        ];
        self.show(headers, page, "/oauth/register", &fields, "Register")
    }

    fn update_page(&self, headers: &HeaderMap, page: Page, known: &Fields) -> Response {
        let input = |name, label, kind, complete| Field::Input {
            name,
            label,
            kind,
            value: known.get(name),
            complete,
        };
        let fields = [
            input("user_id", "User id or e-mail address", "text", "username"),
            input("current", "Old or temporary password", "password", "current-password"),
            NEW_PASSWORD,
        ];
        self.show(headers, page, "/oauth/update-password", &fields, "Change the password")
    }
}

fn fields(query: Option<String>) -> Fields {
    forms::query(query.as_deref().unwrap_or_default()).unwrap_or_default()
}

/// A place on this server; nothing else is gone to.
fn local(next: &str) -> Option<&str> {
    let is_path = next.starts_with('/') && !next.starts_with("//") && !next.contains('\\');
    (is_path && next.bytes().all(|octet| octet.is_ascii_graphic())).then_some(next)
}

fn go(to: &str) -> Response {
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
