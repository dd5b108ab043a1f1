//! Joins: which are accepted, which are refused and why.

use std::sync::Arc;

use async_trait::async_trait;
use ttn_core::{
    addr::NetId,
    error::ApiError as _,
    key::{KeyEnvelope, SessionKeyId},
    msg::JoinRequest,
    peer::{AsJs as _, NsJs as _, PeerError},
    store::{Durable, Replaces, Revision, StoreError, Versioned},
    vault::KeyVault as _,
    version::MacVersion,
};
use ttn_js::{
    ActivationSettings, Device, Error, Euis, Reject, RootKey, RootKeys,
    join::JOIN_NONCE_MAX,
    store::{
        DeviceSelector, JoinStore, JoinWrite, MemoryStore, NonceId, Nonces, NoncesChange,
        SessionKeySet,
    },
};

use crate::fixture::{APP_KEY, Fixture, NWK_KEY, clear, device, euis, open, request};

fn device_1_1() -> Device {
    let mut device = device();
    device.root_keys.nwk_key = Some(clear(NWK_KEY));
    device
}

// JS-01, JS-08, JS-09
#[tokio::test]
async fn accepts_joins_of_every_version() {
    for version in MacVersion::ALL {
        let (device, key) =
            if version.is_1_1() { (device_1_1(), NWK_KEY) } else { (device(), APP_KEY) };
        let fixture = Fixture::with_device(&device).await;
        let request = request(version, key, 7);
        let answer = fixture.join(&request).await.unwrap();
        let accept = open(&answer, key, &request);
        assert_eq!((accept.join_nonce, accept.net_id.to_u32()), (1, 0x13), "{version}");
        assert_eq!(accept.dev_addr, request.dev_addr);
        assert_eq!(accept.dl_settings.opt_neg, version.is_1_1());
        assert_eq!(accept.rx_delay, 5);
        let events = fixture.events.take();
        assert_eq!(events.last().unwrap().definition.name, "js.join.accept");
    }
}

// JS-08: the channel list leaves as it came
#[tokio::test]
async fn the_channel_list_is_not_touched() {
    let fixture = Fixture::with_device(&device()).await;
    let mut request = request(MacVersion::V1_0_3, APP_KEY, 7);
    request.cf_list = Some([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0]);
    let answer = fixture.join(&request).await.unwrap();
    assert_eq!(answer.phy.len(), 33);
    let accept = open(&answer, APP_KEY, &request);
    assert_eq!(
        accept.cf_list.unwrap().encode(ttn_mac::frame::FrequencyStep::Hz100).unwrap(),
        request.cf_list.unwrap()
    );
}

// JS-04, DESIGN promise 4: over all history, not the last ten
#[tokio::test]
async fn a_random_dev_nonce_is_accepted_once_over_all_history() {
    let fixture = Fixture::with_device(&device()).await;
    for dev_nonce in (1..=30).rev() {
        let request = request(MacVersion::V1_0_3, APP_KEY, dev_nonce);
        fixture.join(&request).await.unwrap();
    }
    for dev_nonce in 1..=30 {
        let again = request(MacVersion::V1_0_3, APP_KEY, dev_nonce);
        let error = fixture.join(&again).await.unwrap_err();
        assert!(
            matches!(error, Error::Rejected(Reject::ReuseDevNonce { got }) if got == dev_nonce)
        );
        assert_eq!(error.name(), "reuse_dev_nonce");
    }
}

// JS-05
#[tokio::test]
async fn a_counting_dev_nonce_must_rise_and_may_begin_at_zero() {
    for version in [MacVersion::V1_0_4, MacVersion::V1_1] {
        let key = if version.is_1_1() { NWK_KEY } else { APP_KEY };
        let device = if version.is_1_1() { device_1_1() } else { device() };
        let fixture = Fixture::with_device(&device).await;
        for (dev_nonce, is_accepted) in
            [(0, true), (0, false), (5, true), (4, false), (5, false), (6, true)]
        {
            let result = fixture.join(&request(version, key, dev_nonce)).await;
            assert_eq!(result.is_ok(), is_accepted, "{version} {dev_nonce}");
            if let Err(error) = result {
                assert_eq!(error.name(), "dev_nonce_too_small");
                assert_eq!(error.attributes()["dev_nonce"], dev_nonce);
            }
        }
    }
}

