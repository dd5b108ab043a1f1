//! Derivation of session keys (TS001-1.0.4 §6.2.6, TS001-1.1 §6.2.3) and of the keys of a Join Server (TS001-1.1 §6.1.1.4).
//!
//! Of a JoinNonce the low 24 bits count.

use ttn_core::{
    addr::NetId,
    eui::{DevEui, JoinEui},
    key::Aes128Key,
};

use super::encrypt_block;
use crate::session::NetworkKeys;

/// The keys of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "complete by definition")]
pub struct SessionKeys {
    /// The keys of the network; three times NwkSKey in LoRaWAN 1.0.
    pub network: NetworkKeys,
    /// The key of the application.
    pub app_s_key: Aes128Key,
}

/// The keys that a Join Server derives of NwkKey for the life of a device of LoRaWAN 1.1.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "complete by definition")]
pub struct JoinServerKeys {
    /// JSIntKey: integrity of rejoin-requests of type 1 and of join-accepts.
    pub js_int_key: Aes128Key,
    /// JSEncKey: encryption of join-accepts that answer rejoin-requests.
    pub js_enc_key: Aes128Key,
}

/// Derives the session keys of LoRaWAN 1.0 of AppKey, or of NwkKey when the network of a 1.1 device speaks 1.0.
#[must_use]
pub fn session_keys_1_0(
    root_key: &Aes128Key,
    join_nonce: u32,
    net_id: NetId,
    dev_nonce: u16,
) -> SessionKeys {
    let [a, b, c, _] = join_nonce.to_le_bytes();
    let [d, e, f] = net_id.to_le_bytes();
    let [g, h] = dev_nonce.to_le_bytes();
    let derive = |purpose| {
        let block = [purpose, a, b, c, d, e, f, g, h, 0, 0, 0, 0, 0, 0, 0];
        Aes128Key::new(encrypt_block(root_key, block))
    };
    SessionKeys {
        network: NetworkKeys::v1_0(derive(F_NWK_S_INT_KEY)),
        app_s_key: derive(APP_S_KEY),
    }
}

/// Derives the session keys of LoRaWAN 1.1. After a rejoin `dev_nonce` is the counter of the rejoin-request.
#[must_use]
pub fn session_keys_1_1(
    nwk_key: &Aes128Key,
    app_key: &Aes128Key,
    join_nonce: u32,
    join_eui: JoinEui,
    dev_nonce: u16,
) -> SessionKeys {
    let nonces = JoinNonces { join_nonce, join_eui, dev_nonce };
    SessionKeys {
        network: network_keys_1_1(nwk_key, nonces),
        app_s_key: nonces.derive(app_key, APP_S_KEY),
    }
}

fn network_keys_1_1(nwk_key: &Aes128Key, nonces: JoinNonces) -> NetworkKeys {
    NetworkKeys {
        f_nwk_s_int_key: nonces.derive(nwk_key, F_NWK_S_INT_KEY),
        s_nwk_s_int_key: nonces.derive(nwk_key, S_NWK_S_INT_KEY),
        nwk_s_enc_key: nonces.derive(nwk_key, NWK_S_ENC_KEY),
    }
}

/// Derives JSIntKey and JSEncKey.
#[must_use]
pub fn join_server_keys(nwk_key: &Aes128Key, dev_eui: DevEui) -> JoinServerKeys {
    let [a, b, c, d, e, f, g, h] = dev_eui.to_le_bytes();
    let derive = |purpose| {
        let block = [purpose, a, b, c, d, e, f, g, h, 0, 0, 0, 0, 0, 0, 0];
        Aes128Key::new(encrypt_block(nwk_key, block))
    };
    JoinServerKeys { js_int_key: derive(JS_INT_KEY), js_enc_key: derive(JS_ENC_KEY) }
}

#[derive(Clone, Copy)]
struct JoinNonces {
    join_nonce: u32,
    join_eui: JoinEui,
    dev_nonce: u16,
}

impl JoinNonces {
    fn derive(self, root_key: &Aes128Key, purpose: u8) -> Aes128Key {
        let [a, b, c, _] = self.join_nonce.to_le_bytes();
        let [d, e, f, g, h, i, j, k] = self.join_eui.to_le_bytes();
        let [l, m] = self.dev_nonce.to_le_bytes();
        let block = [purpose, a, b, c, d, e, f, g, h, i, j, k, l, m, 0, 0];
        Aes128Key::new(encrypt_block(root_key, block))
    }
}

const F_NWK_S_INT_KEY: u8 = 0x01;
const APP_S_KEY: u8 = 0x02;
const S_NWK_S_INT_KEY: u8 = 0x03;
const NWK_S_ENC_KEY: u8 = 0x04;
const JS_ENC_KEY: u8 = 0x05;
const JS_INT_KEY: u8 = 0x06;

/// Derives the root of wake-on-radio keys of NwkSEncKey, which is NwkSKey in LoRaWAN 1.0 (TS011).
#[must_use]
pub fn root_wor_s_key(nwk_s_enc_key: &Aes128Key) -> Aes128Key {
    let block = [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    Aes128Key::new(encrypt_block(nwk_s_enc_key, block))
}
