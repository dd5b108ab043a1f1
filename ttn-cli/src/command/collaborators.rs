//! `ttn-cli collaborators`.

use clap::Subcommand;
use serde_json::{Value, json};
use ttn_core::{
    auth::Right,
    id::{OrganizationId, UserId},
};

use super::{
    Context, Run,
    entity::{self, Entity},
};
use crate::error::Error;

/// Users and organizations with rights on applications, gateways and organizations.
#[derive(Debug, clap::Args)]
#[non_exhaustive]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub action: Action,
}

/// What to do with collaborators.
#[derive(Debug, Subcommand)]
#[non_exhaustive]
pub enum Action {
    /// Takes all rights from a collaborator.
    Delete {
        /// On what.
        #[command(flatten)]
        entity: Entity,
        /// Whose rights: `user:ID` or `organization:ID`.
        #[arg(value_name = "COLLABORATOR")]
        who: Collaborator,
    },
    /// Lists collaborators and their rights.
    List {
        /// On what.
        #[command(flatten)]
        entity: Entity,
    },
    /// Gives rights to a collaborator, in place of those that it has.
    Set {
        /// On what.
        #[command(flatten)]
        entity: Entity,
        /// Whose rights: `user:ID` or `organization:ID`.
        #[arg(value_name = "COLLABORATOR")]
        who: Collaborator,
        /// A right, such as `application-all`; may be repeated.
        #[arg(long = "right", required = true, value_parser = entity::right)]
        rights: Vec<Right>,
    },
}

/// A collaborator.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_enums, reason = "what can collaborate")]
pub enum Collaborator {
    /// An organization.
    Organization(OrganizationId),
    /// A user.
    User(UserId),
}

impl std::str::FromStr for Collaborator {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let error = |error: ttn_core::id::IdError| error.to_string();
        match text.split_once(':') {
            Some(("organization", id)) => id.parse().map(Self::Organization).map_err(error),
            Some(("user", id)) => id.parse().map(Self::User).map_err(error),
            _ => Err("it is neither user:ID nor organization:ID".to_owned()),
        }
    }
}

impl Collaborator {
    fn kind(&self) -> &'static str {
        match self {
            Self::Organization(_) => "organization",
            Self::User(_) => "user",
        }
    }

    fn id(&self) -> &str {
        match self {
            Self::Organization(id) => id.as_str(),
            Self::User(id) => id.as_str(),
        }
    }

    fn ids(&self) -> Value {
        let (ids, id) = (format!("{}_ids", self.kind()), format!("{}_id", self.kind()));
        json!({ ids: { id: self.id() } })
    }
}

impl Run for Arguments {
    fn run(&self, context: &mut Context<'_>) -> Result<(), Error> {
        let api = context.api()?;
        let output = &mut context.output;
        match &self.action {
            Action::Delete { entity, who } => {
                // Gateways have the word in the plural.
                let word = if entity.gateway.is_some() { "collaborators" } else { "collaborator" };
                let path = format!("{}/{word}/{}/{}", entity.path(), who.kind(), who.id());
                let answer = api.delete(&path)?;
                output.done(format!("{} {} has no rights any more", who.kind(), who.id()), &answer)?;
            }
            Action::List { entity } => {
                let path = format!("{}/collaborators", entity.path());
                let found = api.list(&path, "collaborators")?;
                let columns = [
                    ("user", "/ids/user_ids/user_id"),
                    ("organization", "/ids/organization_ids/organization_id"),
                    ("rights", "/rights"),
                ];
                output.list(&found, &columns)?;
            }
            Action::Set { entity, who, rights } => {
                let collaborator = json!({ "ids": who.ids(), "rights": entity::names(rights) });
                let body = json!({ "collaborator": collaborator });
                let answer = api.put(&format!("{}/collaborators", entity.path()), &body)?;
                output.done(format!("{} {} has these rights now", who.kind(), who.id()), &answer)?;
            }
        }
        Ok(())
    }
}
