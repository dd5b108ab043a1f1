//! A formatter that is a service of a user, over real gRPC (AS-12).

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use serde_json::{Value, json};
use tonic::{Request, Response, Status};
use ttn_as::{
    format::{FormatError, Formatters, Payload, Structure, service::ServiceFormatter},
    log::Decoded,
    store::FormatterKind::GrpcService,
    testing,
};
use ttn_core::{
    clock::SystemClock,
    error::ApiError as _,
    msg::TxSettings,
    net::Reach,
    radio::{DataRate, Frequency},
    rand::OsEntropy,
};
use ttn_proto::{
    json,
    service::{AppAs, app_as},
    v3,
};

/// Decodes the first octet as a level; what it does besides depends on the port.
struct Levels;

fn object(value: &Value) -> prost_types::Struct {
    let fields = value.as_object().unwrap().clone().into_iter();
    let fields = fields.map(|(name, value)| (name, json::to_proto_value(value)));
    prost_types::Struct { fields: fields.collect() }
}

#[async_trait]
impl AppAs for Levels {
    async fn decode_uplink(
        &self,
        request: Request<v3::DecodeUplinkRequest>,
    ) -> Result<Response<v3::DecodeUplinkResponse>, Status> {
        let request = request.into_inner();
        let mut uplink = request.uplink.unwrap();
        let level = uplink.frm_payload[0];
        uplink.decoded_payload = Some(match uplink.f_port {
            1 => {
                object(&json!({ "level": level, "of": request.end_device_ids.unwrap().device_id }))
            }
            2 => return Err(Status::invalid_argument("no level on this port")),
            3 => {
                let not_a_number = prost_types::value::Kind::NumberValue(f64::NAN);
                let value = prost_types::Value { kind: Some(not_a_number) };
                prost_types::Struct { fields: [("level".to_owned(), value)].into() }
            }
            4 => object(&json!({ "text": "x".repeat(1 << 20) })),
            _ => std::future::pending().await,
        });
        uplink.decoded_payload_warnings = vec!["low".repeat(1000)];
        uplink.normalized_payload = vec![object(&json!({ "air": { "temperature": level } }))];
        Ok(Response::new(v3::DecodeUplinkResponse { uplink: Some(uplink) }))
    }

    async fn encode_downlink(
        &self,
        request: Request<v3::EncodeDownlinkRequest>,
    ) -> Result<Response<v3::EncodeDownlinkResponse>, Status> {
        let mut downlink = request.into_inner().downlink.unwrap();
        downlink.frm_payload = vec![downlink.decoded_payload.as_ref().unwrap().fields.len() as u8];
        downlink.f_port = 7;
        Ok(Response::new(v3::EncodeDownlinkResponse { downlink: Some(downlink) }))
    }
}

/// Serves [`Levels`]; gives its address.
async fn serve() -> String {
    let (clock, entropy) = (Arc::new(SystemClock::new()), Arc::new(OsEntropy::default()));
    let api = ttn_rpc::server::Api::builder(clock, entropy);
    let api = api.methods(app_as(Arc::new(Levels))).build();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move { axum::serve(listener, api.router()).await });
    address
}

fn formatters(reach: Reach) -> Formatters {
    let mut formatters = Formatters::new(Arc::new(SystemClock::new()), Duration::from_millis(100));
    formatters.set(GrpcService, Arc::new(ServiceFormatter::new(reach, &[]).unwrap()));
    formatters
}

async fn decode(reach: Reach, address: &str, f_port: u8) -> Result<Decoded, FormatError> {
    let ids = testing::ids("my-app.my-dev");
    let settings = TxSettings {
        data_rate: DataRate::lora(7, 125_000),
        frequency: Frequency::from_hz(868_100_000),
        timestamp: 0,
        time: None,
        concentrator_time: None,
    };
    let payload = Payload {
        ids: &ids,
        version: None,
        f_port,
        octets: &[21],
        received_at: None,
        settings: Some(&settings),
        parameter: address,
    };
    formatters(reach).decode_uplink(GrpcService, &payload).await
}

#[tokio::test]
async fn a_service_decodes_and_encodes() {
    let address = serve().await;
    let decoded = decode(Reach::Private, &address, 1).await.unwrap();
    assert_eq!(Value::Object(decoded.payload), json!({ "level": 21, "of": "my-dev" }));
    assert_eq!(decoded.warnings[0].len(), 1000, "what it says is cut off");
    let measurements = decoded.normalized.unwrap().measurements;
    assert_eq!(Value::from(measurements), json!([{ "air": { "temperature": 21 } }]));
    let ids = testing::ids("my-app.my-dev");
    let payload = json!({ "a": 1, "b": 2 }).as_object().cloned().unwrap();
    let parameter = &format!("http://{address}");
    let input = Structure { ids: &ids, version: None, f_port: None, payload: &payload, parameter };
    let encoded = formatters(Reach::Private).encode_downlink(GrpcService, &input).await.unwrap();
    assert_eq!((encoded.f_port, encoded.octets), (Some(7), vec![2]));
}

#[tokio::test]
async fn a_service_that_fails_is_named() {
    let address = serve().await;
    let refused = decode(Reach::Private, &address, 2).await.unwrap_err();
    assert!(refused.to_string().contains("no level on this port"), "{refused}");
    let not_finite = decode(Reach::Private, &address, 3).await.unwrap_err();
    assert_eq!(not_finite.name(), "output_encoding");
    let too_large = decode(Reach::Private, &address, 4).await.unwrap_err();
    assert_eq!(too_large.name(), "formatter_service", "{too_large}");
    let nobody = decode(Reach::Private, "127.0.0.1:1", 1).await.unwrap_err();
    assert_eq!(nobody.name(), "formatter_service");
    let nowhere = decode(Reach::Private, "function Decoder() {}", 1).await.unwrap_err();
    assert_eq!(nowhere.name(), "formatter_address");
    // DESIGN 8
    let forbidden = decode(Reach::Public, &address, 1).await.unwrap_err();
    assert!(forbidden.to_string().contains("127.0.0.1"), "{forbidden}");
}

#[tokio::test]
async fn a_service_that_hangs_is_given_up() {
    let address = serve().await;
    tokio::time::pause();
    let hangs = decode(Reach::Private, &address, 5).await.unwrap_err();
    assert_eq!(hangs.name(), "script_timeout");
}
