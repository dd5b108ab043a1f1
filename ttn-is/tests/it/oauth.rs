//! OAuth 2.0 over HTTP: what goes well, and what people try.

use std::time::Duration;

use axum::http::StatusCode;
use serde_json::{Value, json};
use ttn_core::{
    auth::{Caller, Right},
    id::{ApplicationId, ClientId, EntityId},
};
use ttn_is::{
    Query,
    record::{Client, GRANT_AUTHORIZATION_CODE},
    rights::{STATE_APPROVED, STATE_REJECTED, STATE_REQUESTED, STATE_SUSPENDED},
    store::{IdentityStore as _, Scan, Table},
};

use crate::{
    account::{Answer, Browser},
    bench::{Bench, PASSWORD, account, id, name},
};

pub(crate) const SECRET: &str = "the secret of the client";
pub(crate) const BACK: &str = "https://app.example/back";
const ASK: &str = "/oauth/authorize?response_type=code&client_id=my-app&redirect_uri=https%3A%2F%2Fapp.example%2Fback&state=a%26b";
// RFC 7636, appendix B
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str =
    "&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256";
const CODE: &str = "grant_type=authorization_code&redirect_uri=https%3A%2F%2Fapp.example%2Fback";

pub(crate) fn client_id() -> ClientId {
    "my-app".parse().unwrap()
}

/// Alice is logged in in a browser; an administrator has registered a client with two rights.
pub(crate) async fn scene() -> (Bench, Browser) {
    let bench = Bench::new().await;
    bench.user("alice").await;
    let client = Client {
        name: "My <App>".to_owned(),
        state: STATE_APPROVED,
        redirect_uris: vec![BACK.to_owned()],
        logout_redirect_uris: vec!["https://app.example/bye".to_owned()],
        rights: [Right::UserInfo, Right::ApplicationInfo].map(Right::number).to_vec(),
        ..Client::new(&client_id())
    };
    bench.server.create_client(&bench.admin, client, SECRET, &account("admin")).await.unwrap();
    let mut person = Browser::new(&bench);
    log_in(&mut person, "alice").await;
    bench.event_names();
    (bench, person)
}

pub(crate) async fn log_in(person: &mut Browser, user: &str) {
    person.get("/oauth/login").await;
    let opened =
        person.submit("/oauth/login", &format!("user_id={user}&password={PASSWORD}")).await;
    assert_eq!(opened.status, StatusCode::SEE_OTHER);
}

async fn change(bench: &Bench, change: impl Fn(&mut Client) + Send + Sync) {
    let change = |client: &mut Client| {
        change(client);
        Ok(())
    };
    bench.server.update_client(&bench.admin, &client_id(), &[], None, change).await.unwrap();
}

/// A value in the query of an address.
pub(crate) fn value(address: &str, name: &str) -> Option<String> {
    let base = url::Url::parse("https://here.example").unwrap();
    let address = base.join(address).unwrap();
    address.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// Lets the client and gives the code.
async fn code(person: &mut Browser, ask: &str) -> String {
    person.get(ask).await;
    let answer = person.submit(ask, "authorize=true").await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
    value(answer.location(), "code").unwrap_or_else(|| panic!("{}", answer.location()))
}

async fn token(person: &mut Browser, fields: &str) -> Answer {
    let secret = SECRET.replace(' ', "+");
    person
        .submit("/oauth/token", &format!("client_id=my-app&client_secret={secret}&{fields}"))
        .await
}

async fn tokens(person: &mut Browser, ask: &str, more: &str) -> Value {
    let code = code(person, ask).await;
    let answer = token(person, &format!("{CODE}&code={code}{more}")).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    answer.json()
}

fn text<'a>(tokens: &'a Value, name: &str) -> &'a str {
    tokens[name].as_str().unwrap()
}

/// Status, error of RFC 6749, name of the API.
fn refusal(answer: &Answer) -> (u16, String, String) {
    let error = answer.json()["error"].as_str().unwrap().to_owned();
    (answer.status.as_u16(), error, answer.error())
}

fn refused(status: u16, error: &str, name: &str) -> (u16, String, String) {
    (status, error.to_owned(), name.to_owned())
}

