//! Events as messages of the API.

use prost::Message as _;
use prost_types::Any;
use serde_json::{Map, Value};
use ttn_core::{
    addr::DevAddr,
    auth::Rights,
    error::{ErrorBody, ErrorKind},
    eui::{DevEui, GatewayEui, JoinEui},
    event::{EventDefinition, Published},
};
use ttn_proto::{
    convert, json, v3,
    v3::{entity_identifiers::Ids, event::Authentication},
};

const VALUE_TYPE: &str = "type.googleapis.com/google.protobuf.Value";
const ERROR: &str = "ttn.lorawan.v3.ErrorDetails";

/// An event with all that it says.
pub(super) fn event(event: &Published, origin: &str) -> v3::Event {
    let caller = event.caller.as_deref();
    let authentication = caller.filter(|caller| !caller.authentication.is_empty());
    v3::Event {
        name: event.definition.name.to_owned(),
        time: Some(convert::timestamp(event.time)),
        identifiers: identifiers(event),
        data: data(event),
        correlation_ids: event.correlation_ids.iter().map(|id| id.to_string()).collect(),
        origin: origin.to_owned(),
        visibility: visibility(event.definition),
        authentication: authentication.map(|caller| Authentication {
            r#type: caller.authentication.to_owned(),
            token_type: caller.token_type.to_owned(),
            token_id: caller.token_id.clone(),
        }),
        remote_ip: caller.map(|caller| caller.remote_ip.clone()).unwrap_or_default(),
        user_agent: caller.map(|caller| caller.user_agent.clone()).unwrap_or_default(),
        unique_id: event.unique_id(),
        ..v3::Event::default()
    }
}

/// Whom it happened to; a device with its EUIs and address, a gateway with its EUI.
fn identifiers(event: &Published) -> Vec<v3::EntityIdentifiers> {
    let mut all: Vec<_> = event.identifiers.iter().map(convert::entity_ids).collect();
    let radio = event.radio_ids;
    match all.first_mut().and_then(|first| first.ids.as_mut()) {
        Some(Ids::DeviceIds(ids)) => {
            ids.dev_eui = octets(radio.dev_eui.map(DevEui::to_be_bytes));
            ids.join_eui = octets(radio.join_eui.map(JoinEui::to_be_bytes));
            ids.dev_addr = octets(radio.dev_addr.map(DevAddr::to_be_bytes));
        }
        Some(Ids::GatewayIds(ids)) => {
            ids.eui = octets(radio.gateway_eui.map(GatewayEui::to_be_bytes));
        }
        _ => {}
    }
    all
}

fn octets<const N: usize>(id: Option<[u8; N]>) -> Vec<u8> {
    id.map(Vec::from).unwrap_or_default()
}

/// What is left of an event for those who may not see it: that it happened, and to whom.
pub(super) fn without_content(event: v3::Event) -> v3::Event {
    let v3::Event { name, time, identifiers, origin, visibility, unique_id, .. } = event;
    v3::Event { name, time, identifiers, origin, visibility, unique_id, ..v3::Event::default() }
}

fn visibility(definition: &EventDefinition) -> Option<v3::Rights> {
    let rights: Rights = definition.visibility.iter().copied().collect();
    (!rights.is_empty()).then(|| convert::rights(rights))
}

/// The data as the message that the definition declares, if it is one; else as a value.
fn data(event: &Published) -> Option<Any> {
    let (definition, json) = (event.definition, event.data.to_json());
    if json.is_null() {
        return None;
    }
    if event.data.is_message() {
        match json::to_any(definition.data_type, json.clone()) {
            Ok(any) => return Some(any),
            Err(error) => {
                tracing::warn!(event = definition.name, %error, "the data is not what is declared");
            }
        }
    } else if let (ERROR, Value::Object(fields)) = (definition.data_type, &json) {
        let details = convert::error_details(&error(definition, fields.clone()));
        let type_url = ttn_proto::status::DETAILS_TYPE.to_owned();
        return Some(Any { type_url, value: details.encode_to_vec() });
    }
    Some(any_value(json::to_proto_value(json)))
}

/// Any value.
pub(super) fn any_value(value: prost_types::Value) -> Any {
    Any { type_url: VALUE_TYPE.to_owned(), value: value.encode_to_vec() }
}

