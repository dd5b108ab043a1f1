//! `AsNs`: the downlink queue, for servers of the same cluster.

use tonic::{Request, Response, Status, metadata::MetadataMap};
use ttn_core::{auth::Caller, id::DeviceKey, msg::Downlink, peer::AsNs as _};
use ttn_proto::{service::AsNs, v3};

use super::{Api, malformed, peer};

#[tonic::async_trait]
impl AsNs for Api {
    async fn downlink_queue_replace(
        &self,
        request: Request<v3::DownlinkQueueRequest>,
    ) -> Result<Response<()>, Status> {
        let (metadata, _, message) = request.into_parts();
        self.require_cluster(&metadata).await?;
        let (key, downlinks) = parts(&message)?;
        self.0.replace_downlinks(&key, downlinks).await.map_err(|error| peer(&error))?;
        Ok(Response::new(()))
    }

    async fn downlink_queue_push(
        &self,
        request: Request<v3::DownlinkQueueRequest>,
    ) -> Result<Response<()>, Status> {
        let (metadata, _, message) = request.into_parts();
        self.require_cluster(&metadata).await?;
        let (key, downlinks) = parts(&message)?;
        self.0.push_downlinks(&key, downlinks).await.map_err(|error| peer(&error))?;
        Ok(Response::new(()))
    }

    async fn downlink_queue_list(
        &self,
        request: Request<v3::EndDeviceIdentifiers>,
    ) -> Result<Response<v3::ApplicationDownlinks>, Status> {
        let (metadata, _, ids) = request.into_parts();
        self.require_cluster(&metadata).await?;
        let key = DeviceKey::try_from(&ids).map_err(malformed)?;
        let queue = self.0.list_downlinks(&key).await.map_err(|error| peer(&error))?;
        let downlinks = queue.iter().map(Into::into).collect();
        Ok(Response::new(v3::ApplicationDownlinks { downlinks }))
    }
}

impl Api {
    async fn require_cluster(&self, metadata: &MetadataMap) -> Result<(), Status> {
        match self.caller(metadata).await?.caller {
            Caller::Cluster => Ok(()),
            _ => Err(Status::permission_denied("only servers of the cluster may call this")),
        }
    }
}

fn parts(message: &v3::DownlinkQueueRequest) -> Result<(DeviceKey, Vec<Downlink>), Status> {
    let ids = message.end_device_ids.clone().unwrap_or_default();
    let key = DeviceKey::try_from(&ids).map_err(malformed)?;
    let downlinks: Result<Vec<_>, _> = message.downlinks.iter().map(Downlink::try_from).collect();
    Ok((key, downlinks.map_err(malformed)?))
}