// DESIGN promise 4: a change of version opens no second chance
#[tokio::test]
async fn a_change_of_version_does_not_free_used_dev_nonces() {
    let fixture = Fixture::with_device(&device()).await;
    fixture.join(&request(MacVersion::V1_0_3, APP_KEY, 100)).await.unwrap();
    let reused = request(MacVersion::V1_0_4, APP_KEY, 100);
    assert_eq!(fixture.reject_name(&reused).await, "reuse_dev_nonce");
    fixture.join(&request(MacVersion::V1_0_4, APP_KEY, 50)).await.unwrap();
    let reused = request(MacVersion::V1_0_3, APP_KEY, 50);
    assert_eq!(fixture.reject_name(&reused).await, "reuse_dev_nonce");
}

// DESIGN promise 4
#[tokio::test]
async fn resets_join_nonces_skips_the_check_and_warns() {
    for version in [MacVersion::V1_0_3, MacVersion::V1_0_4] {
        let mut device = device();
        device.resets_join_nonces = true;
        let fixture = Fixture::with_device(&device).await;
        for join_nonce in 1..=3 {
            let request = request(version, APP_KEY, 9);
            let answer = fixture.join(&request).await.unwrap();
            assert_eq!(open(&answer, APP_KEY, &request).join_nonce, join_nonce);
            assert_eq!(answer.warnings.len(), 1);
        }
        device.resets_join_nonces = false;
        fixture.js.set_device(&device, Replaces::Any).await.unwrap();
        assert!(fixture.join(&request(version, APP_KEY, 9)).await.is_err(), "{version}");
        assert!(fixture.join(&request(version, APP_KEY, 10)).await.unwrap().warnings.is_empty());
    }
}

// JS-06, DESIGN promise 4
#[tokio::test]
async fn nonces_outlive_deletion_and_end_with_a_purge() {
    let fixture = Fixture::with_device(&device()).await;
    let first = request(MacVersion::V1_0_3, APP_KEY, 9);
    fixture.join(&first).await.unwrap();
    fixture.js.delete_device(&device().key, Replaces::Any).await.unwrap();
    assert_eq!(fixture.reject_name(&first).await, "device_not_found");
    fixture.js.set_device(&device(), Replaces::Nothing).await.unwrap();
    assert_eq!(fixture.reject_name(&first).await, "reuse_dev_nonce");
    let second = request(MacVersion::V1_0_3, APP_KEY, 10);
    let answer = fixture.join(&second).await.unwrap();
    assert_eq!(open(&answer, APP_KEY, &second).join_nonce, 2);
    fixture.js.purge_nonces(euis()).await.unwrap();
    let answer = fixture.join(&first).await.unwrap();
    assert_eq!(open(&answer, APP_KEY, &first).join_nonce, 1);
}

// DESIGN promise 4: they end when the root key changes; JoinNonce rises all the same
#[tokio::test]
async fn another_root_key_has_its_own_dev_nonces() {
    let fixture = Fixture::with_device(&device()).await;
    fixture.join(&request(MacVersion::V1_0_3, APP_KEY, 9)).await.unwrap();
    let mut changed = device();
    changed.root_keys.app_key = Some(clear([7; 16]));
    fixture.js.set_device(&changed, Replaces::Any).await.unwrap();
    let fresh = request(MacVersion::V1_0_3, [7; 16], 9);
    let answer = fixture.join(&fresh).await.unwrap();
    assert_eq!(open(&answer, [7; 16], &fresh).join_nonce, 2);
    fixture.js.set_device(&device(), Replaces::Any).await.unwrap();
    let old = request(MacVersion::V1_0_3, APP_KEY, 9);
    assert_eq!(fixture.reject_name(&old).await, "reuse_dev_nonce");
}

