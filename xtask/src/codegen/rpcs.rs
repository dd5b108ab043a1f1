//! Tables of services: RPCs, HTTP bindings, field masks.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context as _, Result, bail, ensure};
use heck::ToShoutySnakeCase as _;
use prost_reflect::{Kind, MethodDescriptor};

use super::names;
use super::pool::{Api, MaskRow};

/// Adds `rpcs.rs` and `field_masks.rs`.
pub(crate) fn generate(api: &Api, files: &mut BTreeMap<String, String>) -> Result<()> {
    let mut text = String::from(
        "//! The services of the API.\n\nuse super::field_masks as mask;\nuse crate::message::ApiMessage;\nuse crate::rpc::{Binding, Rpc, Service, Verb};\nuse crate::v3;\n\n/// All services, in the order of their files.\npub static SERVICES: &[Service] = &[\n",
    );
    let mut masks = String::from(
        "//! Which field mask paths each RPC takes.\n\nuse std::sync::OnceLock;\n\nuse crate::rpc::{Allowed, FieldMaskRule};\n",
    );
    for file in api.files() {
        for service in file.services() {
            writeln!(text, "    Service {{ name: {}, rpcs: &[", names::literal(service.name()))?;
            for method in service.methods() {
                let name = format!("{}.{}", service.name(), method.name());
                let rule = match api.masks.get(&name) {
                    Some(row) => {
                        let constant = name.replace('.', "_").to_shouty_snake_case();
                        mask(&mut masks, &constant, &method, row)?;
                        format!("Some(&mask::{constant})")
                    }
                    None => "None".to_owned(),
                };
                text.push_str(&rpc(api, &method, &rule)?);
            }
            text.push_str("    ] },\n");
        }
    }
    text.push_str("];\n");
    files.insert("rpcs.rs".to_owned(), text);
    files.insert("field_masks.rs".to_owned(), masks);
    Ok(())
}

fn rpc(api: &Api, method: &MethodDescriptor, rule: &str) -> Result<String> {
    let service = method.parent_service();
    let mut text = format!(
        "        Rpc {{\n            service: {}, name: {}, path: {},\n            request: <{} as ApiMessage>::descriptor, response: <{} as ApiMessage>::descriptor,\n            client_stream: {}, server_stream: {}, field_mask: {rule},\n            bindings: &[\n",
        names::literal(service.name()),
        names::literal(method.name()),
        names::literal(&format!("/{}/{}", service.full_name(), method.name())),
        names::message(&method.input()),
        names::message(&method.output()),
        method.is_client_streaming(),
        method.is_server_streaming(),
    );
    for binding in api.texts(&method.options(), "http") {
        let mut parts = binding.split(' ');
        let verb = parts.next().context("a binding has a verb")?;
        let path = parts.next().context("a binding has a path")?;
        let body = parts.next();
        ensure!(matches!(body, None | Some("body=*")), "{binding}: unknown body");
        let verb = match verb {
            "GET" => "Get",
            "POST" => "Post",
            "PUT" => "Put",
            "PATCH" => "Patch",
            "DELETE" => "Delete",
            other => bail!("unknown verb {other}"),
        };
        writeln!(
            text,
            "                Binding {{ verb: Verb::{verb}, path: {}, body: {} }},",
            names::literal(path),
            body.is_some()
        )?;
    }
    text.push_str("            ],\n        },\n");
    Ok(text)
}

fn mask(text: &mut String, name: &str, method: &MethodDescriptor, row: &MaskRow) -> Result<()> {
    let field = if row.set {
        let input = method.input();
        let field = input.fields().find(|field| match field.kind() {
            Kind::Message(inner) => names::short(inner.full_name()) == row.message,
            _ => false,
        });
        let field = field.with_context(|| format!("{name}: no field holds a {}", row.message))?;
        format!("Some({})", names::literal(field.name()))
    } else {
        "None".to_owned()
    };
    let mut paths: Vec<_> = row.paths.iter().map(|path| names::literal(path)).collect();
    paths.sort();
    let paths = paths.join(",\n        ");
    let allowed = match row.kind.as_str() {
        "all" => "Allowed::All".to_owned(),
        "all_except" => format!("Allowed::AllExcept(&[\n        {paths},\n    ])"),
        "all_plus" => format!("Allowed::AllPlus(&[\n        {paths},\n    ])"),
        _ => format!("Allowed::List(&[\n        {paths},\n    ])"),
    };
    writeln!(
        text,
        "\npub(super) static {name}: FieldMaskRule = FieldMaskRule {{\n    message: <crate::{} as crate::message::ApiMessage>::descriptor,\n    set: {field},\n    allowed: {allowed},\n    forbidden: OnceLock::new(),\n}};",
        names::message_by_name(&row.message),
    )?;
    Ok(())
}
