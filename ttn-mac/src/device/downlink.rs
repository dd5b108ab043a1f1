//! Receiving.

use ttn_core::frame::{DataForm, Form};

use super::{Device, DeviceError, Received, ReceivedData};
use crate::{
    command::{self, Direction},
    frame,
    session::{DownlinkContext, full_f_cnt, open_commands, open_frm_payload, verify_downlink},
};

impl Device {
    /// Takes a frame that it heard in one of its windows. A refused frame changes nothing.
    ///
    /// # Errors
    ///
    /// The frame is for somebody else, was changed, or was heard before.
    pub fn hear(&mut self, phy: &[u8]) -> Result<Received, DeviceError> {
        let parsed = frame::parse(phy).map_err(DeviceError::Frame)?;
        let data = match &parsed.form {
            Form::JoinAccept => return self.hear_join_accept(phy),
            Form::Data(data) if !data.uplink => data,
            _ => return Err(DeviceError::NotForMe),
        };
        let conf_f_cnt = self.sent.as_ref().map(|sent| sent.f_cnt).unwrap_or_default();
        let session = self.session.as_mut().ok_or(DeviceError::NoSession)?;
        if data.dev_addr != session.dev_addr {
            return Err(DeviceError::NotForMe);
        }
        let application = session.version.is_1_1() && data.f_port.is_some_and(|port| port > 0);
        let last = if application {
            &mut session.last_a_f_cnt_down
        } else {
            &mut session.last_n_f_cnt_down
        };
        let f_cnt = full_f_cnt(*last, data.f_cnt, true).ok_or(DeviceError::Mic)?;
        let [low, high, ..] = conf_f_cnt.to_le_bytes();
        let context = DownlinkContext { f_cnt, conf_f_cnt: u16::from_le_bytes([low, high]) };
        if !verify_downlink(&session.keys, session.version, &parsed, &context) {
            return Err(DeviceError::Mic);
        }
        if let Some(last) = last.filter(|last| *last >= f_cnt) {
            return Err(DeviceError::FCntReplayed { last, got: f_cnt });
        }
        *last = Some(f_cnt);
        let octets = open_commands(&session.keys, session.version, &parsed, f_cnt);
        let payload = match data.f_port {
            Some(port) if port > 0 => open_frm_payload(&session.app_s_key, &parsed, f_cnt),
            _ => alloc::vec::Vec::new(),
        };
        let step = self.config.band.frequency_step;
        let commands: alloc::vec::Vec<_> =
            command::parse(Direction::Downlink, step, &octets).map_while(Result::ok).collect();
        self.took(data, f_cnt);
        self.obey(&commands);
        Ok(Received::Data(ReceivedData {
            f_cnt,
            f_port: data.f_port,
            payload,
            ack: data.f_ctrl.ack,
            confirmed: data.confirmed,
            f_pending: data.f_ctrl.f_pending,
            commands,
        }))
    }

    fn took(&mut self, data: &DataForm, f_cnt: u32) {
        self.silence = 0;
        self.sticky.clear();
        if data.confirmed {
            let [low, high, ..] = f_cnt.to_le_bytes();
            self.acknowledge = Some(u16::from_le_bytes([low, high]));
        }
        if let Some(sent) = self.sent.as_mut().filter(|_| data.f_ctrl.ack) {
            sent.acknowledged = true;
        }
    }
}
