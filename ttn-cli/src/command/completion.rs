//! `ttn-cli completion`.

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::{Context, Run};
use crate::error::Error;

/// Writes the completion of a shell, such as `source <(ttn-cli completion bash)`.
#[derive(Debug, clap::Args)]
#[non_exhaustive]
pub struct Arguments {
    /// The shell.
    pub shell: Shell,
}

impl Run for Arguments {
    fn run(&self, context: &mut Context<'_>) -> Result<(), Error> {
        let mut script = Vec::new();
        let mut command = super::Arguments::command();
        clap_complete::generate(self.shell, &mut command, "ttn-cli", &mut script);
        Ok(context.output.raw(&script)?)
    }
}
