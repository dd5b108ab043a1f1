//! Credentials: no header panics, and nothing but the tokens that were issued lets anybody in.
//!
//! Both the fuzz target `token` and a test that replays its seeds run this.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tokio::runtime::{Builder, Runtime};
use tonic::metadata::{AsciiMetadataValue, MetadataMap};
use ttn_core::{
    auth::{Caller, Credentials},
    clock::SystemClock,
    peer::Access as _,
    rand::Entropy,
};
use ttn_is::{Config, IdentityServer, store::MemoryIdentityStore};

/// Draws the same in every run, so that seeds can know the tokens.
#[derive(Debug, Default)]
struct Counting(AtomicU64);

impl Entropy for Counting {
    fn fill(&self, buffer: &mut [u8]) {
        for octet in buffer {
            let drawn = self.0.fetch_add(1, Ordering::Relaxed);
            *octet = drawn.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes()[0];
        }
    }
}

/// A server with an administrator, who has a key and a session.
struct Scene {
    runtime: Runtime,
    server: Arc<IdentityServer>,
    issued: [String; 2],
}

impl Scene {
    fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_time().build().unwrap();
        let server = IdentityServer::builder(Config::default(), Arc::new(SystemClock::new()))
            .entropy(Arc::new(Counting::default()))
            .store(Arc::new(MemoryIdentityStore::new()))
            .build()
            .unwrap();
        let issued = runtime.block_on(async {
            let admin = "admin".parse().unwrap();
            let created = server.ensure_admin(&admin, PASSWORD, "admin@example.com").await;
            let session = server.open_session("admin", PASSWORD, None).await.unwrap();
            [created.unwrap().unwrap().api_key, session.token]
        });
        Self { runtime, server, issued }
    }
}

thread_local! {
    static SCENE: Scene = Scene::new();
}

/// The octets are the value of the header `authorization`.
pub(crate) fn check(octets: &[u8]) {
    let Ok(value) = AsciiMetadataValue::try_from(octets) else { return };
    let mut metadata = MetadataMap::new();
    metadata.insert("authorization", value);
    let Ok(credentials) = ttn_rpc::auth::credentials(&metadata) else { return };
    SCENE.with(|scene| {
        let caller = scene.runtime.block_on(scene.server.principal(&credentials));
        let is_issued = match &credentials {
            Credentials::Bearer(token) => scene.issued.contains(token),
            Credentials::None => false,
            _ => {
                assert!(caller.is_err(), "no cluster key is configured");
                return;
            }
        };
        match caller {
            Ok(caller) if caller.caller == Caller::Anonymous => {
                assert_eq!(credentials, Credentials::None);
            }
            Ok(_) => assert!(is_issued, "{octets:?}"),
            Err(error) => assert!(!is_issued, "{error}"),
        }
    });
}

/// The tokens that let somebody in.
#[allow(dead_code, reason = "the fuzz target does not need it")]
pub(crate) fn issued() -> [String; 2] {
    SCENE.with(|scene| scene.issued.clone())
}

const PASSWORD: &str = "Correct-horse-1";
