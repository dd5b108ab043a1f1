//! What every [`JoinStore`] must keep, as functions; [`join_store_suite!`](crate::join_store_suite) makes tests of them.
#![expect(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

use ttn_core::{
    addr::NetId,
    eui::{DevEui, JoinEui},
    id::DeviceKey,
    key::{Aes128Key, KeyEnvelope, SessionKeyId},
    msg::SessionKeys,
    store::{Replaces, Revision, StoreErrorKind},
};

use super::{
    DevNonceRule, DeviceSelector, JoinStore, JoinWrite, NonceId, NoncesChange, RootKeyTag,
    SessionKeySet,
};
use crate::device::{ActivationSettings, Device, Euis};

/// One `#[tokio::test]` per promise; `$store` is an expression that makes an empty store and may `.await`. A guard that
/// must live as long as the store (a directory, say) may be returned with it: `(store, guard)`.
#[macro_export]
macro_rules! join_store_suite {
    ($store:expr) => {
        $crate::join_store_suite! { @list [$crate::join_store_suite] [@tests $store;] }
    };
    // Hands the names of all tests to another macro, behind its arguments.
    (@list [$($then:tt)*] [$($arguments:tt)*]) => {
        $($then)*! { $($arguments)*
            a_device_is_found_by_id_and_by_euis,
            a_write_against_another_revision_changes_nothing,
            two_devices_never_share_their_euis,
            a_deleted_device_leaves_its_nonces_and_not_its_keys,
            of_two_joins_on_the_same_nonces_one_wins,
            random_dev_nonces_are_remembered_for_ever,
            counters_of_dev_nonces_never_fall,
            join_nonces_rise_across_root_keys,
            nonces_are_raised_and_never_lowered,
            a_purge_forgets_nonces_and_outdates_decisions,
            only_the_newest_session_keys_are_kept,
            activation_settings_are_checked_by_revision,
        }
    };
    (@tests $store:expr; $($name:ident,)*) => {$(
        #[tokio::test]
        async fn $name() {
            let (store, _guard) = $store;
            $crate::store::conformance::$name(&store).await;
        }
    )*};
}

/// Activation settings belong to one application, and a write names the revision that it replaces.
pub async fn activation_settings_are_checked_by_revision(store: &dyn JoinStore) {
    let (one, other) = ("app-one".parse().unwrap(), "app-two".parse().unwrap());
    let missing = store.activation_settings(&one).await.unwrap_err();
    assert_eq!(missing.kind, StoreErrorKind::NotFound);
    let settings = ActivationSettings {
        kek_label: "kek".to_owned(),
        kek: Some(KeyEnvelope::Wrapped { kek_label: "at-rest".into(), encrypted_key: vec![3; 24] }),
        home_net_id: NetId::from_u32(0x13),
        application_server_id: "as".to_owned(),
    };
    let put = |settings, replaces| store.put_activation_settings(&one, settings, replaces);
    let first = put(Some(&settings), Replaces::Nothing).await.unwrap();
    let found = store.activation_settings(&one).await.unwrap();
    assert_eq!((found.revision, &found.value), (first, &settings));
    assert!(store.activation_settings(&other).await.is_err());
    let changed = ActivationSettings { kek: None, ..settings.clone() };
    let stale = put(Some(&changed), Replaces::Nothing).await.unwrap_err();
    assert_eq!(stale.kind, StoreErrorKind::Conflict);
    let second = put(Some(&changed), Replaces::Revision(first)).await.unwrap();
    assert!(second > first);
    let stale = put(None, Replaces::Revision(first)).await.unwrap_err();
    assert_eq!(stale.kind, StoreErrorKind::Conflict);
    assert_eq!(store.activation_settings(&one).await.unwrap().value, changed);
    put(None, Replaces::Any).await.unwrap();
    assert_eq!(put(None, Replaces::Any).await.unwrap_err().kind, StoreErrorKind::NotFound);
}

