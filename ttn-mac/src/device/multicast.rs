//! Multicast groups.

use alloc::vec::Vec;

use ttn_core::{
    addr::DevAddr,
    frame::{DataForm, PhyPayload},
};

use super::{
    Device, DeviceError, MulticastSession, Received,
    downlink::{payload, received},
};
use crate::{
    crypto::{mic::downlink_mic_1_0, mic_matches},
    session::full_f_cnt,
};

impl Device {
    /// Joins a group; a session of the same address is replaced. A frame to the group is taken in any window.
    pub fn join_group(&mut self, session: MulticastSession) {
        self.leave_group(session.dev_addr);
        self.multicast.push(session);
    }

    /// Leaves a group; whether the device was in it.
    pub fn leave_group(&mut self, dev_addr: DevAddr) -> bool {
        let count = self.multicast.len();
        self.multicast.retain(|group| group.dev_addr != dev_addr);
        self.multicast.len() < count
    }

    /// The groups that it belongs to.
    #[must_use]
    pub fn groups(&self) -> &[MulticastSession] {
        &self.multicast
    }

    /// Takes a frame to one of the groups; `None` if it is to nobody of them.
    pub(super) fn hear_multicast(
        &mut self,
        phy: &PhyPayload,
        data: &DataForm,
    ) -> Option<Result<Received, DeviceError>> {
        let group = self.multicast.iter_mut().find(|group| group.dev_addr == data.dev_addr)?;
        Some(hear(group, phy, data))
    }
}

fn hear(
    group: &mut MulticastSession,
    phy: &PhyPayload,
    data: &DataForm,
) -> Result<Received, DeviceError> {
    // A group has no commands and nobody to acknowledge (TS001-1.0.4 §9.3.2).
    let plain = !data.confirmed
        && !data.f_ctrl.ack
        && !data.f_ctrl.adr
        && data.f_opts.is_empty()
        && data.f_port.is_some_and(|port| port > 0);
    let last = group.last_f_cnt_down;
    let f_cnt = full_f_cnt(last, data.f_cnt, true).ok_or(DeviceError::Mic)?;
    let mic = downlink_mic_1_0(&group.nwk_s_key, group.dev_addr, f_cnt, phy.without_mic());
    if !mic_matches(&mic, &phy.mic()) {
        return Err(DeviceError::Mic);
    }
    if let Some(last) = last.filter(|last| *last >= f_cnt) {
        return Err(DeviceError::FCntReplayed { last, got: f_cnt });
    }
    if !plain {
        return Err(DeviceError::Forbidden);
    }
    group.last_f_cnt_down = Some(f_cnt);
    let payload = payload(&group.app_s_key, phy, data, f_cnt);
    Ok(Received::Multicast(group.dev_addr, received(data, f_cnt, payload, Vec::new())))
}
