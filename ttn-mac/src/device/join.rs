//! Joining and rejoining.

use ttn_core::{
    addr::NetId,
    frame::{JoinRequestForm, RejoinRequestForm},
    rand::Entropy,
    version::MacVersion,
};

use super::{
    DevNonces, Device, DeviceError, DeviceParameters, DeviceSession, DeviceTx, Outgoing, Received,
    RootKeys,
};
use crate::{
    band::ChannelMask,
    command::Command,
    crypto::{
        derive::{SessionKeys, join_server_keys, session_keys_1_0, session_keys_1_1},
        join::{
            JoinAcceptError, JoinAcceptMic, JoinReqType, join_request_mic, open_join_accept,
            rejoin_request_mic,
        },
    },
    frame::{CfList, FrameError, JoinAccept, encode_join_request, encode_rejoin_request},
    state::Channel,
    version::MacRules as _,
};

/// The request that a join-accept may answer, and its nonce or counter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Joining {
    request: JoinReqType,
    nonce: u16,
}

impl Device {
    /// Makes a join-request.
    ///
    /// # Errors
    ///
    /// The device has no root keys, no channel, or no DevNonce left.
    pub fn join(&mut self, entropy: &dyn Entropy) -> Result<DeviceTx, DeviceError> {
        let root = self.root.clone().ok_or(DeviceError::NoRootKeys)?;
        let dev_nonce = self.next_dev_nonce(entropy)?;
        let form = JoinRequestForm { join_eui: root.join_eui, dev_eui: root.dev_eui, dev_nonce };
        let mut bytes = encode_join_request(&form).to_vec();
        bytes.extend(join_request_mic(root.join_key(), &bytes).map_err(|error| length(error.got))?);
        self.joining = Some(Joining { request: JoinReqType::JoinRequest, nonce: dev_nonce });
        self.sent = None;
        let mut boot = DeviceParameters::at_boot(&self.config);
        boot.data_rate = self.parameters.data_rate;
        self.request_transmission(bytes, &boot, entropy)
    }

    /// Makes a rejoin-request of LoRaWAN 1.1: type 0 and 2 in the session, type 1 to the Join Server. The session goes on
    /// until a join-accept arrives. [`JoinReqType::JoinRequest`] is an ordinary join.
    ///
    /// # Errors
    ///
    /// The device has no root keys, no session of LoRaWAN 1.1, no channel, or no counter left.
    pub fn rejoin(
        &mut self,
        request: JoinReqType,
        entropy: &dyn Entropy,
    ) -> Result<DeviceTx, DeviceError> {
        let root = self.root.clone().ok_or(DeviceError::NoRootKeys)?;
        let session = self.session.as_ref().ok_or(DeviceError::NoSession)?;
        if !session.version.is_1_1() {
            return Err(DeviceError::Unsupported);
        }
        let RootKeys { join_eui, dev_eui, .. } = root;
        let s_key = session.keys.s_nwk_s_int_key.clone();
        let (form, key, rejoin_count) = match request {
            JoinReqType::JoinRequest => return self.join(entropy),
            JoinReqType::Rejoin1 => {
                let rejoin_count = next_count(&mut self.nonces.rejoin_count_1)?;
                let form = RejoinRequestForm::JoinServer { join_eui, dev_eui, rejoin_count };
                (form, join_server_keys(root.join_key(), dev_eui).js_int_key, rejoin_count)
            }
            JoinReqType::Rejoin0 | JoinReqType::Rejoin2 => {
                let rejoin_count = next_count(&mut self.nonces.rejoin_count_0)?;
                let (rejoin_type, net_id) = (request.octet(), self.nonces.net_id);
                let form =
                    RejoinRequestForm::HomeNetwork { rejoin_type, net_id, dev_eui, rejoin_count };
                (form, s_key, rejoin_count)
            }
        };
        let mut bytes = encode_rejoin_request(&form).map_err(DeviceError::Build)?;
        bytes.extend(rejoin_request_mic(&key, &bytes).map_err(|error| length(error.got))?);
        self.joining = Some(Joining { request, nonce: rejoin_count });
        // Type 1 is sent as a join-request is: the network may have lost everything.
        let mut parameters = match request {
            JoinReqType::Rejoin1 => DeviceParameters {
                data_rate: self.parameters.data_rate,
                ..DeviceParameters::at_boot(&self.config)
            },
            _ => self.parameters.clone(),
        };
        parameters.data_rate = self.rejoins.sent(request).unwrap_or(parameters.data_rate);
        self.request_transmission(bytes, &parameters, entropy)
    }