/// A device is found by its id and by its EUIs, as it was written.
pub async fn a_device_is_found_by_id_and_by_euis(store: &dyn JoinStore) {
    let device = device(1);
    let revision = store.put_device(&device, Replaces::Nothing).await.unwrap();
    for of in [DeviceSelector::Key(device.key.clone()), DeviceSelector::Euis(device.euis)] {
        let found = store.device(&of).await.unwrap();
        assert_eq!((found.revision, &found.value), (revision, &device));
    }
    let other = store.device(&DeviceSelector::Key("app.other".parse().unwrap())).await;
    assert_eq!(other.unwrap_err().kind, StoreErrorKind::NotFound);
}

/// A write against another revision fails with a conflict and changes nothing.
pub async fn a_write_against_another_revision_changes_nothing(store: &dyn JoinStore) {
    let mut device = device(1);
    let first = store.put_device(&device, Replaces::Nothing).await.unwrap();
    device.resets_join_nonces = true;
    for stale in [Replaces::Nothing, Replaces::Revision(Revision(first.0 + 7))] {
        let refused = store.put_device(&device, stale).await.unwrap_err();
        assert_eq!(refused.kind, StoreErrorKind::Conflict);
        if let Replaces::Revision(_) = stale {
            let refused = store.delete_device(&device.key, stale).await.unwrap_err();
            assert_eq!(refused.kind, StoreErrorKind::Conflict);
        }
    }
    let of = DeviceSelector::Key(device.key.clone());
    assert!(!store.device(&of).await.unwrap().value.resets_join_nonces);
    let second = store.put_device(&device, Replaces::Revision(first)).await.unwrap();
    assert!(second > first);
    store.delete_device(&device.key, Replaces::Revision(second)).await.unwrap();
    let gone = store.delete_device(&device.key, Replaces::Any).await.unwrap_err();
    assert_eq!(gone.kind, StoreErrorKind::NotFound);
    let refused = store.put_device(&device, Replaces::Revision(second)).await.unwrap_err();
    assert_eq!(refused.kind, StoreErrorKind::Conflict);
}

/// Two devices never have the same EUIs. // JS-17
pub async fn two_devices_never_share_their_euis(store: &dyn JoinStore) {
    let one = device(1);
    store.put_device(&one, Replaces::Nothing).await.unwrap();
    let two = Device { key: "app.two".parse().unwrap(), ..one.clone() };
    let refused = store.put_device(&two, Replaces::Nothing).await.unwrap_err();
    assert_eq!(refused.kind, StoreErrorKind::AlreadyExists);
    store.delete_device(&one.key, Replaces::Any).await.unwrap();
    store.put_device(&two, Replaces::Nothing).await.unwrap();
    let found = store.device(&DeviceSelector::Euis(one.euis)).await.unwrap();
    assert_eq!(found.value.key, two.key);
}

/// Deletion of a device ends its session keys and not its nonces. // DESIGN promise 4
pub async fn a_deleted_device_leaves_its_nonces_and_not_its_keys(store: &dyn JoinStore) {
    let device = device(1);
    store.put_device(&device, Replaces::Nothing).await.unwrap();
    store.join(write(1, 0, 7, DevNonceRule::Random, 1)).await.unwrap();
    let id = session_key_id(1);
    store.session_keys(device.euis, &id).await.unwrap();
    store.delete_device(&device.key, Replaces::Any).await.unwrap();
    let gone = store.session_keys(device.euis, &id).await.unwrap_err();
    assert_eq!(gone.kind, StoreErrorKind::NotFound);
    let nonces = store.nonces(&nonce_id(1, 0), 7).await.unwrap();
    assert!(nonces.is_used);
    assert_eq!(nonces.join_nonce, 1);
}

/// Of two joins that were decided on the same nonces one succeeds; the other changes nothing.
pub async fn of_two_joins_on_the_same_nonces_one_wins(store: &dyn JoinStore) {
    store.put_device(&device(1), Replaces::Nothing).await.unwrap();
    let first = write(1, 0, 7, DevNonceRule::Random, 1);
    let mut second = write(1, 0, 8, DevNonceRule::Random, 1);
    second.keys.keys.id = session_key_id(2);
    let reads = store.nonces(&first.id, 7).await.unwrap().revision;
    assert_eq!(reads, Revision(0));
    let proof = store.join(JoinWrite { reads, ..first }).await.unwrap();
    assert!(proof.position().seq > 0);
    let refused = store.join(JoinWrite { reads, ..second }).await.unwrap_err();
    assert_eq!(refused.kind, StoreErrorKind::Conflict);
    let nonces = store.nonces(&nonce_id(1, 0), 8).await.unwrap();
    assert!(!nonces.is_used);
    assert!(store.session_keys(euis(1), &session_key_id(2)).await.is_err());
}

