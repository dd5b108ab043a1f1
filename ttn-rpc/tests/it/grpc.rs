//! gRPC with a client of tonic.

use futures::StreamExt as _;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;
use ttn_proto::{ApiMessage, v3};

use crate::service::serve;

async fn client() -> Grpc<Channel> {
    let address = serve().await;
    let channel = Channel::from_shared(format!("http://{address}")).unwrap();
    let mut client = Grpc::new(channel.connect().await.unwrap())
        .accept_compressed(tonic::codec::CompressionEncoding::Gzip);
    client.ready().await.unwrap();
    client
}

async fn unary<Q: ApiMessage, A: ApiMessage>(path: &'static str, request: Q) -> Result<A, Status> {
    let mut request = Request::new(request);
    request.metadata_mut().insert("authorization", "Bearer NNSXS.A.B".parse().unwrap());
    let path = PathAndQuery::from_static(path);
    Ok(client().await.unary(request, path, ProstCodec::<Q, A>::default()).await?.into_inner())
}

fn get(id: &str, paths: &[&str]) -> v3::GetApplicationRequest {
    v3::GetApplicationRequest {
        application_ids: Some(v3::ApplicationIdentifiers { application_id: id.into() }),
        field_mask: Some(prost_types::FieldMask {
            paths: paths.iter().map(|path| (*path).to_owned()).collect(),
        }),
    }
}

const GET: &str = "/ttn.lorawan.v3.ApplicationRegistry/Get";

#[tokio::test]
async fn a_call_reaches_the_service_with_its_credentials() {
    let application: v3::Application = unary(GET, get("abc", &["name", "ids"])).await.unwrap();
    assert_eq!(application.name, "name,ids");
    assert_eq!(application.attributes["caller"], "Bearer(…)");
    assert_eq!(application.attributes["forwarded-for"], "127.0.0.1");
}

#[tokio::test]
async fn errors_carry_their_details() {
    let status = unary::<_, v3::Application>(GET, get("missing", &[])).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    let details = ttn_proto::status::details(&status).unwrap();
    assert_eq!(details.name, "application_not_found");
    assert_eq!(details.correlation_id.len(), 32);
    let body = ttn_rpc::status::to_body(&status);
    assert_eq!(body.attributes["application_id"], "missing");
}

#[tokio::test]
async fn requests_are_validated_before_the_service_sees_them() {
    let status = unary::<_, v3::Application>(GET, get("A!", &[])).await.unwrap_err();
    let body = ttn_rpc::status::to_body(&status);
    assert_eq!((&*body.namespace, &*body.name), ("pkg/errors", "validation"));
    assert_eq!(body.attributes["field"], "application_ids.application_id");
    let status = unary::<_, v3::Application>(GET, get("abc", &["nope"])).await.unwrap_err();
    let body = ttn_rpc::status::to_body(&status);
    assert_eq!(&*body.name, "field_mask_paths");
    assert_eq!(body.attributes["forbidden_paths"][0], "nope");
}

#[tokio::test]
async fn a_service_that_panics_answers_internal() {
    let status = unary::<_, v3::Application>(GET, get("panic", &[])).await.unwrap_err();
    assert_eq!(status.code(), Code::Internal);
    assert_eq!(ttn_rpc::status::to_body(&status).name, "rpc_recovered");
}

