//! A registration in two parts: what many devices have in common, and what one has of its own.

use prost::Message as _;
use ttn_core::{addr::DevAddr, id::DeviceIds, key::SessionKeyId, time::Timestamp};
use ttn_mac::state::SlowState;

use super::{DeviceRecord, RecordError, Sealer, parameters, wire};
use crate::device::Device;

/// What one device has of its own: times, sessions, and what passes. Keys are in clear text.
pub(crate) struct Own(wire::Device);

impl DeviceRecord {
    /// Takes what is the device's own out of the record; the octets of the rest are the same for devices that are alike.
    ///
    /// # Errors
    ///
    /// A key cannot be unwrapped, or a session means nothing.
    pub(crate) fn split(self, sealer: &Sealer) -> Result<(Self, Own), RecordError> {
        let Self { key, mut wire } = self;
        let state = match &mut wire.state {
            Some(state) => {
                clear_keys(state.session.as_mut(), sealer)?;
                let pending = state.pending_session.as_mut();
                clear_keys(pending.and_then(|pending| pending.session.as_mut()), sealer)?;
                Some(wire::State {
                    session: state.session.take(),
                    pending_session: state.pending_session.take(),
                    pending_requests: std::mem::take(&mut state.pending_requests),
                    frequency_step: std::mem::take(&mut state.frequency_step),
                    status: state.status.take(),
                    force_rejoin: state.force_rejoin.take(),
                    rejoin_count_0: state.rejoin_count_0.take(),
                    ..wire::State::default()
                })
            }
            None => None,
        };
        let own = wire::Device {
            created_at: std::mem::take(&mut wire.created_at),
            updated_at: std::mem::take(&mut wire.updated_at),
            state,
            ..wire::Device::default()
        };
        (wire.application_id, wire.device_id) = (String::new(), String::new());
        (wire.dev_eui, wire.join_eui) = (None, None);
        Ok((Self { key, wire }, Own(own)))
    }

    /// Whether the rest that [`Self::split`] leaves is the same.
    pub(crate) fn has_pattern_of(&self, other: &Self) -> bool {
        self.wire == other.wire
    }
}

/// Unwraps keys. Those that are all the same, as in LoRaWAN 1.0, are unwrapped and kept once: what is wrapped twice with one key
/// looks the same.
fn clear_keys(session: Option<&mut wire::Session>, sealer: &Sealer) -> Result<(), RecordError> {
    let Some(session) = session else { return Ok(()) };
    let keys = [&session.f_nwk_s_int_key, &session.s_nwk_s_int_key, &session.nwk_s_enc_key];
    if keys.contains(&&None) || SessionKeyId::new(&session.session_key_id).is_none() {
        return Err(RecordError::Field { field: "session" });
    }
    let first = &session.f_nwk_s_int_key;
    if *first == session.s_nwk_s_int_key && *first == session.nwk_s_enc_key {
        (session.s_nwk_s_int_key, session.nwk_s_enc_key) = (None, None);
    }
    let keys =
        [&mut session.f_nwk_s_int_key, &mut session.s_nwk_s_int_key, &mut session.nwk_s_enc_key];
    for key in keys.into_iter().flatten() {
        let clear = sealer.open_wire(Some(key))?;
        *key = wire::Key { kek_label: String::new(), octets: clear.expose().to_vec() };
    }
    Ok(())
}

/// The reverse of what [`clear_keys`] leaves out.
fn repeat_key(session: Option<&mut wire::Session>) {
    let Some(session) = session.filter(|session| session.s_nwk_s_int_key.is_none()) else { return };
    session.s_nwk_s_int_key.clone_from(&session.f_nwk_s_int_key);
    session.nwk_s_enc_key.clone_from(&session.f_nwk_s_int_key);
}

impl Own {
    /// The address of its session, if it has no more than that: else only the decoded device tells all.
    pub(crate) fn only_session(&self) -> Option<Option<DevAddr>> {
        let Some(state) = &self.0.state else { return Some(None) };
        let is_all = state.pending_session.is_none()
            && state.pending_requests.is_empty()
            && state.status.is_none()
            && state.force_rejoin.is_none()
            && state.rejoin_count_0.is_none();
        is_all.then(|| Some(DevAddr::from_u32(state.session.as_ref()?.dev_addr)))
    }

    /// The octets, for memory only.
    pub(crate) fn encode(&self, octets: &mut Vec<u8>) {
        octets.reserve_exact(self.0.encoded_len());
        // A vector takes as much as there is.
        self.0.encode(octets).ok();
    }

    /// Reads what [`Self::encode`] wrote.
    ///
    /// # Errors
    ///
    /// The octets are something else.
    pub(crate) fn decode(octets: &[u8]) -> Result<Self, RecordError> {
        let mut own = wire::Device::decode(octets)
            .map_err(|source| RecordError::Protobuf { source: source.into() })?;
        if let Some(state) = &mut own.state {
            repeat_key(state.session.as_mut());
            let pending = state.pending_session.as_mut();
            repeat_key(pending.and_then(|pending| pending.session.as_mut()));
        }
        Ok(Self(own))
    }

    /// The device, given what it has in common with others.
    ///
    /// # Errors
    ///
    /// A value means nothing.
    pub(crate) fn complete(&self, common: &Device, ids: DeviceIds) -> Result<Device, RecordError> {
        let mut device = common.clone();
        device.ids = ids;
        device.created_at = Timestamp::from_unix_nanos(self.0.created_at);
        device.updated_at = Timestamp::from_unix_nanos(self.0.updated_at);
        if let (Some(state), Some(own)) = (&mut device.state, &self.0.state) {
            parameters::own_state_from_wire(own, &Sealer::clear(), state)?;
        }
        let session = |state: &SlowState| state.session.as_ref().map(|session| session.dev_addr);
        device.ids.dev_addr = device.state.as_deref().and_then(session);
        Ok(device)
    }
}
