//! The audit log: who did what to whom, from where.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use ttn_core::{
    auth::{Principal, Right},
    event::EventCaller,
    id::EntityId,
};
use ttn_is::{
    Config,
    audit::{Action, AuditQuery},
    record::{AuditEntry, User},
};

use crate::bench::{Bench, PASSWORD, account, id, name, set};

impl Bench {
    /// The entries that a query finds, the latest first.
    async fn audit(&self, query: AuditQuery) -> Vec<AuditEntry> {
        self.server.list_audit(&self.admin, &query).await.unwrap().entries
    }

    /// The actions on an entity, the first first.
    async fn actions_on(&self, entity: &str) -> Vec<String> {
        let query = AuditQuery { entity: entity.to_owned(), ..AuditQuery::default() };
        let entries = self.audit(query).await.into_iter();
        entries.rev().map(|entry| entry.action).collect()
    }

    async fn last(&self) -> AuditEntry {
        let query = AuditQuery { limit: 1, ..AuditQuery::default() };
        self.audit(query).await.remove(0)
    }
}

/// A caller as one comes over the network.
fn called(caller: Principal, token_type: &'static str, token_id: &str) -> Principal {
    let call = EventCaller {
        authentication: "Bearer",
        token_type,
        token_id: token_id.to_owned(),
        remote_ip: "192.0.2.7".to_owned(),
        user_agent: "a browser".to_owned(),
        ..EventCaller::default()
    };
    Principal { call: Some(Arc::new(call)), ..caller }
}

fn json(text: &str) -> Value {
    if text.is_empty() { Value::Null } else { serde_json::from_str(text).unwrap() }
}

#[tokio::test]
async fn an_entry_says_who_did_what_from_where_and_what_was_before() {
    let bench = Bench::new().await;
    bench.user("alice").await;
    let admin = called(bench.admin.clone(), "APIKey", "KEYID");
    let change = |user: &mut User| {
        user.state = ttn_is::rights::STATE_SUSPENDED;
        user.state_description = "does not pay".to_owned();
        Ok(())
    };
    bench.server.update_user(&admin, &id("alice"), &[], change).await.unwrap();
    let entry = bench.last().await;
    assert_eq!((&*entry.action, &*entry.entity), ("entity.update", "user/alice"));
    assert_eq!((&*entry.actor, &*entry.credential), ("user/admin", "api_key/KEYID"));
    assert_eq!((&*entry.remote_ip, &*entry.user_agent), ("192.0.2.7", "a browser"));
    let before = json!({ "state": "approved", "state_description": "" });
    assert_eq!(json(&entry.before), before);
    let after = json!({ "state": "suspended", "state_description": "does not pay" });
    assert_eq!(json(&entry.after), after);
}

#[tokio::test]
async fn an_update_of_nothing_that_matters_is_not_in_the_log() {
    let bench = Bench::new().await;
    let alice = bench.user("alice").await;
    let before = bench.actions_on("user/alice").await;
    let change = |user: &mut User| {
        user.description = "likes gateways".to_owned();
        Ok(())
    };
    bench.server.update_user(&alice, &id("alice"), &[], change).await.unwrap();
    assert_eq!(bench.actions_on("user/alice").await, before);
}

