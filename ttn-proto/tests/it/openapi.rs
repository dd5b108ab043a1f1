//! The document of the HTTP API against the tables.

use std::collections::BTreeSet;

use serde_json::Value;
use ttn_proto::{OPENAPI, rpc::SERVICES};

fn document() -> Value {
    serde_json::from_str(OPENAPI).unwrap()
}

/// A path without the names of its parameters.
fn shape(path: &str) -> String {
    let parts = path.split('/').map(|part| if part.starts_with('{') { "{}" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

#[test]
fn every_binding_is_in_the_document() {
    let document = document();
    let mut found = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (verb, operation) in operations.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap();
            assert!(ids.insert(id.to_owned()), "{id} is there twice");
            let name = id.split('_').next().unwrap();
            assert!(found.insert((name.to_owned(), verb.to_uppercase(), shape(path))));
            let holes = path.matches('{').count();
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            assert_eq!(parameters.filter(|it| it["in"] == "path").count(), holes, "{id}");
        }
    }
    let mut bound = BTreeSet::new();
    for rpc in SERVICES.iter().flat_map(|service| service.rpcs) {
        for binding in rpc.bindings {
            let name = format!("{}.{}", rpc.service, rpc.name);
            let path = shape(&format!("{}{}", rpc.base(), binding.path));
            bound.insert((name, binding.verb.as_str().to_owned(), path));
        }
    }
    assert_eq!(found, bound);
    assert_eq!(bound.len(), 332);
}

#[test]
fn every_reference_leads_somewhere() {
    fn walk(document: &Value, at: &Value, seen: &mut usize) {
        match at {
            Value::Object(fields) => {
                if let Some(Value::String(to)) = fields.get("$ref") {
                    *seen += 1;
                    let pointer = to.strip_prefix('#').unwrap();
                    assert!(document.pointer(pointer).is_some(), "{to}");
                }
                fields.values().for_each(|value| walk(document, value, seen));
            }
            Value::Array(items) => items.iter().for_each(|value| walk(document, value, seen)),
            _ => {}
        }
    }
    let document = document();
    let mut seen = 0;
    walk(&document, &document, &mut seen);
    assert!(seen > 1_000, "{seen}");
}

#[test]
fn schemas_say_what_json_looks_like() {
    let document = document();
    let property = |message: &str, field: &str| {
        document["components"]["schemas"][message]["properties"][field].clone()
    };
    let pattern = |value: Value| value["pattern"].as_str().unwrap().to_owned();
    assert_eq!(pattern(property("EndDeviceIdentifiers", "dev_eui")), "^([0-9A-Fa-f]{16})?$");
    assert_eq!(property("EndDeviceIdentifiers", "device_id")["maxLength"], 36);
    assert_eq!(property("TxSettings", "frequency")["type"], "string", "64 bits");
    assert_eq!(property("ApplicationDownlink", "frm_payload")["contentEncoding"], "base64");
    let schemas = &document["components"]["schemas"];
    assert_eq!(schemas["FrequencyValue"]["type"], "string", "a wrapper is its bare value");
    assert_eq!(schemas["DataRateIndex"]["type"], "integer");
    assert!(schemas["MACVersion"]["enum"].as_array().unwrap().contains(&"MAC_V1_0_3".into()));
}
