//! `ttn-cli links`.

use clap::Subcommand;
use serde_json::json;
use ttn_core::id::ApplicationId;

use super::{Context, Run, devices::formatter};
use crate::error::Error;

/// What holds for all devices of an application: formatters of payloads.
#[derive(Debug, clap::Args)]
#[non_exhaustive]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub action: Action,
}

/// What to do with links.
#[derive(Debug, Subcommand)]
#[non_exhaustive]
pub enum Action {
    /// Clears a link.
    Delete {
        /// The application.
        application: ApplicationId,
    },
    /// Shows a link.
    Get {
        /// The application.
        application: ApplicationId,
    },
    /// Sets the formatters of devices that have none.
    Set {
        /// The application.
        application: ApplicationId,
        /// The formatter of uplinks: none, cayennelpp, javascript, repository.
        #[arg(long, value_name = "FORMATTER")]
        up_formatter: Option<String>,
        /// A file with the parameter of the formatter of uplinks, such as a script.
        #[arg(long, value_name = "FILE", requires = "up_formatter")]
        up_script: Option<std::path::PathBuf>,
        /// The formatter of downlinks.
        #[arg(long, value_name = "FORMATTER")]
        down_formatter: Option<String>,
        /// A file with the parameter of the formatter of downlinks, such as a script.
        #[arg(long, value_name = "FILE", requires = "down_formatter")]
        down_script: Option<std::path::PathBuf>,
    },
}

impl Run for Arguments {
    fn run(&self, context: &mut Context<'_>) -> Result<(), Error> {
        let api = context.api()?;
        let output = &mut context.output;
        match &self.action {
            Action::Delete { application } => {
                let answer = api.delete(&format!("/as/applications/{application}/link"))?;
                output.done(format!("cleared the link of {application}"), &answer)?;
            }
            Action::Get { application } => {
                let mask = "default_formatters,skip_payload_crypto";
                let path = format!("/as/applications/{application}/link?field_mask={mask}");
                output.one(&api.get(&path)?)?;
            }
            Action::Set { application, up_formatter, up_script, down_formatter, down_script } => {
                let mut formatters = json!({});
                let mut paths = Vec::new();
                for (side, name, script) in
                    [("up", up_formatter, up_script), ("down", down_formatter, down_script)]
                {
                    let Some(name) = name else { continue };
                    let field = format!("{side}_formatter");
                    formatters[&field] = json!(formatter(name));
                    paths.push(format!("default_formatters.{field}"));
                    if let Some(file) = script {
                        let text = super::read_file(file)?;
                        let field = format!("{field}_parameter");
                        formatters[&field] = json!(String::from_utf8_lossy(&text));
                        paths.push(format!("default_formatters.{field}"));
                    }
                }
                if paths.is_empty() {
                    let what = "nothing to set";
                    return Err(Error::invalid(what, "name --up-formatter or --down-formatter"));
                }
                let mask = json!({ "paths": paths });
                let link = json!({ "default_formatters": formatters });
                let body = json!({ "link": link, "field_mask": mask });
                let answer = api.put(&format!("/as/applications/{application}/link"), &body)?;
                output.done(format!("set the link of {application}"), &answer)?;
            }
        }
        Ok(())
    }
}
