//! `ApiMessage` for every message: descriptor, JSON, field masks, validation.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use anyhow::Result;
use prost_reflect::{FieldDescriptor, MessageDescriptor, OneofDescriptor};

use super::descriptor::{self, Shape, shape};
use super::pool::{self, Api, stem};
use super::{enums, names, rules};

/// Adds `impls/<file>.rs` and `impls/mod.rs`.
pub(crate) fn generate(api: &Api, files: &mut BTreeMap<String, String>) -> Result<()> {
    let checked = rules::with_rules(api);
    let mut index = String::from("//! What the messages can do, by `.proto` file.\n\n");
    for file in api.files() {
        let mut text = String::new();
        for message in pool::messages(&file) {
            text.push_str(&implement(api, &message, &checked)?);
        }
        for desc in pool::enums(&file) {
            text.push_str(&enums::implement(api, &desc)?);
        }
        if text.is_empty() {
            continue;
        }
        let name = stem(&file);
        let uses = "#[allow(unused_imports, reason = \"not every file needs everything\")]\n\
                    use super::prelude::*;\n";
        files.insert(format!("impls/{name}.rs"), format!("{uses}{text}"));
        writeln!(index, "#[path = \"{name}.rs\"]\nmod {name}_impl;")?;
    }
    index.push_str(PRELUDE);
    files.insert("impls/mod.rs".to_owned(), index);
    files.insert("patterns.rs".to_owned(), rules::patterns(api)?);
    files.insert("registry.rs".to_owned(), registry(api)?);
    Ok(())
}

const PRELUDE: &str = "
/// What the files of this module use.
mod prelude {
    pub(super) use serde_json::Value;

    pub(super) use crate::json::codec::*;
    pub(super) use crate::json::{EnumRules, EnumValue, JsonEnum, JsonError, Writer, read};
    pub(super) use crate::mask::{Path, UnknownPath, member};
    pub(super) use crate::message::{ApiMessage, Descriptor, Field, Json, Kind, Label};
    pub(super) use crate::v3;
    pub(super) use crate::validate::{Rule, Validator, Violation};
}
";

fn implement(api: &Api, message: &MessageDescriptor, checked: &BTreeSet<String>) -> Result<String> {
    let mut text = format!("\nimpl ApiMessage for {} {{\n", names::message(message));
    writeln!(
        text,
        "    fn descriptor() -> &'static Descriptor {{\n        {}\n    }}\n",
        descriptor::table(api, message)?
    )?;
    text.push_str(&write_fields(api, message)?);
    text.push_str(&read_field(api, message)?);
    if api.is_wrapper(message) {
        text.push_str(&wrapper(api, message)?);
    }
    if message.get_field_by_name("field_mask").is_some() {
        text.push_str(FIELD_MASK);
    }
    text.push_str(&copy_path(message)?);
    text.push_str(&rules::check(api, message, checked)?);
    text.push_str("}\n");
    Ok(text)
}

const FIELD_MASK: &str = "    fn field_mask(&self) -> Option<&prost_types::FieldMask> {
        self.field_mask.as_ref()
    }

";

/// The fields of a message with each oneof once, where its first member stands.
pub(crate) fn members(message: &MessageDescriptor) -> Vec<Member> {
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for field in pool::fields(message) {
        match field.containing_oneof() {
            None => found.push(Member::Field(field)),
            Some(oneof) => {
                if seen.insert(oneof.name().to_owned()) {
                    found.push(Member::Oneof(oneof));
                }
            }
        }
    }
    found
}

/// A field, or a oneof with its fields.
pub(crate) enum Member {
    Field(FieldDescriptor),
    Oneof(OneofDescriptor),
}

fn write_fields(api: &Api, message: &MessageDescriptor) -> Result<String> {
    let mut body = String::new();
    for member in members(message) {
        match member {
            Member::Field(field) => {
                let how = match shape(&field) {
                    Shape::List => "list",
                    Shape::Map => "map",
                    Shape::Optional => "optional",
                    _ => "scalar",
                };
                writeln!(
                    body,
                    "        w.{how}::<{}, _>({}, &self.{});",
                    turbofish(api, &field)?,
                    names::literal(field.name()),
                    names::field(&field)
                )?;
            }
            Member::Oneof(oneof) => {
                writeln!(body, "        match &self.{} {{", names::oneof_field(&oneof))?;
                for field in oneof.fields() {
                    writeln!(
                        body,
                        "            Some({}::{}(x)) => w.member::<{}, _>({}, x),",
                        names::oneof_type(&oneof),
                        names::variant(&field),
                        descriptor::codec(api, &field)?,
                        names::literal(field.name()),
                    )?;
                }
                body.push_str("            None => {}\n        }\n");
            }
        }
    }
    Ok(function("write_fields(&self, w: &mut Writer)", "w", "", &body, ""))
}

