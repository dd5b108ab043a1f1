//! The HTTP bindings as an OpenAPI 3.1 document. What JSON looks like is in `openapi_schema.rs`.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor};
use serde_json::{Map, Value, json};

use super::descriptor::{Shape, shape, value_kind};
use super::openapi_schema::{self as schema, Comments};
use super::pool::{self, Api};

/// How deep messages are followed for query parameters.
const QUERY_DEPTH_MAX: usize = 4;

/// The document; a line holds a path or a schema, so that changes can be read.
pub(crate) fn generate(api: &Api) -> Result<String> {
    let comments = Comments::new(api);
    let mut paths = BTreeMap::<String, Map<String, Value>>::new();
    let mut names = BTreeMap::new();
    let mut tags = Vec::new();
    for service in api.files().iter().flat_map(|file| file.services().collect::<Vec<_>>()) {
        let mut is_bound = false;
        for method in service.methods() {
            for (index, binding) in api.texts(&method.options(), "http").iter().enumerate() {
                let binding = Binding::parse(api, &method, binding, &mut names)?;
                let item = paths.entry(binding.path.clone()).or_default();
                item.insert(binding.verb.clone(), binding.operation(index));
                is_bound = true;
            }
        }
        if is_bound {
            let about = comments.of(service.parent_file().name(), service.path());
            tags.push(json!({ "name": service.name(), "description": about }));
        }
    }
    let schemas = schema::all(api, &comments)?;
    Ok(text(&paths, &schemas, &tags))
}

fn text(
    paths: &BTreeMap<String, Map<String, Value>>,
    schemas: &BTreeMap<String, Value>,
    tags: &[Value],
) -> String {
    let lines = |entries: Vec<(&String, Value)>| {
        let lines = entries.into_iter().map(|(name, value)| format!("{}:{value}", json!(name)));
        lines.collect::<Vec<_>>().join(",\n")
    };
    let paths = lines(paths.iter().map(|(k, v)| (k, Value::Object(v.clone()))).collect());
    let schemas = lines(schemas.iter().map(|(k, v)| (k, v.clone())).collect());
    let info = json!({
        "title": "The Things Stack",
        "version": "3.32.1",
        "description": "The API of The Things Stack v3 over HTTP and JSON, and below /api/v1 what this server has besides.",
    });
    let schemes = json!({ "bearer": { "type": "http", "scheme": "bearer",
        "description": "An API key or an access token." } });
    let responses = json!({ "Error": { "description": "The call failed.",
        "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Status" } } } } });
    format!(
        "{{\"openapi\":\"3.1.0\",\n\"info\":{info},\n\"servers\":[{{\"url\":\"/\"}}],\n\
         \"security\":[{{\"bearer\":[]}},{{}}],\n\"tags\":{},\n\"paths\":{{\n{paths}\n}},\n\
         \"components\":{{\"securitySchemes\":{schemes},\"responses\":{responses},\n\
         \"schemas\":{{\n{schemas}\n}}}}}}\n",
        json!(tags),
    )
}

/// A binding of an RPC.
struct Binding<'a> {
    api: &'a Api,
    method: &'a MethodDescriptor,
    verb: String,
    /// With the names of its parameters as the document has them.
    path: String,
    /// The names in the document, and the fields.
    parameters: Vec<(String, String)>,
    has_body: bool,
}

impl<'a> Binding<'a> {
    /// `names` remembers how parameters are called: paths that differ in nothing else are one path of the document.
    fn parse(
        api: &'a Api,
        method: &'a MethodDescriptor,
        binding: &str,
        names: &mut BTreeMap<String, Vec<String>>,
    ) -> Result<Self> {
        let mut parts = binding.split(' ');
        let verb = parts.next().context("a binding has a verb")?.to_lowercase();
        let path = parts.next().context("a binding has a path")?;
        let is_v3 = method.full_name().starts_with(pool::PACKAGE);
        let path = format!("{}{path}", if is_v3 { "/api/v3" } else { "/api/v1" });
        let fields: Vec<_> = path.split('/').filter_map(parameter).map(str::to_owned).collect();
        let hole = |part: &'_ str| if parameter(part).is_some() { "{}" } else { part }.to_owned();
        let shape = path.split('/').map(hole).collect::<Vec<_>>().join("/");
        let names = names.entry(shape).or_insert_with(|| short_names(&fields));
        let mut rest = names.iter();
        let named = path.split('/').map(|part| match parameter(part).and_then(|_| rest.next()) {
            Some(name) => format!("{{{name}}}"),
            None => part.to_owned(),
        });
        let path = named.collect::<Vec<_>>().join("/");
        let parameters = names.iter().cloned().zip(fields).collect();
        Ok(Self { api, method, verb, path, parameters, has_body: parts.next().is_some() })
    }

