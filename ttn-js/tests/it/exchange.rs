//! One exchange of LoRaWAN 1.1 from published numbers is in `tests/vectors.rs`; here is that a session is new each time.

use ttn_core::version::MacVersion;

use crate::fixture::{APP_KEY, Fixture, device, request};

// JS-09
#[tokio::test]
async fn every_join_has_new_keys_and_a_new_id() {
    let fixture = Fixture::with_device(&device()).await;
    let mut seen = Vec::new();
    for dev_nonce in 0..5 {
        let answer = fixture.join(&request(MacVersion::V1_0_3, APP_KEY, dev_nonce)).await.unwrap();
        let keys = answer.keys;
        assert_eq!(keys.f_nwk_s_int_key, keys.nwk_s_enc_key);
        assert_ne!(Some(&keys.f_nwk_s_int_key), keys.app_s_key.as_ref());
        for key in [Some(keys.f_nwk_s_int_key), keys.app_s_key] {
            assert!(!seen.contains(&key));
            seen.push(key);
        }
    }
}