#[tokio::test]
async fn the_life_of_an_application_its_keys_and_its_members_is_in_the_log() {
    let bench = Bench::new().await;
    let alice = bench.user("alice").await;
    bench.user("bob").await;
    let app = bench.application(&alice, "alice", "app1").await;
    let server = &bench.server;
    let rights = set(&[Right::ApplicationInfo]);
    let key = server.create_api_key(&alice, &app, "my key", rights, None).await.unwrap().key;
    assert_eq!(bench.last().await.subject, format!("api_key/{}", key.id));
    server.update_api_key(&alice, &app, &key.id, |key| key.name = "x".to_owned()).await.unwrap();
    let update = bench.last().await;
    assert_eq!(json(&update.before), json!({ "name": "my key" }));
    assert_eq!(json(&update.after), json!({ "name": "x" }));
    server.rotate_api_key(&alice, &app, &key.id, Duration::ZERO).await.unwrap();
    assert_eq!(json(&bench.last().await.after), json!({ "secret": "changed" }));
    server.delete_api_key(&alice, &app, &key.id).await.unwrap();
    server.set_collaborator(&alice, &app, &account("bob"), rights).await.unwrap();
    let member = bench.last().await;
    assert_eq!((&*member.subject, &*member.actor), ("user/bob", "user/alice"));
    assert_eq!(json(&member.after), json!({ "rights": ["RIGHT_APPLICATION_INFO"] }));
    server.delete_collaborator(&alice, &app, &account("bob")).await.unwrap();
    server.delete(&alice, &app).await.unwrap();
    server.restore(&alice, &app).await.unwrap();
    server.purge(&bench.admin, &app).await.unwrap();
    let expected = [
        "entity.create",
        "api_key.create",
        "api_key.update",
        "api_key.rotate",
        "api_key.delete",
        "collaborator.update",
        "collaborator.delete",
        "entity.delete",
        "entity.restore",
        "entity.purge",
    ];
    assert_eq!(bench.actions_on("application/app1").await, expected);
}

#[tokio::test]
async fn logins_and_passwords_are_in_the_log_whoever_exists() {
    let bench = Bench::new().await;
    bench.user("alice").await;
    let server = &bench.server;
    let call = called(Principal::anonymous(), "", "").call;
    let opened = server.open_session("alice", PASSWORD, call.clone()).await.unwrap();
    let login = bench.last().await;
    assert_eq!((&*login.action, &*login.actor), ("login.succeeded", "user/alice"));
    assert_eq!(login.subject, format!("session/{}", opened.session.session_id));
    for user in ["alice", "nobody", "alice@example.org", "Secret password"] {
        assert!(server.open_session(user, "wrong", call.clone()).await.is_err());
        let failed = bench.last().await;
        assert_eq!((&*failed.action, &*failed.actor), ("login.failed", ""), "{user}");
        assert_eq!(failed.remote_ip, "192.0.2.7");
        let named = if user.len() < 7 { format!("user/{user}") } else { String::new() };
        assert_eq!(failed.entity, named, "what is no id may be a password");
    }
    let alice = bench.caller(&opened.token).await.unwrap();
    let alice = called(alice, "SessionToken", &opened.session.session_id);
    assert!(
        server
            .update_password(&alice, &id("alice"), "wrong", "New-password-1", false)
            .await
            .is_err()
    );
    let refused = bench.last().await;
    assert_eq!((&*refused.action, &*refused.actor), ("password.refused", "user/alice"));
    server.update_password(&alice, &id("alice"), PASSWORD, "New-password-1", true).await.unwrap();
    let update = bench.last().await;
    assert_eq!(update.credential, format!("session/{}", opened.session.session_id));
    assert_eq!(json(&update.after), json!({ "revoke_all_access": true }));
    server.create_temporary_password(&Principal::anonymous(), &id("alice")).await.unwrap();
    let again = server.open_session("alice", "New-password-1", call).await.unwrap();
    server.delete_session(&bench.admin, &id("alice"), &again.session.session_id).await.unwrap_err();
    let alice = bench.caller(&again.token).await.unwrap();
    server.delete_session(&alice, &id("alice"), &again.session.session_id).await.unwrap();
    let on_alice = bench.actions_on("user/alice").await;
    let expected = [
        "login.succeeded",
        "login.failed",
        "password.refused",
        "password.update",
        "password.temporary",
        "login.succeeded",
        "session.end",
    ];
    assert_eq!(on_alice[on_alice.len() - expected.len()..], expected);
}

#[tokio::test]
async fn no_secret_is_in_the_log() {
    let bench = Bench::new().await;
    let alice = bench.user("alice").await;
    let app = bench.application(&alice, "alice", "app1").await;
    let rights = set(&[Right::ApplicationInfo]);
    let key = bench.server.create_api_key(&alice, &app, "", rights, None).await.unwrap();
    let opened = bench.server.open_session("alice", PASSWORD, None).await.unwrap();
    let client = ttn_is::record::Client::new(&"client1".parse().unwrap());
    let client = bench.server.create_client(&alice, client, "", &account("alice")).await.unwrap();
    let secret = |token: &str| token.rsplit('.').next().unwrap().to_owned();
    let secrets = [
        PASSWORD.to_owned(),
        secret(&key.token),
        key.key.hash.clone(),
        secret(&opened.token),
        opened.session.secret_hash,
        client.secret,
        client.client.secret_hash,
        "$argon2".to_owned(),
        "PBKDF2".to_owned(),
    ];
    let log = format!("{:?}", bench.audit(AuditQuery::default()).await);
    for secret in secrets {
        assert!(!log.contains(&secret), "{secret}");
    }
}

