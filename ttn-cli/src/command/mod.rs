//! The commands: one file per resource.

use std::{fmt, fs, io::Write, path::PathBuf};

use clap::{Parser, Subcommand};
use serde_json::Value;

use crate::{
    api::{Api, Http, Transport},
    error::Error,
    login::{ApiKey, Login, Logins},
    output::Output,
};

/// A command with its arguments.
pub trait Run {
    /// Does it and shows what came of it.
    ///
    /// # Errors
    ///
    /// What went wrong; [`Error::advice`] says what to do next.
    fn run(&self, context: &mut Context<'_>) -> Result<(), Error>;
}

pub mod entity;

/// The module of each command, and the name of the command. What its help says is the documentation of its `Arguments`.
macro_rules! commands {
    ($($module:ident $name:ident)*) => {
        $(pub mod $module;)*

        /// What to do.
        #[derive(Debug, Subcommand)]
        #[non_exhaustive]
        #[expect(missing_docs, reason = "the documentation of the arguments is the help of a command")]
        pub enum Command {
            $($name($module::Arguments),)*
        }

        impl Run for Command {
            fn run(&self, context: &mut Context<'_>) -> Result<(), Error> {
                match self {
                    $(Self::$name(arguments) => arguments.run(context),)*
                }
            }
        }
    };
}

commands! {
    airtime Airtime
    api_keys ApiKeys
    applications Applications
    audit Audit
    codec Codec
    collaborators Collaborators
    completion Completion
    devices Devices
    downlinks Downlinks
    events Events
    frame Frame
    gateways Gateways
    links Links
    login Login
    logout Logout
    plan Plan
    pubsubs Pubsubs
    region Region
    servers Servers
    uplinks Uplinks
    users Users
    webhooks Webhooks
    whoami Whoami
    why Why
}

/// Talks to a server of The Things Stack over its HTTP API.
#[derive(Debug, Parser)]
#[command(name = "ttn-cli", version, about)]
#[non_exhaustive]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// The server: its URL, or the name that it got at login.
    #[arg(long, global = true, value_name = "URL|NAME", env = "TTN_SERVER")]
    pub server: Option<String>,
    /// The API key. Others on this machine see it in the list of processes: better set TTN_API_KEY, or log in.
    #[arg(long, global = true, value_name = "KEY", env = "TTN_API_KEY", hide_env_values = true)]
    pub api_key: Option<ApiKey>,
    /// Write JSON instead of tables and sentences.
    #[arg(long, global = true)]
    pub json: bool,
    /// The file of servers and keys; `ttn/cli.json` in your directory for configuration if not named.
    #[arg(long, global = true, value_name = "FILE", env = "TTN_CLI_CONFIG")]
    pub credentials: Option<PathBuf>,
}

/// What a command works with.
#[non_exhaustive]
pub struct Context<'a> {
    /// Where answers go.
    pub output: Output<'a>,
    /// The server that was named, by URL or name.
    pub server: Option<String>,
    /// The key that was given.
    pub api_key: Option<ApiKey>,
    /// The file of servers and keys.
    pub credentials: PathBuf,
    connect: &'a Connect,
}

/// Makes the transport to a server by its URL.
pub type Connect = dyn Fn(&str) -> Result<Box<dyn Transport>, Error>;

/// Runs a command over HTTP and writes what it shows to `out`.
///
/// # Errors
///
/// What the command gives.
pub fn run(arguments: Arguments, out: &mut dyn Write) -> Result<(), Error> {
    run_over(arguments, out, &connect)
}

/// Runs a command over another transport.
///
/// # Errors
///
/// What the command gives.
pub fn run_over(arguments: Arguments, out: &mut dyn Write, connect: &Connect) -> Result<(), Error> {
    let Arguments { command, server, api_key, json, credentials } = arguments;
    let mut context = Context {
        output: Output::new(out, json),
        server,
        api_key,
        credentials: credentials.unwrap_or_else(Logins::default_path),
        connect,
    };
    command.run(&mut context)
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("server", &self.server).finish_non_exhaustive()
    }
}

