//! Settings of integrations are sealed at rest.

use std::sync::Arc;

use bytes::Bytes;
use ttn_as::{
    ApplicationServer, Config, Error,
    log::MemoryLog,
    store::{
        ApplicationStore as _, IntegrationKey, IntegrationKind, MemoryStore, RegistryKey,
        RegistryRecord,
    },
};
use ttn_core::{
    clock::SystemClock,
    key::{Aes128Key, KeyEnvelope},
    peer::Local,
    rand::OsEntropy,
    store::Replaces,
    vault::{KeyVault, VaultError},
};

const LABEL: &str = "at-rest";
const SECRET: &[u8] = b"Authorization: Bearer hunter2";

/// Turns every octet around, with no key at all.
#[derive(Debug)]
struct Turned;

impl KeyVault for Turned {
    fn wrap(&self, _: &Aes128Key, label: &str) -> Result<KeyEnvelope, VaultError> {
        Err(VaultError::KekNotFound { label: label.into() })
    }

    fn unwrap(&self, _: &KeyEnvelope) -> Result<Aes128Key, VaultError> {
        Err(VaultError::KekNotFound { label: LABEL.into() })
    }

    fn seal(&self, secret: &[u8], nonce: [u8; 12], label: &str) -> Result<Vec<u8>, VaultError> {
        assert_eq!(label, LABEL);
        Ok(nonce.into_iter().chain(secret.iter().map(|octet| !octet)).collect())
    }

    fn open(&self, sealed: &[u8], label: &str) -> Result<Vec<u8>, VaultError> {
        assert_eq!(label, LABEL);
        Ok(sealed[12..].iter().map(|octet| !octet).collect())
    }

    fn has(&self, label: &str) -> bool {
        label == LABEL
    }
}

struct World {
    log: Arc<MemoryLog>,
    store: Arc<MemoryStore>,
}

impl World {
    fn new() -> Self {
        let log = Arc::new(MemoryLog::new());
        Self { store: Arc::new(MemoryStore::new(log.clone())), log }
    }

    async fn server(&self, vault: Option<Turned>) -> Result<Arc<ApplicationServer>, Error> {
        let device_kek_label = vault.as_ref().map(|_| LABEL.to_owned()).unwrap_or_default();
        let mut builder = ApplicationServer::builder(
            Config { device_kek_label, ..Config::default() },
            Arc::new(SystemClock::new()),
            Arc::new(OsEntropy::default()),
            Arc::new(Local::default()),
            self.log.clone(),
            self.store.clone(),
        );
        if let Some(vault) = vault {
            builder = builder.vault(Arc::new(vault));
        }
        let server = builder.build();
        server.load().await?;
        Ok(server)
    }

    async fn kept(&self) -> Bytes {
        let kept = self.store.get(&RegistryKey::Integration(hook())).await.unwrap().value;
        let RegistryRecord::Integration(integration) = kept else { panic!("another record") };
        integration.settings
    }
}

fn hook() -> IntegrationKey {
    IntegrationKey::new(IntegrationKind::Webhook, "my-app".parse().unwrap(), "hook")
}

// AS-06, AS-37
#[tokio::test(start_paused = true)]
async fn what_is_stored_shows_no_secret_and_opens_with_the_vault_only() {
    let world = World::new();
    let server = world.server(Some(Turned)).await.unwrap();
    let settings = Bytes::from_static(SECRET);
    server.set_integration(hook(), settings.clone(), Replaces::Nothing).await.unwrap();
    assert_eq!(server.integration(&hook()).unwrap().value, settings);
    let kept = world.kept().await;
    assert!(!kept.windows(7).any(|window| window == b"hunter2"));

    let again = world.server(Some(Turned)).await.unwrap();
    assert_eq!(again.integration(&hook()).unwrap().value, settings);
    again.set_integration(hook(), settings, Replaces::Any).await.unwrap();
    assert_ne!(world.kept().await, kept, "every sealing has a nonce of its own");

    let error = world.server(None).await.unwrap_err();
    assert!(matches!(error, Error::Vault(VaultError::KekNotFound { .. })), "{error}");
}

#[tokio::test(start_paused = true)]
async fn what_was_stored_in_clear_is_read_and_sealed_when_it_is_written_next() {
    let world = World::new();
    let settings = Bytes::from_static(SECRET);
    let server = world.server(None).await.unwrap();
    server.set_integration(hook(), settings.clone(), Replaces::Nothing).await.unwrap();
    assert_eq!(world.kept().await, settings);
    let server = world.server(Some(Turned)).await.unwrap();
    assert_eq!(server.integration(&hook()).unwrap().value, settings);
    server.set_integration(hook(), settings.clone(), Replaces::Any).await.unwrap();
    assert_ne!(world.kept().await, settings);
}
