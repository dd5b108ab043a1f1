//! Validation rules as calls of `crate::validate`.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use anyhow::{Result, bail};
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};

use super::descriptor::{Shape, shape, value_kind};
use super::impls::{Member, members};
use super::names;
use super::pool::{self, Api};

/// The full names of the messages that have a rule at any depth.
pub(crate) fn with_rules(api: &Api) -> BTreeSet<String> {
    let all: Vec<_> = api.files().iter().flat_map(pool::messages).collect();
    let mut found = BTreeSet::new();
    loop {
        let before = found.len();
        for message in &all {
            let own = message.fields().any(|field| !api.rules(&field).is_empty())
                || message.oneofs().any(|oneof| api.flag(&oneof.options(), "oneof_required"));
            let below = message.fields().any(|field| match value_kind(&field) {
                Kind::Message(inner) => found.contains(inner.full_name()),
                _ => false,
            });
            if own || below {
                found.insert(message.full_name().to_owned());
            }
        }
        if found.len() == before {
            return found;
        }
    }
}

/// The method `check`, if the message has rules.
pub(crate) fn check(
    api: &Api,
    message: &MessageDescriptor,
    checked: &BTreeSet<String>,
) -> Result<String> {
    if !checked.contains(message.full_name()) {
        return Ok(String::new());
    }
    let mut body = String::new();
    for member in members(message) {
        match member {
            Member::Field(field) => {
                let access = format!("self.{}", names::field(&field));
                let calls = calls(api, &field, &access, checked)?;
                push(&mut body, field.name(), &calls, "        ")?;
            }
            Member::Oneof(oneof) => {
                let mut inner = String::new();
                if api.flag(&oneof.options(), "oneof_required") {
                    writeln!(
                        inner,
                        "            v.required(self.{}.is_some())?;",
                        names::oneof_field(&oneof)
                    )?;
                }
                let mut arms = String::new();
                for field in oneof.fields() {
                    let calls = calls(api, &field, "x", checked)?;
                    if calls.is_empty() {
                        continue;
                    }
                    writeln!(
                        arms,
                        "                Some({}::{}(x)) => {{",
                        names::oneof_type(&oneof),
                        names::variant(&field)
                    )?;
                    push(&mut arms, field.name(), &calls, "                    ")?;
                    arms.push_str("                }\n");
                }
                if !arms.is_empty() {
                    writeln!(
                        inner,
                        "            match &self.{} {{\n{arms}                _ => {{}}\n            }}",
                        names::oneof_field(&oneof)
                    )?;
                }
                if !inner.is_empty() {
                    writeln!(
                        body,
                        "        if v.enter({}) {{\n{inner}            v.leave();\n        }}",
                        names::literal(oneof.name())
                    )?;
                }
            }
        }
    }
    Ok(format!(
        "    fn check(&self, v: &mut Validator<'_>) -> Result<(), Violation> {{\n{body}        Ok(())\n    }}\n"
    ))
}

fn push(body: &mut String, name: &str, calls: &[String], indent: &str) -> Result<()> {
    if calls.is_empty() {
        return Ok(());
    }
    writeln!(body, "{indent}if v.enter({}) {{", names::literal(name))?;
    for call in calls {
        writeln!(body, "{indent}    {call}")?;
    }
    writeln!(body, "{indent}    v.leave();\n{indent}}}")?;
    Ok(())
}

/// Rules sorted by what they speak of.
#[derive(Default)]
struct Sorted {
    required: bool,
    whole: Vec<String>,
    items: Vec<String>,
    keys: Vec<String>,
}

fn sort(api: &Api, field: &FieldDescriptor) -> Result<Sorted> {
    let mut sorted = Sorted::default();
    for rule in api.rules(field) {
        let (kind, value) = rule.split_once('=').unwrap_or((&rule, "true"));
        if let Some(kind) = kind.strip_prefix("repeated.items.") {
            sorted.items.extend(expression(kind, value)?);
        } else if let Some(kind) = kind.strip_prefix("map.values.") {
            sorted.items.extend(expression(kind, value)?);
        } else if let Some(kind) = kind.strip_prefix("map.keys.") {
            sorted.keys.extend(expression(kind, value)?);
        } else if kind.ends_with(".required") {
            sorted.required = true;
        } else {
            sorted.whole.extend(expression(kind, value)?);
        }
    }
    Ok(sorted)
}

fn calls(
    api: &Api,
    field: &FieldDescriptor,
    access: &str,
    checked: &BTreeSet<String>,
) -> Result<Vec<String>> {
    let rules = sort(api, field)?;
    let kind = value_kind(field);
    let recurse = matches!(&kind, Kind::Message(inner) if checked.contains(inner.full_name()));
    let mut calls = Vec::new();
    match shape(field) {
        Shape::List | Shape::Map => {
            if !rules.whole.is_empty() {
                if let Some(index) = rules.whole.iter().position(|rule| rule == "Rule::Unique") {
                    calls.push(format!("v.unique(&{access})?;"));
                    let rest: Vec<_> =
                        rules.whole.iter().enumerate().filter(|(i, _)| *i != index).collect();
                    let rest: Vec<_> = rest.into_iter().map(|(_, rule)| rule.clone()).collect();
                    calls.push(format!("v.length({access}.len(), &[{}])?;", rest.join(", ")));
                } else {
                    calls
                        .push(format!("v.length({access}.len(), &[{}])?;", rules.whole.join(", ")));
                }
            }
            let map = shape(field) == Shape::Map;
            let items = if map { format!("{access}.values()") } else { format!("&{access}") };
            if !rules.keys.is_empty() {
                let call = scalar(field, "x", &rules.keys, Some(&Kind::String))?;
                calls.push(format!("for x in {access}.keys() {{ {call} }}"));
            }
            if !rules.items.is_empty() {
                let call = scalar(field, "x", &rules.items, None)?;
                calls.push(format!("for x in {items} {{ {call} }}"));
            }
            if recurse {
                calls.push(format!("for x in {items} {{ x.check(v)?; }}"));
            }
        }
        Shape::Optional => {
            if rules.required {
                calls.push(format!("v.required({access}.is_some())?;"));
            }
            let mut inner = Vec::new();
            if !rules.whole.is_empty() {
                inner.push(scalar(field, "x", &rules.whole, None)?);
            }
            if recurse {
                inner.push("x.check(v)?;".to_owned());
            }
            if !inner.is_empty() {
                calls.push(format!("if let Some(x) = &{access} {{ {} }}", inner.join(" ")));
            }
        }
        Shape::Member | Shape::Scalar => {
            if !rules.whole.is_empty() {
                let access = if access == "x" { "x".to_owned() } else { format!("&{access}") };
                calls.push(scalar(field, &access, &rules.whole, None)?);
            }
            if recurse {
                calls.push(format!("{access}.check(v)?;"));
            }
        }
    }
    Ok(calls)
}

