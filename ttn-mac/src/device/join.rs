//! Joining.

use ttn_core::{frame::JoinRequestForm, radio::DataRateIndex, rand::Entropy, version::MacVersion};

use super::{
    DevNonces, Device, DeviceError, DeviceParameters, DeviceSession, DeviceTx, Joining, Received,
};
use crate::{
    band::ChannelMask,
    command::Command,
    crypto::{
        derive::{join_server_keys, session_keys_1_0, session_keys_1_1},
        join::{JoinAcceptError, JoinAcceptMic, JoinReqType, join_request_mic, open_join_accept},
    },
    frame::{CfList, FrameError, JoinAccept, encode_join_request},
    state::Channel,
};

impl Device {
    /// Makes a join-request.
    ///
    /// # Errors
    ///
    /// The device has no root keys, or no channel.
    pub fn join(&mut self, entropy: &dyn Entropy) -> Result<DeviceTx, DeviceError> {
        let root = self.root.as_ref().ok_or(DeviceError::NoRootKeys)?;
        let dev_nonce = match &mut self.config.dev_nonces {
            DevNonces::Counter(next) => {
                let dev_nonce = *next;
                *next = next.wrapping_add(1);
                dev_nonce
            }
            DevNonces::Random => u16::try_from(entropy.below(0x1_0000)).unwrap_or_default(),
        };
        let form = JoinRequestForm { join_eui: root.join_eui, dev_eui: root.dev_eui, dev_nonce };
        let mut bytes = encode_join_request(&form).to_vec();
        let key = root.nwk_key.as_ref().unwrap_or(&root.app_key);
        let mic = join_request_mic(key, &bytes)
            .map_err(|error| DeviceError::Frame(FrameError::TooShort { got: error.got }))?;
        bytes.extend_from_slice(&mic);
        self.joining = Some(Joining { dev_nonce });
        self.sent = None;
        let mut boot = DeviceParameters::at_boot(&self.config);
        boot.data_rate = self.parameters.data_rate;
        let band = self.config.band;
        let delays = (band.join_accept_delay_1, band.join_accept_delay_2);
        self.transmission(bytes, &boot, delays, entropy)
    }

    pub(super) fn hear_join_accept(&mut self, phy: &[u8]) -> Result<Received, DeviceError> {
        let (Some(joining), Some(root)) = (&self.joining, &self.root) else {
            return Err(DeviceError::NotForMe);
        };
        let dev_nonce = joining.dev_nonce;
        let key = root.nwk_key.as_ref().unwrap_or(&root.app_key);
        let js_keys = join_server_keys(key, root.dev_eui);
        let accept = open_join_accept(phy, self.config.band.frequency_step, key, |accept| {
            if accept.dl_settings.opt_neg {
                JoinAcceptMic::V1_1 {
                    js_int_key: &js_keys.js_int_key,
                    join_req_type: JoinReqType::JoinRequest,
                    join_eui: root.join_eui,
                    dev_nonce,
                }
            } else {
                JoinAcceptMic::V1_0(key)
            }
        })
        .map_err(|error| match error {
            JoinAcceptError::Frame(error) => DeviceError::Frame(error),
            _ => DeviceError::Mic,
        })?;
        let keys = if accept.dl_settings.opt_neg {
            session_keys_1_1(key, &root.app_key, accept.join_nonce, root.join_eui, dev_nonce)
        } else {
            session_keys_1_0(key, accept.join_nonce, accept.net_id, dev_nonce)
        };
        let version = match self.config.version {
            MacVersion::V1_1 if !accept.dl_settings.opt_neg => MacVersion::V1_0_4,
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
        self.begin_session(&accept);
        Ok(Received::Joined)
    }

    fn begin_session(&mut self, accept: &JoinAccept) {
        let data_rate = self.parameters.data_rate;
        self.parameters = DeviceParameters::at_boot(&self.config);
        self.parameters.data_rate = data_rate;
        self.parameters.rx1_delay = accept.rx1_delay_seconds();
        self.parameters.rx1_dr_offset = accept.dl_settings.rx1_dr_offset;
        self.parameters.rx2_data_rate = accept.dl_settings.rx2_dr;
        match &accept.cf_list {
            Some(CfList::Frequencies(frequencies)) => {
                let first = u8::try_from(self.config.band.uplink_channels.len()).unwrap_or(u8::MAX);
                for (index, frequency) in (first..).zip(frequencies).filter(|(_, f)| !f.is_zero()) {
                    let channel = Channel {
                        uplink_frequency: *frequency,
                        downlink_frequency: *frequency,
                        min_data_rate: DataRateIndex::ZERO,
                        max_data_rate: DataRateIndex::from_low_bits(5),
                    };
                    self.parameters.channels.set(self.config.band, index, Some(channel));
                }
            }
            Some(CfList::ChannelMasks(masks)) => {
                let bits =
                    masks.iter().rev().fold(0, |bits, mask| (bits << 16) | u128::from(*mask));
                self.parameters.channels.enabled = ChannelMask::from_bits(bits);
            }
            None => {}
        }
        self.joining = None;
        self.outgoing.clear();
        self.sticky.clear();
        self.acknowledge = None;
        self.silence = 0;
        self.indication =
            accept.dl_settings.opt_neg.then_some(Command::RekeyInd { minor_version: 1 });
    }
}
