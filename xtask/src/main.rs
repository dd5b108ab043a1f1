//! Workspace automation. `cargo xtask <codegen|fuzz|instructions|spec|tidy>`.

mod codegen;
mod fuzz;
mod instructions;
mod spec;
mod tidy;

use anyhow::{Context as _, Result, bail};

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let command =
        args.next().context("usage: cargo xtask <codegen|fuzz|instructions|spec|tidy>")?;
    match command.as_str() {
        "codegen" => codegen::run(),
        "fuzz" => fuzz::run(args),
        "instructions" => instructions::run(args),
        "spec" => spec::run(),
        "tidy" => tidy::run(),
        other => bail!("unknown command `{other}`: one of codegen, fuzz, instructions, spec, tidy"),
    }
}

/// The root of the workspace.
fn root() -> Result<std::path::PathBuf> {
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().map(std::path::Path::to_owned).context("xtask lies in the workspace")
}