// JS-06
#[tokio::test]
async fn the_last_join_nonce_is_the_end() {
    let fixture = Fixture::with_device(&device()).await;
    let import =
        ttn_js::NoncesImport { join_nonce: JOIN_NONCE_MAX - 1, ..ttn_js::NoncesImport::default() };
    fixture.js.import_nonces(&device(), &import).await.unwrap();
    let last = request(MacVersion::V1_0_3, APP_KEY, 1);
    let answer = fixture.join(&last).await.unwrap();
    assert_eq!(open(&answer, APP_KEY, &last).join_nonce, JOIN_NONCE_MAX);
    let over = request(MacVersion::V1_0_3, APP_KEY, 2);
    assert_eq!(fixture.reject_name(&over).await, "join_nonce_too_high");
}

// JS-07: the five rows
#[tokio::test]
async fn root_keys_are_chosen_by_version_and_by_who_made_them() {
    let app = || Some(clear(APP_KEY));
    let nwk = || Some(clear(NWK_KEY));
    let cli = RootKeys::ID_CLI_GENERATED;
    let v1_0 = MacVersion::V1_0_3;
    let v1_1 = MacVersion::V1_1;
    let rows = [
        (v1_1, "", app(), nwk(), Ok(NWK_KEY)),
        (v1_0, "", app(), None, Ok(APP_KEY)),
        (v1_0, "", None, nwk(), Ok(NWK_KEY)),
        (v1_0, "", app(), nwk(), Ok(NWK_KEY)),
        (v1_0, cli, app(), nwk(), Ok(APP_KEY)),
        (v1_1, "", app(), None, Err("no_nwk_key")),
        (v1_1, "", None, nwk(), Err("no_app_key")),
        (v1_0, "", None, None, Err("no_app_key")),
        (v1_0, cli, None, nwk(), Err("no_app_key")),
    ];
    for (version, id, app_key, nwk_key, expected) in rows {
        let mut device = device();
        device.root_keys = RootKeys { id: id.to_owned(), app_key, nwk_key };
        let fixture = Fixture::with_device(&device).await;
        let key = expected.unwrap_or(APP_KEY);
        let request = request(version, key, 1);
        match expected {
            Ok(key) => {
                let answer = fixture.join(&request).await.unwrap();
                open(&answer, key, &request);
            }
            Err(name) => assert_eq!(fixture.reject_name(&request).await, name),
        }
    }
}

// JS-01, JS-02, JS-08
#[tokio::test]
async fn what_cannot_join_is_refused_by_name() {
    let fixture = Fixture::with_device(&device()).await;
    let good = || request(MacVersion::V1_0_3, APP_KEY, 1);
    let with_phy = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut phy = good().phy.to_vec();
        change(&mut phy);
        JoinRequest { phy: phy.into(), ..good() }
    };
    let rows = [
        (with_phy(&|phy| phy[22] ^= 1), "mic_mismatch"),
        (request(MacVersion::V1_0_3, [9; 16], 1), "mic_mismatch"),
        (with_phy(&|phy| phy.truncate(22)), "decode_payload"),
        (with_phy(&|phy| phy.clear()), "decode_payload"),
        (with_phy(&|phy| phy[0] = 1), "lorawan_major_version"),
        (with_phy(&|phy| phy[0] = 0xE0), "payload_type"),
        (with_phy(&|phy| phy[9..17].fill(0)), "no_dev_eui"),
        (with_phy(&|phy| phy[9] ^= 1), "device_not_found"),
    ];
    for (request, name) in rows {
        assert_eq!(fixture.reject_name(&request).await, name);
        let events = fixture.events.take();
        let event = events.last().unwrap();
        assert_eq!(
            (event.definition.name, &event.data.to_json()["name"]),
            ("js.join.reject", &name.into())
        );
    }
    // None of them used the nonce.
    fixture.join(&good()).await.unwrap();
}

