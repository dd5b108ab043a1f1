//! `ttn-cli applications`.

use clap::Subcommand;
use serde_json::{Value, json};
use ttn_core::id::ApplicationId;

use super::{
    Context, Run,
    entity::{Kind, Owner},
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
    /// Purges an application: it is gone for good, and its id is free again. For administrators.
    Purge {
        /// The application.
        application: ApplicationId,
    },
    /// Restores an application that was deleted a short while ago.
    Restore {
        /// The application.
        application: ApplicationId,
    },
    /// Changes fields of an application, such as `name=Doors`.
    Set {
        /// The application.
        application: ApplicationId,
        /// Fields and their values: text or JSON; an empty value clears a field.
        #[arg(required = true, value_name = "FIELD=VALUE", value_parser = super::assignment)]
        fields: Vec<(String, Value)>,
    },
}

const KIND: Kind = Kind {
    noun: "application",
    mask: "name,description,attributes,network_server_address,application_server_address,\
           join_server_address",
    list_mask: "name,description",
    columns: &[("id", "/ids/application_id"), ("name", "/name"), ("created", "/created_at")],
};

impl Run for Arguments {
    fn run(&self, context: &mut Context<'_>) -> Result<(), Error> {
        match &self.action {
            Action::Create { application, name, owner } => {
                let api = context.api()?;
                let ids = json!({ "application_id": application.as_str() });
                let body = json!({ "application": { "ids": ids, "name": name } });
                let path = format!("{}{}", owner.path(&api)?, KIND.all());
                KIND.created(context, application, &api.post(&path, &body)?)
            }
            Action::Delete { application } => KIND.delete(context, application),
            Action::Get { application } => KIND.get(context, application),
            Action::List => KIND.list(context),
            Action::Purge { application } => KIND.purge(context, application),
            Action::Restore { application } => KIND.restore(context, application),
            Action::Set { application, fields } => KIND.set(context, application, fields),
        }
    }
}
