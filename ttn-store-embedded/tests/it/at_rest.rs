//! Keys at rest: wrapped in the store, there again after a restart, and lost without the key that wraps them.

use std::{path::Path, sync::Arc};

use ttn_core::{
    clock::SystemClock,
    eui::{DevEui, JoinEui},
    id::{DeviceIds, DeviceKey},
    key::{Aes128Key, KeyEnvelope, SessionKeyId},
    peer::Local,
    rand::OsEntropy,
    store::Replaces,
    task::Tasks,
    time::Timestamp,
    version::{MacVersion, PhyVersion},
};
use ttn_js::{Euis, JoinServer, RootKeys, store::DeviceSelector};
use ttn_ns::NetworkServer;
use ttn_store_embedded::{EmbeddedStore, LocalVault, Options};

/// Octets that appear nowhere by accident.
const NETWORK_KEY: [u8; 16] = *b"NetworkKey-clear";
const ROOT_KEY: [u8; 16] = *b"RootAppKey-clear";

fn key() -> DeviceKey {
    "app.dev".parse().unwrap()
}

fn euis() -> Euis {
    Euis { join_eui: JoinEui::from_u64(0x70B3), dev_eui: DevEui::from_u64(0x57ED) }
}

fn vault(octet: u8) -> Arc<LocalVault> {
    Arc::new(LocalVault::new().with(LocalVault::AT_REST, &[octet; 16]).unwrap())
}

fn open(path: &Path) -> Arc<EmbeddedStore> {
    EmbeddedStore::open(path, Options::default()).unwrap()
}

fn network(store: &Arc<EmbeddedStore>, vault: Arc<LocalVault>) -> (Arc<NetworkServer>, Tasks) {
    let config = ttn_ns::config::Config {
        device_kek_label: LocalVault::AT_REST.to_owned(),
        ..ttn_ns::config::Config::default()
    };
    let (clock, peers) = (Arc::new(SystemClock::new()), Arc::new(Local::default()));
    let network = NetworkServer::builder(config, clock, peers)
        .store(store.clone())
        .vault(vault)
        .build()
        .unwrap();
    let mut tasks = Tasks::new();
    network.start(&mut tasks);
    (network, tasks)
}

fn join(store: &Arc<EmbeddedStore>, vault: Arc<LocalVault>) -> Arc<JoinServer> {
    let config = ttn_js::Config {
        device_kek_label: LocalVault::AT_REST.to_owned(),
        ..ttn_js::Config::default()
    };
    let (clock, entropy) = (Arc::new(SystemClock::new()), Arc::new(OsEntropy::default()));
    let peers = Arc::new(Local::default());
    JoinServer::builder(config, clock, entropy, peers)
        .store(store.clone())
        .vault(vault)
        .build()
        .unwrap()
}

/// Whether the octets are in any file below a directory.
fn is_on_disk(path: &Path, octets: &[u8]) -> bool {
    std::fs::read_dir(path).unwrap().map(Result::unwrap).any(|entry| {
        if entry.metadata().unwrap().is_dir() {
            return is_on_disk(&entry.path(), octets);
        }
        let content = std::fs::read(entry.path()).unwrap();
        content.windows(octets.len()).any(|window| window == octets)
    })
}

// NS-28, DESIGN 8
#[tokio::test]
async fn session_keys_are_wrapped_in_the_store_and_there_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let (network_server, tasks) = network(&store, vault(1));
    let ids = DeviceIds {
        dev_eui: Some(euis().dev_eui),
        join_eui: Some(euis().join_eui),
        ..DeviceIds::new(key())
    };
    let mut device = ttn_ns::device::Device::new(
        ids,
        "EU_863_870_TTN".parse().unwrap(),
        MacVersion::V1_0_3,
        PhyVersion::RP001_V1_0_3_REV_A,
    );
    device.supports_join = false;
    let session = ttn_mac::state::Session {
        dev_addr: ttn_core::addr::DevAddr::from_u32(0x2601_0203),
        keys: ttn_mac::session::NetworkKeys::v1_0(Aes128Key::new(NETWORK_KEY)),
        session_key_id: SessionKeyId::new(b"a-session").unwrap(),
        started_at: Timestamp::from_unix_secs(1),
    };
    let state = network_server.session_state(&device, session.clone()).unwrap();
    device.state = Some(Box::new(state.slow));
    network_server.create_device(device, None).await.unwrap();
    drop((tasks, network_server));
    tokio::task::yield_now().await;
    drop(store);
    assert!(is_on_disk(directory.path(), b"a-session"), "the record is there to be looked at");
    assert!(!is_on_disk(directory.path(), &NETWORK_KEY));

    let store = open(directory.path());
    let (network_server, tasks) = network(&store, vault(1));
    let found = network_server.device(&key()).await.unwrap().device.state.unwrap();
    assert_eq!(found.session, Some(session));
    drop((tasks, network_server));
    tokio::task::yield_now().await;

    // Another key encryption key: the device is left out, and its record stays as it is.
    let (network_server, _tasks) = network(&store, vault(2));
    assert!(network_server.device(&key()).await.is_err());
    drop(network_server);
}

// JS-17, DESIGN 8
#[tokio::test]
async fn root_keys_are_wrapped_in_the_store_and_there_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let server = join(&store, vault(1));
    let mut device = ttn_js::Device::new(key(), euis());
    let app_key = Some(KeyEnvelope::Clear(Aes128Key::new(ROOT_KEY)));
    device.root_keys = RootKeys { id: "root-key-id".to_owned(), app_key, nwk_key: None };
    server.set_device(&device, Replaces::Nothing).await.unwrap();
    drop(server);
    drop(store);
    assert!(is_on_disk(directory.path(), b"root-key-id"), "the record is there to be looked at");
    assert!(!is_on_disk(directory.path(), &ROOT_KEY));

    let store = open(directory.path());
    let server = join(&store, vault(1));
    let found = server.device(&DeviceSelector::Key(key())).await.unwrap().value;
    assert_eq!(server.clear_root_keys(&found).unwrap(), device.root_keys);
    let other = join(&store, vault(2));
    let found = other.device(&DeviceSelector::Key(key())).await.unwrap().value;
    assert!(other.clear_root_keys(&found).is_err());
}
