//! Rust names of protobuf things, as `prost-build` makes them.

use heck::{ToSnakeCase as _, ToUpperCamelCase as _};
use prost_reflect::{EnumDescriptor, FieldDescriptor, MessageDescriptor, OneofDescriptor};

use super::pool::PACKAGES;

/// The name without the package. No two packages have the same name.
pub(crate) fn short(full: &str) -> &str {
    let rest = PACKAGES.iter().find_map(|(package, _)| full.strip_prefix(package));
    rest.map_or(full, |rest| rest.trim_start_matches('.'))
}

/// The path of a message or enum below `crate::v3`.
fn type_path(full: &str) -> String {
    let parts: Vec<_> = short(full).split('.').collect();
    let mut path = String::from("v3::");
    for (index, part) in parts.iter().enumerate() {
        if index + 1 == parts.len() {
            path.push_str(&part.to_upper_camel_case());
        } else {
            path.push_str(&sanitize(part.to_snake_case()));
            path.push_str("::");
        }
    }
    path
}

/// The Rust type of a message.
pub(crate) fn message(message: &MessageDescriptor) -> String {
    match message.full_name() {
        "google.protobuf.Empty" => "()".to_owned(),
        name => match name.strip_prefix("google.protobuf.") {
            Some(name) => format!("prost_types::{name}"),
            None => type_path(name),
        },
    }
}

/// The Rust type of a message that is known by its name without the package.
pub(crate) fn message_by_name(name: &str) -> String {
    type_path(name)
}

/// The Rust type of an enum.
pub(crate) fn enumeration(desc: &EnumDescriptor) -> String {
    type_path(desc.full_name())
}

/// The Rust field of a message field.
pub(crate) fn field(field: &FieldDescriptor) -> String {
    sanitize(field.name().to_snake_case())
}

/// The Rust field of a oneof.
pub(crate) fn oneof_field(oneof: &OneofDescriptor) -> String {
    sanitize(oneof.name().to_snake_case())
}

/// The Rust enum of a oneof.
pub(crate) fn oneof_type(oneof: &OneofDescriptor) -> String {
    let parent = type_path(oneof.parent_message().full_name());
    let (path, _) = parent.rsplit_once("::").unwrap_or(("", &parent));
    let module = sanitize(oneof.parent_message().name().to_snake_case());
    format!("{path}::{module}::{}", oneof.name().to_upper_camel_case())
}

/// The variant of a oneof member.
pub(crate) fn variant(field: &FieldDescriptor) -> String {
    sanitize(field.name().to_upper_camel_case())
}

/// The method of an RPC: plural abbreviations stay one word.
pub(crate) fn method(name: &str) -> String {
    sanitize(name.replace("EUIs", "Euis").replace("IDs", "Ids").to_snake_case())
}

/// The module of a service.
pub(crate) fn service_module(name: &str) -> String {
    sanitize(name.to_snake_case())
}

/// A string literal.
pub(crate) fn literal(text: &str) -> String {
    format!("{text:?}")
}

fn sanitize(name: String) -> String {
    const KEYWORDS: &[&str] = &[
        "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "do",
        "dyn", "else", "enum", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let",
        "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return",
        "static", "struct", "trait", "true", "try", "type", "typeof", "unsafe", "unsized", "use",
        "virtual", "where", "while", "yield",
    ];
    match name.as_str() {
        "self" | "super" | "crate" | "extern" => format!("{name}_"),
        keyword if KEYWORDS.contains(&keyword) => format!("r#{name}"),
        _ => name,
    }
}
