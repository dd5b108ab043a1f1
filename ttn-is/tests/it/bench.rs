//! What tests share: a server, a clock that is set, people with keys.

use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;
use parking_lot::Mutex;
use ttn_core::{
    auth::{Credentials, Principal, Right, Rights},
    clock::Clock,
    error::ApiError as _,
    event::{EventBus, Subscription},
    id::{EntityId, UserId},
    time::{Monotonic, Timestamp},
};
use ttn_is::{
    Builder, Config, Error, IdentityServer,
    entity::Account,
    record::{Application, Gateway, User},
    store::MemoryIdentityStore,
};

/// A clock that stands still until it is moved.
#[derive(Debug, Default)]
pub(crate) struct TestClock(Mutex<u64>);

impl TestClock {
    pub(crate) fn advance(&self, by: Duration) {
        *self.0.lock() += u64::try_from(by.as_nanos()).unwrap();
    }
}

impl Clock for TestClock {
    fn utc(&self) -> Timestamp {
        let passed = i64::try_from(*self.0.lock()).unwrap();
        Timestamp::from_unix_nanos(1_790_000_000_000_000_000 + passed)
    }

    fn monotonic(&self) -> Monotonic {
        Monotonic::from_nanos(*self.0.lock())
    }

    fn sleep_until(&self, _deadline: Monotonic) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
}

pub(crate) struct Bench {
    pub(crate) server: Arc<IdentityServer>,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) store: Arc<MemoryIdentityStore>,
    pub(crate) events: Subscription,
    pub(crate) admin: Principal,
    pub(crate) admin_token: String,
}

pub(crate) const CLUSTER_KEY: [u8; 16] = [7; 16];
pub(crate) const PASSWORD: &str = "Correct-horse-1";

impl Bench {
    pub(crate) async fn new() -> Self {
        Self::with(Config { cluster_keys: vec![CLUSTER_KEY.to_vec()], ..Config::default() }).await
    }

    pub(crate) async fn with(config: Config) -> Self {
        Self::with_mails(config, Arc::new(ttn_is::email::NoMail::default())).await
    }

    pub(crate) async fn with_mails(config: Config, mails: ttn_is::email::Mails) -> Self {
        Self::built(config, |builder| builder.mails(mails)).await
    }

    pub(crate) async fn built(config: Config, more: impl FnOnce(Builder) -> Builder) -> Self {
        let clock = Arc::new(TestClock(Mutex::new(0)));
        let store = Arc::new(MemoryIdentityStore::new());
        let bus = EventBus::new();
        let events = bus.subscribe();
        let builder = IdentityServer::builder(config, clock.clone())
            .store(store.clone())
            .events(Arc::new(bus));
        let server = more(builder).build().unwrap();
        let admin = server.ensure_admin(&id("admin"), PASSWORD, "admin@example.com").await;
        let admin_token = admin.unwrap().unwrap().api_key;
        let credentials = Credentials::Bearer(admin_token.clone());
        let admin = server.authenticate(&credentials).await.unwrap();
        Self { server, clock, store, events, admin, admin_token }
    }

    pub(crate) async fn caller(&self, token: &str) -> Result<Principal, Error> {
        self.server.authenticate(&Credentials::Bearer(token.to_owned())).await
    }

    /// Creates a user and gives the token of a key of his with some rights.
    pub(crate) async fn user_token(&self, name: &str, rights: &[Right]) -> String {
        let user = User { state: 1, ..User::new(&id(name), &format!("{name}@example.com")) };
        self.server.create_user(&self.admin, user, PASSWORD, "").await.unwrap();
        let himself = self.server.log_in(&id(name), PASSWORD).await.unwrap();
        let entity = EntityId::User(id(name));
        let issued =
            self.server.create_api_key(&himself, &entity, "all", set(rights), None).await.unwrap();
        issued.token
    }

    pub(crate) async fn user(&self, name: &str) -> Principal {
        let token = self.user_token(name, &[Right::All]).await;
        self.caller(&token).await.unwrap()
    }

    pub(crate) async fn application(&self, owner: &Principal, of: &str, name: &str) -> EntityId {
        let application = Application::new(&name.parse().unwrap());
        self.server.create_application(owner, application, &account(of)).await.unwrap();
        EntityId::Application(name.parse().unwrap())
    }

    pub(crate) async fn gateway(&self, owner: &Principal, of: &str, gateway: Gateway) -> EntityId {
        let created = self.server.create_gateway(owner, gateway, &account(of)).await.unwrap();
        EntityId::Gateway(created.id().parse().unwrap())
    }

    /// The names of the events since the last call.
    pub(crate) fn event_names(&self) -> Vec<&'static str> {
        std::iter::from_fn(|| self.events.try_next()).map(|event| event.definition.name).collect()
    }
}

pub(crate) fn id(name: &str) -> UserId {
    name.parse().unwrap()
}

pub(crate) fn account(user: &str) -> Account {
    Account::User(id(user))
}

pub(crate) fn set(rights: &[Right]) -> Rights {
    rights.iter().copied().collect()
}

/// The name by which clients know an error.
pub(crate) fn name<T: std::fmt::Debug>(result: Result<T, Error>) -> &'static str {
    result.unwrap_err().name()
}
