//! Keys of multicast groups (TS005) and of fragmented data blocks (TS004).

use ttn_core::{addr::DevAddr, key::Aes128Key};

use super::{Ecb, Mic, cmac_mic, ecb, encrypt_block};

/// Derives McRootKey of GenAppKey, in LoRaWAN 1.0.
#[must_use]
pub fn mc_root_key_1_0(gen_app_key: &Aes128Key) -> Aes128Key {
    derive(gen_app_key, 0x00, [0; 4])
}

/// Derives McRootKey of AppKey, in LoRaWAN 1.1.
#[must_use]
pub fn mc_root_key_1_1(app_key: &Aes128Key) -> Aes128Key {
    derive(app_key, 0x20, [0; 4])
}

/// Derives McKEKey, which wraps the keys of groups, of McRootKey.
#[must_use]
pub fn mc_ke_key(mc_root_key: &Aes128Key) -> Aes128Key {
    derive(mc_root_key, 0x00, [0; 4])
}

/// Derives McAppSKey of McKey.
#[must_use]
pub fn mc_app_s_key(mc_key: &Aes128Key, mc_addr: DevAddr) -> Aes128Key {
    derive(mc_key, 0x01, mc_addr.to_le_bytes())
}

/// Derives McNwkSKey of McKey.
#[must_use]
pub fn mc_nwk_s_key(mc_key: &Aes128Key, mc_addr: DevAddr) -> Aes128Key {
    derive(mc_key, 0x02, mc_addr.to_le_bytes())
}

/// McKey as McGroupSetupReq carries it: the device encrypts it to get McKey.
#[must_use]
pub fn encrypt_mc_key(mc_ke_key: &Aes128Key, mc_key: &Aes128Key) -> [u8; 16] {
    let mut block = *mc_key.expose();
    ecb(mc_ke_key, &mut block, Ecb::Decrypt);
    block
}

/// McKey of what McGroupSetupReq carries: what the device does.
#[must_use]
pub fn decrypt_mc_key(mc_ke_key: &Aes128Key, encrypted: [u8; 16]) -> Aes128Key {
    Aes128Key::new(encrypt_block(mc_ke_key, encrypted))
}

/// Derives DataBlockIntKey of AppKey or GenAppKey.
#[must_use]
pub fn data_block_int_key(key: &Aes128Key) -> Aes128Key {
    derive(key, 0x30, [0; 4])
}

/// The integrity code of a data block; `None` above 2^32 - 1 octets.
#[must_use]
pub fn data_block_mic(
    data_block_int_key: &Aes128Key,
    session_cnt: u16,
    frag_index: u8,
    descriptor: [u8; 4],
    data: &[u8],
) -> Option<Mic> {
    let [a, b] = session_cnt.to_le_bytes();
    let [c, d, e, f] = descriptor;
    let [g, h, i, j] = u32::try_from(data.len()).ok()?.to_le_bytes();
    let block = [0x49, a, b, frag_index, c, d, e, f, 0, 0, 0, 0, g, h, i, j];
    Some(cmac_mic(data_block_int_key, &[&block, data]))
}

fn derive(key: &Aes128Key, first: u8, [a, b, c, d]: [u8; 4]) -> Aes128Key {
    Aes128Key::new(encrypt_block(key, [first, a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]))
}
