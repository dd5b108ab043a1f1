//! End devices.

use tonic::{Request, Response, Status};
use ttn_core::{
    eui::{DevEui, JoinEui},
    id::{ApplicationId, DeviceKey},
    time::Timestamp,
};
use ttn_proto::{mask, service, v3};

use super::{
    Api, answer, answers, apply, counted, defect, invalid, paths, query, status, timestamp,
};
use crate::{convert::Convert as _, entity::Query, error::Error, record::Device};

#[async_trait::async_trait]
impl service::EndDeviceRegistry for Api {
    async fn create(
        &self,
        request: Request<v3::CreateEndDeviceRequest>,
    ) -> Result<Response<v3::EndDevice>, Status> {
        let caller = self.caller(&request).await?;
        let message = request.into_inner().end_device.unwrap_or_default();
        refuse_codes(&message)?;
        let device = Device::of_api(&message).map_err(defect)?;
        let created = self.0.create_device(&caller, device).await.map_err(status)?;
        Ok(Response::new(created.to_api().map_err(defect)?))
    }

    async fn get(
        &self,
        request: Request<v3::GetEndDeviceRequest>,
    ) -> Result<Response<v3::EndDevice>, Status> {
        let caller = self.caller(&request).await?;
        let request = request.into_inner();
        let key = key(request.end_device_ids.as_ref())?;
        let device = self.0.device(&caller, &key).await.map_err(status)?;
        Ok(Response::new(answer(&device, &paths(request.field_mask))?))
    }

    async fn get_identifiers_for_euis(
        &self,
        request: Request<v3::GetEndDeviceIdentifiersForEuIsRequest>,
    ) -> Result<Response<v3::EndDeviceIdentifiers>, Status> {
        let caller = self.caller(&request).await?;
        let request = request.into_inner();
        let join_eui = JoinEui::from_be_bytes(octets("join_eui", &request.join_eui)?);
        let dev_eui = DevEui::from_be_bytes(octets("dev_eui", &request.dev_eui)?);
        let device = self.0.device_by_euis(&caller, join_eui, dev_eui).await.map_err(status)?;
        let message = device.to_api().map_err(defect)?;
        Ok(Response::new(message.ids.unwrap_or_default()))
    }

    async fn list(
        &self,
        request: Request<v3::ListEndDevicesRequest>,
    ) -> Result<Response<v3::EndDevices>, Status> {
        let caller = self.caller(&request).await?;
        let request = request.into_inner();
        let updated_since = devices_since(&request);
        let id = request.application_ids.unwrap_or_default().application_id;
        let id: ApplicationId = id.parse().map_err(invalid)?;
        let query = query(request.order, request.limit, request.page, false);
        let query = Query { updated_since, ..query };
        let page = self.0.list_devices(&caller, &id, &query).await.map_err(status)?;
        let end_devices = answers(&page, &paths(request.field_mask))?;
        Ok(counted(v3::EndDevices { end_devices }, page.total))
    }

    async fn update(
        &self,
        request: Request<v3::UpdateEndDeviceRequest>,
    ) -> Result<Response<v3::EndDevice>, Status> {
        let caller = self.caller(&request).await?;
        let request = request.into_inner();
        let message = request.end_device.unwrap_or_default();
        let paths = paths(request.field_mask);
        if mask::touches(&paths, "claim_authentication_code") {
            refuse_codes(&message)?;
        }
        let key = key(message.ids.as_ref())?;
        let updated =
            self.0.update_device(&caller, &key, &paths, |device| apply(device, &message, &paths));
        Ok(Response::new(answer(&updated.await.map_err(status)?, &paths)?))
    }

    async fn batch_update_last_seen(
        &self,
        request: Request<v3::BatchUpdateEndDeviceLastSeenRequest>,
    ) -> Result<Response<()>, Status> {
        let caller = self.caller(&request).await?;
        let mut seen = Vec::new();
        for update in request.into_inner().updates {
            if let Some(at) = update.last_seen_at {
                seen.push((key(update.ids.as_ref())?, timestamp(at)));
            }
        }
        self.0.update_last_seen(&caller, &seen).await.map_err(status)?;
        Ok(Response::new(()))
    }

    async fn delete(
        &self,
        request: Request<v3::EndDeviceIdentifiers>,
    ) -> Result<Response<()>, Status> {
        let caller = self.caller(&request).await?;
        let key = key(Some(&request.into_inner()))?;
        self.0.delete_device(&caller, &key).await.map_err(status)?;
        Ok(Response::new(()))
    }
}

/// All filters hold: the latest time counts.
fn devices_since(request: &v3::ListEndDevicesRequest) -> Option<Timestamp> {
    use v3::list_end_devices_request::filter::Field;
    let times = request.filters.iter().filter_map(|filter| match filter.field.as_ref()? {
        Field::UpdatedSince(at) => Some(timestamp(*at)),
    });
    times.max()
}

fn key(ids: Option<&v3::EndDeviceIdentifiers>) -> Result<DeviceKey, Status> {
    let application = ids.and_then(|ids| ids.application_ids.as_ref());
    let application = application.map_or("", |ids| ids.application_id.as_str());
    let device = ids.map_or("", |ids| ids.device_id.as_str());
    Ok(DeviceKey::new(application.parse().map_err(invalid)?, device.parse().map_err(invalid)?))
}

fn octets(field: &'static str, octets: &[u8]) -> Result<[u8; 8], Status> {
    let reason = "an EUI has 8 octets";
    octets.try_into().map_err(|_| status(Error::InvalidField { field, reason }))
}

/// Claim codes need keys at rest that are not built (IS-60); dropping them silently would be worse.
fn refuse_codes(message: &v3::EndDevice) -> Result<(), Status> {
    match message.claim_authentication_code {
        Some(_) => Err(Status::unimplemented(
            "storing claim_authentication_code is not built; leave it out",
        )),
        None => Ok(()),
    }
}
