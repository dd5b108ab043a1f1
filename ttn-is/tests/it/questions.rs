//! OAuth 2.0: no request panics, nobody is sent where the client is not registered, and nothing asked becomes markup.
//!
//! Both the fuzz target `oauth` and a test that replays its seeds run this.

use std::sync::Arc;

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, StatusCode, header},
};
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt as _;
use ttn_core::{
    auth::{Credentials, Right},
    clock::SystemClock,
};
use ttn_is::{
    Config, IdentityServer, account, entity::Account, record::Client, rights::STATE_APPROVED,
    store::MemoryIdentityStore,
};

/// Where the client is registered.
const PLACES: [&str; 5] = [
    "https://app.example/back?a=b",
    "com.example.app:/back",
    "http://127.0.0.1/cb",
    "code",
    "local-callback",
];

/// What answers may begin with. A program on the user's machine chooses its port.
const LED_TO: [&str; 6] = [
    "https://app.example/back?a=b&",
    "com.example.app:/back?",
    "http://127.0.0.1/cb?",
    "/oauth/code?",
    "/oauth/local-callback?",
    "/oauth/login?next=",
];

/// A server with a client and a person who is logged in.
struct Scene {
    runtime: Runtime,
    router: Router,
    cookie: String,
}

impl Scene {
    fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_time().build().unwrap();
        let server = IdentityServer::builder(Config::default(), Arc::new(SystemClock::new()))
            .store(Arc::new(MemoryIdentityStore::new()))
            .build()
            .unwrap();
        let token = runtime.block_on(populate(&server));
        let cookie = format!("_session={}", token.strip_prefix("ONZW4.").unwrap());
        Self { runtime, router: account::routes(&server, false), cookie }
    }

    /// Gives status, location and text.
    fn answer(&self, request: Request<Body>) -> (StatusCode, String, String) {
        self.runtime.block_on(async {
            let answer = self.router.clone().oneshot(request).await.unwrap();
            let status = answer.status();
            let location = answer.headers().get(header::LOCATION);
            let location = location.map_or("", |value| value.to_str().unwrap()).to_owned();
            let text = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
            (status, location, String::from_utf8(text.to_vec()).unwrap())
        })
    }

    fn page(&self, path: &str, query: &str) -> Option<(StatusCode, String, String)> {
        let request = Request::get(format!("{path}?{query}")).header(header::COOKIE, &self.cookie);
        let answer = self.answer(request.body(Body::empty()).ok()?);
        assert!(!answer.0.is_server_error(), "{path}?{query}: {answer:?}");
        Some(answer)
    }
}

async fn populate(server: &IdentityServer) -> String {
    let admin = "admin".parse().unwrap();
    let created = server.ensure_admin(&admin, PASSWORD, "admin@example.com").await.unwrap();
    let credentials = Credentials::Bearer(created.unwrap().api_key);
    let caller = server.authenticate(&credentials).await.unwrap();
    let client = Client {
        state: STATE_APPROVED,
        redirect_uris: PLACES.map(str::to_owned).to_vec(),
        rights: [Right::UserInfo].map(Right::number).to_vec(),
        ..Client::new(&"my-app".parse().unwrap())
    };
    server.create_client(&caller, client, "secret", &Account::User(admin)).await.unwrap();
    server.open_session("admin", PASSWORD, None).await.unwrap().token
}

thread_local! {
    static SCENE: Scene = Scene::new();
}

/// The first line is the query of a question to the user, the second one the form of a token request, whose header
/// `authorization` is the third.
pub(crate) fn check(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    let mut lines = text.splitn(3, '\n');
    let query = lines.next().unwrap_or_default();
    SCENE.with(|scene| {
        asked(scene, query);
        handed_on(scene, query);
        if let Some(form) = lines.next() {
            exchanged(scene, form, lines.next());
        }
    });
}

fn asked(scene: &Scene, query: &str) {
    let Some((status, location, text)) = scene.page("/oauth/authorize", query) else { return };
    if status != StatusCode::SEE_OTHER {
        assert!(location.is_empty() && is_plain(&text), "{query}: {text}");
        return;
    }
    let loopback = location.strip_prefix("http://127.0.0.1:").and_then(|rest| rest.split_once('/'));
    let is_known = LED_TO.iter().any(|place| location.starts_with(place))
        || loopback
            .is_some_and(|(port, path)| port.parse::<u16>().is_ok() && path.starts_with("cb?"));
    assert!(is_known, "{query}: {location}");
}

fn handed_on(scene: &Scene, query: &str) {
    if let Some((_, _, text)) = scene.page("/oauth/code", query) {
        assert!(is_plain(&text), "{query}: {text}");
    }
    if let Some((_, location, _)) = scene.page("/oauth/local-callback", query) {
        let rest = location.strip_prefix("http://localhost:").unwrap();
        let (port, _) = rest.split_once("/oauth/callback").unwrap();
        assert!(port.parse::<u16>().is_ok(), "{location}");
    }
}

/// Nobody has a code: none is taken.
fn exchanged(scene: &Scene, form: &str, authorization: Option<&str>) {
    let mut request = Request::post("/oauth/token");
    if let Some(value) = authorization {
        request = request.header(header::AUTHORIZATION, value);
    }
    let Ok(request) = request.body(Body::from(form.to_owned())) else { return };
    let (status, _, text) = scene.answer(request);
    assert!(status.is_client_error(), "{form}: {status} {text}");
    let answer: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert!(answer["error"].is_string() && answer["access_token"].is_null(), "{text}");
}

/// Whether a page has no elements but ours.
fn is_plain(text: &str) -> bool {
    let names = text.strip_prefix("<!doctype").unwrap_or(text).split('<').skip(1).map(|rest| {
        let end = rest.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '/');
        rest.split_at(end.unwrap_or(rest.len())).0.trim_start_matches('/')
    });
    let mut foreign = names.filter(|name| !ELEMENTS.contains(name));
    foreign.next().is_none()
}

/// What pages are made of; there is no script among them.
#[rustfmt::skip]
const ELEMENTS: &[&str] = &[
    "a", "body", "button", "dd", "dl", "dt", "form", "h1", "head", "header", "html", "input", "label", "li", "link",
    "main", "meta", "p", "pre", "title", "ul",
];
const PASSWORD: &str = "Correct-horse-1";
