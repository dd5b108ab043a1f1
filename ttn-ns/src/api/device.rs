//! `NsEndDeviceRegistry` (NS-96).

use tonic::{Request, Response, Status};
use ttn_core::{auth::Right, id::DeviceKey, store::Replaces};
use ttn_mac::state::Hot;
use ttn_proto::{mask, service::NsEndDeviceRegistry, v3};

use super::{Api, component, malformed};
use crate::{
    convert::{from_api, session_from_api, state, to_api},
    device::Device,
    error::Error,
    shard::DeviceView,
};

/// Paths that hold keys.
const KEY_PATHS: [&str; 4] = [
    "session.keys",
    "pending_session.keys",
    "mac_state.queued_join_accept",
    "pending_mac_state.queued_join_accept",
];
/// How often a change is tried again after a conflict.
const SET_TRIES: usize = 8;

#[tonic::async_trait]
impl NsEndDeviceRegistry for Api {
    async fn get(
        &self,
        request: Request<v3::GetEndDeviceRequest>,
    ) -> Result<Response<v3::EndDevice>, Status> {
        let (metadata, _, message) = request.into_parts();
        let ids = message.end_device_ids.unwrap_or_default();
        let key = DeviceKey::try_from(&ids).map_err(malformed)?;
        let paths = message.field_mask.unwrap_or_default().paths;
        let mut rights = vec![Right::ApplicationDevicesRead];
        if touches_keys(&paths) {
            rights.push(Right::ApplicationDevicesReadKeys);
        }
        self.require(&metadata, &key.application_id, &rights).await?;
        let view = self.0.device(&key).await.map_err(component)?;
        shown(&view, &paths)
    }

    async fn set(
        &self,
        request: Request<v3::SetEndDeviceRequest>,
    ) -> Result<Response<v3::EndDevice>, Status> {
        let (metadata, _, message) = request.into_parts();
        let wanted = message.end_device.unwrap_or_default();
        let key =
            DeviceKey::try_from(&wanted.ids.clone().unwrap_or_default()).map_err(malformed)?;
        let paths = message.field_mask.unwrap_or_default().paths;
        let mut rights = vec![Right::ApplicationDevicesWrite];
        if touches_keys(&paths) {
            rights.push(Right::ApplicationDevicesWriteKeys);
        }
        self.require(&metadata, &key.application_id, &rights).await?;
        for _ in 0..SET_TRIES {
            let existing = match self.0.device(&key).await {
                Ok(view) => Some(view),
                Err(Error::DeviceNotFound { .. }) => None,
                Err(error) => return Err(component(error)),
            };
            let (device, hot) = self.changed(&wanted, &paths, existing.as_ref())?;
            let replaces =
                existing.map_or(Replaces::Nothing, |view| Replaces::Revision(view.revision));
            match self.0.put_device(device, hot, replaces).await {
                Ok(view) => return shown(&view, &paths),
                Err(Error::Conflict { .. }) => {}
                Err(error) => return Err(component(error)),
            }
        }
        Err(component(Error::Conflict { device: key }))
    }

    async fn reset_factory_defaults(
        &self,
        request: Request<v3::ResetAndGetEndDeviceRequest>,
    ) -> Result<Response<v3::EndDevice>, Status> {
        let (metadata, _, message) = request.into_parts();
        let ids = message.end_device_ids.unwrap_or_default();
        let key = DeviceKey::try_from(&ids).map_err(malformed)?;
        let paths = message.field_mask.unwrap_or_default().paths;
        let mut rights = vec![Right::ApplicationDevicesWrite];
        if touches_keys(&paths) {
            rights.push(Right::ApplicationDevicesReadKeys);
        }
        self.require(&metadata, &key.application_id, &rights).await?;
        let view = self.0.reset_device(&key).await.map_err(component)?;
        shown(&view, &paths)
    }

    async fn delete(
        &self,
        request: Request<v3::EndDeviceIdentifiers>,
    ) -> Result<Response<()>, Status> {
        let (metadata, _, ids) = request.into_parts();
        let key = DeviceKey::try_from(&ids).map_err(malformed)?;
        let rights = [Right::ApplicationDevicesWrite];
        self.require(&metadata, &key.application_id, &rights).await?;
        self.0.delete_device(&key, Replaces::Any).await.map_err(component)?;
        Ok(Response::new(()))
    }
}