// IS-45, IS-46, IS-29
#[tokio::test]
async fn a_user_lets_a_client_which_gets_what_both_have() {
    let (bench, mut person) = scene().await;
    let page = person.get(ASK).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text.contains("My &lt;App&gt; asks to act in your name, alice"), "{}", page.text);
    assert!(page.text.contains("<li>your account: view</li><li>your applications: view</li>"));
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.ends_with("form-action 'self' https://app.example"), "{policy}");
    let answer = person.submit(ASK, "authorize=true").await;
    let location = answer.location();
    assert!(location.starts_with("https://app.example/back?code=MF2XI."), "{location}");
    assert!(location.ends_with("&state=a%26b"), "{location}");
    let code = value(location, "code").unwrap();
    let answer = token(&mut person, &format!("{CODE}&code={code}")).await;
    assert_eq!(answer.headers["cache-control"], "no-store");
    let tokens = answer.json();
    assert_eq!((&tokens["token_type"], &tokens["expires_in"]), (&"bearer".into(), &3600.into()));
    assert!(text(&tokens, "refresh_token").starts_with("OJSWM."));
    let names = bench.event_names();
    assert!(names.contains(&"oauth.authorize") && names.contains(&"oauth.token.exchange"));

    let caller = bench.caller(text(&tokens, "access_token")).await.unwrap();
    let alice = EntityId::User(id("alice"));
    assert!(matches!(&caller.caller, Caller::ApiKey { entity, .. } if *entity == alice));
    let owner = bench.server.log_in(&id("alice"), PASSWORD).await.unwrap();
    let app = bench.application(&owner, "alice", "alices").await;
    let other = bench.user("other").await;
    let foreign = bench.application(&other, "other", "others").await;
    let rights = |entity| {
        let (server, caller) = (bench.server.clone(), caller.clone());
        async move { server.effective_rights(&caller, &entity).await.unwrap() }
    };
    let both = [Right::UserInfo, Right::ApplicationInfo].into_iter().collect();
    assert_eq!(rights(app).await, both);
    assert!(rights(foreign).await.is_empty());
    assert_eq!(rights(alice).await, both);
    let denied = bench.server.list_sessions(&caller, &id("alice"), &Query::default()).await;
    assert_eq!(name(denied), "insufficient_user_rights");
}

// IS-45
#[tokio::test]
async fn a_user_is_asked_once_and_again_when_the_client_wants_more() {
    let (bench, mut person) = scene().await;
    code(&mut person, ASK).await;
    let known = person.get(ASK).await;
    assert!(value(known.location(), "code").is_some());
    change(&bench, |client| client.rights.push(Right::GatewayInfo.number())).await;
    assert_eq!(person.get(ASK).await.status, StatusCode::OK);
    change(&bench, |client| client.skip_authorization = true).await;
    assert!(value(person.get(ASK).await.location(), "code").is_some());
}

// RFC 6749, 4.1.2.1
#[tokio::test]
async fn a_user_who_does_not_want_it_is_sent_back_without_a_code() {
    let (bench, mut person) = scene().await;
    person.get(ASK).await;
    for form in ["authorize=false", "", "authorize=TRUE"] {
        let location = person.submit(ASK, form).await.location().to_owned();
        assert!(
            location.starts_with("https://app.example/back?error=access_denied&"),
            "{location}"
        );
        assert_eq!(value(&location, "state").as_deref(), Some("a&b"));
    }
    let none =
        bench.server.list_authorizations(&bench.admin, &id("alice"), &Query::default()).await;
    assert_eq!(none.unwrap().total, 0);
}

// IS-45
#[tokio::test]
async fn who_is_not_logged_in_logs_in_and_comes_back_to_the_question() {
    let (bench, _) = scene().await;
    let mut person = Browser::new(&bench);
    let login = person.get(ASK).await.location().to_owned();
    assert_eq!(value(&login, "next").as_deref(), Some(ASK));
    let page = person.get(&login).await;
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.ends_with("form-action 'self' https://app.example"), "{policy}");
    let next = login.split_once("next=").unwrap().1;
    let fields = format!("user_id=alice&password={PASSWORD}&next={next}");
    assert_eq!(person.submit("/oauth/login", &fields).await.location(), ASK);
    assert_eq!(person.get(ASK).await.status, StatusCode::OK);
}

// RFC 6749, 3.1.2.4: who is not known to be the client gets nobody sent
#[tokio::test]
async fn nobody_is_sent_to_an_address_that_is_not_registered() {
    let (_bench, mut person) = scene().await;
    for foreign in [
        ASK.replace("app.example", "evil.example"),
        ASK.replace("%2Fback", "%2Fback%2F..%2Fx"),
        ASK.replace("%2Fback", "%2Fback%0D%0AX%3A%20y"),
        ASK.replace("https%3A%2F%2Fapp.example%2Fback", "javascript%3Aalert(1)"),
        ASK.replace("my-app", "other-app"),
        ASK.replace("my-app", "NO%20ID"),
        ASK.replace("client_id=my-app&", ""),
        format!("{ASK}&redirect_uri=https%3A%2F%2Fevil.example"),
    ] {
        for answer in [person.get(&foreign).await, person.submit(&foreign, "authorize=true").await]
        {
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{foreign}");
            assert!(!answer.headers.contains_key("location"), "{foreign}");
        }
    }
}

