//! `ttn-cli applications`.

use clap::Subcommand;
use serde_json::json;
use ttn_core::id::ApplicationId;

use super::{Context, Run};
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
    /// Lists the applications that you have rights on.
    List,
    /// Shows an application.
    Get {
        /// The application.
        application: ApplicationId,
    },
}

impl Run for Arguments {
    fn run(&self, context: &mut Context<'_>) -> Result<(), Error> {
        let api = context.api()?;
        match &self.action {
            Action::List => {
                let found = api.list("/applications?field_mask=name,description", "applications")?;
                let columns = [("id", "/ids/application_id"), ("name", "/name")];
                Ok(context.output.list(&found, &columns)?)
            }
            Action::Get { application } => {
                let mask = "name,description,attributes";
                let found = api.get(&format!("/applications/{application}?field_mask={mask}"))?;
                Ok(context.output.one(&json!(found))?)
            }
        }
    }
}
