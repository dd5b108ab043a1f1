//! `ttn-cli logout`.

use serde_json::json;

use super::{Context, Run};
use crate::error::Error;

/// Forgets a server and its key. The key itself stays valid: `ttn-cli api-keys delete` ends it.
#[derive(Debug, clap::Args)]
#[non_exhaustive]
pub struct Arguments {
    /// The name of the server; the one in use if not given.
    #[arg(long)]
    pub name: Option<String>,
}

impl Run for Arguments {
    fn run(&self, context: &mut Context<'_>) -> Result<(), Error> {
        let mut logins = context.logins()?;
        let name = self.name.clone().or_else(|| logins.current.clone()).ok_or(Error::NoServer)?;
        if logins.servers.remove(&name).is_none() {
            let known = logins.servers.into_keys().collect();
            return Err(Error::UnknownServer { name, known });
        }
        if logins.current.as_ref() == Some(&name) {
            logins.current = None;
        }
        logins.save(&context.credentials)?;
        Ok(context.output.done(format!("forgot {name}"), &json!({ "forgot": name }))?)
    }
}
