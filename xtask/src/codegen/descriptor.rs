//! What the generator needs to know about a field, and the descriptor tables.

use std::fmt::Write as _;

use anyhow::{Result, bail};
use prost_reflect::{Cardinality, FieldDescriptor, Kind, MessageDescriptor};

use super::names;
use super::pool::{self, Api};

/// How often a field holds its value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A bare scalar, absent when zero.
    Scalar,
    /// An `Option`.
    Optional,
    /// A member of a oneof.
    Member,
    /// A `Vec`.
    List,
    /// A `BTreeMap`.
    Map,
}

pub(crate) fn shape(field: &FieldDescriptor) -> Shape {
    if field.is_map() {
        Shape::Map
    } else if field.cardinality() == Cardinality::Repeated {
        Shape::List
    } else if field.containing_oneof().is_some() {
        Shape::Member
    } else if matches!(field.kind(), Kind::Message(_)) {
        Shape::Optional
    } else {
        Shape::Scalar
    }
}

/// The kind of a field, or of the values of a map.
pub(crate) fn value_kind(field: &FieldDescriptor) -> Kind {
    match field.kind() {
        Kind::Message(entry) if entry.is_map_entry() => entry.map_entry_value_field().kind(),
        kind => kind,
    }
}

/// The codec type of `crate::json::codec` for the values of a field.
pub(crate) fn codec(api: &Api, field: &FieldDescriptor) -> Result<String> {
    if let Some(codec) = api.text(&field.options(), "json_codec") {
        return Ok(match codec.strip_prefix("hex") {
            Some(length) => format!("Hex<{length}>"),
            None if codec == "devaddr_prefix" => "Prefix".to_owned(),
            None => bail!("{}: unknown codec {codec}", field.full_name()),
        });
    }
    let plugin = api.is_plugin(field.parent_message());
    Ok(match value_kind(field) {
        Kind::Enum(desc) => format!("Enum<{}>", names::enumeration(&desc)),
        Kind::Message(message) => match message.full_name() {
            "google.protobuf.Timestamp" if plugin => "Utc".to_owned(),
            "google.protobuf.Timestamp" => "Time".to_owned(),
            "google.protobuf.Duration" if plugin => "GoDuration".to_owned(),
            "google.protobuf.Duration" => "Seconds".to_owned(),
            "google.protobuf.FieldMask" => "Mask".to_owned(),
            "google.protobuf.Struct" => "Object".to_owned(),
            "google.protobuf.Any" => "AnyMessage".to_owned(),
            name if name.starts_with("google.protobuf.") => "Plain".to_owned(),
            _ => "Nested".to_owned(),
        },
        _ => "Plain".to_owned(),
    })
}

/// The `Kind` expression of the descriptor table.
fn kind(field: &FieldDescriptor) -> Result<String> {
    Ok(match value_kind(field) {
        Kind::Bool => "Bool".to_owned(),
        Kind::Int32 | Kind::Int64 | Kind::Uint32 | Kind::Uint64 => "Integer".to_owned(),
        Kind::Float | Kind::Double => "Float".to_owned(),
        Kind::String => "String".to_owned(),
        Kind::Bytes => "Bytes".to_owned(),
        Kind::Enum(_) => "Enum".to_owned(),
        Kind::Message(message) => match message.full_name() {
            "google.protobuf.Timestamp" => "Timestamp".to_owned(),
            "google.protobuf.Duration" => "Duration".to_owned(),
            "google.protobuf.FieldMask" => "FieldMask".to_owned(),
            "google.protobuf.Struct" => "Struct".to_owned(),
            "google.protobuf.Any" => "Any".to_owned(),
            "google.protobuf.BoolValue" => "Bool".to_owned(),
            "google.protobuf.UInt32Value" => "Integer".to_owned(),
            "google.protobuf.FloatValue" => "Float".to_owned(),
            "google.protobuf.StringValue" => "String".to_owned(),
            name if name.starts_with("google.") => bail!("{name} is not supported"),
            _ => format!("Message(<{} as ApiMessage>::descriptor)", names::message(&message)),
        },
        other => bail!("{}: kind {other:?} is not supported", field.full_name()),
    })
}

/// The body of `ApiMessage::descriptor`.
pub(crate) fn table(api: &Api, message: &MessageDescriptor) -> Result<String> {
    let json = if api.is_wrapper(message) {
        "Wrapper"
    } else if api.is_plugin(message) {
        "Plugin"
    } else {
        "Standard"
    };
    let mut text = format!(
        "static D: Descriptor = Descriptor {{ name: {}, json: Json::{json}, fields: &[",
        names::literal(names::short(message.full_name()))
    );
    for field in pool::fields(message) {
        let label = match shape(&field) {
            Shape::List => "Repeated",
            Shape::Map => "Map",
            _ => "Single",
        };
        let oneof = field.containing_oneof().map(|oneof| names::literal(oneof.name()));
        let oneof = oneof.map_or_else(|| "None".to_owned(), |name| format!("Some({name})"));
        write!(
            text,
            "\n            Field {{ name: {}, json_name: {}, oneof: {oneof}, label: Label::{label}, kind: Kind::{} }},",
            names::literal(field.name()),
            names::literal(field.json_name()),
            kind(&field)?
        )?;
    }
    text.push_str("\n        ] };\n        &D");
    Ok(text)
}
