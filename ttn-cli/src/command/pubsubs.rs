//! `ttn-cli pubsubs`.

use clap::Subcommand;
use serde_json::{Value, json};
use ttn_core::id::ApplicationId;

use super::{
    Context, Run, integration_id,
    webhooks::{MESSAGES, select_messages},
};
use crate::error::Error;

/// Pub/sub integrations of applications: NATS and MQTT brokers.
#[derive(Debug, clap::Args)]
#[non_exhaustive]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub action: Action,
}

/// What to do with pub/sub integrations.
#[derive(Debug, Subcommand)]
#[non_exhaustive]
pub enum Action {
    /// Deletes a pub/sub integration.
    Delete {
        /// The application.
        application: ApplicationId,
        /// The integration.
        #[arg(value_parser = integration_id)]
        pubsub: String,
    },
    /// Shows a pub/sub integration.
    Get {
        /// The application.
        application: ApplicationId,
        /// The integration.
        #[arg(value_parser = integration_id)]
        pubsub: String,
    },
    /// Lists the pub/sub integrations of an application.
    List {
        /// The application.
        application: ApplicationId,
    },
    /// Creates a pub/sub integration, or writes it anew. Each type of message goes to the topic of its name below the base
    /// topic; downlinks come from `down/push` and `down/replace`.
    Set(Set),
}

/// A pub/sub integration.
#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("broker").required(true).args(["nats", "mqtt"])))]
#[non_exhaustive]
pub struct Set {
    /// The application.
    pub application: ApplicationId,
    /// The id of the integration.
    #[arg(value_parser = integration_id)]
    pub pubsub: String,
    /// A NATS server, such as `nats://user:password@localhost:4222`.
    #[arg(long, value_name = "URL")]
    pub nats: Option<String>,
    /// An MQTT broker, such as `mqtt://localhost:1883`.
    #[arg(long, value_name = "URL")]
    pub mqtt: Option<String>,
    /// The base topic.
    #[arg(long, default_value = "")]
    pub base_topic: String,
    /// The format, json or protobuf.
    #[arg(long, default_value = "json")]
    pub format: String,
    /// The types of messages, such as `uplink_message,join_accept`.
    #[arg(long, value_delimiter = ',', default_value = "all")]
    pub messages: Vec<String>,
}

impl Set {
    fn body(&self) -> Result<Value, Error> {
        let mut pubsub = json!({
            "ids": {
                "application_ids": { "application_id": self.application.as_str() },
                "pub_sub_id": self.pubsub,
            },
            "format": self.format,
            "base_topic": self.base_topic,
            "downlink_push": { "topic": "down/push" },
            "downlink_replace": { "topic": "down/replace" },
        });
        let mut paths: Vec<_> =
            ["format", "base_topic", "downlink_push", "downlink_replace", "provider"]
                .map(str::to_owned)
                .into();
        if let Some(url) = &self.nats {
            pubsub["nats"] = json!({ "server_url": url });
        }
        if let Some(url) = &self.mqtt {
            pubsub["mqtt"] = json!({
                "server_url": url, "publish_qos": "AT_LEAST_ONCE", "subscribe_qos": "AT_LEAST_ONCE",
            });
        }
        select_messages(&mut pubsub, &mut paths, &self.messages, &json!({}))?;
        for name in MESSAGES {
            if pubsub[name].is_object() {
                pubsub[name] = json!({ "topic": name });
            }
        }
        Ok(json!({ "pubsub": pubsub, "field_mask": { "paths": paths } }))
    }
}

impl Run for Arguments {
    fn run(&self, context: &mut Context<'_>) -> Result<(), Error> {
        let api = context.api()?;
        let output = &mut context.output;
        let mask = "format,base_topic";
        match &self.action {
            Action::Delete { application, pubsub } => {
                let answer = api.delete(&format!("/as/pubsub/{application}/{pubsub}"))?;
                output.done(format!("deleted pub/sub {pubsub} of {application}"), &answer)?;
            }
            Action::Get { application, pubsub } => {
                let path = format!("/as/pubsub/{application}/{pubsub}?field_mask={mask}");
                output.one(&api.get(&path)?)?;
            }
            Action::List { application } => {
                let answer = api.get(&format!("/as/pubsub/{application}?field_mask={mask}"))?;
                let items = answer["pubsubs"].as_array().map_or(&[][..], Vec::as_slice);
                let columns =
                    [("id", "/ids/pub_sub_id"), ("base topic", "/base_topic"), ("format", "/format")];
                output.list(items, &columns)?;
            }
            Action::Set(set) => {
                let path = format!("/as/pubsub/{}/{}", set.application, set.pubsub);
                let answer = api.put(&path, &set.body()?)?;
                output.done(format!("set pub/sub {} of {}", set.pubsub, set.application), &answer)?;
            }
        }
        Ok(())
    }
}
