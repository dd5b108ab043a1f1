//! What can go wrong, what to do then, and with which code the program ends.

use std::{io, path::PathBuf, process::ExitCode};

use http::{Method, StatusCode};
use serde_json::{Value, json};

/// A command that did not succeed. [`Self::advice`] says what to do next.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file of servers and keys cannot be read or written.
    #[error("the file {} of servers and keys: {source}", path.display())]
    Credentials {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file that was named cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A value is wrong.
    #[error("{what}")]
    Invalid {
        /// What is wrong.
        what: String,
        /// What to do.
        advice: String,
    },
    /// A device was written in part, and what was written could not be deleted again.
    #[error("{source}; what was written before is left over in: {servers}")]
    LeftOver {
        /// The application.
        application: String,
        /// The device.
        device: String,
        /// The servers that still have a part of it.
        servers: String,
        /// Why it was not written whole.
        source: Box<Self>,
    },
    /// A device of a file was refused.
    #[error("line {line}: {source}; {done} devices before it are done")]
    Line {
        /// The line.
        line: u64,
        /// How many devices are done.
        done: usize,
        /// Why.
        source: Box<Self>,
    },
    /// Nobody said which server.
    #[error("no server is known")]
    NoServer,
    /// The output cannot be written.
    #[error("the output cannot be written: {0}")]
    Output(#[from] io::Error),
    /// The server refused.
    #[error("{server} answered {status} to {method} {path}: {}", message(body))]
    Refused {
        /// The server.
        server: String,
        /// The method.
        method: Method,
        /// The path below `/api/v3`.
        path: String,
        /// The status of HTTP.
        status: StatusCode,
        /// A `google.rpc.Status` with the error's name and attributes.
        body: Value,
    },
    /// The server cannot be reached.
    #[error("{server} cannot be reached: {source}")]
    Unreachable {
        /// The server.
        server: String,
        /// Why.
        source: io::Error,
    },
    /// Names a server that was never logged in to.
    #[error("no server is called {name:?}; known are: {}", known.join(", "))]
    UnknownServer {
        /// The name.
        name: String,
        /// Those that are known.
        known: Vec<String>,
    },
}

impl Error {
    /// A value that is wrong, and what to do.
    #[must_use]
    pub fn invalid(what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::Invalid { what: what.into(), advice: advice.into() }
    }

    pub(crate) fn refused(
        server: String,
        method: Method,
        path: &str,
        status: StatusCode,
        body: Value,
    ) -> Self {
        let path = path.split('?').next().unwrap_or_default().to_owned();
        Self::Refused { server, method, path, status, body }
    }

    /// The name of the API's error, such as `end_device_not_found`; empty if the error is none of the API.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Refused { body, .. } => details(body)["name"].as_str().unwrap_or_default(),
            _ => "",
        }
    }

    /// The status of HTTP, if the server answered.
    #[must_use]
    pub const fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// What to do next.
    #[must_use]
    pub fn advice(&self) -> String {
        match self {
            Self::Credentials { path, .. } => format!(
                "make {} readable and writable for you only (chmod 600), or name another file in TTN_CLI_CONFIG",
                path.display()
            ),
            Self::File { path, .. } => format!("check that {} is there and yours", path.display()),
            Self::Invalid { advice, .. } => advice.clone(),
            Self::LeftOver { application, device, .. } => {
                format!("run `ttn-cli devices delete {application} {device}`, then try again")
            }
            Self::Line { source, .. } => {
                format!("{}; then import the file again: what is done is left alone", source.advice())
            }
            Self::NoServer => {
                "log in with `ttn-cli login --server http://localhost:1885 --api-key KEY`, or set TTN_SERVER and TTN_API_KEY"
                    .to_owned()
            }
            Self::Output(_) => "check where the output goes".to_owned(),
            Self::Refused { status, body, server, .. } => refused_advice(*status, body, server),
            Self::Unreachable { server, .. } => format!(
                "check that the server runs and that {server} is its HTTP address (port 1885, or as `ttn-stack config` says)"
            ),
            Self::UnknownServer { name, .. } => {
                format!("use one of them, or `ttn-cli login --name {name} --server URL --api-key KEY`")
            }
        }
    }

    /// What the program says on its way out: text of two lines, or one JSON object.
    #[must_use]
    pub fn report(&self, json: bool) -> String {
        if !json {
            return format!("error: {self}\nnext:  {}", self.advice());
        }
        let mut error = json!({ "message": self.to_string(), "next": self.advice() });
        if let Self::Refused { status, body, .. } = self {
            error["status"] = json!(status.as_u16());
            error["details"] = body.clone();
        }
        json!({ "error": error }).to_string()
    }

    /// The code that the program ends with.
    ///
    /// | code | meaning |
    /// |---|---|
    /// | 0 | done |
    /// | 1 | failed for another reason |
    /// | 2 | wrong usage |
    /// | 3 | the server cannot be reached |
    /// | 4 | not logged in, or the key is not valid |
    /// | 5 | the key lacks a right |
    /// | 6 | not found |
    /// | 7 | a value is wrong |
    /// | 8 | it exists already, or somebody else changed it |
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code())
    }

    /// [`Self::exit_code`] as a number.
    #[must_use]
    pub fn code(&self) -> u8 {
        match self {
            Self::Unreachable { .. } => 3,
            Self::NoServer | Self::UnknownServer { .. } | Self::Credentials { .. } => 4,
            Self::Invalid { .. } => 7,
            Self::Refused { status, .. } => match status.as_u16() {
                400 => 7,
                401 => 4,
                403 => 5,
                404 => 6,
                409 => 8,
                _ => 1,
            },
            Self::Line { source, .. } | Self::LeftOver { source, .. } => source.code(),
            Self::File { .. } | Self::Output(_) => 1,
        }
    }
}

