//! The account over HTTP, as browsers and programs use it.

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Request, StatusCode, header},
};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::bench::{Bench, PASSWORD};

pub(crate) struct Browser {
    router: Router,
    pub(crate) cookies: std::collections::BTreeMap<String, String>,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn location(&self) -> &str {
        self.headers[header::LOCATION].to_str().unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    /// The name of the error.
    pub(crate) fn error(&self) -> String {
        self.json()["details"][0]["name"].as_str().unwrap().to_owned()
    }
}

impl Browser {
    pub(crate) fn new(bench: &Bench) -> Self {
        Self { router: ttn_is::account::routes(&bench.server, false), cookies: Default::default() }
    }

    pub(crate) async fn send(
        &mut self,
        request: axum::http::request::Builder,
        body: String,
    ) -> Answer {
        let cookies: Vec<_> = self.cookies.iter().map(|(k, v)| format!("{k}={v}")).collect();
        let request = request.header(header::COOKIE, cookies.join("; "));
        let request = request.body(Body::from(body)).unwrap();
        let answer = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = answer.into_parts();
        for cookie in parts.headers.get_all(header::SET_COOKIE) {
            let cookie = cookie.to_str().unwrap();
            assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
            let (pair, _) = cookie.split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        let octets = to_bytes(body, 1 << 20).await.unwrap();
        let text = String::from_utf8(octets.to_vec()).unwrap();
        Answer { status: parts.status, headers: parts.headers, text }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.send(Request::get(path), String::new()).await
    }

    /// Sends a form with what the page of before said about forgery.
    pub(crate) async fn submit(&mut self, path: &str, fields: &str) -> Answer {
        let csrf = self.cookies.get("_csrf").cloned().unwrap_or_default();
        let kind = "application/x-www-form-urlencoded";
        let request = Request::post(path).header(header::CONTENT_TYPE, kind);
        self.send(request, format!("{fields}&_csrf={csrf}")).await
    }

    pub(crate) async fn call(&mut self, path: &str, body: &Value) -> Answer {
        let csrf = self.cookies.get("_csrf").cloned().unwrap_or_default();
        let request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
        self.send(request.header("x-csrf-token", csrf), body.to_string()).await
    }
}

// IS-42, README 6.2
#[tokio::test]
async fn a_program_logs_in_asks_who_it_is_and_logs_out() {
    let bench = Bench::new().await;
    bench.user("alice").await;
    let mut program = Browser::new(&bench);
    let who = program.get("/oauth/api/me").await;
    assert_eq!((who.status, who.error().as_str()), (StatusCode::UNAUTHORIZED, "not_authenticated"));
    let login = json!({ "user_id": "alice", "password": PASSWORD });
    let opened = program.call("/oauth/api/auth/login", &login).await;
    assert_eq!((opened.status, opened.text.as_str()), (StatusCode::NO_CONTENT, ""));
    let me = program.get("/oauth/api/me").await.json();
    assert_eq!(me["user"]["ids"]["user_id"], "alice");
    assert!(me["logged_in_at"].is_string() && me["user"].get("password").is_none());
    let token = format!("ONZW4.{}", program.cookies["_session"]);
    assert!(token.contains(me["session_id"].as_str().unwrap()));
    assert!(bench.caller(&token).await.is_ok());
    let out = program.call("/oauth/api/auth/logout", &json!({})).await;
    assert_eq!(out.status, StatusCode::NO_CONTENT);
    assert!(bench.caller(&token).await.is_err());
    assert_eq!(program.get("/oauth/api/me").await.status, StatusCode::UNAUTHORIZED);
}

// IS-42
#[tokio::test]
async fn a_login_without_fields_or_the_token_of_the_page_is_refused() {
    let bench = Bench::new().await;
    bench.user("alice").await;
    let mut program = Browser::new(&bench);
    let login = json!({ "user_id": "alice", "password": PASSWORD });
    let forged = program.call("/oauth/api/auth/login", &login).await;
    assert_eq!(
        (forged.status, forged.error().as_str()),
        (StatusCode::FORBIDDEN, "invalid_csrf_token")
    );
    program.get("/oauth/login").await;
    let missing = program.call("/oauth/api/auth/login", &json!({ "user_id": "alice" })).await;
    assert_eq!(missing.error(), "missing_password");
    let missing = program.call("/oauth/api/auth/login", &json!({ "password": "x" })).await;
    assert_eq!(missing.error(), "missing_user_id");
    let wrong = json!({ "user_id": "alice", "password": "wrong" });
    let wrong = program.call("/oauth/api/auth/login", &wrong).await;
    assert_eq!(wrong.error(), "no_user_id_password_match");
    assert!(!program.cookies.contains_key("_session"));
}

// IS-43
#[tokio::test]
async fn a_person_logs_in_on_a_page_without_scripts() {
    let bench = Bench::new().await;
    bench.user("alice").await;
    let mut person = Browser::new(&bench);
    assert_eq!(person.get("/oauth").await.location(), "/oauth/login");
    let page = person.get("/oauth/login?next=/oauth/update-password").await;
    assert!(page.text.contains(r#"<form method="post" action="/oauth/login">"#), "{}", page.text);
    assert!(!page.text.contains("<script"));
    let policy = page.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
    let before = person.cookies["_csrf"].clone();
    assert!(page.text.contains(&before));
    let wrong = person.submit("/oauth/login", "user_id=alice&password=wrong").await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    assert!(wrong.text.contains("The user or the password is wrong"));
    let fields = format!("user_id=alice&password={PASSWORD}&next=%2Foauth%2Fupdate-password");
    let opened = person.submit("/oauth/login", &fields).await;
    assert_eq!(
        (opened.status, opened.location()),
        (StatusCode::SEE_OTHER, "/oauth/update-password")
    );
    // What was known before the login is worth nothing after it.
    assert_ne!(person.cookies["_csrf"], before);
    let page = person.get("/oauth").await;
    assert!(page.text.contains("<dd>alice</dd>"));
    let out = person.submit("/oauth/logout-form", "").await;
    assert_eq!(out.location(), "/oauth/login?note=logged-out");
    assert_eq!(person.get("/oauth").await.location(), "/oauth/login");
}

// IS-43
#[tokio::test]
async fn a_form_of_another_site_is_refused_on_every_page() {
    let bench = Bench::new().await;
    bench.user("alice").await;
    let mut person = Browser::new(&bench);
    person.get("/oauth/login").await;
    person.submit("/oauth/login", &format!("user_id=alice&password={PASSWORD}")).await;
    let session = person.cookies["_session"].clone();
    let known = person.cookies.remove("_csrf").unwrap();
    for page in [
        "login",
        "logout-form",
        "register",
        "forgot-password",
        "update-password",
        "validate",
        "authorize",
    ] {
        for (cookie, field) in [("", ""), ("A", "A"), (known.as_str(), "")] {
            person.cookies.insert("_csrf".to_owned(), cookie.to_owned());
            let path = format!("/oauth/{page}");
            let kind = "application/x-www-form-urlencoded";
            let request = Request::post(path).header(header::CONTENT_TYPE, kind);
            let refused = person.send(request, format!("_csrf={field}&authorize=true")).await;
            assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{page} {cookie}");
            assert!(refused.text.contains("does not carry the token"), "{}", refused.text);
        }
    }
    assert!(bench.caller(&format!("ONZW4.{session}")).await.is_ok());
}

// IS-41: nobody plants a session that somebody else logs in to
#[tokio::test]
async fn a_login_begins_a_session_of_its_own() {
    let bench = Bench::new().await;
    bench.user("alice").await;
    bench.user("mallory").await;
    let mut person = Browser::new(&bench);
    person.get("/oauth/login").await;
    person.submit("/oauth/login", &format!("user_id=mallory&password={PASSWORD}")).await;
    let planted = person.cookies["_session"].clone();
    person.submit("/oauth/login", &format!("user_id=alice&password={PASSWORD}")).await;
    let (before, after) = (planted, person.cookies["_session"].clone());
    assert_ne!(before.split_once('.').unwrap().0, after.split_once('.').unwrap().0);
    let before = bench.caller(&format!("ONZW4.{before}")).await;
    assert!(
        before.is_err()
            || matches!(&before.unwrap().caller,
        ttn_core::auth::Caller::User(id) if id.as_str() == "mallory")
    );
}

#[tokio::test]
async fn nobody_is_sent_elsewhere_after_the_login() {
    let bench = Bench::new().await;
    bench.user("alice").await;
    for next in ["https%3A%2F%2Fevil.example", "%2F%2Fevil.example", "%2F%5Cevil.example"] {
        let mut person = Browser::new(&bench);
        person.get("/oauth/login").await;
        let fields = format!("user_id=alice&password={PASSWORD}&next={next}");
        assert_eq!(person.submit("/oauth/login", &fields).await.location(), "/oauth", "{next}");
    }
}

#[tokio::test]
async fn what_people_type_is_shown_as_text() {
    let bench = Bench::new().await;
    let mut person = Browser::new(&bench);
    person.get("/oauth/register").await;
    let evil = "%22%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E";
    let fields = format!("user_id={evil}&email={evil}&new=weak");
    let page = person.submit("/oauth/register", &fields).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    assert!(page.text.contains("&quot;&gt;&lt;script&gt;") && !page.text.contains("<script"));
}

// IS-34, IS-43
#[tokio::test]
async fn a_person_registers_and_finds_his_way_back_without_a_password() {
    let bench = Bench::new().await;
    let mut person = Browser::new(&bench);
    person.get("/oauth/register").await;
    let fields = format!("user_id=me&email=me%40example.com&new={PASSWORD}");
    let registered = person.submit("/oauth/register", &fields).await;
    assert_eq!(registered.location(), "/oauth/login?note=registered");
    let again = person.submit("/oauth/register", &fields).await;
    assert_eq!(again.status, StatusCode::BAD_REQUEST);
    let known = person.submit("/oauth/forgot-password", "user_id=me").await;
    let unknown = person.submit("/oauth/forgot-password", "user_id=nobody").await;
    assert_eq!((known.status, known.text), (StatusCode::OK, unknown.text));
    let link = person.get("/oauth/update-password?current=TEMPORARY").await;
    assert!(link.text.contains(r#"name="temporary" value="TEMPORARY""#), "{}", link.text);
    let wrong =
        person.submit("/oauth/update-password", "user_id=me&temporary=TEMPORARY&new=x").await;
    assert!(wrong.text.contains("The old password is wrong"), "{}", wrong.text);
    let fields = format!("user_id=me&current={PASSWORD}&new=Another-horse-2");
    let changed = person.submit("/oauth/update-password", &fields).await;
    assert_eq!(changed.location(), "/oauth/login?note=password");
    let opened = person.submit("/oauth/login", "user_id=me&password=Another-horse-2").await;
    assert_eq!(opened.status, StatusCode::SEE_OTHER);
}

// IS-38, IS-43
#[tokio::test]
async fn a_mailed_link_logs_in_after_a_button() {
    let login = ttn_is::Login { login_tokens: true, ..ttn_is::Login::default() };
    let bench = Bench::with(ttn_is::Config { login, ..ttn_is::Config::default() }).await;
    bench.user("alice").await;
    let token = async || {
        let id = crate::bench::id("alice");
        bench.server.create_login_token(&bench.admin, &id, true).await.unwrap().unwrap()
    };
    let (one, other) = (token().await, token().await);
    let mut person = Browser::new(&bench);
    for _ in 0..2 {
        // Programs that look into mails open links, too.
        let page = person.get(&format!("/oauth/token-login?token={one}")).await;
        assert!(page.text.contains(&one));
    }
    let forged = Browser::new(&bench).submit("/oauth/token-login", &format!("token={one}")).await;
    assert!(!forged.headers.contains_key(header::SET_COOKIE));
    let done = person.submit("/oauth/token-login", &format!("token={one}")).await;
    assert_eq!(done.location(), "/oauth");
    assert!(person.get("/oauth").await.text.contains("alice"));
    let again = person.submit("/oauth/token-login", &format!("token={one}")).await;
    assert!(again.text.contains("was used already"));
    let mut program = Browser::new(&bench);
    program.get("/oauth/api/me").await;
    let login = json!({ "token": other });
    let opened = program.call("/oauth/api/auth/token-login", &login).await;
    assert_eq!(opened.status, StatusCode::NO_CONTENT);
    assert_eq!(program.get("/oauth/api/me").await.json()["user"]["ids"]["user_id"], "alice");
    let used = program.call("/oauth/api/auth/token-login", &login).await;
    assert_eq!(used.error(), "login_token_already_used");
}
