//! `AsEndDeviceRegistry`: devices and their sessions (AS-09).

use async_trait::async_trait;
use tonic::{Request, Response, Status};
use ttn_core::{
    auth::Right,
    id::{DeviceKey, IdError},
    store::Replaces,
};
use ttn_proto::{mask, service, v3};

use super::{Api, answer, application, device, invalid, status};
use crate::{
    convert::{device_from_api, device_to_api, session_from_api},
    registry::DeviceSessions,
    store::{Device, SessionRecord},
};

#[async_trait]
impl service::AsEndDeviceRegistry for Api {
    async fn get(
        &self,
        request: Request<v3::GetEndDeviceRequest>,
    ) -> Result<Response<v3::EndDevice>, Status> {
        let key = device(request.get_ref().end_device_ids.as_ref())?.key;
        let paths = request.get_ref().field_mask.clone().unwrap_or_default().paths;
        let mut needs = vec![Right::ApplicationDevicesRead];
        if touches_keys(&paths) {
            needs.push(Right::ApplicationDevicesReadKeys);
        }
        self.authorize(&request, &key.application_id, &needs).await?;
        let (stored, sessions) = self.0.device(&key).map_err(|error| status(&error))?;
        let unwrap = |envelope: &_| self.0.unwrap(envelope);
        answer(&device_to_api(&stored.value, &sessions, &unwrap), &with_ids(paths))
    }

    async fn set(
        &self,
        request: Request<v3::SetEndDeviceRequest>,
    ) -> Result<Response<v3::EndDevice>, Status> {
        let message = request.get_ref().end_device.clone().unwrap_or_default();
        let ids = device(message.ids.as_ref())?;
        let paths = request.get_ref().field_mask.clone().unwrap_or_default().paths;
        let mut needs = vec![Right::ApplicationDevicesWrite];
        if touches_keys(&paths) {
            needs.push(Right::ApplicationDevicesWriteKeys);
        }
        self.authorize(&request, &ids.key.application_id, &needs).await?;
        let now = self.0.clock.utc();
        let (mut record, sessions, replaces) = match self.0.device(&ids.key) {
            Ok((stored, sessions)) => (stored.value, sessions, Replaces::Revision(stored.revision)),
            Err(_) => {
                (Device::new(ids.clone(), now), SessionRecord::default().into(), Replaces::Nothing)
            }
        };
        let unwrap = |envelope: &_| self.0.unwrap(envelope);
        let mut merged = device_to_api(&record, &sessions, &unwrap);
        mask::apply(&mut merged, &message, &paths).map_err(|error| invalid(&error.to_string()))?;
        record.ids.dev_eui = ids.dev_eui.or(record.ids.dev_eui);
        record.ids.join_eui = ids.join_eui.or(record.ids.join_eui);
        record.updated_at = now;
        device_from_api(&mut record, &merged)?;
        let sets_sessions =
            mask::touches(&paths, "session") || mask::touches(&paths, "pending_session");
        let new = if sets_sessions {
            let current = merged.session.as_ref().map(session_from_api).transpose()?;
            let pending = merged.pending_session.as_ref().map(session_from_api).transpose()?;
            Some(DeviceSessions { current, pending })
        } else {
            None
        };
        self.0.set_device(record, new, replaces).await.map_err(|error| status(&error))?;
        let (stored, sessions) = self.0.device(&ids.key).map_err(|error| status(&error))?;
        answer(&device_to_api(&stored.value, &sessions, &unwrap), &with_ids(paths))
    }

    async fn delete(
        &self,
        request: Request<v3::EndDeviceIdentifiers>,
    ) -> Result<Response<()>, Status> {
        let key = device(Some(request.get_ref()))?.key;
        let needs = [Right::ApplicationDevicesWrite];
        self.authorize(&request, &key.application_id, &needs).await?;
        self.0.delete_device(&key, Replaces::Any).await.map_err(|error| status(&error))?;
        Ok(Response::new(()))
    }
}

#[async_trait]
impl service::AsEndDeviceBatchRegistry for Api {
    async fn delete(
        &self,
        request: Request<v3::BatchDeleteEndDevicesRequest>,
    ) -> Result<Response<()>, Status> {
        let id = application(request.get_ref().application_ids.as_ref())?;
        self.authorize(&request, &id, &[Right::ApplicationDevicesWrite]).await?;
        let keys = request.get_ref().device_ids.iter().map(|device| {
            let device = device.parse().map_err(|error: IdError| invalid(&error.to_string()))?;
            Ok(DeviceKey::new(id.clone(), device))
        });
        let keys = keys.collect::<Result<Vec<_>, Status>>()?;
        self.0.delete_devices(&keys).await.map_err(|error| status(&error))?;
        Ok(Response::new(()))
    }
}

/// Whether paths select session keys.
fn touches_keys(paths: &[String]) -> bool {
    mask::touches(paths, "session.keys") || mask::touches(paths, "pending_session.keys")
}

/// What was selected, and always ids and times.
fn with_ids(mut paths: Vec<String>) -> Vec<String> {
    paths.extend(["ids", "created_at", "updated_at"].map(str::to_owned));
    paths
}