#[tokio::test]
async fn what_is_not_served_is_named() {
    let path = "/ttn.lorawan.v3.UserRegistry/Get";
    let status = unary::<_, v3::User>(path, v3::GetUserRequest::default()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
    assert_eq!(status.message(), "UserRegistry.Get is not served here");
    let path = "/ttn.lorawan.v3.ApplicationRegistry/Purge";
    let ids = v3::ApplicationIdentifiers { application_id: "abc".into() };
    let status = unary::<_, ()>(path, ids).await.unwrap_err();
    assert_eq!(status.message(), "ApplicationRegistry.Purge is not served here");
    let status = unary::<_, ()>("/other.Service/Call", ()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
}

#[tokio::test]
async fn servers_stream() {
    let request = v3::StreamEventsRequest {
        identifiers: vec![v3::EntityIdentifiers {
            ids: Some(v3::entity_identifiers::Ids::ApplicationIds(v3::ApplicationIdentifiers {
                application_id: "abc".into(),
            })),
        }],
        names: vec!["a".into(), "b".into(), "error".into()],
        ..Default::default()
    };
    let path = PathAndQuery::from_static("/ttn.lorawan.v3.Events/Stream");
    let codec = ProstCodec::<v3::StreamEventsRequest, v3::Event>::default();
    let answer = client().await.server_streaming(Request::new(request), path, codec).await.unwrap();
    let events: Vec<_> = answer.into_inner().collect().await;
    assert_eq!(events[0].as_ref().unwrap().name, "a");
    assert_eq!(events[1].as_ref().unwrap().name, "b");
    assert_eq!(events[2].as_ref().unwrap_err().code(), Code::Unavailable);
}

#[tokio::test]
async fn both_sides_stream() {
    let ups = [1, 2].map(|count| v3::GatewayUp {
        uplink_messages: vec![
            v3::UplinkMessage {
                raw_payload: vec![1],
                settings: Some(v3::TxSettings {
                    data_rate: Some(v3::DataRate {
                        modulation: Some(v3::data_rate::Modulation::Lora(Default::default())),
                    }),
                    frequency: 868_100_000,
                    ..Default::default()
                }),
                ..Default::default()
            };
            count
        ],
        ..Default::default()
    });
    let mut request = Request::new(futures::stream::iter(ups));
    request.metadata_mut().insert("id", "my-gateway".parse().unwrap());
    let path = PathAndQuery::from_static("/ttn.lorawan.v3.GtwGs/LinkGateway");
    let codec = ProstCodec::<v3::GatewayUp, v3::GatewayDown>::default();
    let answer = client().await.streaming(request, path, codec).await.unwrap();
    let downs: Vec<_> = answer.into_inner().collect().await;
    let counts = downs.into_iter().map(|down| down.unwrap().downlink_message.unwrap().raw_payload);
    assert_eq!(counts.collect::<Vec<_>>(), [[1], [2]]);
}

#[tokio::test]
async fn reflection_lists_what_is_served() {
    use tonic_reflection::pb::{
        v1::{
            ServerReflectionRequest, ServerReflectionResponse,
            server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
        },
        v1alpha,
    };
    let ask =
        |question| ServerReflectionRequest { host: String::new(), message_request: Some(question) };
    let questions = [
        ask(MessageRequest::ListServices(String::new())),
        ask(MessageRequest::FileContainingSymbol("ttn.lorawan.v3.ApplicationRegistry".into())),
    ];
    let path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
    let codec = ProstCodec::<ServerReflectionRequest, ServerReflectionResponse>::default();
    let request = Request::new(futures::stream::iter(questions));
    let mut client = client().await;
    let answer = client.streaming(request, PathAndQuery::from_static(path), codec).await.unwrap();
    let answers: Vec<_> = answer.into_inner().collect().await;
    let answers = answers.into_iter().map(|answer| answer.unwrap().message_response.unwrap());
    let mut services = Vec::new();
    let mut files = 0;
    for answer in answers {
        match answer {
            MessageResponse::ListServicesResponse(list) => {
                services.extend(list.service.into_iter().map(|service| service.name));
            }
            MessageResponse::FileDescriptorResponse(found) => {
                files += found.file_descriptor_proto.len();
            }
            other => panic!("{other:?}"),
        }
    }
    services.retain(|name| name.starts_with("ttn."));
    services.sort();
    let expected = ["ApplicationRegistry", "Events", "GtwGs"];
    assert_eq!(services, expected.map(|name| format!("ttn.lorawan.v3.{name}")));
    assert_eq!(files, 1);
    // Clients of Python still speak the older version.
    let path = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";
    let question = v1alpha::ServerReflectionRequest::default();
    let codec = ProstCodec::<_, v1alpha::ServerReflectionResponse>::default();
    let request = Request::new(futures::stream::iter([question]));
    client.ready().await.unwrap();
    assert!(client.streaming(request, PathAndQuery::from_static(path), codec).await.is_ok());
}
