//! Sending.

use alloc::vec::Vec;
use core::time::Duration;

use ttn_core::{frame::FCtrl, radio::DataRateIndex, rand::Entropy, version::MacVersion};

use super::{Device, DeviceError, DeviceParameters, DeviceTx, RxWindow, low_bits};
use crate::{
    command::{Command, Direction},
    crypto::payload::encrypt_frm_payload,
    frame::{DataFrame, F_OPTS_LENGTH_MAX},
    session::{RELAY_F_PORT, UplinkContext, seal_uplink},
};

/// How often a confirmed uplink is sent if nobody acknowledges it (up to LoRaWAN 1.0.3; later NbTrans holds).
const CONFIRMED_ATTEMPTS: u8 = 8;
/// The octets of FHDR without FOpts.
const F_HDR_LENGTH: usize = 7;

/// An uplink that may be sent again.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    frame: DataFrame,
    f_cnt: u32,
    conf_f_cnt: u16,
    confirmed: bool,
    pub(super) acknowledged: bool,
    left: u8,
}

impl Device {
    /// Makes an uplink.
    ///
    /// # Errors
    ///
    /// The device has no session or no channel, or the payload is longer than the data rate allows.
    pub fn uplink(
        &mut self,
        f_port: u8,
        payload: &[u8],
        confirmed: bool,
        entropy: &dyn Entropy,
    ) -> Result<DeviceTx, DeviceError> {
        self.send(Some((f_port, payload)), confirmed, entropy)
    }

    /// Makes an uplink with nothing but MAC commands (on port 0 if they do not fit FOpts), acknowledgement and ADR bits.
    ///
    /// # Errors
    ///
    /// The device has no session or no channel.
    pub fn uplink_commands(&mut self, entropy: &dyn Entropy) -> Result<DeviceTx, DeviceError> {
        self.send(None, false, entropy)
    }

    /// Its windows closed without a downlink, or with one; it may send the same frame again.
    pub fn windows_closed(&mut self, heard: bool, entropy: &dyn Entropy) -> Option<DeviceTx> {
        let sent = self.sent.as_ref()?;
        // Any downlink ends the repetitions of an unconfirmed uplink (TS001-1.0.4 §5.2: NbTrans).
        let done = if sent.confirmed { sent.acknowledged } else { heard };
        if done || sent.left == 0 {
            self.sent = None;
            return None;
        }
        self.transmit_again(entropy).ok()
    }

    fn send(
        &mut self,
        data: Option<(u8, &[u8])>,
        confirmed: bool,
        entropy: &dyn Entropy,
    ) -> Result<DeviceTx, DeviceError> {
        if self.gives_up_session() {
            self.session = None;
        }
        let dev_addr = self.session.as_ref().ok_or(DeviceError::NoSession)?.dev_addr;
        let adr_ack_req = self.back_off();
        let max = self.mac_payload_max();
        let size = data.map_or(0, |(_, payload)| payload.len().saturating_add(1));
        let size = size.saturating_add(F_HDR_LENGTH);
        if size > max {
            return Err(DeviceError::TooLong { size, max });
        }
        let mut frame = DataFrame {
            uplink: true,
            confirmed,
            dev_addr,
            f_ctrl: FCtrl { adr: self.config.adr, adr_ack_req, ..FCtrl::default() },
            f_cnt: 0,
            f_opts: Vec::new(),
            f_port: data.map(|(f_port, _)| f_port),
            frm_payload: Vec::new(),
        };
        let room = max.saturating_sub(size);
        match data {
            // Commands have one place.
            Some((0, payload)) => frame.frm_payload = payload.to_vec(),
            Some((_, payload)) => {
                frame.frm_payload = payload.to_vec();
                frame.f_opts = self.take_commands(room.min(F_OPTS_LENGTH_MAX));
            }
            None => {
                let octets = self.take_commands(room.saturating_sub(1));
                if octets.len() > F_OPTS_LENGTH_MAX {
                    frame.f_port = Some(0);
                    frame.frm_payload = octets;
                } else {
                    frame.f_opts = octets;
                }
            }
        }
        self.send_frame(frame, entropy)
    }

    /// Counts, encrypts and sends; the header's acknowledgement and class are filled in.
    fn send_frame(
        &mut self,
        mut frame: DataFrame,
        entropy: &dyn Entropy,
    ) -> Result<DeviceTx, DeviceError> {
        let class_b = self.in_class_b();
        let acknowledge = self.acknowledge.filter(|_| !self.misbehaviour.never_acknowledges);
        let session = self.session.as_mut().ok_or(DeviceError::NoSession)?;
        let f_cnt = session.next_f_cnt_up;
        // The network reads port 0 and what a relay forwards; the rest is for the application.
        if let Some(port) = frame.f_port.filter(|port| *port != 0) {
            let forwards = port == RELAY_F_PORT && self.relay.is_some();
            let key = if forwards { &session.keys.nwk_s_enc_key } else { &session.app_s_key };
            let payload = &mut frame.frm_payload;
            encrypt_frm_payload(key, Direction::Uplink, session.dev_addr, f_cnt, payload);
        }
        session.next_f_cnt_up = f_cnt.wrapping_add(self.misbehaviour.f_cnt_up_step);
        frame.f_ctrl = FCtrl { ack: acknowledge.is_some(), class_b, ..frame.f_ctrl };
        let confirmed = frame.confirmed;
        if confirmed {
            self.confirmed_up = low_bits(f_cnt);
        }
        self.acknowledge = None;
        self.silence = self.silence.saturating_add(1);
        self.rejoins.count_uplink();
        let nb_trans = self.parameters.nb_trans.max(1);
        let many = confirmed && self.config.version < MacVersion::V1_0_4;
        self.sent = Some(Sent {
            frame,
            f_cnt,
            conf_f_cnt: acknowledge.unwrap_or_default(),
            confirmed,
            acknowledged: false,
            left: if many { nb_trans.max(CONFIRMED_ATTEMPTS) } else { nb_trans },
        });
        self.transmit_again(entropy)
    }

