//! Sending.

use alloc::vec::Vec;
use core::time::Duration;

use ttn_core::{frame::FCtrl, rand::Entropy};

use super::{Device, DeviceError, DeviceParameters, DeviceTx, RxWindow, Sent};
use crate::{
    command::Direction,
    crypto::payload::encrypt_frm_payload,
    frame::DataFrame,
    session::{UplinkContext, seal_uplink},
};

/// The most octets of commands in FOpts.
const F_OPTS_MAX: usize = 15;
/// How often a confirmed uplink is sent if nobody acknowledges it.
const CONFIRMED_ATTEMPTS: u8 = 8;

impl Device {
    /// Makes an uplink.
    ///
    /// # Errors
    ///
    /// The device has no session or no channel, or the payload is too long for any frame.
    pub fn uplink(
        &mut self,
        f_port: u8,
        payload: &[u8],
        confirmed: bool,
        entropy: &dyn Entropy,
    ) -> Result<DeviceTx, DeviceError> {
        let f_opts = self.take_commands();
        let band = self.config.band;
        let adr = self.config.adr;
        let adr_ack_req = adr && self.silence >= u32::from(band.adr_ack_limit);
        let acknowledge = self.acknowledge.take();
        let session = self.session.as_mut().ok_or(DeviceError::NoSession)?;
        let f_cnt = session.next_f_cnt_up;
        session.next_f_cnt_up = f_cnt.wrapping_add(1);
        let mut frm_payload = payload.to_vec();
        let key = if f_port == 0 { None } else { Some(&session.app_s_key) };
        if let Some(key) = key {
            let addr = session.dev_addr;
            encrypt_frm_payload(key, Direction::Uplink, addr, f_cnt, &mut frm_payload);
        }
        let f_ctrl = FCtrl {
            adr,
            adr_ack_req,
            ack: acknowledge.is_some(),
            class_b: false,
            f_pending: false,
        };
        let frame = DataFrame {
            uplink: true,
            confirmed,
            dev_addr: session.dev_addr,
            f_ctrl,
            f_cnt: 0,
            f_opts,
            f_port: Some(f_port),
            frm_payload,
        };
        self.silence = self.silence.saturating_add(1);
        let attempts = if confirmed { CONFIRMED_ATTEMPTS } else { self.parameters.nb_trans.max(1) };
        self.sent = Some(Sent {
            frame,
            f_cnt,
            conf_f_cnt: acknowledge.unwrap_or_default(),
            confirmed,
            acknowledged: false,
            left: attempts,
        });
        self.transmit_again(entropy)
    }

    /// Its windows closed without a downlink, or with one; it may send the same frame again.
    pub fn windows_closed(&mut self, heard: bool, entropy: &dyn Entropy) -> Option<DeviceTx> {
        let sent = self.sent.as_ref()?;
        // Any downlink ends the repetitions of an unconfirmed uplink (TS001 §4.3.1: NbTrans).
        let done = if sent.confirmed { sent.acknowledged } else { heard };
        if done || sent.left == 0 {
            self.sent = None;
            return None;
        }
        self.transmit_again(entropy).ok()
    }

    fn transmit_again(&mut self, entropy: &dyn Entropy) -> Result<DeviceTx, DeviceError> {
        let sent = self.sent.as_mut().ok_or(DeviceError::NoSession)?;
        sent.left = sent.left.saturating_sub(1);
        let (frame, f_cnt, conf_f_cnt) = (sent.frame.clone(), sent.f_cnt, sent.conf_f_cnt);
        let session = self.session.as_ref().ok_or(DeviceError::NoSession)?;
        let channel = self.pick_channel(&self.parameters, entropy)?;
        let data_rate = self.parameters.data_rate;
        let context = UplinkContext { f_cnt, conf_f_cnt, data_rate, channel };
        let bytes = seal_uplink(&session.keys, session.version, frame, &context)
            .map_err(DeviceError::Build)?;
        let rx1 = Duration::from_secs(u64::from(self.parameters.rx1_delay));
        let delays = (rx1, rx1.saturating_add(Duration::from_secs(1)));
        self.transmission_on(bytes, channel, &self.parameters, delays)
    }

    pub(super) fn transmission(
        &self,
        bytes: Vec<u8>,
        parameters: &DeviceParameters,
        delays: (Duration, Duration),
        entropy: &dyn Entropy,
    ) -> Result<DeviceTx, DeviceError> {
        let channel = self.pick_channel(parameters, entropy)?;
        self.transmission_on(bytes, channel, parameters, delays)
    }

    fn transmission_on(
        &self,
        bytes: Vec<u8>,
        index: u8,
        parameters: &DeviceParameters,
        (rx1_delay, rx2_delay): (Duration, Duration),
    ) -> Result<DeviceTx, DeviceError> {
        let band = self.config.band;
        let channel = parameters.channels.channel(band, index).ok_or(DeviceError::NoChannel)?;
        // A channel of 500 kHz has a data rate of its own.
        let uplink = parameters.data_rate.clamp(channel.min_data_rate, channel.max_data_rate);
        let rate = |index| band.data_rate(index).map(|entry| entry.rate);
        let dwell = parameters.downlink_dwell_time;
        let mut windows = Vec::with_capacity(2);
        let rx1 = band.rx1_data_rate(uplink, parameters.rx1_dr_offset, dwell).ok().and_then(rate);
        if let Some(data_rate) = rx1 {
            let frequency = channel.downlink_frequency;
            windows.push(RxWindow { opens_after: rx1_delay, frequency, data_rate });
        }
        if let Some(data_rate) = rate(parameters.rx2_data_rate) {
            let frequency = parameters.rx2_frequency;
            windows.push(RxWindow { opens_after: rx2_delay, frequency, data_rate });
        }
        let data_rate = rate(uplink).ok_or(DeviceError::NoChannel)?;
        Ok(DeviceTx {
            bytes,
            channel: index,
            frequency: channel.uplink_frequency,
            data_rate_index: uplink,
            data_rate,
            windows,
        })
    }

    /// Draws one of the enabled channels that allow the data rate.
    fn pick_channel(
        &self,
        parameters: &DeviceParameters,
        entropy: &dyn Entropy,
    ) -> Result<u8, DeviceError> {
        let band = self.config.band;
        let rate = parameters.data_rate;
        let usable: Vec<u8> = parameters
            .channels
            .iter(band)
            .filter(|(index, channel)| {
                parameters.channels.enabled.contains(*index)
                    && (channel.min_data_rate..=channel.max_data_rate).contains(&rate)
            })
            .map(|(index, _)| index)
            .collect();
        let drawn = entropy.below(usable.len() as u64);
        let drawn = usize::try_from(drawn).unwrap_or_default();
        usable.get(drawn).copied().ok_or(DeviceError::NoChannel)
    }

    /// The commands of the next uplink, as many as fit FOpts.
    fn take_commands(&mut self) -> Vec<u8> {
        let mut f_opts = Vec::new();
        let step = self.config.band.frequency_step;
        let outgoing = core::mem::take(&mut self.outgoing);
        for command in self.indication.iter().chain(&self.sticky).chain(&outgoing) {
            if f_opts.len().saturating_add(command.encoded_length()) > F_OPTS_MAX {
                break;
            }
            // A command that cannot be written is left out; the network asks again.
            let _ = command.encode(step, &mut f_opts);
        }
        f_opts
    }
}