#[tokio::test]
async fn what_comes_back_to_the_client_cannot_be_more_than_it_sent() {
    let (_bench, mut person) = scene().await;
    let ask = ASK.replace("state=a%26b", "state=x%0D%0ASet-Cookie%3A%20a%3Db%26code%3DEVIL");
    person.get(&ask).await;
    let answer = person.submit(&ask, "authorize=false").await;
    assert_eq!(
        value(answer.location(), "state").as_deref(),
        Some("x\r\nSet-Cookie: a=b&code=EVIL")
    );
    assert!(
        !answer.headers.contains_key("set-cookie") && value(answer.location(), "code").is_none()
    );
    let long = ASK.replace("a%26b", &"x".repeat(2049));
    let location = person.get(&long).await.location().to_owned();
    assert_eq!(value(&location, "error").as_deref(), Some("invalid_request"));
    assert_eq!(value(&location, "state"), None);
    let token = person.get(&ASK.replace("response_type=code", "response_type=token")).await;
    assert_eq!(value(token.location(), "error").as_deref(), Some("unsupported_response_type"));
}

// RFC 7636
#[tokio::test]
async fn a_code_with_a_challenge_needs_its_verifier() {
    let (_bench, mut person) = scene().await;
    let ask = format!("{ASK}{CHALLENGE}");
    let code = code(&mut person, &ask).await;
    let wrong = refused(400, "invalid_grant", "invalid_grant");
    let other = "a".repeat(43);
    for verifier in
        [String::new(), format!("&code_verifier={other}"), "&code_verifier=x".to_owned()]
    {
        let answer = token(&mut person, &format!("{CODE}&code={code}{verifier}")).await;
        assert_eq!(refusal(&answer), wrong, "{verifier}");
    }
    let fits = format!("{CODE}&code={code}&code_verifier={VERIFIER}");
    assert_eq!(token(&mut person, &fits).await.status, StatusCode::OK);
    // Somebody took the challenge away on the way.
    let code = self::code(&mut person, ASK).await;
    let answer = token(&mut person, &format!("{CODE}&code={code}&code_verifier={VERIFIER}")).await;
    assert_eq!(refusal(&answer), wrong);
    for method in ["plain", ""] {
        let ask = ask.replace("S256", method);
        let location = person.get(&ask).await.location().to_owned();
        assert_eq!(value(&location, "error").as_deref(), Some("invalid_request"), "{method}");
    }
}

// RFC 7636; IS-46
#[tokio::test]
async fn a_client_without_a_secret_needs_pkce_and_gives_no_secret() {
    let (bench, mut person) = scene().await;
    let id = client_id();
    let changed = bench.server.update_client(&bench.admin, &id, &[], Some(""), |_| Ok(())).await;
    changed.unwrap();
    let location = person.get(ASK).await.location().to_owned();
    assert_eq!(value(&location, "error").as_deref(), Some("invalid_request"));
    assert!(value(&location, "error_description").unwrap().contains("PKCE"));
    let code = code(&mut person, &format!("{ASK}{CHALLENGE}")).await;
    let fields = format!("{CODE}&code={code}&code_verifier={VERIFIER}");
    let answer = token(&mut person, &fields).await;
    assert_eq!(refusal(&answer), refused(401, "invalid_client", "invalid client"));
    let public = format!("client_id=my-app&{fields}");
    assert_eq!(person.submit("/oauth/token", &public).await.status, StatusCode::OK);
}

