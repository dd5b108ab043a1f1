//! A join as a function: device, nonces and request in, a decision out.
//!
//! Nothing here reads a clock, a store or a vault. The caller loads what is asked for, stores what is decided and only
//! then lets the accept leave.

use ttn_core::{
    frame::{Form, JoinRequestForm, PhyPayload},
    key::{Aes128Key, SessionKeyId},
    msg::JoinRequest,
    rand::Entropy,
    time::Timestamp,
    version::MacVersion,
};
use ttn_mac::{
    crypto::{
        aes_cmac,
        derive::{SessionKeys, join_server_keys, session_keys_1_0, session_keys_1_1},
        join::{
            JoinAcceptMic, JoinReqType, encrypt_join_accept, join_accept_mic, join_request_mic,
        },
        mic_matches,
    },
    frame::{self, DlSettings, FrequencyStep, JOIN_ACCEPT_M_HDR, JoinAccept},
};

use crate::{
    config::Config,
    device::{Device, Euis, RootKeys},
    error::{Reject, RootKey},
    store::{DevNonceRule, Nonces, RootKeyTag},
};

/// The highest JoinNonce: 24 bits.
pub const JOIN_NONCE_MAX: u32 = 0xFF_FFFF;

/// A join-request whose form, JoinEUI and DevEUI are in order.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ParsedRequest {
    /// The fields of the frame.
    pub form: JoinRequestForm,
    phy: PhyPayload,
}

impl ParsedRequest {
    /// Reads the frame of a request; what the Network Server says of it besides is not believed.
    ///
    /// # Errors
    ///
    /// The frame is no join-request of LoRaWAN R1, has no DevEUI, or its JoinEUI is not served.
    pub fn parse(request: &JoinRequest, config: &Config) -> Result<Self, Reject> {
        let phy = frame::parse(request.phy.clone()).map_err(Reject::Frame)?;
        let Form::JoinRequest(form) = phy.form else { return Err(Reject::PayloadType) };
        if form.dev_eui.to_u64() == 0 {
            return Err(Reject::NoDevEui);
        }
        if !config.serves(form.join_eui) {
            return Err(Reject::UnknownJoinEui { join_eui: form.join_eui });
        }
        Ok(Self { form, phy })
    }

    /// The EUIs of the request.
    #[must_use]
    pub const fn euis(&self) -> Euis {
        Euis { join_eui: self.form.join_eui, dev_eui: self.form.dev_eui }
    }
}

/// Which root keys a join uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RootKeyChoice {
    /// The key of the network: integrity and encryption of the join, network session keys.
    pub network: RootKey,
    /// The key that AppSKey is derived of.
    pub application: RootKey,
}

impl RootKeyChoice {
    /// Chooses by version and by what the device has (JS-07). A 1.1 device whose network offers no 1.1 session (OptNeg
    /// 0) derives both of NwkKey.
    ///
    /// # Errors
    ///
    /// A key that this version needs is missing.
    pub fn of(version: MacVersion, opt_neg: bool, keys: &RootKeys) -> Result<Self, Reject> {
        let (network, application) = if version.is_1_1() {
            (RootKey::Nwk, if opt_neg { RootKey::App } else { RootKey::Nwk })
        } else if keys.nwk_key.is_some() && keys.id != RootKeys::ID_CLI_GENERATED {
            (RootKey::Nwk, RootKey::Nwk)
        } else {
            (RootKey::App, RootKey::App)
        };
        keys.of(network)?;
        keys.of(application)?;
        Ok(Self { network, application })
    }
}

/// The root keys of a join in clear text.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct JoinKeys {
    choice: RootKeyChoice,
    network: Aes128Key,
    application: Aes128Key,
}

impl JoinKeys {
    /// Puts the unwrapped keys of a choice together.
    #[must_use]
    pub const fn new(choice: RootKeyChoice, network: Aes128Key, application: Aes128Key) -> Self {
        Self { choice, network, application }
    }