#[tokio::test]
async fn a_change_that_fails_leaves_no_entry() {
    let bench = Bench::new().await;
    let alice = bench.user("alice").await;
    bench.application(&alice, "alice", "app1").await;
    let before = bench.audit(AuditQuery::default()).await.len();
    let again = ttn_is::record::Application::new(&"app1".parse().unwrap());
    let created = bench.server.create_application(&alice, again, &account("alice")).await;
    assert_eq!(name(created), "id_taken");
    let mallory = bench.caller(&bench.admin_token).await.unwrap();
    let app = EntityId::Application("nowhere".parse().unwrap());
    assert!(bench.server.delete(&mallory, &app).await.is_err());
    assert_eq!(bench.audit(AuditQuery::default()).await.len(), before);
}

#[tokio::test]
async fn the_log_is_read_page_by_page_and_by_what_is_looked_for() {
    let bench = Bench::new().await;
    let alice = bench.user("alice").await;
    for number in 0..5 {
        bench.clock.advance(Duration::from_secs(60));
        bench.application(&alice, "alice", &format!("app{number}")).await;
    }
    let all = bench.audit(AuditQuery::default()).await;
    assert!(all.windows(2).all(|pair| pair[0].time >= pair[1].time && pair[0].id < pair[1].id));
    let mut found = Vec::new();
    let mut query = AuditQuery { limit: 2, ..AuditQuery::default() };
    loop {
        let page = bench.server.list_audit(&bench.admin, &query).await.unwrap();
        found.extend(page.entries);
        query.after = page.next;
        if query.after.is_empty() {
            break;
        }
    }
    assert_eq!(found, all);
    let at = |entry: &AuditEntry| entry.time.unwrap().into();
    let (since, until) = (Some(at(&all[3])), Some(at(&all[0])));
    let between = AuditQuery { since, until, ..AuditQuery::default() };
    assert_eq!(bench.audit(between).await, all[1..4]);
    let keys = AuditQuery {
        actions: vec![Action::ApiKeyCreate],
        actor: "user/alice".to_owned(),
        ..AuditQuery::default()
    };
    assert_eq!(bench.audit(keys).await.len(), 1);
    let wrong = AuditQuery { after: "../x".to_owned(), ..AuditQuery::default() };
    assert!(bench.server.list_audit(&bench.admin, &wrong).await.is_err());
    let refused = bench.server.list_audit(&alice, &AuditQuery::default()).await;
    assert_eq!(name(refused), "permission_denied");
}

#[tokio::test]
async fn old_entries_are_forgotten() {
    let retention = Duration::from_secs(24 * 3600);
    let bench = Bench::with(Config { audit_retention: retention, ..Config::default() }).await;
    for number in 0..700 {
        assert!(bench.server.open_session(&format!("nobody{number}"), "x", None).await.is_err());
    }
    bench.clock.advance(retention + Duration::from_secs(1));
    let alice = bench.user("alice").await;
    bench.application(&alice, "alice", "app1").await;
    assert!(bench.server.forget_audit().await.unwrap() > 700);
    assert!(bench.audit(AuditQuery::default()).await.iter().all(|entry| !entry.actor.is_empty()));
    assert_eq!(bench.actions_on("application/app1").await, ["entity.create"]);
    assert_eq!(bench.server.forget_audit().await.unwrap(), 0);
}

#[tokio::test]
async fn with_no_retention_nothing_is_written_down() {
    let config = Config { audit_retention: Duration::ZERO, ..Config::default() };
    let bench = Bench::with(config).await;
    bench.user("alice").await;
    assert!(bench.audit(AuditQuery::default()).await.is_empty());
}