// IS-46, IS-48: the command-line client of The Things Stack knows no PKCE
#[tokio::test]
async fn the_command_line_client_gets_its_code_on_the_users_machine() {
    let (bench, mut person) = scene().await;
    assert!(bench.server.ensure_cli_client(&id("admin")).await.unwrap());
    assert!(!bench.server.ensure_cli_client(&id("admin")).await.unwrap());
    let ask = "/oauth/authorize?response_type=code&client_id=cli&state=s&redirect_uri=";
    let page = person.get(&format!("{ask}local-callback")).await;
    assert!(page.text.contains("<li>everything that you can do yourself</li>"), "{}", page.text);
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.ends_with("'self' http://localhost:*"), "{policy}");
    let answer = person.submit(&format!("{ask}local-callback"), "authorize=true").await;
    assert!(answer.location().starts_with("/oauth/local-callback?code=MF2XI."));
    let local = person.get(answer.location()).await.location().to_owned();
    assert!(local.starts_with("http://localhost:11885/oauth/callback?code=MF2XI."), "{local}");
    let other = person.get("/oauth/local-callback?port=4711&code=C&state=s&x=y").await;
    assert_eq!(other.location(), "http://localhost:4711/oauth/callback?code=C&state=s");
    let other = person.get("/oauth/local-callback?port=80%40evil.example&code=C").await;
    assert_eq!(other.location(), "http://localhost:11885/oauth/callback?code=C");
    // With an empty secret in the header, as its library sends it.
    let code = value(&local, "code").unwrap();
    let basic = format!("Basic {}", data_encoding::BASE64.encode(b"cli:"));
    let request = axum::http::Request::post("/oauth/token")
        .header("content-type", "application/json")
        .header("authorization", basic);
    let body = serde_json::json!({
        "grant_type": "authorization_code", "code": code, "redirect_uri": "local-callback",
    });
    let answer = person.send(request, body.to_string()).await;
    let caller = bench.caller(text(&answer.json(), "access_token")).await.unwrap();
    let all = bench.server.effective_rights(&caller, &EntityId::User(id("alice"))).await.unwrap();
    assert!(all.contains(Right::UserAll) && !caller.is_admin);
    let shown = person.get(&format!("{ask}code")).await.location().to_owned();
    let page = person.get(&shown).await;
    assert!(page.text.contains("<pre>MF2XI."), "{}", page.text);
}

// RFC 6749, 4.1.2: a code that comes twice was stolen
#[tokio::test]
async fn a_code_works_once_and_a_second_time_revokes_the_tokens() {
    let (bench, mut person) = scene().await;
    let code = code(&mut person, ASK).await;
    let fields = format!("{CODE}&code={code}");
    let tokens = token(&mut person, &fields).await.json();
    let access = text(&tokens, "access_token");
    assert!(bench.caller(access).await.is_ok());
    let refresh =
        format!("grant_type=refresh_token&refresh_token={}", text(&tokens, "refresh_token"));
    let renewed = token(&mut person, &refresh).await.json();
    bench.event_names();
    let again = token(&mut person, &fields).await;
    assert_eq!(refusal(&again), refused(400, "invalid_grant", "invalid_grant"));
    assert_eq!(name(bench.caller(text(&renewed, "access_token")).await), "token_expired");
    let refresh =
        format!("grant_type=refresh_token&refresh_token={}", text(&renewed, "refresh_token"));
    assert_eq!(refusal(&token(&mut person, &refresh).await).1, "invalid_grant");
    assert!(bench.event_names().contains(&"oauth.token.deleted"));
}

// IS-46
#[tokio::test]
async fn codes_and_tokens_that_are_not_meant_are_refused_alike() {
    let (bench, mut person) = scene().await;
    let client = Client {
        state: STATE_APPROVED,
        redirect_uris: vec![BACK.to_owned()],
        ..Client::new(&"other-app".parse().unwrap())
    };
    let created = bench.server.create_client(&bench.admin, client, SECRET, &account("admin")).await;
    created.unwrap();
    let code = code(&mut person, ASK).await;
    let (kind, rest) = code.split_once('.').unwrap();
    let (id, secret) = rest.split_once('.').unwrap();
    let wrong = refused(400, "invalid_grant", "invalid_grant");
    for bad in [
        "nonsense".to_owned(),
        code[..code.len() - 1].to_owned(),
        format!("{code}A"),
        format!("{kind}.{secret}.{id}"),
        format!("OJSWM.{rest}"),
        format!("{kind}.{id}"),
        bench.admin_token.clone(),
    ] {
        let answer = token(&mut person, &format!("{CODE}&code={bad}")).await;
        assert_eq!(refusal(&answer), wrong, "{bad}");
    }
    let secret = SECRET.replace(' ', "+");
    let fields = format!("{CODE}&code={code}&client_id=other-app&client_secret={secret}");
    let other = person.submit("/oauth/token", &fields).await;
    assert_eq!(refusal(&other), wrong);
    let elsewhere = format!("grant_type=authorization_code&code={code}&redirect_uri=");
    for uri in ["", "https%3A%2F%2Fapp.example%2Fother"] {
        let answer = token(&mut person, &format!("{elsewhere}{uri}")).await;
        assert_eq!(refusal(&answer), refused(400, "invalid_grant", "invalid_redirect_uri"));
    }
    for credentials in [code.as_str(), &format!("OJSWM.{rest}"), &format!("MFRWG.{rest}")] {
        assert!(bench.caller(credentials).await.is_err(), "{credentials}");
    }
    bench.clock.advance(Duration::from_secs(300));
    let late = token(&mut person, &format!("{CODE}&code={code}")).await;
    assert_eq!(refusal(&late), wrong);
}

