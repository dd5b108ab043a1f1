//! `ttn-cli whoami`.

use serde_json::{Value, json};

use super::{Context, Run};
use crate::error::Error;

/// Says in whose name the key speaks, and its rights.
#[derive(Debug, clap::Args)]
#[non_exhaustive]
pub struct Arguments {}

impl Run for Arguments {
    fn run(&self, context: &mut Context<'_>) -> Result<(), Error> {
        let info = context.api()?.get("/auth_info")?;
        Ok(context.output.one(&summary(&info))?)
    }
}

/// What an answer of AuthInfo says, in short.
pub(crate) fn summary(info: &Value) -> Value {
    let key = &info["api_key"];
    let kinds = ["user", "application", "gateway", "organization"];
    let entity = kinds.iter().find_map(|kind| {
        let id = key["entity_ids"].get(format!("{kind}_ids"))?[format!("{kind}_id")].as_str()?;
        Some(format!("{kind} {id}"))
    });
    json!({
        "entity": entity,
        "key": key["api_key"]["id"],
        "name": key["api_key"]["name"],
        "is_admin": info["is_admin"].as_bool().unwrap_or_default(),
        "rights": key["api_key"]["rights"],
    })
}

pub(super) fn sentence(info: &Value) -> String {
    let summary = summary(info);
    let entity = summary["entity"].as_str().unwrap_or("nobody");
    let admin = if summary["is_admin"] == json!(true) { ", an administrator," } else { "" };
    format!("you are {entity}{admin}")
}
