//! Schemas of OpenAPI for messages and enums: what the JSON of the gateway looks like.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};

use super::descriptor::{Shape, shape, value_kind};
use super::names;
use super::pool::{self, Api};

/// Comments of the `.proto` files.
pub(crate) struct Comments<'a>(BTreeMap<(&'a str, &'a [i32]), &'a str>);

impl<'a> Comments<'a> {
    pub(crate) fn new(api: &'a Api) -> Self {
        let mut all = BTreeMap::new();
        for file in &api.set.file {
            let info = file.source_code_info.iter().flat_map(|info| &info.location);
            for location in info.filter(|it| !it.leading_comments().is_empty()) {
                let comment = location.leading_comments().trim();
                all.insert((file.name(), location.path.as_slice()), comment);
            }
        }
        Self(all)
    }

    pub(crate) fn of(&self, file: &str, path: &[i32]) -> String {
        self.0.get(&(file, path)).map(|text| text.replace('\n', " ")).unwrap_or_default()
    }
}

/// The schemas of all messages and enums, by name.
pub(crate) fn all(api: &Api, comments: &Comments<'_>) -> Result<BTreeMap<String, Value>> {
    let mut schemas = BTreeMap::from([("Status".to_owned(), status())]);
    for file in api.files() {
        for message in pool::messages(&file) {
            let name = names::short(message.full_name()).to_owned();
            let schema = described(self::message(api, &message, comments), || {
                comments.of(file.name(), message.path())
            });
            ensure!(schemas.insert(name.clone(), schema).is_none(), "two schemas {name}");
        }
        for desc in pool::enums(&file) {
            let name = names::short(desc.full_name()).to_owned();
            let schema =
                described(enumeration(api, &desc), || comments.of(file.name(), desc.path()));
            ensure!(schemas.insert(name.clone(), schema).is_none(), "two schemas {name}");
        }
    }
    Ok(schemas)
}

/// What an error looks like.
fn status() -> Value {
    json!({
        "type": "object",
        "description": "A `google.rpc.Status`. Clients decide by namespace and name of the first detail.",
        "properties": {
            "code": { "type": "integer", "description": "The code of gRPC." },
            "message": { "type": "string" },
            "details": { "type": "array", "items": { "allOf": [
                { "type": "object", "properties": { "@type": { "type": "string" } }, "required": ["@type"] },
                { "$ref": "#/components/schemas/ErrorDetails" },
            ] } },
        },
        "required": ["code", "message"],
    })
}

fn described(mut schema: Value, comment: impl FnOnce() -> String) -> Value {
    let comment = comment();
    if !comment.is_empty() {
        schema["description"] = json!(comment);
    }
    schema
}

fn message(api: &Api, message: &MessageDescriptor, comments: &Comments<'_>) -> Value {
    let fields = pool::fields(message);
    if api.is_wrapper(message)
        && let [field] = fields.as_slice()
    {
        return value(api, field);
    }
    let file = message.parent_file();
    let properties: Map<_, _> = fields
        .iter()
        .map(|field| {
            let about = || comments.of(file.name(), field.path());
            (field.name().to_owned(), described(self::field(api, field), about))
        })
        .collect();
    json!({ "type": "object", "properties": properties })
}

fn field(api: &Api, field: &FieldDescriptor) -> Value {
    match shape(field) {
        Shape::List => {
            let mut list = json!({ "type": "array", "items": value(api, field) });
            limits(
                api,
                field,
                "repeated.",
                &[("max_items", "maxItems"), ("min_items", "minItems")],
                &mut list,
            );
            list
        }
        Shape::Map => {
            let mut map = json!({ "type": "object", "additionalProperties": value(api, field) });
            limits(api, field, "map.", &[("max_pairs", "maxProperties")], &mut map);
            map
        }
        _ => value(api, field),
    }
}