/// Used random DevNonces are remembered over all history, per root key. // JS-04, DESIGN promise 4
pub async fn random_dev_nonces_are_remembered_for_ever(store: &dyn JoinStore) {
    for join_nonce in 1..=40_u16 {
        join(store, write(1, 0, join_nonce * 3, DevNonceRule::Random, u32::from(join_nonce))).await;
    }
    for dev_nonce in 0..=121 {
        let nonces = store.nonces(&nonce_id(1, 0), dev_nonce).await.unwrap();
        assert_eq!(nonces.is_used, dev_nonce != 0 && dev_nonce % 3 == 0 && dev_nonce <= 120);
    }
    assert!(!store.nonces(&nonce_id(1, 1), 3).await.unwrap().is_used);
    assert!(!store.nonces(&nonce_id(2, 0), 3).await.unwrap().is_used);
    assert_eq!(store.used_dev_nonces(&nonce_id(1, 0), 3).await.unwrap(), [3, 6, 9]);
    assert!(store.used_dev_nonces(&nonce_id(1, 1), 3).await.unwrap().is_empty());
}

/// The last DevNonce of a counter never falls, per root key. // JS-05
pub async fn counters_of_dev_nonces_never_fall(store: &dyn JoinStore) {
    join(store, write(1, 0, 9, DevNonceRule::Counter, 1)).await;
    join(store, write(1, 0, 4, DevNonceRule::Counter, 2)).await;
    let nonces = store.nonces(&nonce_id(1, 0), 4).await.unwrap();
    assert_eq!((nonces.last_dev_nonce, nonces.join_nonce), (Some(9), 2));
    assert_eq!(store.nonces(&nonce_id(1, 1), 4).await.unwrap().last_dev_nonce, None);
}

/// The last JoinNonce belongs to the device, whatever its root key. // JS-06
pub async fn join_nonces_rise_across_root_keys(store: &dyn JoinStore) {
    join(store, write(1, 0, 1, DevNonceRule::Random, 5)).await;
    let nonces = store.nonces(&nonce_id(1, 1), 1).await.unwrap();
    assert_eq!((nonces.join_nonce, nonces.is_used), (5, false));
}

/// Nonces that were set from outside only rise. // JS-17
pub async fn nonces_are_raised_and_never_lowered(store: &dyn JoinStore) {
    join(store, write(1, 0, 9, DevNonceRule::Counter, 5)).await;
    let raise = |join_nonce, last| NoncesChange::Raise {
        root_key: nonce_id(1, 0).root_key,
        join_nonce,
        last_dev_nonce: Some(last),
        used_dev_nonces: vec![77],
    };
    let before = store.nonces(&nonce_id(1, 0), 77).await.unwrap();
    store.change_nonces(euis(1), &raise(3, 2)).await.unwrap();
    let same = store.nonces(&nonce_id(1, 0), 77).await.unwrap();
    assert_eq!((same.join_nonce, same.last_dev_nonce, same.is_used), (5, Some(9), true));
    assert!(same.revision > before.revision);
    store.change_nonces(euis(1), &raise(50, 20)).await.unwrap();
    let raised = store.nonces(&nonce_id(1, 0), 0).await.unwrap();
    assert_eq!((raised.join_nonce, raised.last_dev_nonce), (50, Some(20)));
}

