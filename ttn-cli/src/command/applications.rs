//! `ttn-cli applications`.

use clap::Subcommand;
use serde_json::{Value, json};
use ttn_core::id::ApplicationId;

use super::{
    Context, Run,
    entity::{Owner, change},
};
use crate::error::Error;

/// Applications.
#[derive(Debug, clap::Args)]
#[non_exhaustive]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub action: Action,
}

/// What to do with applications.
#[derive(Debug, Subcommand)]
#[non_exhaustive]
pub enum Action {
    /// Creates an application.
    Create {
        /// Its id.
        application: ApplicationId,
        /// A name for people.
        #[arg(long)]
        name: Option<String>,
        /// Whose it is.
        #[command(flatten)]
        owner: Owner,
    },
    /// Deletes an application that has no devices; its id stays taken.
    Delete {
        /// The application.
        application: ApplicationId,
    },
    /// Shows an application.
    Get {
        /// The application.
        application: ApplicationId,
    },
    /// Lists the applications that you have rights on.
    List,
    /// Changes fields of an application, such as `name=Doors`.
    Set {
        /// The application.
        application: ApplicationId,
        /// Fields and their values: text or JSON; an empty value clears a field.
        #[arg(required = true, value_name = "FIELD=VALUE", value_parser = super::assignment)]
        fields: Vec<(String, Value)>,
    },
}

/// What is shown of an application.
const MASK: &str = "name,description,attributes,network_server_address,application_server_address,\
join_server_address";

impl Run for Arguments {
    fn run(&self, context: &mut Context<'_>) -> Result<(), Error> {
        let api = context.api()?;
        let output = &mut context.output;
        match &self.action {
            Action::Create { application, name, owner } => {
                let ids = json!({ "application_id": application.as_str() });
                let body = json!({ "application": { "ids": ids, "name": name } });
                let answer = api.post(&format!("{}/applications", owner.path(&api)?), &body)?;
                output.done(format!("created application {application}"), &answer)?;
            }
            Action::Delete { application } => {
                let answer = api.delete(&format!("/applications/{application}"))?;
                output.done(format!("deleted application {application}"), &answer)?;
            }
            Action::Get { application } => {
                output.one(&api.get(&format!("/applications/{application}?field_mask={MASK}"))?)?;
            }
            Action::List => {
                let found = api.list("/applications?field_mask=name,description", "applications")?;
                let columns = [
                    ("id", "/ids/application_id"),
                    ("name", "/name"),
                    ("created", "/created_at"),
                ];
                output.list(&found, &columns)?;
            }
            Action::Set { application, fields } => {
                let ids = json!({ "application_id": application.as_str() });
                let path = format!("/applications/{application}");
                let answer = api.put(&path, &change("application", ids, fields))?;
                output.done(format!("changed application {application}"), &answer)?;
            }
        }
        Ok(())
    }
}
