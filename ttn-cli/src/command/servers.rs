//! `ttn-cli servers`.

use serde_json::json;

use super::{Context, Run};
use crate::error::Error;

/// Lists the servers that you logged in to, or chooses the one that commands use.
#[derive(Debug, clap::Args)]
#[non_exhaustive]
pub struct Arguments {
    /// The name of the server to use from now on.
    #[arg(long, value_name = "NAME")]
    pub use_: Option<String>,
}

impl Run for Arguments {
    fn run(&self, context: &mut Context<'_>) -> Result<(), Error> {
        let mut logins = context.logins()?;
        if let Some(name) = &self.use_ {
            if !logins.servers.contains_key(name) {
                let known = logins.servers.into_keys().collect();
                return Err(Error::UnknownServer { name: name.clone(), known });
            }
            logins.current = Some(name.clone());
            logins.save(&context.credentials)?;
        }
        let servers: Vec<_> = logins
            .servers
            .iter()
            .map(|(name, login)| {
                let used = if logins.current.as_ref() == Some(name) { "yes" } else { "" };
                json!({ "name": name, "url": login.url, "used": used })
            })
            .collect();
        let columns = [("name", "/name"), ("url", "/url"), ("used", "/used")];
        Ok(context.output.list(&servers, &columns)?)
    }
}