    /// The name under which nonces of this root key are kept.
    #[must_use]
    pub fn tag(&self) -> RootKeyTag {
        root_key_tag(&self.network)
    }
}

/// The name under which nonces of a root key are kept: a digest keyed with it, so that it shows nothing.
///
/// Stored data depends on it; it never changes.
#[must_use]
pub fn root_key_tag(key: &Aes128Key) -> RootKeyTag {
    let [a, b, c, d, e, f, g, h, ..] = aes_cmac(key, &[ROOT_KEY_TAG_LABEL]);
    RootKeyTag([a, b, c, d, e, f, g, h])
}

/// What to do about a join-request: what to store, and what to answer once that is durable.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Accept {
    /// The join-accept as it goes on air.
    pub phy: Vec<u8>,
    /// The JoinNonce in it.
    pub join_nonce: u32,
    /// How the DevNonce is remembered.
    pub dev_nonce_rule: DevNonceRule,
    /// The id of the session keys.
    pub session_key_id: SessionKeyId,
    /// The session keys in clear text.
    pub keys: SessionKeys,
    /// Rules that were not applied, and why.
    pub warnings: Vec<String>,
}

/// Decides a join-request.
///
/// # Errors
///
/// Why it is refused, with the numbers.
pub fn decide(
    device: &Device,
    keys: &JoinKeys,
    nonces: &Nonces,
    parsed: &ParsedRequest,
    request: &JoinRequest,
    now: Timestamp,
    entropy: &dyn Entropy,
) -> Result<Accept, Reject> {
    if let Some(net_id) = device.net_id.filter(|net_id| *net_id != request.net_id) {
        return Err(Reject::NetIdMismatch { device: net_id, request: request.net_id });
    }
    let mic = join_request_mic(&keys.network, parsed.phy.without_mic())
        .map_err(|_| Reject::PayloadType)?;
    if !mic_matches(&mic, &parsed.phy.mic()) {
        return Err(Reject::MicMismatch { key: keys.choice.network });
    }
    let (dev_nonce_rule, warnings) = check_dev_nonce(device, nonces, parsed, request.mac_version)?;
    if nonces.join_nonce >= JOIN_NONCE_MAX {
        return Err(Reject::JoinNonceTooHigh { last: nonces.join_nonce });
    }
    let join_nonce = nonces.join_nonce + 1;
    let session_key_id = session_key_id(now, entropy);
    let session = Session { keys, form: &parsed.form, request, join_nonce };
    Ok(Accept {
        phy: session.accept()?,
        join_nonce,
        dev_nonce_rule,
        session_key_id,
        keys: session.derive(),
        warnings,
    })
}

/// The rule for this version's DevNonce, and the warning if it was not applied.
fn check_dev_nonce(
    device: &Device,
    nonces: &Nonces,
    parsed: &ParsedRequest,
    version: MacVersion,
) -> Result<(DevNonceRule, Vec<String>), Reject> {
    let got = parsed.form.dev_nonce;
    let rule =
        if version >= MacVersion::V1_0_4 { DevNonceRule::Counter } else { DevNonceRule::Random };
    // Whatever the rule is now, nonces of a time with the other rule count as used.
    let reject = if nonces.is_used {
        Some(Reject::ReuseDevNonce { got })
    } else {
        match (rule, nonces.last_dev_nonce) {
            (DevNonceRule::Counter, Some(last)) if got <= last => {
                Some(Reject::DevNonceTooSmall { last, got })
            }
            (DevNonceRule::Random, Some(last)) if got <= last => {
                Some(Reject::ReuseDevNonce { got })
            }
            _ => None,
        }
    };
    match reject {
        Some(reject) if !device.resets_join_nonces => Err(reject),
        _ if device.resets_join_nonces => Ok((rule, vec![WARNING_RESETS.to_owned()])),
        _ => Ok((rule, Vec::new())),
    }
}

