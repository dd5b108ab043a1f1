//! The API services: `Gs`, statistics of connections (GS-75, GS-76).

use std::sync::Arc;

use tonic::{Request, Response, Status, metadata::MetadataMap};
use ttn_core::{
    auth::{AccessDenied, Credentials, Principal, Right},
    id::GatewayId,
    peer::{Access, PeerError, require_rights},
};
use ttn_proto::{
    json, mask,
    service::{self, Method},
    v3,
};
use ttn_rpc::status;

use crate::{conn::ConnectionStats, error::Error, server::GatewayServer};

/// The methods of all services of the Gateway Server that are built.
#[must_use]
pub fn methods(server: &Arc<GatewayServer>) -> Vec<Method> {
    service::gs(Arc::new(Api(server.clone())))
}

#[derive(Debug)]
struct Api(Arc<GatewayServer>);

impl Api {
    /// Checks that the caller may read the status of every one of the gateways.
    async fn authorize(
        &self,
        metadata: &MetadataMap,
        gateways: &[GatewayId],
    ) -> Result<(), Status> {
        let access = self.0.peers().access().map_err(peer)?;
        let caller = caller(&*access, metadata).await?;
        for gateway in gateways {
            let entity = gateway.clone().into();
            require_rights(&*access, &caller, &entity, &[Right::GatewayStatusRead])
                .await
                .map_err(peer)?;
        }
        Ok(())
    }
}

#[async_trait::async_trait]
impl service::Gs for Api {
    async fn get_gateway_connection_stats(
        &self,
        request: Request<v3::GatewayIdentifiers>,
    ) -> Result<Response<v3::GatewayConnectionStats>, Status> {
        let gateway_id = gateway_id(request.get_ref())?;
        self.authorize(request.metadata(), std::slice::from_ref(&gateway_id)).await?;
        let stats = self.0.stats(&gateway_id);
        let stats = stats.ok_or_else(|| status::from_error(Error::NotConnected { gateway_id }))?;
        Ok(Response::new(message(&stats)?))
    }

    async fn batch_get_gateway_connection_stats(
        &self,
        request: Request<v3::BatchGetGatewayConnectionStatsRequest>,
    ) -> Result<Response<v3::BatchGetGatewayConnectionStatsResponse>, Status> {
        let ids = request.get_ref().gateway_ids.iter().map(gateway_id);
        let ids: Vec<_> = ids.collect::<Result<_, _>>()?;
        self.authorize(request.metadata(), &ids).await?;
        let paths = request.get_ref().field_mask.as_ref().map(|mask| mask.paths.as_slice());
        let paths = paths.unwrap_or_default();
        let mut answer = v3::BatchGetGatewayConnectionStatsResponse::default();
        for id in ids {
            let Some(stats) = self.0.stats(&id) else { continue };
            let mut stats = message(&stats)?;
            if !paths.is_empty() {
                stats = mask::filter(&stats, paths.iter().map(String::as_str))
                    .map_err(|error| Status::invalid_argument(error.to_string()))?;
            }
            answer.entries.insert(id.to_string(), stats);
        }
        Ok(Response::new(answer))
    }
}

async fn caller(access: &dyn Access, metadata: &MetadataMap) -> Result<Principal, Status> {
    let credentials =
        ttn_rpc::auth::credentials(metadata).map_err(|body| status::from_body(&body))?;
    if credentials == Credentials::None {
        return Err(status::from_error(AccessDenied::Unauthenticated));
    }
    access.principal(&credentials).await.map_err(peer)
}

fn gateway_id(ids: &v3::GatewayIdentifiers) -> Result<GatewayId, Status> {
    GatewayId::new(&ids.gateway_id).map_err(|error| Status::invalid_argument(error.to_string()))
}

fn message(stats: &ConnectionStats) -> Result<v3::GatewayConnectionStats, Status> {
    json::from_value(stats.to_json()).map_err(|error| Status::internal(error.to_string()))
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn peer(error: PeerError) -> Status {
    status::from_body(&error.to_body())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ttn_core::{radio::Frequency, time::Timestamp};

    use super::*;
    use crate::{
        conn::{RoundTripStats, SubBandStats},
        frontend::GatewayStatus,
    };

    // GS-75
    #[test]
    fn statistics_become_the_message_of_the_api() {
        let ms = Duration::from_millis;
        let stats = ConnectionStats {
            connected_at: Some(Timestamp::from_unix_secs(1_767_225_600)),
            protocol: "udp",
            remote: Some("[2001:db8::1]:5".parse().unwrap()),
            last_status: Some(Arc::new(GatewayStatus::default())),
            uplink_count: 3,
            round_trips: Some(RoundTripStats {
                min: ms(40),
                max: ms(60),
                median: ms(50),
                count: 7,
            }),
            sub_bands: vec![SubBandStats {
                min_frequency: Frequency::from_hz(868_000_000),
                max_frequency: Frequency::from_hz(868_600_000),
                limit: 0.01,
                used: 0.002,
            }],
            ..ConnectionStats::default()
        };
        let message = message(&stats).unwrap();
        assert_eq!(message.connected_at.unwrap().seconds, 1_767_225_600);
        assert_eq!((message.uplink_count, message.disconnected_at), (3, None));
        assert_eq!(message.round_trip_times.unwrap().count, 7);
        assert_eq!(message.sub_bands[0].max_frequency, 868_600_000);
    }
}