/// The reason of a drop or failure as an error. What has no place of its own is an attribute.
fn error(definition: &EventDefinition, mut fields: Map<String, Value>) -> ErrorBody {
    let mut text = |names: &[&str]| {
        let found = names.iter().find(|name| fields.get(**name).is_some_and(Value::is_string));
        match found.and_then(|name| fields.remove(*name)) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        }
    };
    let name = text(&["name", "reason"]).unwrap_or_default();
    let message = text(&["message_format", "message", "detail"]).unwrap_or_default();
    let namespace = text(&["namespace"]);
    let code = fields.remove("code").and_then(|code| u8::try_from(code.as_u64()?).ok());
    let own = match fields.remove("attributes") {
        Some(Value::Object(attributes)) => attributes,
        _ => Map::new(),
    };
    ErrorBody {
        namespace: namespace.unwrap_or_else(|| component(definition.name).to_owned()).into(),
        name: name.into(),
        kind: code.map_or(ErrorKind::Unknown, ErrorKind::from_code),
        message,
        attributes: fields.into_iter().chain(own).collect(),
        cause: None,
    }
}

fn component(event: &str) -> &'static str {
    match event.split('.').next() {
        Some("as") => "pkg/applicationserver",
        Some("gs") => "pkg/gatewayserver",
        Some("js") => "pkg/joinserver",
        Some("ns") => "pkg/networkserver",
        _ => "pkg/events",
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;
    use ttn_core::addr::DevAddr;
    use ttn_core::eui::DevEui;
    use ttn_core::event::{Event, EventBus, EventData, EventSink as _, RadioIds, named};
    use ttn_core::time::Timestamp;
    use ttn_proto::ApiMessage;

    use super::*;

    fn told(name: &str, data: EventData) -> Value {
        let definition = Box::leak(Box::new(named(name)));
        let bus = EventBus::new();
        let reader = bus.subscribe();
        bus.publish(Event {
            definition,
            time: Timestamp::UNIX_EPOCH,
            identifiers: vec!["app.dev".parse().map(ttn_core::id::EntityId::Device).unwrap()],
            radio_ids: RadioIds {
                dev_eui: Some(DevEui::from_u64(0x70B3_D57E_D000_1001)),
                join_eui: None,
                dev_addr: Some(DevAddr::from_u32(0x2601_0203)),
                gateway_eui: None,
            },
            correlation_ids: vec![Arc::from("gs:uplink:1")],
            caller: None,
            data,
        });
        let published = reader.try_next().unwrap();
        json_of(&event(&published, "here"))
    }

    fn json_of<T: ApiMessage>(message: &T) -> Value {
        serde_json::from_str(&json::to_string(message)).unwrap()
    }

    // EVT-01
    #[test]
    fn an_event_says_to_whom_it_happened_and_who_sees_it() {
        let event = told("ns.up.data.receive", EventData::default());
        let ids = &event["identifiers"][0]["device_ids"];
        assert_eq!(ids["device_id"], "dev");
        assert_eq!(
            (&ids["dev_eui"], &ids["dev_addr"]),
            (&json!("70B3D57ED0001001"), &json!("26010203"))
        );
        assert!(ids["join_eui"].is_null());
        assert_eq!(event["visibility"]["rights"][0], "RIGHT_APPLICATION_TRAFFIC_READ");
        assert_eq!(
            (&event["origin"], &event["correlation_ids"][0]),
            (&json!("here"), &json!("gs:uplink:1"))
        );
        assert_eq!(event["unique_id"].as_str().unwrap().len(), 26);
        assert!(event["data"].is_null());
    }

    // EVT-01, DESIGN 3: the reason and all its numbers
    #[test]
    fn a_reason_is_an_error_with_its_numbers() {
        let data =
            json!({ "reason": "f_cnt_replayed", "detail": "1 after 2", "f_cnt": 1, "last": 2 });
        let event = told("ns.up.data.drop", data.into());
        let data = &event["data"];
        assert_eq!(data["@type"], "type.googleapis.com/ttn.lorawan.v3.ErrorDetails");
        assert_eq!(
            (&data["namespace"], &data["name"]),
            (&json!("pkg/networkserver"), &json!("f_cnt_replayed"))
        );
        assert_eq!(data["message_format"], "1 after 2");
        assert_eq!(data["attributes"], json!({ "f_cnt": 1, "last": 2 }));
    }

    // EVT-01
    #[test]
    fn other_data_is_the_declared_message_or_a_value() {
        let message = EventData::message(|| json!({ "raw_payload": "AQI=" }));
        let data = &told("ns.up.data.receive", message)["data"];
        assert_eq!(data["@type"], "type.googleapis.com/ttn.lorawan.v3.UplinkMessage");
        assert_eq!(data["raw_payload"], "AQI=");
        let value = &told("gs.down.tx.fail", json!(2).into())["data"];
        assert_eq!(*value, json!({ "@type": VALUE_TYPE, "value": 2 }));
    }
}
