//! `AppAs`: downlinks and messages of applications (AS-21, AS-31, AS-35).

use std::{pin::pin, time::Duration};

use async_trait::async_trait;
use futures::{
    StreamExt as _,
    future::{Either, select},
    stream,
};
use tonic::{Code, Request, Response, Status, metadata::MetadataMap};
use ttn_core::{
    auth::Right,
    id::{ApplicationId, DeviceKey},
    time::Monotonic,
};
use ttn_proto::{
    json,
    service::{self, BoxStream},
    v3,
};

use super::{Api, application, device, status};
use crate::{
    convert::{downlink_from_api, simulated_from_api},
    downlink::QueueOperation,
    log::{Cursor, Item, Reader, Start},
};

#[async_trait]
impl service::AppAs for Api {
    async fn subscribe(
        &self,
        request: Request<v3::ApplicationIdentifiers>,
    ) -> Result<Response<BoxStream<v3::ApplicationUp>>, Status> {
        let id = application(Some(request.get_ref()))?;
        let (api, metadata) = (Self(self.0.clone()), request.metadata().clone());
        let reader = self.0.read(&id, Start::At(Cursor::end()));
        let checked = self.0.clock.monotonic();
        let live = Live { api, metadata, application: id, reader, checked };
        live.check().await?;
        let messages = stream::unfold(Some(live), |live| async move {
            let mut live = live?;
            match live.next().await? {
                Ok(message) => Some((Ok(message), Some(live))),
                Err(error) => Some((Err(error), None)),
            }
        });
        Ok(Response::new(messages.boxed()))
    }

    async fn downlink_queue_push(
        &self,
        request: Request<v3::DownlinkQueueRequest>,
    ) -> Result<Response<()>, Status> {
        self.queue(request, QueueOperation::Push).await
    }

    async fn downlink_queue_replace(
        &self,
        request: Request<v3::DownlinkQueueRequest>,
    ) -> Result<Response<()>, Status> {
        self.queue(request, QueueOperation::Replace).await
    }

    async fn downlink_queue_list(
        &self,
        request: Request<v3::EndDeviceIdentifiers>,
    ) -> Result<Response<v3::ApplicationDownlinks>, Status> {
        let key = device(Some(request.get_ref()))?.key;
        let needs = [Right::ApplicationTrafficRead];
        self.authorize(&request, &key.application_id, &needs).await?;
        let queue = self.0.list_downlinks(&key).await.map_err(|error| status(&error))?;
        let downlinks = queue.iter().map(Into::into).collect();
        Ok(Response::new(v3::ApplicationDownlinks { downlinks }))
    }

    async fn simulate_uplink(
        &self,
        request: Request<v3::ApplicationUp>,
    ) -> Result<Response<()>, Status> {
        let ids = device(request.get_ref().end_device_ids.as_ref())?;
        let needs = [Right::ApplicationTrafficUpWrite];
        self.authorize(&request, &ids.key.application_id, &needs).await?;
        let now = self.0.clock.utc();
        let up = simulated_from_api(ids, request.into_inner(), now)?;
        self.0.simulate(up).map_err(|error| status(&error))?;
        Ok(Response::new(()))
    }

    async fn encode_downlink(
        &self,
        request: Request<v3::EncodeDownlinkRequest>,
    ) -> Result<Response<v3::EncodeDownlinkResponse>, Status> {
        self.try_encode_downlink(request).await
    }

    async fn decode_uplink(
        &self,
        request: Request<v3::DecodeUplinkRequest>,
    ) -> Result<Response<v3::DecodeUplinkResponse>, Status> {
        self.try_decode_uplink(request).await
    }

    async fn decode_downlink(
        &self,
        request: Request<v3::DecodeDownlinkRequest>,
    ) -> Result<Response<v3::DecodeDownlinkResponse>, Status> {
        self.try_decode_downlink(request).await
    }

    async fn get_mqtt_connection_info(
        &self,
        request: Request<v3::ApplicationIdentifiers>,
    ) -> Result<Response<v3::MqttConnectionInfo>, Status> {
        let id = application(Some(request.get_ref()))?;
        self.authorize(&request, &id, &[Right::ApplicationInfo]).await?;
        let mqtt = &self.0.config.mqtt;
        Ok(Response::new(v3::MqttConnectionInfo {
            public_address: mqtt.public_address.clone(),
            public_tls_address: mqtt.public_tls_address.clone(),
            username: id.to_string(),
        }))
    }
}

impl Api {
    async fn queue(
        &self,
        request: Request<v3::DownlinkQueueRequest>,
        operation: QueueOperation,
    ) -> Result<Response<()>, Status> {
        let key: DeviceKey = device(request.get_ref().end_device_ids.as_ref())?.key;
        let needs = [Right::ApplicationTrafficDownWrite];
        self.authorize(&request, &key.application_id, &needs).await?;
        let items = request.get_ref().downlinks.iter().map(downlink_from_api);
        let mut items = items.collect::<Result<Vec<_>, _>>()?;
        let cause = ttn_rpc::auth::correlation_id(&request);
        for item in &mut items {
            item.correlation_ids.extend(cause.clone());
        }
        let queued = self.0.queue_downlinks(&key, operation, items).await;
        queued.map_err(|error| status(&error))?;
        Ok(Response::new(()))
    }
}

/// A subscription, whose rights are asked for again and again (IS-24).
struct Live {
    api: Api,
    metadata: MetadataMap,
    application: ApplicationId,
    reader: Reader,
    checked: Monotonic,
}

impl Live {
    async fn check(&self) -> Result<(), Status> {
        let needs = [Right::ApplicationTrafficRead];
        self.api.authorize_metadata(&self.metadata, &self.application, &needs).await
    }

    /// The next message as one of the API; gaps are not told.
    async fn next(&mut self) -> Option<Result<v3::ApplicationUp, Status>> {
        loop {
            let clock = &self.api.0.clock;
            let due = clock.sleep_until(self.checked.plus(RIGHTS_AGE_MAX));
            // The timer comes first: no message is given by rights that are too old.
            let item = match select(due, pin!(self.reader.next())).await {
                Either::Left(_) => None,
                Either::Right((item, _)) => Some(item?),
            };
            let Some(item) = item else {
                self.checked = clock.monotonic();
                match self.check().await {
                    Err(error) if error.code() != Code::Unavailable => return Some(Err(error)),
                    _ => continue,
                }
            };
            let message = match item {
                Ok(Item::Message(message)) => json::from_slice(&message.json()),
                Ok(Item::Gap { .. }) => continue,
                Err(error) => return Some(Err(Status::unavailable(error.to_string()))),
            };
            return Some(message.map_err(|error| Status::internal(error.to_string())));
        }
    }
}

/// How long a subscription lives on the rights that it had.
const RIGHTS_AGE_MAX: Duration = Duration::from_secs(30);
