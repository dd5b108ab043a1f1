//! The port of the LoRaWAN Backend Interfaces (TS002), where other networks ask: for the home network of a device
//! (IS-58). Requests to a Join Server are not built.

mod message;

use std::{fmt, str::FromStr, sync::Arc};

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::post,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use ttn_core::{
    addr::NetId,
    eui::{DevEui, JoinEui},
};
use ttn_is::IdentityServer;

use self::message::{Refusal, Request, Version, octets};
use crate::config::Config;

/// The longest request.
const BODY_MAX: usize = 32 << 10;
/// Whose the extension of answers is.
const VENDOR: &str = "EC656E";

/// The EUI of a Network Server, 16 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NsId([u8; 8]);

/// Text that is no [`NsId`].
#[derive(Debug, thiserror::Error)]
#[error("use 16 hexadecimal digits")]
#[non_exhaustive]
pub struct NoNsId;

impl FromStr for NsId {
    type Err = NoNsId;

    fn from_str(text: &str) -> Result<Self, NoNsId> {
        octets(text).map(Self).ok_or(NoNsId)
    }
}

impl TryFrom<String> for NsId {
    type Error = NoNsId;

    fn try_from(text: String) -> Result<Self, NoNsId> {
        text.parse()
    }
}

impl From<NsId> for String {
    fn from(id: NsId) -> Self {
        id.to_string()
    }
}

impl fmt::Display for NsId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXUPPER.encode(&self.0))
    }
}

impl fmt::Debug for NsId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What answers say of this network.
#[derive(Clone, Debug)]
pub(crate) struct Network {
    net_id: NetId,
    ns_id: Option<NsId>,
    /// Where devices are whose registration names no Network Server.
    address: String,
}

impl Network {
    pub(crate) fn new(config: &Config) -> Self {
        let address = config.public_host.clone();
        Self { net_id: config.network.net_id, ns_id: config.network.ns_id, address }
    }
}

/// Serves requests on every path.
pub(crate) fn routes(identity: &Arc<IdentityServer>, network: &Network) -> Router {
    let server = Arc::new(Server { identity: identity.clone(), network: network.clone() });
    Router::new().fallback(post(serve)).layer(DefaultBodyLimit::max(BODY_MAX)).with_state(server)
}

struct Server {
    identity: Arc<IdentityServer>,
    network: Network,
}

async fn serve(State(server): State<Arc<Server>>, body: Bytes) -> Response {
    let Ok(request) = serde_json::from_slice::<Request>(&body) else {
        return (StatusCode::BAD_REQUEST, "the body is no message\n").into_response();
    };
    let result = server.result(&request).await;
    match request.answer(result).map(|answer| serde_json::to_vec(&answer)) {
        Some(Ok(answer)) => ([(header::CONTENT_TYPE, "application/json")], answer).into_response(),
        _ => (StatusCode::BAD_REQUEST, "MessageType names no request\n").into_response(),
    }
}

impl Server {
    async fn result(&self, request: &Request) -> Result<Value, Refusal> {
        let version = request.version()?;
        if octets::<3>(&request.sender_id).is_none() {
            return Err(Refusal::Malformed("SenderID is no NetID"));
        }
        match request.message_type.as_str() {
            "HomeNSReq" => self.home(version, request).await,
            "JoinReq" | "RejoinReq" | "AppSKeyReq" => {
                Err(Refusal::Other("this server does not answer it on this port"))
            }
            _ => Err(Refusal::Malformed("MessageType is not served here")),
        }
    }

    /// The home network of a device (IS-58). The receiver is the Join Server, by the JoinEUI.
    async fn home(&self, version: Version, request: &Request) -> Result<Value, Refusal> {
        let no_join_eui = Refusal::Malformed("ReceiverID is no JoinEUI");
        let join_eui = octets(&request.receiver_id).ok_or(no_join_eui)?;
        let dev_eui = octets(&request.dev_eui).ok_or(Refusal::Malformed("DevEUI is no EUI"))?;
        let (join_eui, dev_eui) =
            (JoinEui::from_be_bytes(join_eui), DevEui::from_be_bytes(dev_eui));
        let address =
            self.identity.network_server_of(join_eui, dev_eui).await.map_err(|error| {
                tracing::warn!(%error, "a question for a home network");
                Refusal::Other("the registration cannot be read now")
            })?;
        let address = address.ok_or(Refusal::UnknownDevEui)?;
        let Network { net_id, ns_id, address: own } = &self.network;
        let address = if address.is_empty() { own } else { &address };
        let mut answer = json!({
            "HNetID": net_id.to_string(),
            "VSExtension": {
                "VendorID": VENDOR,
                "Object": { "TTSV3": { "HNSAddress": address } },
            },
        });
        if let (Version::V1_1, Some(ns_id)) = (version, ns_id) {
            answer["HNSID"] = ns_id.to_string().into();
        }
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, http};
    use tower::ServiceExt as _;
    use ttn_core::{auth::Credentials, clock::SystemClock};
    use ttn_is::{
        entity::Account,
        record::{Application, Device},
        store::MemoryIdentityStore,
    };

    use super::*;