/// A session about to begin.
struct Session<'a> {
    keys: &'a JoinKeys,
    form: &'a JoinRequestForm,
    request: &'a JoinRequest,
    join_nonce: u32,
}

impl Session<'_> {
    const fn is_1_1(&self) -> bool {
        self.request.mac_version.is_1_1() && self.request.dl_settings.opt_neg
    }

    fn derive(&self) -> SessionKeys {
        let (network, application) = (&self.keys.network, &self.keys.application);
        let JoinRequestForm { join_eui, dev_nonce, .. } = *self.form;
        if self.is_1_1() {
            session_keys_1_1(network, application, self.join_nonce, join_eui, dev_nonce)
        } else {
            session_keys_1_0(network, self.join_nonce, self.request.net_id, dev_nonce)
        }
    }

    fn accept(&self) -> Result<Vec<u8>, Reject> {
        let request = self.request;
        if request.dl_settings.opt_neg && !request.mac_version.is_1_1() {
            return Err(Reject::Offer { what: "OptNeg is set for a device of LoRaWAN 1.0" });
        }
        let accept = JoinAccept {
            join_nonce: self.join_nonce,
            net_id: request.net_id,
            dev_addr: request.dev_addr,
            dl_settings: DlSettings {
                opt_neg: request.dl_settings.opt_neg,
                rx1_dr_offset: request.dl_settings.rx1_dr_offset,
                rx2_dr: request.dl_settings.rx2_dr,
            },
            rx_delay: request.rx_delay,
            // The list comes as octets and leaves as octets: its content is the Network Server's business.
            cf_list: None,
        };
        let fields = accept.encode(FrequencyStep::Hz100).map_err(|_| offer())?;
        let mut plain = vec![JOIN_ACCEPT_M_HDR];
        plain.extend_from_slice(&fields);
        plain.extend_from_slice(request.cf_list.as_ref().map_or(&[][..], |list| &list[..]));
        let mic = self.mic(&plain)?;
        plain.extend_from_slice(&mic);
        let encrypted =
            encrypt_join_accept(&self.keys.network, &plain[1..]).map_err(|_| offer())?;
        plain.truncate(1);
        plain.extend_from_slice(&encrypted);
        Ok(plain)
    }

    fn mic(&self, plain: &[u8]) -> Result<[u8; 4], Reject> {
        let mic = if self.is_1_1() {
            let js_int_key = join_server_keys(&self.keys.network, self.form.dev_eui).js_int_key;
            join_accept_mic(
                JoinAcceptMic::V1_1 {
                    js_int_key: &js_int_key,
                    join_req_type: JoinReqType::JoinRequest,
                    join_eui: self.form.join_eui,
                    dev_nonce: self.form.dev_nonce,
                },
                plain,
            )
        } else {
            join_accept_mic(JoinAcceptMic::V1_0(&self.keys.network), plain)
        };
        mic.map_err(|_| offer())
    }
}

const fn offer() -> Reject {
    Reject::Offer { what: "RX1DROffset is out of range" }
}

/// A ULID (JS-10).
fn session_key_id(now: Timestamp, entropy: &dyn Entropy) -> SessionKeyId {
    let mut octets = [0; 16];
    entropy.fill(&mut octets);
    let [_, _, millis @ ..] = now.unix_millis().to_be_bytes();
    octets[..6].copy_from_slice(&millis);
    SessionKeyId::new(&octets)
        .unwrap_or_else(|| unreachable!("16 octets are no more than LENGTH_MAX"))
}

const WARNING_RESETS: &str = "resets_join_nonces is set: the DevNonce was not checked, so that an old join-request can \
                              be replayed";
/// No message of LoRaWAN has this length and beginning, so that the digest is no integrity code of one.
const ROOT_KEY_TAG_LABEL: &[u8] = b"ttn join server: tag of a root key";