// IS-46
#[tokio::test]
async fn a_token_request_that_is_not_sound_says_what_is_missing() {
    let (_bench, mut person) = scene().await;
    let mut ask = async |fields: &str| refusal(&person.submit("/oauth/token", fields).await);
    let invalid = |name| refused(400, "invalid_request", name);
    assert_eq!(ask("").await, invalid("missing_grant_type"));
    assert_eq!(ask("grant_type=authorization_code").await, invalid("missing_client_id"));
    let client = "client_id=my-app&client_secret=the+secret+of+the+client";
    let code = format!("grant_type=authorization_code&{client}");
    assert_eq!(ask(&code).await, invalid("missing_authorization_code"));
    let refresh = format!("grant_type=refresh_token&{client}");
    assert_eq!(ask(&refresh).await, invalid("missing_refresh_token"));
    for grant in ["password", "client_credentials", "x"] {
        let unsupported = refused(400, "unsupported_grant_type", "unsupported_grant_type");
        assert_eq!(ask(&format!("grant_type={grant}&{client}")).await, unsupported, "{grant}");
    }
    let no_secret = "grant_type=authorization_code&client_id=my-app&code=x";
    let missing = refused(401, "invalid_client", "missing_client_secret");
    assert_eq!(ask(no_secret).await, missing);
    let unknown = refused(401, "invalid_client", "invalid client");
    assert_eq!(ask(&format!("{no_secret}&client_secret=wrong")).await, unknown);
    assert_eq!(ask(&no_secret.replace("my-app", "nobody")).await, unknown);
    assert_eq!(ask("grant_type=x&grant_type=y").await.1, "invalid_request");
}

// IS-46; RFC 6749, 10.4
#[tokio::test]
async fn a_refresh_ends_what_was_before_and_a_second_one_ends_everything() {
    let (bench, mut person) = scene().await;
    let first = tokens(&mut person, ASK, "").await;
    let refresh = |tokens: &Value| {
        format!("grant_type=refresh_token&refresh_token={}", text(tokens, "refresh_token"))
    };
    let second = token(&mut person, &refresh(&first)).await.json();
    assert_eq!(name(bench.caller(text(&first, "access_token")).await), "token_expired");
    assert!(bench.caller(text(&second, "access_token")).await.is_ok());
    // The access token ends after an hour, the refresh token does not.
    bench.clock.advance(Duration::from_secs(3600));
    assert_eq!(name(bench.caller(text(&second, "access_token")).await), "token_expired");
    let third = token(&mut person, &refresh(&second)).await.json();
    assert!(bench.caller(text(&third, "access_token")).await.is_ok());
    // A wrong secret with the right id proves nothing, and ends nothing.
    let forged = refresh(&third);
    let (front, secret) = forged.rsplit_once('.').unwrap();
    let forged = format!("{front}.{}", secret.chars().rev().collect::<String>());
    assert_eq!(refusal(&token(&mut person, &forged).await).1, "invalid_grant");
    assert!(bench.caller(text(&third, "access_token")).await.is_ok());
    // One from before was stolen.
    let stolen = token(&mut person, &refresh(&first)).await;
    assert_eq!(refusal(&stolen), refused(400, "invalid_grant", "invalid_grant"));
    assert_eq!(name(bench.caller(text(&third, "access_token")).await), "token_expired");
    assert_eq!(refusal(&token(&mut person, &refresh(&third)).await).1, "invalid_grant");
    // Nobody used it for a long time.
    let fourth = tokens(&mut person, ASK, "").await;
    bench.clock.advance(Duration::from_secs(90 * 24 * 3600));
    assert_eq!(refusal(&token(&mut person, &refresh(&fourth)).await).1, "invalid_grant");
}

