//! Who calls: credentials and ids in request metadata.

use std::sync::Arc;

use tonic::Request;
use tonic::metadata::MetadataMap;
use ttn_core::auth::Credentials;
use ttn_core::error::{ErrorBody, ErrorKind};
use ttn_core::event::EventCaller;
use ttn_core::id::GatewayId;
use ttn_core::msg::CORRELATION_ID_LENGTH_MAX;
use ttn_proto::rpc::Rpc;

/// The longest `authorization` that is looked at.
const AUTHORIZATION_LENGTH_MAX: usize = 4096;

/// Reads the credentials of a call; of several the last counts.
///
/// # Errors
///
/// The value has no form that is known: `pkg/rpcmetadata:unauthenticated`.
pub fn credentials(metadata: &MetadataMap) -> Result<Credentials, ErrorBody> {
    let Some(value) = metadata.get_all("authorization").iter().next_back() else {
        return Ok(Credentials::None);
    };
    let value = value.to_str().map_err(|_| malformed("it is not text"))?.trim();
    if value.is_empty() {
        return Ok(Credentials::None);
    }
    if value.len() > AUTHORIZATION_LENGTH_MAX {
        return Err(malformed("it is too long"));
    }
    let (scheme, token) =
        value.split_once(' ').ok_or_else(|| malformed("it must be `<type> <value>`"))?;
    let token = token.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        Ok(Credentials::Bearer(token.to_owned()))
    } else if scheme.eq_ignore_ascii_case("clusterkey") {
        hex(token)
            .map(Credentials::ClusterKey)
            .ok_or_else(|| malformed("a cluster key is written in hexadecimal"))
    } else {
        Err(malformed("the type must be `Bearer` or `ClusterKey`"))
    }
}

/// The gateway or entity id that the caller names as its own.
pub fn caller_id(metadata: &MetadataMap) -> Option<&str> {
    metadata.get_all("id").iter().next_back()?.to_str().ok()
}

/// The gateway that links itself.
///
/// # Errors
///
/// There is no id, or it is malformed.
pub fn gateway_id(metadata: &MetadataMap) -> Result<GatewayId, ErrorBody> {
    let id = caller_id(metadata).unwrap_or_default();
    GatewayId::new(id).map_err(|error| {
        let message = format!("the metadata `id` must be the gateway's id: {error}");
        ErrorBody::new("pkg/ttnpb", "missing_identifiers", ErrorKind::InvalidArgument, message)
    })
}

/// The addresses of the caller, the nearest last.
pub fn forwarded_for(metadata: &MetadataMap) -> Vec<String> {
    let values = metadata.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(|value| value.trim().to_owned()).collect()
}

/// The id that the caller gave to the request.
pub fn request_id(metadata: &MetadataMap) -> Option<&str> {
    metadata.get("x-request-id")?.to_str().ok()
}

/// The correlation id of a call, `rpc:/ttn.lorawan.v3.<service>/<name>:<request id>` (EVT-07); none if the caller's request
/// id makes it too long.
pub fn correlation_id<T>(request: &Request<T>) -> Option<Arc<str>> {
    let rpc = request.extensions().get::<&'static Rpc>()?;
    let id = format!("rpc:{}:{}", rpc.path, request_id(request.metadata())?);
    (id.len() <= CORRELATION_ID_LENGTH_MAX).then(|| id.into())
}

/// Who calls, as events tell it (EVT-01): the kind and id of his token, never its secret.
pub fn event_caller<T>(request: &Request<T>) -> EventCaller {
    let metadata = request.metadata();
    let agent = ["grpcgateway-user-agent", "user-agent"].iter().find_map(|key| metadata.get(*key));
    let mut caller = EventCaller {
        remote_ip: forwarded_for(metadata).pop().unwrap_or_default(),
        user_agent: agent.and_then(|agent| agent.to_str().ok()).unwrap_or_default().to_owned(),
        correlation_id: correlation_id(request),
        ..EventCaller::default()
    };
    match credentials(metadata) {
        Ok(Credentials::Bearer(token)) => {
            let mut parts = token.split('.');
            caller.authentication = "Bearer";
            caller.token_type = match parts.next() {
                Some("NNSXS") => "APIKey",
                Some("MFRWG") => "AccessToken",
                Some("ONZW4") => "SessionToken",
                _ => "",
            };
            caller.token_id = parts.next().unwrap_or_default().to_owned();
        }
        Ok(Credentials::ClusterKey(_)) => caller.authentication = "ClusterKey",
        _ => {}
    }
    caller
}

fn malformed(why: &str) -> ErrorBody {
    let message = format!("the authorization of the call is malformed: {why}");
    ErrorBody::new("pkg/rpcmetadata", "unauthenticated", ErrorKind::Unauthenticated, message)
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    if !text.len().is_multiple_of(2) {
        return None;
    }
    text.as_bytes().chunks(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&str]) -> Result<Credentials, ErrorBody> {
        let mut metadata = MetadataMap::new();
        for value in values {
            metadata.append("authorization", value.parse().unwrap());
        }
        credentials(&metadata)
    }

    #[test]
    fn the_last_authorization_counts_in_any_case() {
        assert_eq!(read(&[]).unwrap(), Credentials::None);
        let credentials = read(&["Bearer a", "bEARER NNSXS.B.C"]).unwrap();
        assert_eq!(credentials, Credentials::Bearer("NNSXS.B.C".into()));
        assert_eq!(read(&["ClusterKey 0aFF"]).unwrap(), Credentials::ClusterKey(vec![10, 255]));
    }

    #[test]
    fn other_forms_are_refused() {
        for value in ["NNSXS.B.C", "Basic eDp5", "ClusterKey xyz", "ClusterKey 0"] {
            assert_eq!(read(&[value]).unwrap_err().name, "unauthenticated");
        }
    }
}
