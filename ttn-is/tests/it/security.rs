//! What strangers learn, and for how long a stolen thing works.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use ttn_core::{
    auth::{Credentials, Principal},
    event::EventCaller,
    rand::{Entropy, OsEntropy},
    store::{Revision, StoreError, Versioned},
};
use ttn_is::{
    Config, IdentityServer, Login,
    record::User,
    store::{Change, IdentityStore, MemoryIdentityStore, Row, Scan, Table, WriteError},
};

use crate::bench::{Bench, PASSWORD, TestClock, id, name};

/// Counts what takes time: durable writes, and random octets, which every hash draws for its salt.
#[derive(Debug, Default)]
struct Work {
    store: MemoryIdentityStore,
    writes: AtomicUsize,
    octets: AtomicUsize,
}

#[derive(Debug)]
struct Shared(Arc<Work>);

impl Entropy for Shared {
    fn fill(&self, buffer: &mut [u8]) {
        self.0.octets.fetch_add(buffer.len(), Ordering::Relaxed);
        OsEntropy::default().fill(buffer);
    }
}

#[async_trait]
impl IdentityStore for Shared {
    async fn get(&self, table: Table, key: &str) -> Result<Option<Versioned<Vec<u8>>>, StoreError> {
        self.0.store.get(table, key).await
    }

    async fn write(&self, changes: Vec<Change>) -> Result<Revision, WriteError> {
        self.0.writes.fetch_add(1, Ordering::Relaxed);
        self.0.store.write(changes).await
    }

    async fn scan(&self, scan: &Scan) -> Result<Vec<Row>, StoreError> {
        self.0.store.scan(scan).await
    }
}

impl Work {
    /// What was done since the last call.
    fn done(&self) -> (usize, usize) {
        (self.writes.swap(0, Ordering::Relaxed), self.octets.swap(0, Ordering::Relaxed))
    }
}

async fn counted() -> (Arc<IdentityServer>, Arc<Work>) {
    let work = Arc::new(Work::default());
    let login = Login { login_tokens: true, ..Login::default() };
    let config = Config { login, ..Config::default() };
    let server = IdentityServer::builder(config, Arc::new(TestClock::default()))
        .store(Arc::new(Shared(work.clone())))
        .entropy(Arc::new(Shared(work.clone())))
        .build()
        .unwrap();
    let admin = server.ensure_admin(&id("admin"), PASSWORD, "admin@example.com").await;
    let admin = Credentials::Bearer(admin.unwrap().unwrap().api_key);
    let admin = server.authenticate(&admin).await.unwrap();
    let user = User { state: 1, ..User::new(&id("alice"), "alice@example.com") };
    server.create_user(&admin, user, PASSWORD, "").await.unwrap();
    work.done();
    (server, work)
}

fn call() -> Arc<EventCaller> {
    Arc::new(EventCaller { remote_ip: "192.0.2.1".to_owned(), ..EventCaller::default() })
}

fn stranger() -> Principal {
    Principal { call: Some(call()), ..Principal::anonymous() }
}

// IS-37, IS-38, IS-41
#[tokio::test]
async fn it_takes_the_same_work_to_answer_whoever_exists() {
    let (server, work) = counted().await;
    let mut done = Vec::new();
    // The second time alice has a temporary password already.
    for user in ["nobody", "alice", "alice"] {
        assert!(server.open_session(user, "wrong", Some(call())).await.is_err());
        let login = work.done();
        assert_eq!(server.create_login_token(&stranger(), &id(user), true).await.unwrap(), None);
        let login_token = work.done();
        server.create_temporary_password(&stranger(), &id(user)).await.unwrap();
        let temporary = work.done();
        server.forgot_password(user, call()).await.unwrap();
        let forgot = work.done();
        let changed = server.choose_password(user, "wrong", "New-password-1", call()).await;
        assert_eq!(name(changed), "old_password");
        done.push([login, login_token, temporary, forgot, work.done()]);
    }
    assert!(done[0].iter().all(|(writes, _)| *writes == 1), "{done:?}");
    assert!(done.iter().all(|work| *work == done[0]), "{done:?}");
}

// IS-38: the sixth token is refused without a word
#[tokio::test]
async fn who_has_asked_for_a_login_token_before_is_not_told() {
    let (server, work) = counted().await;
    let mut done = Vec::new();
    for _ in 0..7 {
        server.create_login_token(&stranger(), &id("alice"), false).await.unwrap();
        done.push(work.done());
    }
    assert!(done.iter().all(|work| *work == done[0]), "{done:?}");
}

// IS-37
#[tokio::test]
async fn temporary_passwords_are_limited_per_account_and_address() {
    let (server, _) = counted().await;
    for _ in 0..10 {
        server.create_temporary_password(&stranger(), &id("alice")).await.unwrap();
    }
    let refused = server.create_temporary_password(&stranger(), &id("alice")).await;
    assert_eq!(name(refused), "rate_limit_exceeded");
    let mut refused = 0;
    for number in 0..120 {
        let user = id(&format!("nobody{number}"));
        let answer = server.create_temporary_password(&stranger(), &user).await;
        refused += usize::from(answer.is_err());
    }
    assert_eq!(refused, 30, "a hundred per address, ten of which are gone");
}

// IS-27: of every kind of token
#[tokio::test]
async fn tokens_that_are_cut_changed_or_of_another_kind_open_nothing() {
    let bench = Bench::new().await;
    let key = bench.user_token("alice", &[ttn_core::auth::Right::All]).await;
    let session = bench.server.open_session("alice", PASSWORD, None).await.unwrap().token;
    for token in [key, session] {
        assert!(bench.caller(&token).await.is_ok());
        let parts: Vec<_> = token.split('.').collect();
        let [kind, id, secret] = parts[..] else { panic!("{token}") };
        let other = if kind == "NNSXS" { "ONZW4" } else { "NNSXS" };
        for wrong in [
            token[..token.len() - 1].to_owned(),
            format!("{token}A"),
            format!("{kind}.{id}"),
            format!("{kind}.{id}."),
            format!("{kind}..{secret}"),
            format!("{kind}.{secret}.{id}"),
            format!("{kind}.{id}.{}", "A".repeat(secret.len())),
            format!("{kind}.{id}.{}", secret.to_lowercase()),
            format!("{other}.{id}.{secret}"),
            format!("MFRWG.{id}.{secret}"),
            format!("{token} "),
            format!("{token}\n"),
            "A".repeat(5_000),
            String::new(),
        ] {
            assert!(bench.caller(&wrong).await.is_err(), "{wrong:?}");
        }
    }
}