fn details(body: &Value) -> &Value {
    &body["details"][0]
}

fn message(body: &Value) -> &str {
    body["message"].as_str().unwrap_or("no message")
}

fn refused_advice(status: StatusCode, body: &Value, server: &str) -> String {
    let attributes = &details(body)["attributes"];
    let text = |name: &str| attributes[name].as_str().map(str::to_owned);
    match status.as_u16() {
        400 => match text("field").or_else(|| text("paths")) {
            Some(field) => format!("correct the value of `{field}` and try again"),
            None => "correct the value that the message names and try again".to_owned(),
        },
        401 => format!(
            "the key is not valid on {server}: get one with `ttn-cli api-keys create`, then `ttn-cli login --api-key KEY`"
        ),
        403 => match missing_rights(attributes) {
            Some(rights) => {
                format!(
                    "use a key with {}, or ask a collaborator with that right for one",
                    rights.replace(',', ", ")
                )
            }
            None => {
                "use a key with the right that the message names (`ttn-cli whoami` lists yours)"
                    .to_owned()
            }
        },
        404 => {
            "check the id with the command `list` of the same resource; deleted ids are not found"
                .to_owned()
        }
        409 => {
            "choose another id or EUI, or change what is there with the command `set`".to_owned()
        }
        429 => "wait a moment and try again".to_owned(),
        501 => "this server does not have it yet; see its README for what is built".to_owned(),
        503 => "the server starts or stops; try again in a few seconds".to_owned(),
        _ => "look into the server's log under this time; it is not your input".to_owned(),
    }
}

fn missing_rights(attributes: &Value) -> Option<String> {
    let missing = ["missing", "rights", "right"].iter().map(|name| &attributes[*name]);
    missing.filter(|value| !value.is_null()).find_map(|value| match value {
        Value::String(right) => Some(right.clone()),
        Value::Array(rights) => {
            let rights: Vec<_> = rights.iter().filter_map(Value::as_str).collect();
            Some(rights.join(", "))
        }
        _ => None,
    })
}