    fn operation(&self, index: usize) -> Value {
        let (service, name) = (self.method.parent_service(), self.method.name());
        let suffix = if index == 0 { String::new() } else { format!("_{}", index + 1) };
        let mut operation = json!({
            "tags": [service.name()],
            "operationId": format!("{}.{name}{suffix}", service.name()),
            "responses": { "200": self.answer(), "default": { "$ref": "#/components/responses/Error" } },
        });
        let mut parameters: Vec<_> = self.parameters.iter().map(|it| self.in_path(it)).collect();
        let input = self.method.input();
        if self.has_body {
            let body = schema::reference(&input);
            operation["requestBody"] =
                json!({ "content": { "application/json": { "schema": body } } });
        } else {
            self.query(&input, "", QUERY_DEPTH_MAX, &mut parameters);
        }
        if !parameters.is_empty() {
            operation["parameters"] = Value::Array(parameters);
        }
        operation
    }

    fn in_path(&self, (name, field): &(String, String)) -> Value {
        let descriptor = lookup(&self.method.input(), field);
        let schema = descriptor.map_or_else(|| json!({ "type": "string" }), |it| self.scalar(&it));
        json!({ "name": name, "in": "path", "required": true, "schema": schema })
    }

    /// A value in a path or query: bytes are base64 there.
    fn scalar(&self, field: &FieldDescriptor) -> Value {
        match value_kind(field) {
            Kind::Bytes => json!({ "type": "string", "contentEncoding": "base64" }),
            _ => schema::value(self.api, field),
        }
    }

    fn query(&self, message: &MessageDescriptor, prefix: &str, depth: usize, to: &mut Vec<Value>) {
        let taken: BTreeSet<_> = self.parameters.iter().map(|(_, field)| field.as_str()).collect();
        for field in pool::fields(message) {
            let name = format!("{prefix}{}", field.name());
            if taken.contains(name.as_str()) {
                continue;
            }
            let nested = match value_kind(&field) {
                Kind::Message(message) if schema::has_fields(self.api, &message) => Some(message),
                _ => None,
            };
            let is_mask = matches!(value_kind(&field), Kind::Message(message)
                if message.full_name() == "google.protobuf.FieldMask");
            let mut parameter = json!({ "name": name, "in": "query" });
            match (shape(&field), nested) {
                (Shape::Map, None) => {
                    let values =
                        json!({ "type": "object", "additionalProperties": self.scalar(&field) });
                    parameter["style"] = json!("deepObject");
                    parameter["schema"] = values;
                }
                (Shape::List, None) => {
                    parameter["schema"] = json!({ "type": "array", "items": self.scalar(&field) });
                }
                (Shape::List | Shape::Map, Some(_)) => continue,
                (_, Some(nested)) => {
                    if depth > 0 {
                        self.query(&nested, &format!("{name}."), depth - 1, to);
                    }
                    continue;
                }
                _ if is_mask => {
                    parameter["description"] = json!("Paths, separated by commas.");
                    parameter["schema"] = json!({ "type": "string" });
                }
                _ => parameter["schema"] = self.scalar(&field),
            }
            to.push(parameter);
        }
    }

    fn answer(&self) -> Value {
        let message = schema::reference(&self.method.output());
        let (about, body) = if self.method.is_server_streaming() {
            let line = json!({ "type": "object", "properties": {
                "result": message, "error": { "$ref": "#/components/schemas/Status" } } });
            ("Objects as they come, one in a line; an error ends them.", line)
        } else {
            ("OK", message)
        };
        let mut answer =
            json!({ "description": about, "content": { "application/json": { "schema": body } } });
        let input = self.method.input();
        if input.get_field_by_name("page").is_some() && input.get_field_by_name("limit").is_some() {
            answer["headers"] = json!({ "X-Total-Count": {
                "description": "How many there are on all pages.", "schema": { "type": "integer" } } });
        }
        answer
    }
}

/// The field of a part of a path that is a parameter.
fn parameter(part: &str) -> Option<&str> {
    part.strip_prefix('{')?.strip_suffix('}')
}

/// The last parts of the names of fields; where two are the same, the later one has a number.
fn short_names(fields: &[String]) -> Vec<String> {
    let mut names = Vec::<String>::new();
    for field in fields {
        let last = field.rsplit('.').next().unwrap_or(field);
        let same = names.iter().filter(|name| name.starts_with(last)).count();
        names.push(if same == 0 { last.to_owned() } else { format!("{last}_{}", same + 1) });
    }
    names
}

/// The field at a dotted path.
fn lookup(message: &MessageDescriptor, path: &str) -> Option<FieldDescriptor> {
    let (first, rest) = path.split_once('.').map_or((path, None), |(a, b)| (a, Some(b)));
    let field = message.get_field_by_name(first)?;
    match (rest, value_kind(&field)) {
        (None, _) => Some(field),
        (Some(rest), Kind::Message(inner)) => lookup(&inner, rest),
        _ => None,
    }
}