#[tokio::test]
async fn a_device_bound_to_a_network_joins_no_other() {
    let mut device = device();
    device.net_id = NetId::from_u32(0x42);
    let fixture = Fixture::with_device(&device).await;
    let request = request(MacVersion::V1_0_3, APP_KEY, 1);
    assert_eq!(fixture.reject_name(&request).await, "net_id_mismatch");
}

// JS-10
#[tokio::test]
async fn the_last_ten_sets_of_session_keys_are_kept() {
    let fixture = Fixture::with_device(&device()).await;
    let mut ids = Vec::new();
    for dev_nonce in 0..11 {
        let answer = fixture.join(&request(MacVersion::V1_0_3, APP_KEY, dev_nonce)).await.unwrap();
        assert_eq!(answer.keys.id.as_bytes().len(), 16);
        ids.push(answer.keys.id);
    }
    let Euis { join_eui, dev_eui } = euis();
    let first = fixture.js.network_keys(join_eui, dev_eui, &ids[0]).await;
    assert!(matches!(first, Err(PeerError::Rejected(_))));
    for id in &ids[1..] {
        fixture.js.network_keys(join_eui, dev_eui, id).await.unwrap();
        fixture.js.app_s_key(join_eui, dev_eui, id).await.unwrap();
    }
}

// JS-11, JS-12, JS-14
#[tokio::test]
async fn keys_are_wrapped_for_their_server_by_device_label_then_pattern() {
    let label = |envelope: &KeyEnvelope| match envelope {
        KeyEnvelope::Wrapped { kek_label, .. } => kek_label.to_string(),
        _ => "clear".to_owned(),
    };
    // The vault has ns/000013, so the pattern applies; it has no `as`.
    let fixture = Fixture::with_device(&device()).await;
    let answer = fixture.join(&request(MacVersion::V1_0_3, APP_KEY, 1)).await.unwrap();
    assert_eq!(label(&answer.keys.nwk_s_enc_key), "ns/000013");
    assert_eq!(label(answer.keys.app_s_key.as_ref().unwrap()), "clear");

    let mut labelled = device();
    labelled.network_server_kek_label = "ns/own".to_owned();
    labelled.application_server_kek_label = "as/own".to_owned();
    let fixture = Fixture::with_device(&labelled).await;
    let answer = fixture.join(&request(MacVersion::V1_0_3, APP_KEY, 1)).await.unwrap();
    assert_eq!(label(&answer.keys.f_nwk_s_int_key), "ns/own");
    assert_eq!(label(answer.keys.app_s_key.as_ref().unwrap()), "as/own");
    let Euis { join_eui, dev_eui } = euis();
    let keys = fixture.js.network_keys(join_eui, dev_eui, &answer.keys.id).await.unwrap();
    assert_eq!(keys, answer.keys);
    let app_s_key = fixture.js.app_s_key(join_eui, dev_eui, &answer.keys.id).await.unwrap();
    assert_eq!(Some(app_s_key), answer.keys.app_s_key);

    // A label that the vault lacks is an error, and uses no nonce.
    labelled.network_server_kek_label = "ns/missing".to_owned();
    let fixture = Fixture::with_device(&labelled).await;
    let request = request(MacVersion::V1_0_3, APP_KEY, 1);
    assert_eq!(fixture.reject_name(&request).await, "kek");
    assert_eq!(fixture.js.nonces(&labelled).await.unwrap().join_nonce, 0);
}

// DESIGN 8
#[tokio::test]
async fn nothing_is_stored_in_clear_text() {
    let fixture = Fixture::with_device(&device_1_1()).await;
    let answer = fixture.join(&request(MacVersion::V1_1, NWK_KEY, 1)).await.unwrap();
    let stored = fixture.store.device(&DeviceSelector::Euis(euis())).await.unwrap().value;
    let set = fixture.store.session_keys(euis(), &answer.keys.id).await.unwrap().keys;
    let envelopes = [
        stored.root_keys.app_key.as_ref(),
        stored.root_keys.nwk_key.as_ref(),
        Some(&set.f_nwk_s_int_key),
        Some(&set.s_nwk_s_int_key),
        Some(&set.nwk_s_enc_key),
        set.app_s_key.as_ref(),
    ];
    for envelope in envelopes {
        let envelope = envelope.unwrap();
        assert!(envelope.clear().is_none());
        fixture.vault.unwrap(envelope).unwrap();
    }
    assert_eq!(fixture.js.clear_root_keys(&stored).unwrap(), device_1_1().root_keys);
}