impl Api {
    /// The device with the selected fields of a message.
    fn changed(
        &self,
        wanted: &v3::EndDevice,
        paths: &[String],
        existing: Option<&DeviceView>,
    ) -> Result<(Device, Option<Hot>), Status> {
        let mut message = existing.map(to_api).unwrap_or_default();
        if existing.is_none() {
            message.ids.clone_from(&wanted.ids);
        }
        mask::apply(&mut message, wanted, paths)
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        let mut device = from_api(&message, existing).map_err(malformed)?;
        let mut hot = None;
        if mask::touches(paths, "session") {
            hot = self.import_session(&mut device, &message)?;
        }
        if mask::touches(paths, "mac_state") {
            let before = existing.map(|view| view.hot).unwrap_or_default();
            let hot = hot.get_or_insert(before);
            self.import_state(&mut device, hot, &message)?;
        }
        if mask::touches(paths, "pending_session") || mask::touches(paths, "pending_mac_state") {
            self.import_pending(&mut device, &message)?;
        }
        Ok((device, hot))
    }

    /// Sets or removes the session; a new one has the state of a device that starts.
    fn import_session(
        &self,
        device: &mut Device,
        message: &v3::EndDevice,
    ) -> Result<Option<Hot>, Status> {
        let Some(session) = &message.session else {
            device.state = None;
            return Ok(None);
        };
        let (v1_1, now) = (device.mac_version.is_1_1(), self.0.clock.utc());
        let (session, hot) =
            session_from_api(session, v1_1, now, &self.0.sealer).map_err(malformed)?;
        let pending = device.state.take().and_then(|state| state.pending_session);
        let mut state = self.0.session_state(device, session).map_err(component)?.slow;
        state.supports_join = device.supports_join;
        state.pending_session = pending;
        device.state = Some(Box::new(state));
        Ok(Some(hot))
    }

    /// NS-98: the state of a session that moves in. Without a message it starts anew.
    fn import_state(
        &self,
        device: &mut Device,
        hot: &mut Hot,
        message: &v3::EndDevice,
    ) -> Result<(), Status> {
        let (band, _) = crate::shard::rules(device, &self.0.defaults.plans).map_err(component)?;
        let session = device.state.as_ref().and_then(|state| state.session.clone());
        let Some(session) = session else {
            if message.mac_state.is_none() {
                return Ok(());
            }
            let reason = "a MAC state belongs to a session; set both";
            return Err(component(Error::FieldMissing { field: "session", reason }));
        };
        let mut state = self.0.session_state(device, session).map_err(component)?.slow;
        if let Some(before) = device.state.take() {
            (state.supports_join, state.pending_session) =
                (before.supports_join, before.pending_session);
            state.status = before.status;
        }
        if let Some(mac_state) = &message.mac_state {
            state::import(&mut state, hot, mac_state, band).map_err(malformed)?;
        }
        device.state = Some(Box::new(state));
        Ok(())
    }

    /// NS-98: a join that was accepted and not used yet.
    fn import_pending(&self, device: &mut Device, message: &v3::EndDevice) -> Result<(), Status> {
        let (Some(session), Some(mac_state)) =
            (&message.pending_session, &message.pending_mac_state)
        else {
            let half = match (&message.pending_session, &message.pending_mac_state) {
                (Some(_), None) => Some("pending_mac_state"),
                (None, Some(_)) => Some("pending_session"),
                _ => None,
            };
            if let Some(state) = &mut device.state {
                state.pending_session = None;
            }
            let reason = "a pending session and its MAC state belong together; set both";
            return half
                .map_or(Ok(()), |field| Err(component(Error::FieldMissing { field, reason })));
        };
        let (band, _) = crate::shard::rules(device, &self.0.defaults.plans).map_err(component)?;
        let (v1_1, now) = (device.mac_version.is_1_1(), self.0.clock.utc());
        let (session, _) =
            session_from_api(session, v1_1, now, &self.0.sealer).map_err(malformed)?;
        let pending = state::pending_from_api(session, mac_state, band).map_err(malformed)?;
        let mut state = match device.state.take() {
            Some(state) => state,
            None => Box::new(self.0.fresh_state(device).map_err(component)?.slow),
        };
        state.pending_session = Some(pending);
        device.state = Some(state);
        Ok(())
    }
}

fn touches_keys(paths: &[String]) -> bool {
    KEY_PATHS.iter().any(|path| mask::touches(paths, path))
}

/// What was selected, and the identifiers and times, which are always shown.
fn shown(view: &DeviceView, paths: &[String]) -> Result<Response<v3::EndDevice>, Status> {
    let whole = to_api(view);
    let mut answer =
        mask::filter(&whole, paths).map_err(|error| Status::invalid_argument(error.to_string()))?;
    (answer.ids, answer.created_at, answer.updated_at) =
        (whole.ids, whole.created_at, whole.updated_at);
    Ok(Response::new(answer))
}