// IS-47
#[tokio::test]
async fn a_client_that_is_not_approved_gets_nothing_and_its_tokens_end() {
    let (bench, mut person) = scene().await;
    let tokens = tokens(&mut person, ASK, "").await;
    let access = text(&tokens, "access_token");
    let refresh =
        format!("grant_type=refresh_token&refresh_token={}", text(&tokens, "refresh_token"));
    for (state, error, of_token) in [
        (STATE_REJECTED, "client_rejected", Some("oauth_client_rejected")),
        (STATE_SUSPENDED, "client_suspended", Some("oauth_client_suspended")),
        (STATE_REQUESTED, "client_not_approved", None),
    ] {
        change(&bench, |client| client.state = state).await;
        assert_eq!(person.get(ASK).await.status, StatusCode::BAD_REQUEST, "{error}");
        let answer = token(&mut person, &refresh).await;
        assert_eq!(refusal(&answer), refused(400, "unauthorized_client", error));
        let caller = bench.caller(access).await;
        assert_eq!(caller.err().map(|error| ttn_core::error::ApiError::name(&error)), of_token);
    }
    change(&bench, |client| {
        client.state = STATE_APPROVED;
        client.grants = vec![GRANT_AUTHORIZATION_CODE];
    })
    .await;
    let missing = refused(400, "unauthorized_client", "client_missing_grant");
    assert_eq!(refusal(&token(&mut person, &refresh).await), missing);
    // What the client no longer asks for is gone from its tokens.
    change(&bench, |client| client.rights = vec![Right::UserInfo.number()]).await;
    let caller = bench.caller(access).await.unwrap();
    let app: ApplicationId = "nothing".parse().unwrap();
    let refused = bench.server.application(&caller, &app).await;
    assert_eq!(name(refused), "no_application_rights");
    let code = code(&mut person, ASK).await;
    let only = token(&mut person, &format!("{CODE}&code={code}")).await.json();
    assert!(only.get("refresh_token").is_none());
    change(&bench, |client| client.grants = vec![2]).await;
    let location = person.get(ASK).await.location().to_owned();
    assert_eq!(value(&location, "error").as_deref(), Some("unauthorized_client"));
    bench.server.delete(&bench.admin, &EntityId::Client(client_id())).await.unwrap();
    assert_eq!(name(bench.caller(access).await), "token_expired");
}

// IS-47: and neither does a client of a user who may not log in
#[tokio::test]
async fn a_suspended_user_gives_nobody_new_tokens() {
    let (bench, mut person) = scene().await;
    let tokens = tokens(&mut person, ASK, "").await;
    let suspend = |user: &mut ttn_is::record::User| {
        user.state = STATE_SUSPENDED;
        Ok(())
    };
    bench.server.update_user(&bench.admin, &id("alice"), &[], suspend).await.unwrap();
    let refresh =
        format!("grant_type=refresh_token&refresh_token={}", text(&tokens, "refresh_token"));
    assert_eq!(refusal(&token(&mut person, &refresh).await).1, "invalid_grant");
}

// IS-49
#[tokio::test]
async fn a_client_ends_the_session_and_sends_the_user_where_it_registered() {
    let (bench, mut person) = scene().await;
    let tokens = tokens(&mut person, ASK, "").await;
    let access = text(&tokens, "access_token");
    let token_id = access.split('.').nth(1).unwrap();
    let session = format!("ONZW4.{}", person.cookies["_session"]);
    let logout = format!("/oauth/logout?access_token_id={token_id}");
    for wrong in [
        "/oauth/logout".to_owned(),
        "/oauth/logout?access_token_id=AAAA".to_owned(),
        format!("{logout}&post_logout_redirect_uri=https%3A%2F%2Fevil.example"),
    ] {
        let answer = person.get(&wrong).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{wrong}");
        assert!(!answer.headers.contains_key("location"));
    }
    assert!(bench.caller(access).await.is_ok() && bench.caller(&session).await.is_ok());
    let uri = "https%3A%2F%2Fapp.example%2Fbye";
    let answer = person.get(&format!("{logout}&post_logout_redirect_uri={uri}")).await;
    assert_eq!(answer.location(), "https://app.example/bye");
    assert_eq!(name(bench.caller(access).await), "token_expired");
    assert_eq!(name(bench.caller(&session).await), "session_expired");
    assert!(bench.event_names().contains(&"oauth.session.terminated"));
}