    async fn interop() -> Router {
        let identity = IdentityServer::builder(Default::default(), Arc::new(SystemClock::new()))
            .store(Arc::new(MemoryIdentityStore::new()))
            .build()
            .unwrap();
        let admin = "admin".parse().unwrap();
        let made = identity.ensure_admin(&admin, "Correct-horse-1", "admin@example.com").await;
        let credentials = Credentials::Bearer(made.unwrap().unwrap().api_key);
        let caller = identity.authenticate(&credentials).await.unwrap();
        let application = Application::new(&"meters".parse().unwrap());
        let owner = Account::User(admin);
        identity.create_application(&caller, application, &owner).await.unwrap();
        for (id, eui, address) in [("here", "1", ""), ("there", "2", "ns.example.com:8884")] {
            let device = Device::new(&format!("meters.{id}").parse().unwrap());
            let mut device = device.with_euis(
                "70B3D57ED0000000".parse().unwrap(),
                format!("70B3D57ED000000{eui}").parse().unwrap(),
            );
            device.network_server_address = address.to_owned();
            identity.create_device(&caller, device).await.unwrap();
        }
        let mut config = Config { public_host: "own.example.com".to_owned(), ..Config::default() };
        config.network.net_id = "000013".parse().unwrap();
        config.network.ns_id = Some("EC656E0000000001".parse().unwrap());
        routes(&identity, &Network::new(&config))
    }

    async fn post(router: &Router, body: impl Into<Body>) -> (StatusCode, Value) {
        let request = http::Request::post("/any/path").body(body.into()).unwrap();
        let answer = router.clone().oneshot(request).await.unwrap();
        let status = answer.status();
        let body = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    fn home_ns_req(dev_eui: &str) -> Value {
        json!({
            "ProtocolVersion": "1.0", "SenderID": "000042", "ReceiverID": "70b3d57ed0000000",
            "TransactionID": 7, "MessageType": "HomeNSReq", "DevEUI": dev_eui,
        })
    }

    // IS-58, JS-21
    #[tokio::test]
    async fn the_home_network_of_a_device_is_told() {
        let router = interop().await;
        let (status, answer) = post(&router, home_ns_req("0x70B3D57ED0000002").to_string()).await;
        let expected = json!({
            "ProtocolVersion": "1.0", "SenderID": "70b3d57ed0000000", "ReceiverID": "000042",
            "TransactionID": 7, "MessageType": "HomeNSAns", "Result": { "ResultCode": "Success" },
            "HNetID": "000013",
            "VSExtension": {
                "VendorID": "EC656E",
                "Object": { "TTSV3": { "HNSAddress": "ns.example.com:8884" } },
            },
        });
        assert_eq!((status, answer), (StatusCode::OK, expected));
        let mut request = home_ns_req("70B3D57ED0000001");
        request["ProtocolVersion"] = "1.1".into();
        request["SenderNSID"] = "0000000000000042".into();
        request["SenderToken"] = "C0FFEE".into();
        let (_, answer) = post(&router, request.to_string()).await;
        assert_eq!(answer["HNSID"], "EC656E0000000001");
        assert_eq!(answer["ReceiverNSID"], "0000000000000042");
        assert_eq!(answer["ReceiverToken"], "C0FFEE");
        let extension = &answer["VSExtension"]["Object"]["TTSV3"];
        assert_eq!(extension["HNSAddress"], "own.example.com");
    }

    // IS-58, JS-18
    #[tokio::test]
    async fn what_cannot_be_answered_has_a_result_and_what_is_no_request_a_status() {
        let router = interop().await;
        for (field, value, code) in [
            ("DevEUI", json!("70B3D57ED0000009"), "UnknownDevEUI"),
            ("ReceiverID", json!("70B3D57ED0000001"), "UnknownDevEUI"),
            ("DevEUI", json!("70B3"), "MalformedRequest"),
            ("SenderID", json!(""), "MalformedRequest"),
            ("ReceiverID", json!("000001"), "MalformedRequest"),
            ("SenderNSID", json!("0000000000000042"), "MalformedRequest"),
            ("MessageType", json!("PRStartReq"), "MalformedRequest"),
            ("MessageType", json!("JoinReq"), "Other"),
            ("ProtocolVersion", json!("1.1"), "MalformedMessage"),
            ("ProtocolVersion", json!("2"), "InvalidProtocolVersion"),
        ] {
            let mut request = home_ns_req("70B3D57ED0000001");
            request[field] = value;
            let (status, answer) = post(&router, request.to_string()).await;
            assert_eq!(status, StatusCode::OK, "{request}");
            assert_eq!(answer["Result"]["ResultCode"], code, "{request}");
            assert_eq!(answer["HNetID"], Value::Null);
        }
        let mut answer = home_ns_req("70B3D57ED0000001");
        answer["MessageType"] = "HomeNSAns".into();
        for body in [answer.to_string(), "[]".to_owned(), String::new(), "{".repeat(9_000)] {
            assert_eq!(post(&router, body).await.0, StatusCode::BAD_REQUEST);
        }
        let long = vec![b' '; BODY_MAX + 1];
        assert_eq!(post(&router, long).await.0, StatusCode::PAYLOAD_TOO_LARGE);
        let get = http::Request::get("/").body(Body::empty()).unwrap();
        let status = router.oneshot(get).await.unwrap().status();
        assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
    }
}
