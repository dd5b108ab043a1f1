//! `ttn-cli api-keys`.

use clap::Subcommand;
use serde_json::json;
use ttn_core::auth::Right;

use super::{
    Context, Run,
    entity::{self, Entity},
};
use crate::error::Error;

/// API keys of applications, gateways, organizations and users.
#[derive(Debug, clap::Args)]
#[non_exhaustive]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub action: Action,
}

/// What to do with API keys.
#[derive(Debug, Subcommand)]
#[non_exhaustive]
pub enum Action {
    /// Creates a key and shows it, once.
    Create {
        /// Whose key.
        #[command(flatten)]
        entity: Entity,
        /// A name for people.
        #[arg(long, default_value = "")]
        name: String,
        /// A right, such as `application-traffic-read`; may be repeated.
        #[arg(long = "right", required = true, value_parser = entity::right)]
        rights: Vec<Right>,
        /// When it ends, such as `2027-01-01T00:00:00Z`; never if not given.
        #[arg(long, value_name = "TIME")]
        expires_at: Option<String>,
    },
    /// Ends a key.
    Delete {
        /// Whose key.
        #[command(flatten)]
        entity: Entity,
        /// The id of the key.
        key: String,
    },
    /// Lists keys, without their secrets.
    List {
        /// Whose keys.
        #[command(flatten)]
        entity: Entity,
    },
}

impl Run for Arguments {
    fn run(&self, context: &mut Context<'_>) -> Result<(), Error> {
        let api = context.api()?;
        let output = &mut context.output;
        match &self.action {
            Action::Create { entity, name, rights, expires_at } => {
                let body = json!({
                    "name": name, "rights": entity::names(rights), "expires_at": expires_at,
                });
                let answer = api.post(&format!("{}/api-keys", entity.path()), &body)?;
                output.done(answer["key"].as_str().unwrap_or_default(), &answer)?;
                output.say("Keep it: it is shown only now.")?;
            }
            Action::Delete { entity, key } => {
                if !key.chars().all(|c| c.is_ascii_alphanumeric()) {
                    let what = "the id of a key has letters and digits only";
                    return Err(Error::invalid(what, "take it from `ttn-cli api-keys list`"));
                }
                let answer = api.delete(&format!("{}/api-keys/{key}", entity.path()))?;
                output.done(format!("deleted the key {key}"), &answer)?;
            }
            Action::List { entity } => {
                let found = api.list(&format!("{}/api-keys", entity.path()), "api_keys")?;
                let columns = [
                    ("id", "/id"),
                    ("name", "/name"),
                    ("ends", "/expires_at"),
                    ("rights", "/rights"),
                ];
                output.list(&found, &columns)?;
            }
        }
        Ok(())
    }
}
