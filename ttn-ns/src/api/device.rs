//! `NsEndDeviceRegistry` (NS-96).

use tonic::{Request, Response, Status};
use ttn_core::{auth::Right, id::DeviceKey, store::Replaces};
use ttn_mac::state::Hot;
use ttn_proto::{mask, service::NsEndDeviceRegistry, v3};

use super::{Api, component, malformed};
use crate::{
    convert::{from_api, session_from_api, to_api},
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
        for field in ["pending_session", "mac_state", "pending_mac_state"] {
            if mask::touches(paths, field) && mask::is_set(wanted, field) {
                let text = format!("{field} cannot be imported yet; import the session");
                return Err(Status::unimplemented(text));
            }
        }
        let mut device = from_api(&message, existing).map_err(malformed)?;
        if !mask::touches(paths, "session") {
            return Ok((device, None));
        }
        let Some(session) = &message.session else {
            device.state = None;
            return Ok((device, None));
        };
        let (v1_1, now) = (device.mac_version.is_1_1(), self.0.clock.utc());
        let (session, hot) =
            session_from_api(session, v1_1, now, &self.0.sealer).map_err(malformed)?;
        let mut state = self.0.session_state(&device, session).map_err(component)?.slow;
        state.supports_join = device.supports_join;
        device.state = Some(state);
        Ok((device, Some(hot)))
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
