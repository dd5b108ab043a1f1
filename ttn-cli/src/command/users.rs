//! `ttn-cli users`.

use std::io::BufRead as _;

use clap::Subcommand;
use serde_json::{Value, json};
use ttn_core::id::UserId;

use super::{Context, Run, entity::change};
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
    /// Changes fields of a user, such as `name=Ada`.
    Set {
        /// The user.
        user: UserId,
        /// Fields and their values: text or JSON; an empty value clears a field.
        #[arg(required = true, value_name = "FIELD=VALUE", value_parser = super::assignment)]
        fields: Vec<(String, Value)>,
    },
}

impl Run for Arguments {
    fn run(&self, context: &mut Context<'_>) -> Result<(), Error> {
        let api = context.api()?;
        let output = &mut context.output;
        match &self.action {
            Action::Create { user, email, name } => {
                let mut password = String::new();
                std::io::stdin().lock().read_line(&mut password)?;
                let body = json!({ "user": {
                    "ids": { "user_id": user.as_str() },
                    "name": name,
                    "primary_email_address": email,
                    "password": password.trim_end_matches(['\r', '\n']),
                }});
                let answer = api.post("/users", &body)?;
                output.done(format!("created user {user}"), &answer)?;
            }
            Action::Delete { user } => {
                let answer = api.delete(&format!("/users/{user}"))?;
                output.done(format!("deleted user {user}"), &answer)?;
            }
            Action::Get { user } => {
                let mask = "name,description,primary_email_address,state,admin";
                output.one(&api.get(&format!("/users/{user}?field_mask={mask}"))?)?;
            }
            Action::List => {
                let found = api.list("/users?field_mask=name,state,admin", "users")?;
                let columns = [
                    ("id", "/ids/user_id"),
                    ("name", "/name"),
                    ("state", "/state"),
                    ("admin", "/admin"),
                ];
                output.list(&found, &columns)?;
            }
            Action::Set { user, fields } => {
                let ids = json!({ "user_id": user.as_str() });
                let answer = api.put(&format!("/users/{user}"), &change("user", ids, fields))?;
                output.done(format!("changed user {user}"), &answer)?;
            }
        }
        Ok(())
    }
}