// IS-50
#[tokio::test]
async fn a_user_sees_and_takes_back_what_he_let() {
    let (bench, mut person) = scene().await;
    let (alice, server) = (id("alice"), &bench.server);
    let himself = server.log_in(&alice, PASSWORD).await.unwrap();
    let first = tokens(&mut person, ASK, "").await;
    let second = tokens(&mut person, ASK, "").await;
    code(&mut person, ASK).await;
    let other = bench.user("other").await;
    let query = Query { order: "-created_at".to_owned(), ..Query::default() };
    assert_eq!(name(server.list_authorizations(&other, &alice, &query).await), "no_user_rights");
    let refused = server.list_access_tokens(&other, &alice, &client_id(), &query).await;
    assert_eq!(name(refused), "no_user_rights");
    let listed = server.list_authorizations(&himself, &alice, &query).await.unwrap();
    assert_eq!((listed.total, listed.items[0].client_id()), (1, "my-app"));
    // The code that nobody used is no token.
    let listed = server.list_access_tokens(&himself, &alice, &client_id(), &query).await.unwrap();
    assert_eq!(listed.total, 2);
    let token_id = text(&first, "access_token").split('.').nth(1).unwrap();
    let foreign = server.delete_access_token(&other, &id("other"), &client_id(), token_id).await;
    assert_eq!(name(foreign), "access_token_not_found");
    server.delete_access_token(&himself, &alice, &client_id(), token_id).await.unwrap();
    assert_eq!(name(bench.caller(text(&first, "access_token")).await), "token_expired");
    assert!(bench.caller(text(&second, "access_token")).await.is_ok());
    server.delete_authorization(&himself, &alice, &client_id()).await.unwrap();
    assert_eq!(name(bench.caller(text(&second, "access_token")).await), "token_expired");
    let again = server.delete_authorization(&himself, &alice, &client_id()).await;
    assert_eq!(name(again), "authorization_not_found");
    // He is asked again.
    assert_eq!(person.get(ASK).await.status, StatusCode::OK);
}

// IS-29, IS-50
#[tokio::test]
async fn the_api_tells_of_tokens_and_ends_them() {
    let (bench, mut person) = scene().await;
    let tokens = tokens(&mut person, ASK, "").await;
    let (access, session) = (text(&tokens, "access_token"), person.cookies["_session"].clone());
    let methods = ttn_is::api::methods(&bench.server);
    let session = format!("ONZW4.{session}");
    let call = async |rpc: &str, token: &str, body: Value| {
        let path = format!("/ttn.lorawan.v3.{rpc}");
        let method = methods.iter().find(|method| method.rpc().path == path).unwrap();
        crate::api::call(method, token, body).await
    };
    let (info, _) = call("EntityAccess/AuthInfo", access, json!({})).await.unwrap();
    let told = &info["oauth_access_token"];
    let token_id = access.split('.').nth(1).unwrap();
    assert_eq!(told["id"], token_id);
    assert_eq!(told["user_ids"]["user_id"], "alice");
    assert_eq!(told["client_ids"]["client_id"], "my-app");
    assert_eq!(told["rights"], json!(["RIGHT_USER_INFO", "RIGHT_APPLICATION_INFO"]));
    assert!(
        told["expires_at"].is_string()
            && session.contains(told["user_session_id"].as_str().unwrap())
    );
    let secret = access.split('.').nth(2).unwrap();
    assert!(!info.to_string().contains(secret) && info.get("universal_rights").is_none());
    let ids = json!({
        "user_ids": { "user_id": "alice" }, "client_ids": { "client_id": "my-app" }, "id": token_id,
    });
    // What the client got does not reach as far.
    let denied = call("OAuthAuthorizationRegistry/ListTokens", access, ids.clone()).await;
    assert_eq!(denied.unwrap_err().code(), tonic::Code::PermissionDenied);
    let (listed, total) =
        call("OAuthAuthorizationRegistry/ListTokens", &session, ids.clone()).await.unwrap();
    assert_eq!((total, &listed["tokens"][0]["id"]), (1, &json!(token_id)));
    assert!(!listed.to_string().contains("PBKDF2"), "{listed}");
    let (listed, total) =
        call("OAuthAuthorizationRegistry/List", &session, ids.clone()).await.unwrap();
    assert_eq!(total, 1);
    assert_eq!(listed["authorizations"][0]["rights"], told["rights"]);
    call("OAuthAuthorizationRegistry/DeleteToken", &session, ids.clone()).await.unwrap();
    let gone = call("EntityAccess/AuthInfo", access, json!({})).await.unwrap_err();
    assert!(gone.message().starts_with("error:pkg/identityserver:token_expired"), "{gone:?}");
    call("OAuthAuthorizationRegistry/Delete", &session, ids).await.unwrap();
}

/// How many rows there are of what OAuth keeps.
async fn rows(bench: &Bench) -> usize {
    let mut rows = 0;
    for table in [Table::Authorization, Table::Grant, Table::GrantOfUser] {
        let scan = Scan { table, prefix: String::new(), after: None, limit: 1000 };
        rows += bench.store.scan(&scan).await.unwrap().len();
    }
    rows
}

