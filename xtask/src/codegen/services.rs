//! Service traits and the methods that call them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::Result;
use prost_reflect::{MethodDescriptor, ServiceDescriptor};

use super::names;
use super::pool::{Api, stem};

/// Adds `services/<file>.rs` and `services/mod.rs`.
pub(crate) fn generate(api: &Api, files: &mut BTreeMap<String, String>) -> Result<()> {
    let mut index = String::from("//! Service traits by `.proto` file.\n\n");
    let mut order = 0;
    for file in api.files() {
        let mut text = String::new();
        for service in file.services() {
            text.push_str(&service_trait(&service, &comment(api, &service))?);
            text.push_str(&methods(&service, order)?);
            order += 1;
        }
        if text.is_empty() {
            continue;
        }
        let name = stem(&file);
        files.insert(format!("services/{name}.rs"), format!("use super::prelude::*;\n{text}"));
        writeln!(
            index,
            "#[path = \"{name}.rs\"]\nmod {name}_service;\npub use {name}_service::*;"
        )?;
    }
    index.push_str(PRELUDE);
    files.insert("services/mod.rs".to_owned(), index);
    Ok(())
}

const PRELUDE: &str = "
/// What the files of this module use.
mod prelude {
    pub(super) use std::sync::Arc;

    pub(super) use async_trait::async_trait;
    pub(super) use tonic::{Request, Response, Status};

    pub(super) use crate::generated::rpcs::SERVICES;
    #[allow(unused_imports, reason = \"few services stream\")]
    pub(super) use crate::service::{BoxStream, Method, duplex, not_served, server_stream, unary};
    pub(super) use crate::v3;
}
";

fn comment(api: &Api, service: &ServiceDescriptor) -> String {
    let path = service.path();
    let file = service.parent_file();
    let proto = api.set.file.iter().find(|proto| proto.name() == file.name());
    let info = proto.and_then(|proto| proto.source_code_info.as_ref());
    let location =
        info.and_then(|info| info.location.iter().find(|location| location.path == path));
    location.map(|location| location.leading_comments().trim().to_owned()).unwrap_or_default()
}

fn signature(method: &MethodDescriptor) -> (String, String) {
    let request = names::message(&method.input());
    let response = names::message(&method.output());
    let request =
        if method.is_client_streaming() { format!("BoxStream<{request}>") } else { request };
    let response =
        if method.is_server_streaming() { format!("BoxStream<{response}>") } else { response };
    (request, response)
}

fn service_trait(service: &ServiceDescriptor, comment: &str) -> Result<String> {
    let name = service.name();
    let mut text = format!(
        "\n/// {comment}\n///\n/// What an implementation leaves out answers UNIMPLEMENTED by name.\n#[async_trait]\npub trait {name}: Send + Sync + 'static {{\n"
    );
    for method in service.methods() {
        let (request, response) = signature(&method);
        writeln!(
            text,
            "    /// Serves `{name}.{rpc}`.\n    async fn {fun}(&self, request: Request<{request}>) -> Result<Response<{response}>, Status> {{\n        Err(not_served(request, \"{name}\", \"{rpc}\"))\n    }}\n",
            rpc = method.name(),
            fun = names::method(method.name()),
        )?;
    }
    text.push_str("}\n");
    Ok(text)
}

fn methods(service: &ServiceDescriptor, order: usize) -> Result<String> {
    let name = service.name();
    let mut text = format!(
        "\n/// The methods of [`{name}`], calling `service`.\npub fn {}(service: Arc<dyn {name}>) -> Vec<Method> {{\n    let rpcs = SERVICES[{order}].rpcs;\n    vec![\n",
        names::service_module(name)
    );
    for (index, method) in service.methods().enumerate() {
        let how = match (method.is_client_streaming(), method.is_server_streaming()) {
            (true, _) => "duplex",
            (false, true) => "server_stream",
            (false, false) => "unary",
        };
        writeln!(
            text,
            "        {how}(&rpcs[{index}], &service, |s, r| Box::pin(async move {{ s.{}(r).await }})),",
            names::method(method.name())
        )?;
    }
    text.push_str("    ]\n}\n");
    Ok(text)
}
