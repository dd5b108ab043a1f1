//! The API services: rights, masks and names of errors.

use std::{any::Any, sync::Arc};

use tonic::{Code, Request, Status};
use ttn_core::{
    auth::{Caller, Credentials, Principal, Right, Rights},
    id::EntityId,
    peer::{Access, Local, PeerError},
};
use ttn_gs::{Config, GatewayServer, api, frontend};
use ttn_proto::{ApiMessage, DynMessage, service::Incoming, v3};

use crate::support::{Counting, OneGateway, Recorder, TestClock, pull_data, push, registered};

/// Who has a token may read the status of the gateway that it names.
#[derive(Debug)]
struct Tokens;

#[async_trait::async_trait]
impl Access for Tokens {
    async fn principal(&self, credentials: &Credentials) -> Result<Principal, PeerError> {
        let rights = match credentials {
            Credentials::Bearer(token) if token == "reader" => {
                Rights::from_iter([Right::GatewayStatusRead])
            }
            _ => Rights::default(),
        };
        Ok(Principal {
            universal: rights,
            caller: Caller::User("someone".parse().unwrap()),
            ..Principal::anonymous()
        })
    }

    async fn rights_of(&self, caller: &Principal, of: &EntityId) -> Result<Rights, PeerError> {
        let own = matches!(of, EntityId::Gateway(id) if id.as_str() != "foreign");
        Ok(if own { caller.universal } else { Rights::default() })
    }
}

struct Server {
    server: Arc<GatewayServer>,
    _parts: (Arc<Recorder>, Arc<OneGateway>, Arc<Tokens>, ttn_core::task::Tasks),
}

impl Server {
    /// With one gateway that has sent an uplink.
    async fn start() -> Self {
        let (recorder, access) = (Recorder::new(), Arc::new(Tokens));
        let directory = OneGateway { info: Some(registered()).into(), ..OneGateway::default() };
        let directory = Arc::new(directory);
        let peers = Arc::new(Local::default());
        peers.set_gs_ns(&recorder).set_directory(&directory).set_access(&access);
        let (transport, network) = frontend::memory::network("[::1]:1700".parse().unwrap());
        let udp = frontend::udp::UdpFrontend::new(transport, Config::default().udp, None);
        let clock = TestClock::new();
        let entropy = Arc::new(Counting::default());
        let server = GatewayServer::builder(Config::default(), clock, entropy, peers)
            .frontend(udp)
            .build()
            .unwrap();
        let mut tasks = ttn_core::task::Tasks::new();
        server.start(&mut tasks);
        let from = "[2001:db8::1]:50000".parse().unwrap();
        network.send(from, pull_data());
        network.send(from, push(5, 0));
        recorder.uplink(0).await;
        Self { server, _parts: (recorder, directory, access, tasks) }
    }

    async fn call<A: Any>(
        &self,
        name: &str,
        message: impl ApiMessage,
        token: &str,
    ) -> Result<A, Status> {
        let methods = api::methods(&self.server);
        let method = methods.iter().find(|method| method.rpc().path.ends_with(name)).unwrap();
        let mut request = Request::new(Incoming::Proto(DynMessage::encode_to_vec(&message)));
        if !token.is_empty() {
            let value = format!("Bearer {token}").parse().unwrap();
            request.metadata_mut().insert("authorization", value);
        }
        let now = ttn_proto::convert::timestamp(self.server.clock().utc());
        let answer = method.unary(request, now).await?;
        Ok(*answer.into_inner().into_any().downcast().unwrap())
    }

    async fn one(&self, id: &str, token: &str) -> Result<v3::GatewayConnectionStats, Status> {
        self.call("/GetGatewayConnectionStats", ids(id), token).await
    }

    async fn batch(
        &self,
        names: &[&str],
        paths: &[&str],
    ) -> Result<v3::BatchGetGatewayConnectionStatsResponse, Status> {
        let mut message = v3::BatchGetGatewayConnectionStatsRequest {
            gateway_ids: names.iter().map(|name| ids(name)).collect(),
            ..Default::default()
        };
        let paths = paths.iter().map(ToString::to_string).collect();
        message.field_mask.get_or_insert_default().paths = paths;
        self.call("/BatchGetGatewayConnectionStats", message, "reader").await
    }
}

fn ids(id: &str) -> v3::GatewayIdentifiers {
    v3::GatewayIdentifiers { gateway_id: id.to_owned(), ..Default::default() }
}

// GS-75
#[tokio::test(start_paused = true)]
async fn statistics_need_the_right_to_read_the_status() {
    let server = Server::start().await;
    let code = async |id: &str, token: &str| {
        server.one(id, token).await.map_or_else(|status| status.code(), |_| Code::Ok)
    };
    assert_eq!(code("roof", "").await, Code::Unauthenticated);
    assert_eq!(code("roof", "nobody").await, Code::PermissionDenied);
    assert_eq!(code("foreign", "reader").await, Code::PermissionDenied);
    assert_eq!(code("roof", "reader").await, Code::Ok);
    let unknown = server.one("cellar", "reader").await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
    assert!(unknown.message().contains("not connected"), "{}", unknown.message());
    assert_eq!(code("No Id", "reader").await, Code::InvalidArgument);
}

// GS-12, GS-75
#[tokio::test(start_paused = true)]
async fn statistics_tell_protocol_address_and_counts() {
    let stats = Server::start().await.one("roof", "reader").await.unwrap();
    assert_eq!((&*stats.protocol, stats.uplink_count), ("udp", 1));
    assert_eq!(stats.gateway_remote_address.unwrap().ip, "2001:db8::1");
    assert!(stats.connected_at.is_some() && stats.disconnected_at.is_none());
}

// GS-76
#[tokio::test(start_paused = true)]
async fn a_batch_leaves_out_who_is_not_connected_and_obeys_the_mask() {
    let server = Server::start().await;
    let answer = server.batch(&["roof", "cellar"], &["uplink_count"]).await.unwrap();
    assert_eq!(answer.entries.keys().collect::<Vec<_>>(), ["roof"]);
    let stats = &answer.entries["roof"];
    assert_eq!((stats.uplink_count, &*stats.protocol), (1, ""));
    let denied = server.batch(&["roof", "foreign"], &[]).await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
    let many: Vec<String> = (0..101).map(|n| format!("gateway-{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(server.batch(&many, &[]).await.unwrap_err().code(), Code::InvalidArgument);
}
