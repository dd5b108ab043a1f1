//! Workspace automation. `cargo xtask <tidy|codegen>`.

mod codegen;
mod tidy;

use anyhow::{Context as _, Result, bail};

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let command = args.next().context("usage: cargo xtask <tidy|codegen>")?;
    match command.as_str() {
        "codegen" => codegen::run(),
        "tidy" => tidy::run(),
        other => bail!("unknown command `{other}`: one of tidy, codegen"),
    }
}

/// The root of the workspace.
fn root() -> Result<std::path::PathBuf> {
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().map(std::path::Path::to_owned).context("xtask lies in the workspace")
}
