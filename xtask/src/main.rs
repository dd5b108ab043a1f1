//! Workspace automation. `cargo xtask <ci|tidy|codegen|spec|sim>`.

mod codegen;

use anyhow::{Context as _, Result, bail};

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let command = args.next().context("usage: cargo xtask <ci|tidy|codegen|spec|sim>")?;
    match command.as_str() {
        "codegen" => codegen::run(),
        other => bail!("unknown command `{other}`: one of ci, tidy, codegen, spec, sim"),
    }
}
