//! Formatters of users as services over gRPC (AS-12).
//!
//! The parameter of `FORMATTER_GRPC_SERVICE` is an address: `host:port`, `http://host:port`, or `https://host:port` for
//! TLS. The service answers `DecodeUplink`, `DecodeDownlink` and `EncodeDownlink` of `ttn.lorawan.v3.AppAs`, as an
//! Application Server does when a formatter is tried out: what it gives back in `uplink` or `downlink` is taken over.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use http::{Uri, uri::PathAndQuery};
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioTimer},
};
use prost::Message;
use serde_json::{Map, Value};
use tonic::{Code, Request, Status, body::Body, client::Grpc};
use tonic_prost::ProstCodec;
use ttn_core::{error::ErrorKind, id::ApplicationId, net::Reach, peer::DeviceVersionIds};
use ttn_proto::{convert, v3};

use super::{Encoded, FormatError, Formatter, Normalized, Payload, Structure, kept, pool::Pool};
use crate::{
    connect::{CheckedConnector, TlsError, checked},
    convert::{object, structure},
    log::Decoded,
    store::FormatterKind,
};

/// Calls services over sockets.
pub struct ServiceFormatter {
    client: Client<HttpsConnector<CheckedConnector>, Body>,
    turns: Arc<Pool>,
}

const KIND: FormatterKind = FormatterKind::GrpcService;
/// How long a call may take, connecting and waiting for a turn included.
pub const TIMEOUT: Duration = Duration::from_secs(5);
/// How many calls run at the same time; applications take turns.
const CALLS_MAX: usize = 64;
/// How large an answer is at most, in octets.
pub const ANSWER_OCTETS_MAX: usize = 128 << 10;
/// How long a connection may wait for the next call.
const IDLE: Duration = Duration::from_secs(60);

impl ServiceFormatter {
    /// Makes a formatter that reaches that far and trusts the public certificate authorities, and those of `pem`.
    ///
    /// # Errors
    ///
    /// A certificate is malformed.
    pub fn new(reach: Reach, pem: &[u8]) -> Result<Self, TlsError> {
        let connector = checked(pem)?.enable_http2().wrap_connector(CheckedConnector { reach });
        let client = Client::builder(TokioExecutor::new())
            .http2_only(true)
            .pool_idle_timeout(IDLE)
            .pool_timer(TokioTimer::new())
            .build(connector);
        Ok(Self { client, turns: Pool::new(CALLS_MAX) })
    }

    async fn call<Q, A>(
        &self,
        application: &ApplicationId,
        address: &str,
        method: &'static str,
        request: Q,
    ) -> Result<A, FormatError>
    where
        Q: Message + Send + Sync + 'static,
        A: Message + Default + Send + Sync + 'static,
    {
        let origin = origin(address)?;
        let turn = self.turns.turn(application).await;
        let _turn = turn.ok_or(FormatError::Busy { formatter: KIND.name() })?;
        let mut grpc = Grpc::with_origin(self.client.clone(), origin)
            .max_decoding_message_size(ANSWER_OCTETS_MAX);
        let failed = |status: &Status| FormatError::Service {
            address: address.to_owned(),
            message: status.message().to_owned(),
            kind: ErrorKind::from_code(status.code() as u8),
        };
        let unready = |error: hyper_util::client::legacy::Error| {
            failed(&Status::new(Code::Unavailable, error.to_string()))
        };
        grpc.ready().await.map_err(unready)?;
        let path = PathAndQuery::from_static(method);
        let answer = grpc.unary(Request::new(request), path, ProstCodec::default()).await;
        Ok(answer.map_err(|status| failed(&status))?.into_inner())
    }
}

/// Where a service is.
///
/// # Errors
///
/// It is no address of the forms above.
pub(super) fn origin(address: &str) -> Result<Uri, FormatError> {
    let wrong = |reason: &str| FormatError::Address {
        address: address.chars().take(100).collect(),
        reason: reason.to_owned(),
    };
    let full =
        if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
    let uri: Uri =
        full.parse().map_err(|error: http::uri::InvalidUri| wrong(&error.to_string()))?;
    match (uri.scheme_str(), uri.authority()) {
        (Some("http" | "https"), Some(authority)) if authority.port_u16().is_some() => {}
        _ => return Err(wrong("it is no host:port, http://host:port or https://host:port")),
    }
    let has_more = uri.path() != "/" && !uri.path().is_empty() || uri.query().is_some();
    if has_more { Err(wrong("nothing may follow the port")) } else { Ok(uri) }
}

/// An object of an answer, and that it can be told in JSON.
fn told(data: Option<&prost_types::Struct>) -> Result<Map<String, Value>, FormatError> {
    data.map_or_else(
        || Ok(Map::new()),
        |data| {
            if is_finite(data) {
                Ok(object(data))
            } else {
                Err(FormatError::Encoding { path: "decoded_payload".to_owned() })
            }
        },
    )
}

fn is_finite(data: &prost_types::Struct) -> bool {
    fn of(value: &prost_types::Value) -> bool {
        match &value.kind {
            Some(prost_types::value::Kind::NumberValue(number)) => number.is_finite(),
            Some(prost_types::value::Kind::StructValue(data)) => is_finite(data),
            Some(prost_types::value::Kind::ListValue(list)) => list.values.iter().all(of),
            _ => true,
        }
    }
    data.fields.values().all(of)
}

