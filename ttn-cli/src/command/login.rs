//! `ttn-cli login`.

use std::io::{BufRead as _, IsTerminal as _};

use super::{Context, Run};
use crate::{
    command::whoami,
    error::Error,
    login::{ApiKey, DEFAULT_NAME, Login},
};

/// Checks an API key and keeps it in a file that only you can read. The key is read from the standard input if it is not
/// given; the server that was logged in to last is the one that commands use.
#[derive(Debug, clap::Args)]
#[non_exhaustive]
pub struct Arguments {
    /// A name for the server, if you work with several.
    #[arg(long, default_value = DEFAULT_NAME)]
    pub name: String,
}

impl Run for Arguments {
    fn run(&self, context: &mut Context<'_>) -> Result<(), Error> {
        let mut logins = context.logins()?;
        let stored = logins.servers.get(&self.name).map(|login| login.url.clone());
        let url = context.server.clone().or(stored).ok_or(Error::NoServer)?;
        let key = match &context.api_key {
            Some(key) => key.clone(),
            None => read_key()?,
        };
        let info = context.api_of(&url, Some(key.clone()))?.get("/auth_info")?;
        logins.servers.insert(self.name.clone(), Login { url: url.clone(), api_key: key });
        logins.current = Some(self.name.clone());
        logins.save(&context.credentials)?;
        let text = format!(
            "{} at {url}; the key is in {}",
            whoami::sentence(&info),
            context.credentials.display()
        );
        Ok(context.output.done(text, &whoami::summary(&info))?)
    }
}

fn read_key() -> Result<ApiKey, Error> {
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        eprintln!("API key: ");
    }
    let mut line = String::new();
    stdin.lock().read_line(&mut line)?;
    if line.trim().is_empty() {
        let advice = "name it with --api-key or TTN_API_KEY, or write it to the standard input";
        return Err(Error::invalid("there is no API key", advice));
    }
    Ok(ApiKey::new(line.trim()))
}
