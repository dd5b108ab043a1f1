//! Registration of devices.

use ttn_core::{
    error::ApiError as _,
    store::{Replaces, Revision},
    version::MacVersion,
};
use ttn_js::{Device, NoncesImport, store::DeviceSelector};

use crate::fixture::{APP_KEY, Fixture, device, euis, request};

// JS-17
#[tokio::test]
async fn euis_of_a_device_never_change() {
    let fixture = Fixture::with_device(&device()).await;
    let mut changed = device();
    changed.euis.dev_eui = ttn_core::eui::DevEui::from_u64(42);
    let error = fixture.js.set_device(&changed, Replaces::Any).await.unwrap_err();
    assert_eq!(error.name(), "field_value");
    let stored = fixture.js.device(&DeviceSelector::Key(device().key)).await.unwrap();
    assert_eq!(stored.value.euis, euis());
}

// JS-17
#[tokio::test]
async fn euis_belong_to_one_device() {
    let fixture = Fixture::with_device(&device()).await;
    let other = Device { key: "app.other".parse().unwrap(), ..device() };
    let error = fixture.js.set_device(&other, Replaces::Any).await.unwrap_err();
    assert_eq!(error.name(), "duplicate_identifiers");
}

// JS-17
#[tokio::test]
async fn a_write_against_another_revision_is_a_conflict() {
    let fixture = Fixture::with_device(&device()).await;
    let stale = Replaces::Revision(Revision(99));
    for replaces in [Replaces::Nothing, stale] {
        let error = fixture.js.set_device(&device(), replaces).await.unwrap_err();
        assert_eq!(error.kind(), ttn_core::error::ErrorKind::Aborted);
    }
    let names: Vec<_> = fixture.events.take().iter().map(|event| event.definition.name).collect();
    assert_eq!(names, ["js.end_device.create"]);
}

// JS-17: nonces are writable, upwards
#[tokio::test]
async fn imported_nonces_only_rise() {
    let fixture = Fixture::with_device(&device()).await;
    fixture.join(&request(MacVersion::V1_0_3, APP_KEY, 9)).await.unwrap();
    let import =
        NoncesImport { join_nonce: 40, last_dev_nonce: Some(4), used_dev_nonces: vec![77, 78] };
    fixture.js.import_nonces(&device(), &import).await.unwrap();
    fixture.js.import_nonces(&device(), &NoncesImport::default()).await.unwrap();
    let view = fixture.js.nonces(&device()).await.unwrap();
    assert_eq!((view.join_nonce, view.last_dev_nonce), (40, Some(4)));
    assert_eq!(view.used_dev_nonces, [9, 77, 78]);
    let reused = request(MacVersion::V1_0_3, APP_KEY, 77);
    assert_eq!(fixture.reject_name(&reused).await, "reuse_dev_nonce");
}

// DESIGN 8: keys at rest are always wrapped
#[tokio::test]
async fn a_vault_without_the_key_for_rest_is_refused() {
    let config =
        ttn_js::Config { device_kek_label: "elsewhere".to_owned(), ..ttn_js::Config::default() };
    let fixture = Fixture::new();
    let error = ttn_js::JoinServer::builder(
        config,
        std::sync::Arc::new(ttn_core::clock::SystemClock::new()),
        std::sync::Arc::new(ttn_core::rand::OsEntropy::default()),
        std::sync::Arc::new(ttn_core::peer::Local::default()),
    )
    .store(fixture.store.clone())
    .vault(fixture.vault.clone())
    .build()
    .unwrap_err();
    assert_eq!(error.name(), "kek");
    assert!(error.to_string().contains("elsewhere"));
}
