//! `cargo xtask tidy`: the rules of the house that a machine can check.

mod edges;
mod events;
mod files;
mod sources;

pub(crate) use files::is_test;

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

/// One broken rule.
#[derive(Debug)]
pub(crate) struct Finding {
    path: PathBuf,
    line: usize,
    text: String,
}

impl Finding {
    pub(crate) fn new(path: &Path, line: usize, text: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, text: text.into() }
    }
}

/// Checks the whole workspace and fails with every finding.
pub(crate) fn run() -> Result<()> {
    let root = crate::root()?;
    let mut findings = Vec::new();
    findings.extend(edges::check(&root)?);
    let tracked = tracked_files(&root)?;
    findings.extend(events::check(&root, &tracked)?);
    findings.extend(files::check(&root, &tracked)?);
    findings.extend(sources::check(&root, &tracked)?);
    for finding in &findings {
        println!("{}:{}: {}", finding.path.display(), finding.line, finding.text);
    }
    if !findings.is_empty() {
        bail!("tidy: {} findings", findings.len());
    }
    prove_no_std(&root)?;
    println!("tidy: {} files, no findings", tracked.len());
    Ok(())
}

pub(crate) fn tracked_files(root: &Path) -> Result<Vec<PathBuf>> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .context("git ls-files")?;
    let text = String::from_utf8(output.stdout).context("file names are UTF-8")?;
    Ok(text.lines().map(PathBuf::from).filter(|path| root.join(path).is_file()).collect())
}

/// Builds a static library with its own panic handler that depends on `ttn-mac`: it links only if nothing
/// below it needs `std`. Outside the workspace, because features unify within it.
fn prove_no_std(root: &Path) -> Result<()> {
    let manifest = root.join("xtask/no_std_proof/Cargo.toml");
    if !manifest.exists() {
        bail!("{} is missing: nothing proves that ttn-mac is no_std", manifest.display());
    }
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--release", "--manifest-path"])
        .arg(&manifest)
        .arg("--target-dir")
        .arg(
            std::env::var_os("CARGO_TARGET_DIR")
                .map_or_else(|| root.join("target"), PathBuf::from)
                .join("no_std_proof"),
        )
        .status()
        .context("cargo build of the no_std proof")?;
    if !status.success() {
        bail!("ttn-mac or the part of ttn-core that it needs uses std");
    }
    Ok(())
}
