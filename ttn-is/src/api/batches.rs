//! Several devices or gateways in one call (IS-15).

use tonic::{Request, Response, Status};
use ttn_core::id::{ApplicationId, DeviceId, GatewayId, IdError};
use ttn_proto::{service, v3};

use super::{Api, access::known_rights, answer, invalid, paths, status};

#[async_trait::async_trait]
impl service::EndDeviceBatchRegistry for Api {
    async fn get(
        &self,
        request: Request<v3::BatchGetEndDevicesRequest>,
    ) -> Result<Response<v3::EndDevices>, Status> {
        let caller = self.caller(&request).await?;
        let request = request.into_inner();
        let (application, ids) = devices(request.application_ids, &request.device_ids)?;
        let found = self.0.devices(&caller, &application, &ids).await.map_err(status)?;
        let paths = paths(request.field_mask);
        let end_devices: Result<_, _> = found.iter().map(|device| answer(device, &paths)).collect();
        Ok(Response::new(v3::EndDevices { end_devices: end_devices? }))
    }

    async fn delete(
        &self,
        request: Request<v3::BatchDeleteEndDevicesRequest>,
    ) -> Result<Response<()>, Status> {
        let caller = self.caller(&request).await?;
        let request = request.into_inner();
        let (application, ids) = devices(request.application_ids, &request.device_ids)?;
        self.0.delete_devices(&caller, &application, &ids).await.map_err(status)?;
        Ok(Response::new(()))
    }
}

#[async_trait::async_trait]
impl service::GatewayBatchRegistry for Api {
    async fn delete(
        &self,
        request: Request<v3::BatchDeleteGatewaysRequest>,
    ) -> Result<Response<()>, Status> {
        let caller = self.caller(&request).await?;
        let ids = gateways(&request.into_inner().gateway_ids)?;
        self.0.delete_gateways(&caller, &ids).await.map_err(status)?;
        Ok(Response::new(()))
    }
}

#[async_trait::async_trait]
impl service::GatewayBatchAccess for Api {
    async fn assert_rights(
        &self,
        request: Request<v3::AssertGatewayRightsRequest>,
    ) -> Result<Response<()>, Status> {
        let caller = self.caller(&request).await?;
        let request = request.into_inner();
        let ids = gateways(&request.gateway_ids)?;
        let needs = known_rights(&request.required.unwrap_or_default().rights)?;
        self.0.assert_gateway_rights(&caller, &ids, needs).await.map_err(status)?;
        Ok(Response::new(()))
    }
}

fn devices(
    application: Option<v3::ApplicationIdentifiers>,
    ids: &[String],
) -> Result<(ApplicationId, Vec<DeviceId>), Status> {
    let application = application.unwrap_or_default().application_id.parse().map_err(invalid)?;
    let ids: Result<_, IdError> = ids.iter().map(|id| id.parse()).collect();
    Ok((application, ids.map_err(invalid)?))
}

fn gateways(ids: &[v3::GatewayIdentifiers]) -> Result<Vec<GatewayId>, Status> {
    let ids: Result<_, IdError> = ids.iter().map(|ids| ids.gateway_id.parse()).collect();
    ids.map_err(invalid)
}