// IS-36, IS-16
#[tokio::test]
async fn nothing_remains_of_who_is_gone_or_wants_everything_to_end() {
    let (bench, mut person) = scene().await;
    let first = tokens(&mut person, ASK, "").await;
    let himself = bench.server.log_in(&id("alice"), PASSWORD).await.unwrap();
    let new = "Another-horse-2";
    let server = &bench.server;
    server.update_password(&himself, &id("alice"), PASSWORD, new, true).await.unwrap();
    assert_eq!(name(bench.caller(text(&first, "access_token")).await), "token_expired");
    assert_eq!(rows(&bench).await, 0);
    server.update_password(&himself, &id("alice"), new, PASSWORD, true).await.unwrap();
    log_in(&mut person, "alice").await;
    tokens(&mut person, ASK, "").await;
    server.purge(&bench.admin, &EntityId::Client(client_id())).await.unwrap();
    assert_eq!(rows(&bench).await, 0);
    let (bench, mut person) = scene().await;
    tokens(&mut person, ASK, "").await;
    bench.server.purge(&bench.admin, &EntityId::User(id("alice"))).await.unwrap();
    assert_eq!(rows(&bench).await, 0);
}

// IS-45: a page that is opened over and over fills nothing
#[tokio::test]
async fn a_client_has_at_most_fifty_codes_and_tokens_for_a_user() {
    let (bench, mut person) = scene().await;
    let first = tokens(&mut person, ASK, "").await;
    for _ in 0..50 {
        bench.clock.advance(Duration::from_secs(1));
        assert!(value(person.get(ASK).await.location(), "code").is_some());
    }
    assert_eq!(rows(&bench).await, 1 + 2 * 50);
    assert_eq!(name(bench.caller(text(&first, "access_token")).await), "token_expired");
}

// IS-06, IS-31
#[tokio::test]
async fn a_client_of_an_administrator_is_one_as_far_as_he_let_it() {
    let (bench, _) = scene().await;
    let mut person = Browser::new(&bench);
    log_in(&mut person, "admin").await;
    let few = tokens(&mut person, ASK, "").await;
    let caller = bench.caller(text(&few, "access_token")).await.unwrap();
    assert!(caller.is_admin && !caller.universal.contains(Right::UserDelete));
    let refused = bench.server.list_users(&caller, &Query::default()).await;
    assert_eq!(name(refused), "permission_denied");
    change(&bench, |client| client.rights = vec![Right::All.number()]).await;
    let all = tokens(&mut person, ASK, "").await;
    let caller = bench.caller(text(&all, "access_token")).await.unwrap();
    bench.server.list_users(&caller, &Query::default()).await.unwrap();
}

#[tokio::test]
async fn an_unsound_redirect_uri_is_not_registered() {
    let (bench, _) = scene().await;
    for uri in ["javascript:alert(1)", "https://app.example/#x", "//evil.example", "back"] {
        let client = Client {
            redirect_uris: vec![uri.to_owned()],
            ..Client::new(&"bad-app".parse().unwrap())
        };
        let refused = bench.server.create_client(&bench.admin, client, "", &account("admin")).await;
        assert_eq!(name(refused), "validation", "{uri}");
        let set = |client: &mut Client| {
            client.logout_redirect_uris = vec![uri.to_owned()];
            Ok(())
        };
        let refused = bench.server.update_client(&bench.admin, &client_id(), &[], None, set).await;
        assert_eq!(name(refused), "validation", "{uri}");
    }
}

// IS-46: a secret is not guessed for long from one address
#[tokio::test]
async fn token_requests_of_an_address_are_limited() {
    let (bench, _) = scene().await;
    let from = |address: &str| {
        let remote_ip = address.to_owned();
        std::sync::Arc::new(ttn_core::event::EventCaller { remote_ip, ..Default::default() })
    };
    let request = ttn_is::oauth::TokenRequest {
        grant_type: "refresh_token",
        client_id: "nobody",
        client_secret: "guess",
        ..Default::default()
    };
    for _ in 0..600 {
        assert_eq!(name(bench.server.exchange(&request, from("1.1.1.1")).await), "invalid client");
    }
    let limited = bench.server.exchange(&request, from("1.1.1.1")).await;
    assert_eq!(name(limited), "rate_limit_exceeded");
    assert_eq!(name(bench.server.exchange(&request, from("2.2.2.2")).await), "invalid client");
    assert!(!format!("{request:?}").contains("guess"));
}

#[test]
fn nothing_that_opens_something_is_shown_to_debuggers() {
    let grant = ttn_is::record::Grant {
        id: "ID".to_owned(),
        code_hash: "HASH".to_owned(),
        ..Default::default()
    };
    assert_eq!(format!("{grant:?}"), r#"Grant { id: "ID", .. }"#);
}