fn read_field(api: &Api, message: &MessageDescriptor) -> Result<String> {
    let mut body = String::new();
    for field in pool::fields(message) {
        let name = names::literal(field.name());
        let pattern = if field.name() == field.json_name() {
            name
        } else {
            format!("{name} | {}", names::literal(field.json_name()))
        };
        let codec = turbofish(api, &field)?;
        match (shape(&field), field.containing_oneof()) {
            (Shape::Member, Some(oneof)) => writeln!(
                body,
                "            {pattern} => read::member::<{codec}, _, _>(&mut self.{}, value, {}::{}),",
                names::oneof_field(&oneof),
                names::oneof_type(&oneof),
                names::variant(&field)
            )?,
            (shape, _) => {
                let how = match shape {
                    Shape::List => "list",
                    Shape::Map => "map",
                    Shape::Optional => "optional",
                    _ => "scalar",
                };
                writeln!(
                    body,
                    "            {pattern} => read::{how}::<{codec}, _>(&mut self.{}, value),",
                    names::field(&field)
                )?;
            }
        }
    }
    if body.is_empty() {
        return Ok("    fn read_field(&mut self, _: &str, _: Value) -> Result<(), JsonError> {\n        Ok(())\n    }\n\n".to_owned());
    }
    Ok(format!(
        "    fn read_field(&mut self, name: &str, value: Value) -> Result<(), JsonError> {{\n        match name {{\n{body}            _ => Ok(()),\n        }}\n    }}\n\n"
    ))
}

/// The codec, and for maps the kind of key before it.
fn turbofish(api: &Api, field: &FieldDescriptor) -> Result<String> {
    let codec = descriptor::codec(api, field)?;
    Ok(match field.kind() {
        prost_reflect::Kind::Message(entry) if entry.is_map_entry() => {
            let key = match entry.map_entry_key_field().kind() {
                prost_reflect::Kind::Uint32 => "u32",
                prost_reflect::Kind::Uint64 => "u64",
                _ => "String",
            };
            format!("{codec}, {key}")
        }
        _ => codec,
    })
}

fn wrapper(api: &Api, message: &MessageDescriptor) -> Result<String> {
    let mut text = String::new();
    for field in pool::fields(message) {
        let codec = descriptor::codec(api, &field)?;
        write!(
            text,
            "    fn write(&self, w: &mut Writer) {{\n        {codec}::put(&self.value, w);\n    }}\n\n    fn read(value: Value) -> Result<Self, JsonError> {{\n        Ok(Self {{ value: {codec}::take(read::unwrapped(value))? }})\n    }}\n\n",
            codec = codec.replacen('<', "::<", 1),
        )?;
    }
    Ok(text)
}

fn copy_path(message: &MessageDescriptor) -> Result<String> {
    let mut body = String::new();
    for member in members(message) {
        match member {
            Member::Field(field) => {
                let rust = names::field(&field);
                let name = names::literal(field.name());
                if is_nested(&field) {
                    writeln!(
                        body,
                        "            Some({name}) => path.message(&mut self.{rust}, from.{rust}.as_ref()),"
                    )?;
                } else {
                    writeln!(
                        body,
                        "            Some({name}) => path.leaf(&mut self.{rust}, &from.{rust}),"
                    )?;
                }
            }
            Member::Oneof(oneof) => body.push_str(&copy_oneof(&oneof)?),
        }
    }
    if body.is_empty() {
        return Ok("    fn copy_path(&mut self, _: &Self, path: &mut Path<'_>) -> Result<(), UnknownPath> {\n        path.unknown()\n    }\n\n".to_owned());
    }
    Ok(format!(
        "    fn copy_path(&mut self, from: &Self, path: &mut Path<'_>) -> Result<(), UnknownPath> {{\n        match path.next() {{\n{body}            _ => path.unknown(),\n        }}\n    }}\n\n"
    ))
}

fn copy_oneof(oneof: &OneofDescriptor) -> Result<String> {
    let rust = names::oneof_field(oneof);
    let mut text = format!(
        "            Some({}) => match path.next() {{\n                None => {{\n                    self.{rust}.clone_from(&from.{rust});\n                    Ok(())\n                }}\n",
        names::literal(oneof.name())
    );
    for field in oneof.fields() {
        let how = if is_nested(&field) { "message" } else { "member" };
        writeln!(
            text,
            "                Some({}) => member!(self.{rust}, from.{rust}, {}::{}, path, {how}),",
            names::literal(field.name()),
            names::oneof_type(oneof),
            names::variant(&field)
        )?;
    }
    text.push_str("                _ => path.unknown(),\n            },\n");
    Ok(text)
}

/// Whether paths go on below the field.
fn is_nested(field: &FieldDescriptor) -> bool {
    match (shape(field), field.kind()) {
        (Shape::List | Shape::Map, _) => false,
        (_, prost_reflect::Kind::Message(message)) => {
            !message.full_name().starts_with("google.protobuf.")
        }
        _ => false,
    }
}

/// A method whose argument may stay unused.
pub(crate) fn function(head: &str, arg: &str, result: &str, body: &str, end: &str) -> String {
    if body.is_empty() {
        let head = head.replace(&format!("{arg}:"), "_:");
        return format!(
            "    fn {head}{result} {{{}}}\n\n",
            if end.is_empty() { String::new() } else { format!(" {} ", end.trim()) }
        );
    }
    format!("    fn {head}{result} {{\n{body}{end}    }}\n\n")
}

/// Every message by name, for `google.protobuf.Any`.
fn registry(api: &Api) -> Result<String> {
    let mut rows = BTreeMap::new();
    for file in api.files() {
        for message in pool::messages(&file) {
            rows.insert(names::short(message.full_name()).to_owned(), names::message(&message));
        }
    }
    let mut text = String::from(
        "//! Every message by name.\n\nuse crate::message::{Entry, entry};\nuse crate::v3;\n\n/// The messages in the order of their names, which have no package.\npub(crate) static MESSAGES: &[Entry] = &[\n",
    );
    for (name, path) in rows {
        writeln!(text, "    entry::<{path}>({}),", names::literal(&name))?;
    }
    text.push_str("];\n");
    Ok(text)
}
