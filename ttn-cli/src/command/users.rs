//! `ttn-cli users`.

use std::io::BufRead as _;

use clap::Subcommand;
use serde_json::{Value, json};
use ttn_core::id::UserId;

use super::{Context, Run, entity::Kind};
use crate::error::Error;

/// Users.
#[derive(Debug, clap::Args)]
#[non_exhaustive]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub action: Action,
}

/// What to do with users.
#[derive(Debug, Subcommand)]
#[non_exhaustive]
pub enum Action {
    /// Creates a user; the password is the first line of the standard input.
    Create {
        /// The id.
        user: UserId,
        /// The e-mail address.
        #[arg(long)]
        email: String,
        /// A name for people.
        #[arg(long)]
        name: Option<String>,
    },
    /// Deletes a user; the id stays taken.
    Delete {
        /// The user.
        user: UserId,
    },
    /// Shows a user.
    Get {
        /// The user.
        user: UserId,
    },
    /// Lists all users, for administrators.
    List,
    /// Purges a user: it is gone for good, and its id is free again. For administrators.
    Purge {
        /// The user.
        user: UserId,
    },
    /// Restores a user that was deleted a short while ago.
    Restore {
        /// The user.
        user: UserId,
    },
    /// Changes fields of a user, such as `name=Ada`.
    Set {
        /// The user.
        user: UserId,
        /// Fields and their values: text or JSON; an empty value clears a field.
        #[arg(required = true, value_name = "FIELD=VALUE", value_parser = super::assignment)]
        fields: Vec<(String, Value)>,
    },
}

const KIND: Kind = Kind {
    noun: "user",
    mask: "name,description,primary_email_address,state,admin",
    list_mask: "name,state,admin",
    columns: &[
        ("id", "/ids/user_id"),
        ("name", "/name"),
        ("state", "/state"),
        ("admin", "/admin"),
    ],
};

impl Run for Arguments {
    fn run(&self, context: &mut Context<'_>) -> Result<(), Error> {
        match &self.action {
            Action::Create { user, email, name } => {
                let api = context.api()?;
                let mut password = String::new();
                std::io::stdin().lock().read_line(&mut password)?;
                let body = json!({ "user": {
                    "ids": { "user_id": user.as_str() },
                    "name": name,
                    "primary_email_address": email,
                    "password": password.trim_end_matches(['\r', '\n']),
                }});
                KIND.created(context, user, &api.post(&KIND.all(), &body)?)
            }
            Action::Delete { user } => KIND.delete(context, user),
            Action::Get { user } => KIND.get(context, user),
            Action::List => KIND.list(context),
            Action::Purge { user } => KIND.purge(context, user),
            Action::Restore { user } => KIND.restore(context, user),
            Action::Set { user, fields } => KIND.set(context, user, fields),
        }
    }
}