    /// Sends a payload to the network itself, as relays do.
    pub(super) fn send_relayed(
        &mut self,
        payload: &[u8],
        entropy: &dyn Entropy,
    ) -> Result<DeviceTx, DeviceError> {
        self.send(Some((RELAY_F_PORT, payload)), false, entropy)
    }

    fn transmit_again(&mut self, entropy: &dyn Entropy) -> Result<DeviceTx, DeviceError> {
        let sent = self.sent.as_mut().ok_or(DeviceError::NoSession)?;
        sent.left = sent.left.saturating_sub(1);
        let (frame, f_cnt, conf_f_cnt) = (sent.frame.clone(), sent.f_cnt, sent.conf_f_cnt);
        let session = self.session.as_ref().ok_or(DeviceError::NoSession)?;
        let data_rate = self.parameters.sending_rate(self.config.band);
        let channel = self.pick_channel(&self.parameters, entropy)?;
        let context = UplinkContext { f_cnt, conf_f_cnt, data_rate, channel };
        let bytes = seal_uplink(&session.keys, session.version, frame, &context)
            .map_err(DeviceError::Build)?;
        let rx1 = Duration::from_secs(u64::from(self.parameters.rx1_delay));
        let delays = (rx1, rx1.saturating_add(Duration::from_secs(1)));
        self.transmission(bytes, channel, &self.parameters, delays)
    }

    /// A join-request or rejoin-request, with the windows of a join-accept.
    pub(super) fn request_transmission(
        &self,
        bytes: Vec<u8>,
        parameters: &DeviceParameters,
        entropy: &dyn Entropy,
    ) -> Result<DeviceTx, DeviceError> {
        let band = self.config.band;
        let channel = self.pick_channel(parameters, entropy)?;
        let delays = (band.join_accept_delay_1, band.join_accept_delay_2);
        self.transmission(bytes, channel, parameters, delays)
    }

    fn transmission(
        &self,
        mut bytes: Vec<u8>,
        index: u8,
        parameters: &DeviceParameters,
        (rx1_delay, rx2_delay): (Duration, Duration),
    ) -> Result<DeviceTx, DeviceError> {
        let band = self.config.band;
        let channel = parameters.channels.channel(band, index).ok_or(DeviceError::NoChannel)?;
        let data_rate_index = parameters.sending_rate(band);
        let rate = |index| band.rate_of_downlink(index).map(|entry| entry.rate);
        let dwell = parameters.downlink_dwell_time;
        let mut windows = Vec::with_capacity(2);
        let rx1 = band.rx1_data_rate(data_rate_index, parameters.rx1_dr_offset, dwell);
        if let Some(data_rate) = rx1.ok().and_then(rate) {
            let frequency = channel.downlink_frequency;
            windows.push(RxWindow { opens_after: rx1_delay, frequency, data_rate });
        }
        if let Some(data_rate) = rate(parameters.rx2_data_rate) {
            let frequency = parameters.rx2_frequency;
            windows.push(RxWindow { opens_after: rx2_delay, frequency, data_rate });
        }
        if let Some(last) = bytes.last_mut().filter(|_| self.misbehaviour.wrong_mic) {
            *last ^= 1;
        }
        let data_rate = band.data_rate(data_rate_index).ok_or(DeviceError::NoChannel)?.rate;
        let frequency = channel.uplink_frequency;
        Ok(DeviceTx { bytes, channel: index, frequency, data_rate_index, data_rate, windows })
    }

    /// Draws one of the enabled channels that allow the data rate.
    fn pick_channel(
        &self,
        parameters: &DeviceParameters,
        entropy: &dyn Entropy,
    ) -> Result<u8, DeviceError> {
        let band = self.config.band;
        let rate: DataRateIndex = parameters.sending_rate(band);
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

    fn mac_payload_max(&self) -> usize {
        let band = self.config.band;
        let rate = self.parameters.sending_rate(band);
        let max = band.max_mac_payload(rate, self.parameters.uplink_dwell_time);
        match max {
            Some(max) if !self.misbehaviour.exceeds_length_limit => max.into(),
            _ => u8::MAX.into(),
        }
    }

    /// The commands of the next uplink, as many as fit.
    fn take_commands(&mut self, max: usize) -> Vec<u8> {
        let step = self.config.band.frequency_step;
        let silent = &self.misbehaviour.leaves_unanswered;
        let waiting = &mut self.outgoing;
        let answers = core::mem::take(&mut waiting.answers);
        let requests = core::mem::take(&mut waiting.requests);
        let all = waiting.indications.iter().chain(&waiting.sticky).chain(&answers);
        let mut octets = Vec::new();
        let mut fits = |command: &Command| {
            let length = octets.len().saturating_add(command.encoded_length());
            // A command that cannot be written is left out; the network asks again.
            length <= max && command.encode(step, &mut octets).is_ok()
        };
        for command in all.filter(|command| !silent.contains(&command.cid())) {
            if !fits(command) {
                break;
            }
        }
        waiting.requests = requests.into_iter().skip_while(&mut fits).collect();
        octets
    }
}