/// A check of one value behind a reference.
fn scalar(
    field: &FieldDescriptor,
    access: &str,
    rules: &[String],
    kind: Option<&Kind>,
) -> Result<String> {
    let own = value_kind(field);
    let rules = rules.join(", ");
    let (how, value) = match kind.unwrap_or(&own) {
        Kind::String => ("string", access.to_owned()),
        Kind::Bytes => ("bytes", access.to_owned()),
        Kind::Uint32 | Kind::Int32 => ("integer", format!("i128::from(*{access})")),
        Kind::Uint64 | Kind::Int64 => ("integer", format!("i128::from(*{access})")),
        Kind::Float => ("float", format!("f64::from(*{access})")),
        Kind::Double => ("float", format!("*{access}")),
        Kind::Enum(desc) => {
            return Ok(format!(
                "v.enumeration::<{}>(*{access}, &[{rules}])?;",
                names::enumeration(desc)
            )
            .replace("*&", ""));
        }
        Kind::Message(message) => match message.full_name() {
            "google.protobuf.Timestamp" => ("timestamp", access.to_owned()),
            "google.protobuf.FloatValue" => ("float", format!("f64::from(*{access})")),
            "google.protobuf.UInt32Value" => ("integer", format!("i128::from(*{access})")),
            "google.protobuf.StringValue" => ("string", access.to_owned()),
            other => bail!("{}: no rules for {other}", field.full_name()),
        },
        other => bail!("{}: no rules for {other:?}", field.full_name()),
    };
    Ok(format!("v.{how}({value}, &[{rules}])?;").replace("*&", ""))
}

/// The `Rule` expression, or nothing for a rule without effect.
fn expression(kind: &str, value: &str) -> Result<Option<String>> {
    let (family, rule) = kind.split_once('.').unwrap_or(("", kind));
    let float = matches!(family, "float" | "double");
    Ok(Some(match rule {
        "max_len" => format!("Rule::MaxLen({value})"),
        "min_len" if value == "0" => return Ok(None),
        "min_len" => format!("Rule::MinLen({value})"),
        "len" => format!("Rule::Len({value})"),
        "max_items" | "max_pairs" => format!("Rule::MaxItems({value})"),
        "min_items" if value == "0" => return Ok(None),
        "min_items" => format!("Rule::MinItems({value})"),
        "unique" => "Rule::Unique".to_owned(),
        "pattern" => format!("Rule::Pattern({})", names::literal(value)),
        "ignore_empty" => "Rule::IgnoreEmpty".to_owned(),
        "defined_only" => "Rule::DefinedOnly".to_owned(),
        "lte" if float => format!("Rule::MaxFloat({value})"),
        "gte" if float => format!("Rule::MinFloat({value})"),
        "lte" => format!("Rule::Max({value})"),
        "gte" => format!("Rule::Min({value})"),
        "gt" => format!("Rule::Above({value})"),
        "gt_now" => "Rule::Future".to_owned(),
        "lt_now" => "Rule::Past".to_owned(),
        "uri" => "Rule::Uri".to_owned(),
        "uri_ref" => "Rule::UriReference".to_owned(),
        "uuid" => "Rule::Uuid".to_owned(),
        "email" => "Rule::Email".to_owned(),
        "ip" => "Rule::Ip".to_owned(),
        "ipv4" => "Rule::Ipv4".to_owned(),
        "in" if family == "string" => format!("Rule::In(&[{}])", quoted(value)),
        "in" => format!("Rule::InNumbers(&{value})"),
        "not_in" => format!("Rule::NotInNumbers(&{value})"),
        _ => bail!("unknown validation rule {kind}"),
    }))
}

/// The table of regular expressions.
pub(crate) fn patterns(api: &Api) -> Result<String> {
    let mut found = BTreeSet::new();
    for message in api.files().iter().flat_map(pool::messages) {
        for rule in pool::fields(&message).iter().flat_map(|field| api.rules(field)) {
            if let Some((kind, pattern)) = rule.split_once('=')
                && kind.ends_with(".pattern")
            {
                found.insert(pattern.to_owned());
            }
        }
    }
    let mut text = String::from(
        "//! The regular expressions of the validation rules.\n\n/// The expressions.\npub(crate) static PATTERNS: &[&str] = &[\n",
    );
    for pattern in found {
        writeln!(text, "    {},", names::literal(&pattern))?;
    }
    text.push_str("];\n");
    Ok(text)
}

fn quoted(list: &str) -> String {
    let list = list.trim_start_matches('[').trim_end_matches(']');
    list.split(',').map(names::literal).collect::<Vec<_>>().join(", ")
}
