//! `ttn-cli audit`.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::{Context, Run};
use crate::error::Error;

/// Shows who did what, the latest first, for administrators.
#[derive(Debug, clap::Args)]
#[non_exhaustive]
pub struct Arguments {
    /// Only what was done to this, such as `application/my-app` or `user/alice`.
    #[arg(long, value_name = "KIND/ID")]
    pub entity: Option<String>,
    /// Only what this one did, such as `user/alice`.
    #[arg(long, value_name = "KIND/ID")]
    pub actor: Option<String>,
    /// Only these actions, such as `login.failed`.
    #[arg(long, value_name = "ACTION", value_delimiter = ',')]
    pub action: Vec<String>,
    /// Not before this time, such as `2026-11-23T12:00:00Z`.
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Before this time.
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// How many.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub limit: usize,
}

const COLUMNS: &[(&str, &str)] = &[
    ("time", "/time"),
    ("action", "/action"),
    ("entity", "/entity"),
    ("subject", "/subject"),
    ("actor", "/actor"),
    ("from", "/remote_ip"),
    ("before", "/before"),
    ("after", "/after"),
];

impl Run for Arguments {
    fn run(&self, context: &mut Context<'_>) -> Result<(), Error> {
        let api = context.api()?;
        let mut entries = Vec::new();
        let mut after = String::new();
        while entries.len() < self.limit {
            let mut page = api.get(&self.path(self.limit - entries.len(), &after))?;
            if let Value::Array(more) = page["entries"].take() {
                entries.extend(more);
            }
            match page["next"].as_str() {
                Some(next) if !next.is_empty() => next.clone_into(&mut after),
                _ => break,
            }
        }
        Ok(context.output.list(&entries, COLUMNS)?)
    }
}

impl Arguments {
    fn path(&self, limit: usize, after: &str) -> String {
        let mut path = format!("/api/v1/audit?limit={}&after={after}", limit.min(PAGE));
        let one = |name, value: &Option<String>| value.clone().map(|value| (name, value));
        let filters = [
            one("entity", &self.entity),
            one("actor", &self.actor),
            one("since", &self.since),
            one("until", &self.until),
        ];
        let actions = self.action.iter().map(|action| ("actions", action.clone()));
        for (name, value) in filters.into_iter().flatten().chain(actions) {
            let value = utf8_percent_encode(&value, NON_ALPHANUMERIC);
            path.extend(["&", name, "="].into_iter().chain(value));
        }
        path
    }
}

/// One page asks for as much.
const PAGE: usize = 1_000;