fn version_ids(version: Option<&DeviceVersionIds>) -> Option<v3::EndDeviceVersionIdentifiers> {
    version.map(|version| v3::EndDeviceVersionIdentifiers {
        brand_id: version.brand_id.clone(),
        model_id: version.model_id.clone(),
        hardware_version: version.hardware_version.clone(),
        firmware_version: version.firmware_version.clone(),
        band_id: version.band_id.clone(),
    })
}

#[async_trait]
impl Formatter for ServiceFormatter {
    fn call_timeout(&self, _timeout: Duration) -> Duration {
        TIMEOUT
    }

    async fn decode_uplink(&self, payload: &Payload<'_>) -> Result<Decoded, FormatError> {
        let request = v3::DecodeUplinkRequest {
            end_device_ids: Some(payload.ids.into()),
            version_ids: version_ids(payload.version),
            uplink: Some(v3::ApplicationUplink {
                f_port: payload.f_port.into(),
                frm_payload: payload.octets.to_vec(),
                received_at: payload.received_at.map(convert::timestamp),
                settings: payload.settings.map(Into::into),
                ..v3::ApplicationUplink::default()
            }),
            formatter: KIND as i32,
            parameter: payload.parameter.to_owned(),
        };
        let application = &payload.ids.key.application_id;
        let method = "/ttn.lorawan.v3.AppAs/DecodeUplink";
        let answer: v3::DecodeUplinkResponse =
            self.call(application, payload.parameter, method, request).await?;
        let uplink = answer.uplink.unwrap_or_default();
        let decoded = told(uplink.decoded_payload.as_ref())?;
        let measurements: Vec<_> = uplink
            .normalized_payload
            .iter()
            .map(|one| told(Some(one)))
            .collect::<Result<_, _>>()?;
        let warnings = kept(uplink.normalized_payload_warnings);
        let normalized = match &*measurements {
            // What has only the fields of a measurement is one.
            [] => Normalized::parse([&decoded], Vec::new()).ok(),
            some => Some(Normalized::parse(some, warnings).map_err(|source| {
                let reason = format!("the measurements: {source}");
                FormatError::Output { reason, source: Some(source) }
            })?),
        };
        let warnings = kept(uplink.decoded_payload_warnings);
        Ok(Decoded { payload: decoded, warnings, normalized })
    }

    async fn decode_downlink(&self, payload: &Payload<'_>) -> Result<Decoded, FormatError> {
        let request = v3::DecodeDownlinkRequest {
            end_device_ids: Some(payload.ids.into()),
            version_ids: version_ids(payload.version),
            downlink: Some(v3::ApplicationDownlink {
                f_port: payload.f_port.into(),
                frm_payload: payload.octets.to_vec(),
                ..v3::ApplicationDownlink::default()
            }),
            formatter: KIND as i32,
            parameter: payload.parameter.to_owned(),
        };
        let application = &payload.ids.key.application_id;
        let method = "/ttn.lorawan.v3.AppAs/DecodeDownlink";
        let answer: v3::DecodeDownlinkResponse =
            self.call(application, payload.parameter, method, request).await?;
        let downlink = answer.downlink.unwrap_or_default();
        let decoded = told(downlink.decoded_payload.as_ref())?;
        let warnings = kept(downlink.decoded_payload_warnings);
        Ok(Decoded { payload: decoded, warnings, normalized: None })
    }

    async fn encode_downlink(&self, input: &Structure<'_>) -> Result<Encoded, FormatError> {
        let request = v3::EncodeDownlinkRequest {
            end_device_ids: Some(input.ids.into()),
            version_ids: version_ids(input.version),
            downlink: Some(v3::ApplicationDownlink {
                f_port: input.f_port.unwrap_or_default().into(),
                decoded_payload: Some(structure(input.payload.clone())),
                ..v3::ApplicationDownlink::default()
            }),
            formatter: KIND as i32,
            parameter: input.parameter.to_owned(),
        };
        let application = &input.ids.key.application_id;
        let method = "/ttn.lorawan.v3.AppAs/EncodeDownlink";
        let answer: v3::EncodeDownlinkResponse =
            self.call(application, input.parameter, method, request).await?;
        let downlink = answer.downlink.unwrap_or_default();
        let port = u8::try_from(downlink.f_port);
        let port = port.map_err(|_| FormatError::output("`f_port` is not 0 to 255"))?;
        Ok(Encoded {
            f_port: Some(port).filter(|port| *port != 0),
            octets: downlink.frm_payload,
            warnings: kept(downlink.decoded_payload_warnings),
        })
    }
}

impl fmt::Debug for ServiceFormatter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceFormatter").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_host_and_a_port_and_nothing_else() {
        for address in ["codec.example:5000", "http://10.0.0.1:5000", "https://[2001:db8::1]:443/"]
        {
            assert!(origin(address).is_ok(), "{address}");
        }
        for address in
            ["", "codec.example", "ftp://a:1", "a:1/path", "http://a:1/?q", "function f() {}"]
        {
            let error = origin(address).unwrap_err();
            assert!(matches!(error, FormatError::Address { .. }), "{address}: {error}");
        }
    }
}