    pub(super) fn hear_join_accept(&mut self, phy: &[u8]) -> Result<Received, DeviceError> {
        let (Some(Joining { request, nonce }), Some(root)) = (self.joining, &self.root) else {
            return Err(DeviceError::NotForMe);
        };
        let js_keys = join_server_keys(root.join_key(), root.dev_eui);
        let encryption_key = match request {
            JoinReqType::JoinRequest => root.join_key(),
            _ => &js_keys.js_enc_key,
        };
        // Up to LoRaWAN 1.0.4 the bit is reserved.
        let knows_1_1 = self.config.version.is_1_1();
        let step = self.config.band.frequency_step;
        let accept = open_join_accept(phy, step, encryption_key, |accept| {
            if accept.dl_settings.opt_neg && knows_1_1 {
                JoinAcceptMic::V1_1 {
                    js_int_key: &js_keys.js_int_key,
                    join_req_type: request,
                    join_eui: root.join_eui,
                    dev_nonce: nonce,
                }
            } else {
                JoinAcceptMic::V1_0(root.join_key())
            }
        })
        .map_err(|error| match error {
            JoinAcceptError::Frame(error) => DeviceError::Frame(error),
            _ => DeviceError::Mic,
        })?;
        let got = accept.join_nonce;
        let last = self.nonces.last_join_nonce;
        let counts = self.config.version.dev_nonce_is_counter();
        if let Some(last) = last.filter(|last| counts && *last >= got) {
            return Err(DeviceError::JoinNonceReplayed { last, got });
        }
        let speaks_1_1 = accept.dl_settings.opt_neg && knows_1_1;
        let keys = session_keys(root, &accept, nonce, speaks_1_1);
        let version = match self.config.version {
            MacVersion::V1_1 if !speaks_1_1 => MacVersion::V1_0_4,
            version => version,
        };
        self.session = Some(DeviceSession {
            version,
            dev_addr: accept.dev_addr,
            keys: keys.network,
            app_s_key: keys.app_s_key,
            next_f_cnt_up: self.config.first_f_cnt_up,
            last_n_f_cnt_down: None,
            last_a_f_cnt_down: None,
        });
        self.nonces.last_join_nonce = Some(got);
        self.nonces.net_id = accept.net_id;
        // Type 2 renews keys and address alone.
        if request != JoinReqType::Rejoin2 {
            self.take_parameters(&accept);
        }
        self.begin_session(speaks_1_1);
        Ok(Received::Joined)
    }

    /// From LoRaWAN 1.0.4 on a counter that is never used twice (TS001-1.0.4 §6.2.5).
    fn next_dev_nonce(&mut self, entropy: &dyn Entropy) -> Result<u16, DeviceError> {
        let last = self.nonces.last_dev_nonce;
        if let Some(last) = last.filter(|_| self.misbehaviour.repeats_dev_nonce) {
            return Ok(last);
        }
        let dev_nonce = match &mut self.config.dev_nonces {
            DevNonces::Counter(next) => next_count(next)?,
            DevNonces::Random => {
                let drawn = u16::try_from(entropy.below(0x1_0000)).unwrap_or_default();
                if last == Some(drawn) { drawn.wrapping_add(1) } else { drawn }
            }
        };
        self.nonces.last_dev_nonce = Some(dev_nonce);
        Ok(dev_nonce)
    }

    fn take_parameters(&mut self, accept: &JoinAccept) {
        let band = self.config.band;
        let data_rate = self.parameters.data_rate;
        self.parameters = DeviceParameters::at_boot(&self.config);
        self.parameters.data_rate = data_rate;
        self.parameters.rx1_delay = accept.rx1_delay_seconds();
        self.parameters.rx1_dr_offset = accept.dl_settings.rx1_dr_offset;
        self.parameters.rx2_data_rate = accept.dl_settings.rx2_dr;
        let channels = &mut self.parameters.channels;
        match (&accept.cf_list, band.uplink_channels) {
            (Some(CfList::Frequencies(list)), [model, ..]) if !band.has_fixed_channels() => {
                let first = u8::try_from(band.uplink_channels.len()).unwrap_or(u8::MAX);
                for (index, frequency) in (first..).zip(list).filter(|(_, f)| !f.is_zero()) {
                    let channel = Channel {
                        uplink_frequency: *frequency,
                        downlink_frequency: *frequency,
                        min_data_rate: model.min_data_rate,
                        max_data_rate: model.max_data_rate,
                    };
                    channels.set(band, index, Some(channel));
                }
            }
            (Some(CfList::ChannelMasks(masks)), known) if band.has_fixed_channels() => {
                let bits =
                    masks.iter().rev().fold(0, |bits, mask| (bits << 16) | u128::from(*mask));
                let known = ChannelMask::first(known.len()).bits();
                channels.enabled = ChannelMask::from_bits(bits & known);
                // Its data rate may be one that these channels do not have.
                self.parameters.data_rate = self.parameters.sending_rate(band);
            }
            _ => {}
        }
    }

    fn begin_session(&mut self, speaks_1_1: bool) {
        self.joining = None;
        self.sent = None;
        self.outgoing = Outgoing::default();
        self.acknowledge = None;
        self.silence = 0;
        self.stepped_at = 0;
        self.nonces.rejoin_count_0 = 0;
        self.rejoins.accepted();
        self.class_b = None;
        if speaks_1_1 {
            self.outgoing.indications.push(Command::RekeyInd { minor_version: 1 });
            if self.class_c {
                self.set_class_c(true);
            }
        }
    }
}

fn session_keys(root: &RootKeys, accept: &JoinAccept, nonce: u16, speaks_1_1: bool) -> SessionKeys {
    let JoinAccept { join_nonce, net_id, .. } = *accept;
    let net_id: NetId = net_id;
    if speaks_1_1 {
        session_keys_1_1(root.join_key(), &root.app_key, join_nonce, root.join_eui, nonce)
    } else {
        session_keys_1_0(root.join_key(), join_nonce, net_id, nonce)
    }
}

/// The next value of a counter that never starts again.
fn next_count(next: &mut u16) -> Result<u16, DeviceError> {
    let count = *next;
    *next = count.checked_add(1).ok_or(DeviceError::NoncesExhausted)?;
    Ok(count)
}

const fn length(got: usize) -> DeviceError {
    DeviceError::Frame(FrameError::TooShort { got })
}
