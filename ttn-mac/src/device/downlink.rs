//! Receiving.

use alloc::vec::Vec;

use ttn_core::{
    frame::{DataForm, Form, PhyPayload},
    key::Aes128Key,
};

use super::{Device, DeviceError, DeviceSession, Received, ReceivedData, WindowClass, low_bits};
use crate::{
    command::{self, Command, Direction},
    frame,
    session::{
        CommandPlace, DownlinkContext, RELAY_F_PORT, full_f_cnt, open_commands, open_frm_payload,
        verify_downlink,
    },
    version::MacRules as _,
};

impl Device {
    /// Takes a frame that it heard in RX1 or RX2. A refused frame changes nothing.
    ///
    /// # Errors
    ///
    /// The frame is for somebody else, was changed, or was heard before.
    pub fn hear(&mut self, phy: &[u8]) -> Result<Received, DeviceError> {
        self.hear_in(phy, WindowClass::A)
    }

    /// Takes a frame that it heard in any of its windows. A refused frame changes nothing.
    ///
    /// # Errors
    ///
    /// As [`Device::hear`].
    pub fn hear_in(&mut self, phy: &[u8], window: WindowClass) -> Result<Received, DeviceError> {
        let parsed = frame::parse(phy).map_err(DeviceError::Frame)?;
        let data = match &parsed.form {
            Form::JoinAccept => return self.hear_join_accept(phy),
            Form::Data(data) if !data.uplink => data,
            _ => return Err(DeviceError::NotForMe),
        };
        if let Some(received) = self.hear_multicast(&parsed, data) {
            return received;
        }
        let replays = self.misbehaviour.takes_replayed_downlinks;
        let max_gap = self.config.band.max_f_cnt_gap;
        let session = self.session.as_mut().ok_or(DeviceError::NoSession)?;
        if data.dev_addr != session.dev_addr {
            return Err(DeviceError::NotForMe);
        }
        let f_cnt = check(session, &parsed, data, self.confirmed_up, replays, max_gap)?;
        // TS001-1.0.4 §4.3.1.6: such a frame is discarded.
        if CommandPlace::of(data) == CommandPlace::Both {
            return Err(DeviceError::Forbidden);
        }
        *last_f_cnt(session, data) = Some(f_cnt);
        let octets = open_commands(&session.keys, session.version, &parsed, f_cnt);
        let relayed = self.relay.is_some() && data.f_port == Some(RELAY_F_PORT);
        let key = if relayed { &session.keys.nwk_s_enc_key } else { &session.app_s_key };
        let payload = payload(key, &parsed, data, f_cnt);
        let step = self.config.band.frequency_step;
        let commands: Vec<Command> =
            command::parse(Direction::Downlink, step, &octets).map_while(Result::ok).collect();
        self.took(data, f_cnt, window);
        self.obey(&commands);
        Ok(Received::Data(received(data, f_cnt, payload, commands)))
    }

    fn took(&mut self, data: &DataForm, f_cnt: u32, window: WindowClass) {
        self.silence = 0;
        self.stepped_at = 0;
        if window == WindowClass::A && !self.misbehaviour.repeats_sticky_answers {
            self.outgoing.sticky.clear();
        }
        if data.confirmed {
            self.acknowledge = Some(low_bits(f_cnt));
        }
        if let Some(sent) = self.sent.as_mut().filter(|_| data.f_ctrl.ack) {
            sent.acknowledged = true;
        }
    }
}

/// The full counter, if it is new and the integrity code is right.
fn check(
    session: &mut DeviceSession,
    phy: &PhyPayload,
    data: &DataForm,
    conf_f_cnt: u16,
    replays: bool,
    max_gap: u32,
) -> Result<u32, DeviceError> {
    let last = *last_f_cnt(session, data);
    let f_cnt = full_f_cnt(last, data.f_cnt, true).ok_or(DeviceError::Mic)?;
    let verified = |f_cnt| {
        let context = DownlinkContext { f_cnt, conf_f_cnt };
        verify_downlink(&session.keys, session.version, phy, &context)
    };
    let Some(last) = last else {
        return if verified(f_cnt) { Ok(f_cnt) } else { Err(DeviceError::Mic) };
    };
    // An old frame has the counter of the same 16 bits, below the last one.
    let old = (last & 0xFFFF_0000) | u32::from(data.f_cnt);
    let replayed = old <= last && verified(old);
    if replayed && replays {
        return Ok(old);
    }
    if replayed {
        return Err(DeviceError::FCntReplayed { last, got: old });
    }
    if !verified(f_cnt) {
        return Err(DeviceError::Mic);
    }
    let gap = f_cnt.saturating_sub(last);
    if session.version.has_max_f_cnt_gap() && gap > max_gap {
        return Err(DeviceError::FCntGapTooLarge { last, got: f_cnt });
    }
    Ok(f_cnt)
}

/// The counter that a downlink belongs to: LoRaWAN 1.1 has one of its own for the application.
const fn last_f_cnt<'s>(session: &'s mut DeviceSession, data: &DataForm) -> &'s mut Option<u32> {
    if session.version.is_1_1() && !matches!(data.f_port, None | Some(0)) {
        &mut session.last_a_f_cnt_down
    } else {
        &mut session.last_n_f_cnt_down
    }
}

/// The payload of the application.
pub(super) fn payload(key: &Aes128Key, phy: &PhyPayload, data: &DataForm, f_cnt: u32) -> Vec<u8> {
    match data.f_port {
        None | Some(0) => Vec::new(),
        Some(_) => open_frm_payload(key, phy, f_cnt),
    }
}

pub(super) const fn received(
    data: &DataForm,
    f_cnt: u32,
    payload: Vec<u8>,
    commands: Vec<Command>,
) -> ReceivedData {
    ReceivedData {
        f_cnt,
        f_port: data.f_port,
        payload,
        ack: data.f_ctrl.ack,
        confirmed: data.confirmed,
        f_pending: data.f_ctrl.f_pending,
        commands,
    }
}