// Two joins decided on the same nonces: one accept per DevNonce
#[tokio::test]
async fn of_two_joins_with_one_dev_nonce_at_the_same_time_one_is_accepted() {
    let store = Arc::new(SlowReads::default());
    let fixture = Fixture::with_store(store);
    fixture.js.set_device(&device(), Replaces::Nothing).await.unwrap();
    let same = request(MacVersion::V1_0_3, APP_KEY, 5);
    let other = request(MacVersion::V1_0_3, APP_KEY, 6);
    let (a, b, c) = tokio::join!(fixture.join(&same), fixture.join(&same), fixture.join(&other));
    let c = open(&c.unwrap(), APP_KEY, &other).join_nonce;
    let (won, lost) = if a.is_ok() { (a, b) } else { (b, a) };
    let won = open(&won.unwrap(), APP_KEY, &same).join_nonce;
    assert_eq!(lost.unwrap_err().name(), "reuse_dev_nonce");
    assert_eq!(won.max(c), 2);
    assert_ne!(won, c);
}

// JS-07: the key of the mismatch is told
#[tokio::test]
async fn a_mismatch_tells_which_key_was_used() {
    let fixture = Fixture::with_device(&device_1_1()).await;
    let error = fixture.join(&request(MacVersion::V1_0_3, APP_KEY, 5)).await.unwrap_err();
    assert!(matches!(error, Error::Rejected(Reject::MicMismatch { key: RootKey::Nwk })));
}

/// A store whose readers all wait until everybody has read: the race made certain.
#[derive(Debug, Default)]
struct SlowReads(MemoryStore);

#[async_trait]
impl JoinStore for SlowReads {
    async fn device(&self, of: &DeviceSelector) -> Result<Versioned<Device>, StoreError> {
        self.0.device(of).await
    }

    async fn put_device(
        &self,
        device: &Device,
        replaces: Replaces,
    ) -> Result<Revision, StoreError> {
        self.0.put_device(device, replaces).await
    }

    async fn delete_device(
        &self,
        key: &ttn_core::id::DeviceKey,
        replaces: Replaces,
    ) -> Result<(), StoreError> {
        self.0.delete_device(key, replaces).await
    }

    async fn nonces(&self, id: &NonceId, dev_nonce: u16) -> Result<Nonces, StoreError> {
        let nonces = self.0.nonces(id, dev_nonce).await;
        tokio::task::yield_now().await;
        nonces
    }

    async fn used_dev_nonces(&self, id: &NonceId, limit: usize) -> Result<Vec<u16>, StoreError> {
        self.0.used_dev_nonces(id, limit).await
    }

    async fn change_nonces(&self, euis: Euis, change: &NoncesChange) -> Result<(), StoreError> {
        self.0.change_nonces(euis, change).await
    }

    async fn join(&self, write: JoinWrite) -> Result<Durable, StoreError> {
        self.0.join(write).await
    }

    async fn activation_settings(
        &self,
        application: &ttn_core::id::ApplicationId,
    ) -> Result<Versioned<ActivationSettings>, StoreError> {
        self.0.activation_settings(application).await
    }

    async fn put_activation_settings(
        &self,
        application: &ttn_core::id::ApplicationId,
        settings: Option<&ActivationSettings>,
        replaces: Replaces,
    ) -> Result<Revision, StoreError> {
        self.0.put_activation_settings(application, settings, replaces).await
    }

    async fn session_keys(
        &self,
        euis: Euis,
        id: &SessionKeyId,
    ) -> Result<SessionKeySet, StoreError> {
        self.0.session_keys(euis, id).await
    }
}