/// A purge forgets all nonces of the device, and a decision taken before it no longer counts.
pub async fn a_purge_forgets_nonces_and_outdates_decisions(store: &dyn JoinStore) {
    join(store, write(1, 0, 7, DevNonceRule::Random, 1)).await;
    join(store, write(1, 1, 8, DevNonceRule::Counter, 2)).await;
    join(store, write(2, 0, 7, DevNonceRule::Random, 1)).await;
    let reads = store.nonces(&nonce_id(1, 0), 9).await.unwrap().revision;
    store.change_nonces(euis(1), &NoncesChange::Purge).await.unwrap();
    for root_key in [0, 1] {
        let nonces = store.nonces(&nonce_id(1, root_key), 7).await.unwrap();
        assert_eq!((nonces.join_nonce, nonces.last_dev_nonce, nonces.is_used), (0, None, false));
    }
    let late = JoinWrite { reads, ..write(1, 0, 9, DevNonceRule::Random, 3) };
    assert_eq!(store.join(late).await.unwrap_err().kind, StoreErrorKind::Conflict);
    assert!(store.nonces(&nonce_id(2, 0), 7).await.unwrap().is_used);
}

/// The newest sets of session keys are kept, as many as the write says. // JS-10
pub async fn only_the_newest_session_keys_are_kept(store: &dyn JoinStore) {
    store.put_device(&device(1), Replaces::Nothing).await.unwrap();
    for join_nonce in 1..=11 {
        let dev_nonce = u16::try_from(join_nonce).unwrap();
        join(store, write(1, 0, dev_nonce, DevNonceRule::Random, join_nonce)).await;
    }
    let first = store.session_keys(euis(1), &session_key_id(1)).await.unwrap_err();
    assert_eq!(first.kind, StoreErrorKind::NotFound);
    for join_nonce in 2..=11 {
        let found = store.session_keys(euis(1), &session_key_id(join_nonce)).await.unwrap();
        assert_eq!(found, key_set(join_nonce));
    }
    assert!(store.session_keys(euis(2), &session_key_id(11)).await.is_err());
}

async fn join(store: &dyn JoinStore, write: JoinWrite) {
    let reads = store.nonces(&write.id, write.dev_nonce).await.unwrap().revision;
    if let Err(error) = store.join(JoinWrite { reads, ..write }).await {
        panic!("a join on fresh nonces was refused: {error}");
    }
}

fn euis(number: u64) -> Euis {
    Euis { join_eui: JoinEui::from_u64(0x70B3), dev_eui: DevEui::from_u64(number) }
}

fn nonce_id(device: u64, root_key: u8) -> NonceId {
    NonceId { euis: euis(device), root_key: RootKeyTag([root_key; 8]) }
}

fn device(number: u64) -> Device {
    let key: DeviceKey = format!("app.device-{number}").parse().unwrap();
    let mut device = Device::new(key, euis(number));
    device.root_keys.app_key = Some(wrapped(1));
    device.root_keys.nwk_key =
        Some(KeyEnvelope::Wrapped { kek_label: "at-rest".into(), encrypted_key: vec![0xA5; 24] });
    device.network_server_kek_label = "ns/label".to_owned();
    device.net_id = NetId::from_u32(0x13);
    device
}

fn session_key_id(number: u32) -> SessionKeyId {
    SessionKeyId::new(&number.to_be_bytes()).unwrap()
}

fn wrapped(octet: u8) -> KeyEnvelope {
    // The store does not look into envelopes; some are in clear text so that both kinds are stored.
    KeyEnvelope::Clear(Aes128Key::new([octet; 16]))
}

fn key_set(number: u32) -> SessionKeySet {
    let octet = u8::try_from(number).unwrap();
    SessionKeySet {
        net_id: NetId::from_u32(0x13).unwrap(),
        keys: SessionKeys {
            id: session_key_id(number),
            f_nwk_s_int_key: wrapped(octet),
            s_nwk_s_int_key: wrapped(octet + 50),
            nwk_s_enc_key: wrapped(octet + 100),
            app_s_key: Some(wrapped(octet + 150)),
        },
    }
}

fn write(
    device: u64,
    root_key: u8,
    dev_nonce: u16,
    dev_nonce_rule: DevNonceRule,
    join_nonce: u32,
) -> JoinWrite {
    JoinWrite {
        id: nonce_id(device, root_key),
        reads: Revision(0),
        dev_nonce,
        dev_nonce_rule,
        join_nonce,
        keys: key_set(join_nonce),
        session_keys_max: 10,
    }
}