impl Context<'_> {
    /// The API of the server that was named or logged in to.
    ///
    /// # Errors
    ///
    /// No server is known, or it is none.
    pub fn api(&self) -> Result<Api, Error> {
        let Login { url, api_key } = self.login()?;
        self.api_of(&url, Some(api_key).filter(|key| !key.expose().is_empty()))
    }

    /// The API of a server by its URL.
    ///
    /// # Errors
    ///
    /// It is no URL of HTTP.
    pub fn api_of(&self, url: &str, api_key: Option<ApiKey>) -> Result<Api, Error> {
        Ok(Api::new(url, (self.connect)(url)?, api_key))
    }

    /// Servers and keys.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn logins(&self) -> Result<Logins, Error> {
        Logins::load(&self.credentials)
    }

    /// The server to call and the key for it: flags and environment before what was stored at login. The key of a stored
    /// server goes to this server only.
    fn login(&self) -> Result<Login, Error> {
        let given = self.api_key.clone();
        if let (Some(url), Some(key)) = (&self.server, &given)
            && looks_like_url(url)
        {
            return Ok(Login { url: url.clone(), api_key: key.clone() });
        }
        let logins = self.logins()?;
        let stored = match &self.server {
            Some(server) => logins
                .servers
                .get(server)
                .or_else(|| logins.servers.values().find(|login| same_url(&login.url, server))),
            None => logins.current.as_ref().and_then(|name| logins.servers.get(name)),
        };
        match (stored.cloned(), &self.server) {
            (Some(stored), _) => Ok(Login { api_key: given.unwrap_or(stored.api_key), ..stored }),
            (None, Some(url)) if looks_like_url(url) => {
                Ok(Login { url: url.clone(), api_key: given.unwrap_or_else(|| ApiKey::new("")) })
            }
            (None, Some(name)) => {
                let known = logins.servers.into_keys().collect();
                Err(Error::UnknownServer { name: name.clone(), known })
            }
            (None, None) => Err(Error::NoServer),
        }
    }
}

fn looks_like_url(text: &str) -> bool {
    text.contains([':', '.', '/']) || text == "localhost"
}

fn same_url(one: &str, other: &str) -> bool {
    let base = |url: &str| Http::new(url).map(|http| http.base().to_owned()).ok();
    looks_like_url(other) && base(one).is_some() && base(one) == base(other)
}

fn connect(url: &str) -> Result<Box<dyn Transport>, Error> {
    let http = Http::new(url).map_err(|error| {
        Error::invalid(error.to_string(), "name the server as http://HOST:1885 or https://HOST")
    })?;
    Ok(Box::new(http))
}

/// Reads `FIELD=VALUE`: the value is JSON, or else text; nothing is null.
fn assignment(text: &str) -> Result<(String, Value), String> {
    let (field, value) = text.split_once('=').ok_or("it is not FIELD=VALUE")?;
    let value = match value {
        "" => Value::Null,
        value => serde_json::from_str(value).unwrap_or_else(|_| Value::from(value)),
    };
    Ok((field.to_owned(), value))
}

/// Reads the id of a webhook or pub/sub integration, which follows the rules of other ids.
fn integration_id(text: &str) -> Result<String, String> {
    text.parse::<ttn_core::id::DeviceId>()
        .map(|id| id.as_str().to_owned())
        .map_err(|_| "ids have 3 to 36 small letters, digits and single dashes".to_owned())
}

/// Reads a file that was named; `-` is the standard input.
///
/// # Errors
///
/// It cannot be read.
pub fn read_file(path: &std::path::Path) -> Result<Vec<u8>, Error> {
    let octets = if path.as_os_str() == "-" {
        let mut octets = Vec::new();
        std::io::Read::read_to_end(&mut std::io::stdin().lock(), &mut octets).map(|_| octets)
    } else {
        fs::read(path)
    };
    octets.map_err(|source| Error::File { path: path.to_owned(), source })
}
