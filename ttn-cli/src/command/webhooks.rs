//! `ttn-cli webhooks`.

use clap::Subcommand;
use serde_json::{Value, json};
use ttn_core::id::ApplicationId;

use super::{Context, Run, integration_id};
use crate::error::Error;

/// Webhooks of applications.
#[derive(Debug, clap::Args)]
#[non_exhaustive]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub action: Action,
}

/// What to do with webhooks.
#[derive(Debug, Subcommand)]
#[non_exhaustive]
pub enum Action {
    /// Deletes a webhook.
    Delete {
        /// The application.
        application: ApplicationId,
        /// The webhook.
        #[arg(value_parser = integration_id)]
        webhook: String,
    },
    /// Shows a webhook.
    Get {
        /// The application.
        application: ApplicationId,
        /// The webhook.
        #[arg(value_parser = integration_id)]
        webhook: String,
    },
    /// Lists the webhooks of an application.
    List {
        /// The application.
        application: ApplicationId,
    },
    /// Creates or changes a webhook.
    Set(Box<Set>),
}

/// A webhook.
#[derive(Debug, clap::Args)]
#[non_exhaustive]
pub struct Set {
    /// The application.
    pub application: ApplicationId,
    /// The id of the webhook.
    #[arg(value_parser = integration_id)]
    pub webhook: String,
    /// The URL that gets the messages.
    #[arg(long)]
    pub url: Option<String>,
    /// The format, json or protobuf; json if a webhook is new.
    #[arg(long)]
    pub format: Option<String>,
    /// The types of messages, such as `uplink_message,join_accept`, in place of those that are set; `all` for all of them.
    #[arg(long, value_delimiter = ',')]
    pub messages: Vec<String>,
    /// A header of each request; may be repeated.
    #[arg(long = "header", value_name = "NAME=VALUE", value_parser = super::assignment)]
    pub headers: Vec<(String, Value)>,
    /// The API key that receivers send downlinks with.
    #[arg(long, value_name = "KEY")]
    pub downlink_api_key: Option<String>,
    /// Whether nothing is sent for now.
    #[arg(long)]
    pub paused: Option<bool>,
}

/// The types of messages.
pub(super) const MESSAGES: [&str; 11] = [
    "uplink_message",
    "uplink_normalized",
    "join_accept",
    "downlink_ack",
    "downlink_nack",
    "downlink_sent",
    "downlink_failed",
    "downlink_queued",
    "downlink_queue_invalidated",
    "location_solved",
    "service_data",
];

/// Writes what is asked for each type of message into an integration, and selects it.
pub(super) fn select_messages(
    integration: &mut Value,
    paths: &mut Vec<String>,
    messages: &[String],
    message: &Value,
) -> Result<(), Error> {
    let is_asked = |name: &str| messages.iter().any(|it| it == name || it == "all");
    let known = |it: &&String| !MESSAGES.contains(&it.as_str()) && *it != "all";
    if let Some(unknown) = messages.iter().find(known) {
        let advice = format!("choose from {}, or all", MESSAGES.join(", "));
        return Err(Error::invalid(format!("there are no messages {unknown:?}"), advice));
    }
    if messages.is_empty() {
        return Ok(());
    }
    for name in MESSAGES {
        if is_asked(name) {
            integration[name] = message.clone();
        }
        paths.push(name.to_owned());
    }
    Ok(())
}

impl Set {
    fn body(&self, is_new: bool) -> Result<Value, Error> {
        let mut webhook = json!({ "ids": {
            "application_ids": { "application_id": self.application.as_str() },
            "webhook_id": self.webhook,
        }});
        let mut paths = Vec::new();
        let mut set = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                webhook[name] = value;
                paths.push(name.to_owned());
            }
        };
        let format = self.format.clone().or_else(|| is_new.then(|| "json".to_owned()));
        set("base_url", self.url.as_ref().map(|url| json!(url)));
        set("format", format.map(|format| json!(format)));
        set("downlink_api_key", self.downlink_api_key.as_ref().map(|key| json!(key)));
        set("paused", self.paused.map(|paused| json!(paused)));
        let headers: serde_json::Map<_, _> = self
            .headers
            .iter()
            .map(|(name, value)| {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                (name.clone(), json!(text))
            })
            .collect();
        set("headers", (!headers.is_empty()).then_some(Value::Object(headers)));
        let all = ["all".to_owned()];
        let messages = if is_new && self.messages.is_empty() { &all[..] } else { &self.messages };
        select_messages(&mut webhook, &mut paths, messages, &json!({}))?;
        if is_new && self.url.is_none() {
            return Err(Error::invalid("a new webhook needs a URL", "name it with --url"));
        }
        Ok(json!({ "webhook": webhook, "field_mask": { "paths": paths } }))
    }
}

impl Run for Arguments {
    fn run(&self, context: &mut Context<'_>) -> Result<(), Error> {
        let api = context.api()?;
        let output = &mut context.output;
        let mask = format!("base_url,format,headers,paused,health_status,{}", MESSAGES.join(","));
        match &self.action {
            Action::Delete { application, webhook } => {
                let answer = api.delete(&format!("/as/webhooks/{application}/{webhook}"))?;
                output.done(format!("deleted webhook {webhook} of {application}"), &answer)?;
            }
            Action::Get { application, webhook } => {
                let path = format!("/as/webhooks/{application}/{webhook}?field_mask={mask}");
                output.one(&api.get(&path)?)?;
            }
            Action::List { application } => {
                let path = format!("/as/webhooks/{application}?field_mask={mask}");
                let answer = api.get(&path)?;
                let items = answer["webhooks"].as_array().map_or(&[][..], Vec::as_slice);
                let columns = [
                    ("id", "/ids/webhook_id"),
                    ("url", "/base_url"),
                    ("format", "/format"),
                    ("paused", "/paused"),
                ];
                output.list(items, &columns)?;
            }
            Action::Set(set) => {
                let path = format!("/as/webhooks/{}/{}", set.application, set.webhook);
                let is_new = match api.get(&format!("{path}?field_mask=base_url")) {
                    Ok(_) => false,
                    Err(error) if error.code() == 6 => true,
                    Err(error) => return Err(error),
                };
                let answer = api.put(&path, &set.body(is_new)?)?;
                output.done(format!("set webhook {} of {}", set.webhook, set.application), &answer)?;
            }
        }
        Ok(())
    }
}