/// The schema of one value of a field.
pub(crate) fn value(api: &Api, field: &FieldDescriptor) -> Value {
    if let Some(codec) = api.text(&field.options(), "json_codec") {
        return match codec.strip_prefix("hex").and_then(|digits| digits.parse::<u32>().ok()) {
            Some(octets) => {
                json!({ "type": "string", "pattern": format!("^([0-9A-Fa-f]{{{}}})?$", octets * 2) })
            }
            None => json!({ "type": "string", "pattern": "^[0-9A-Fa-f]{8}/[0-9]{1,2}$" }),
        };
    }
    match value_kind(field) {
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::Int32 => number(api, field, json!({ "type": "integer", "format": "int32" })),
        Kind::Uint32 => number(api, field, json!({ "type": "integer", "minimum": 0 })),
        // Written as text, because numbers of JavaScript are shorter.
        Kind::Int64 => json!({ "type": "string", "pattern": "^-?[0-9]+$" }),
        Kind::Uint64 => json!({ "type": "string", "pattern": "^[0-9]+$" }),
        Kind::Float | Kind::Double => number(api, field, json!({ "type": "number" })),
        Kind::String => string(api, field),
        Kind::Bytes => json!({ "type": "string", "contentEncoding": "base64" }),
        Kind::Enum(desc) => json!({ "$ref": path(names::short(desc.full_name())) }),
        Kind::Message(message) => reference(&message),
        _ => json!({}),
    }
}

/// Refers to the schema of a message.
pub(crate) fn reference(message: &MessageDescriptor) -> Value {
    let Some(known) = message.full_name().strip_prefix("google.protobuf.") else {
        return json!({ "$ref": path(names::short(message.full_name())) });
    };
    match known {
        "Timestamp" => json!({ "type": "string", "format": "date-time" }),
        "Duration" => json!({ "type": "string", "examples": ["1.500s"] }),
        "FieldMask" => json!({ "oneOf": [
            { "type": "object", "properties": { "paths": { "type": "array", "items": { "type": "string" } } } },
            { "type": "string", "description": "Paths, separated by commas." },
        ] }),
        "Any" => {
            json!({ "type": "object", "properties": { "@type": { "type": "string" } }, "required": ["@type"] })
        }
        "BoolValue" => json!({ "type": "boolean" }),
        "StringValue" => json!({ "type": "string" }),
        "UInt32Value" | "Int32Value" => json!({ "type": "integer" }),
        "FloatValue" | "DoubleValue" => json!({ "type": "number" }),
        "Value" => json!({}),
        // Struct and Empty.
        _ => json!({ "type": "object" }),
    }
}

/// Whether JSON shows the message as an object with its fields.
pub(crate) fn has_fields(api: &Api, message: &MessageDescriptor) -> bool {
    !message.full_name().starts_with("google.") && !api.is_wrapper(message)
}

fn path(name: &str) -> String {
    format!("#/components/schemas/{name}")
}

fn enumeration(api: &Api, desc: &EnumDescriptor) -> Value {
    let values = pool::values(desc);
    if api.text(&desc.options(), "json_out").as_deref() != Some("string") {
        let mut numbers: Vec<_> = values.iter().map(|value| value.number()).collect();
        numbers.dedup();
        return json!({ "type": "integer", "enum": numbers });
    }
    let mut names: Vec<String> = Vec::new();
    for value in &values {
        let text = api.text(&value.options(), "json_string");
        let text = text.unwrap_or_else(|| value.name().to_owned());
        if !names.contains(&text) {
            names.push(text);
        }
    }
    json!({ "type": "string", "enum": names })
}

fn string(api: &Api, field: &FieldDescriptor) -> Value {
    let mut schema = json!({ "type": "string" });
    limits(
        api,
        field,
        "string.",
        &[("max_len", "maxLength"), ("min_len", "minLength")],
        &mut schema,
    );
    for rule in api.rules(field) {
        let Some((name, value)) = rule.split_once('=') else { continue };
        match name {
            "string.pattern" => schema["pattern"] = json!(value),
            "string.email" => schema["format"] = json!("email"),
            _ => {}
        }
    }
    schema
}

fn number(api: &Api, field: &FieldDescriptor, mut schema: Value) -> Value {
    for prefix in ["int32.", "uint32.", "float.", "double."] {
        limits(api, field, prefix, &[("lte", "maximum"), ("gte", "minimum")], &mut schema);
    }
    schema
}

/// Copies rules that are numbers.
fn limits(
    api: &Api,
    field: &FieldDescriptor,
    prefix: &str,
    names: &[(&str, &str)],
    to: &mut Value,
) {
    for rule in api.rules(field) {
        let Some((rule, value)) = rule.strip_prefix(prefix).and_then(|rule| rule.split_once('='))
        else {
            continue;
        };
        let name = names.iter().find(|(name, _)| *name == rule);
        if let (Some((_, name)), Ok(number)) = (name, value.parse::<serde_json::Number>()) {
            to[*name] = Value::Number(number);
        }
    }
}
