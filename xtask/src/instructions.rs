//! `cargo xtask instructions [--record REASON]`: what a whole uplink costs in instructions, against what is recorded.
//!
//! Instructions do not depend on what else a machine does, so that a change for the worse is seen in CI. The count is
//! that of everything from the datagram to the JSON for one reader, with the making of the frame; store in memory.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, Result, bail, ensure};

/// Where the count is recorded, with its reason.
const RECORD: &str = "benches/instructions.md";
const HEAD: &str = "\
# Instructions of a whole uplink

Counted by `cargo xtask instructions`; CI fails when an uplink takes 5 % more than the last row says. A change that needs more adds a row:
`cargo xtask instructions --record REASON`.

| instructions per uplink | reason |
|---|---|
";
/// Batches of the two runs, of which the difference counts: start and registration are in both.
const BATCHES: (u64, u64) = (3, 13);
/// As many as a batch of `benches/instructions.rs` has.
const UPLINKS: u64 = 200;

pub(crate) fn run(mut args: impl Iterator<Item = String>) -> Result<()> {
    let root = crate::root()?;
    let reason = match args.next().as_deref() {
        None => None,
        Some("--record") => Some(args.next().context("--record needs a reason")?),
        Some(other) => bail!("usage: cargo xtask instructions [--record REASON], not {other}"),
    };
    let program = build(&root)?;
    let counted = |batches| count(&root, &program, batches);
    let difference = counted(BATCHES.1)?.saturating_sub(counted(BATCHES.0)?);
    let per_uplink = difference / ((BATCHES.1 - BATCHES.0) * UPLINKS);
    let path = root.join(RECORD);
    let text = fs::read_to_string(&path).unwrap_or_else(|_| HEAD.to_owned());
    if let Some(reason) = reason {
        println!("{per_uplink} instructions per uplink, recorded");
        return Ok(fs::write(path, format!("{text}| {per_uplink} | {reason} |\n"))?);
    }
    let recorded = last(&text).with_context(|| format!("{RECORD} has no row"))?;
    println!("{per_uplink} instructions per uplink, {recorded} recorded");
    ensure!(
        !is_worse(per_uplink, recorded),
        "an uplink takes {per_uplink} instructions, 5 % more than the {recorded} of {RECORD}: \
         make it cheaper, or say why with `cargo xtask instructions --record REASON`"
    );
    Ok(())
}

/// The count of the last row.
fn last(text: &str) -> Option<u64> {
    let row = text.lines().rev().find(|line| line.starts_with("| "))?;
    row.split('|').nth(1)?.trim().parse().ok()
}

const fn is_worse(counted: u64, recorded: u64) -> bool {
    counted * 100 > recorded * 105
}

/// Builds the benchmark and gives its file.
fn build(root: &Path) -> Result<String> {
    let output = Command::new(env!("CARGO"))
        .args(["build", "--locked", "--profile", "counted", "--bench", "instructions"])
        .args(["--message-format", "json"])
        .current_dir(root)
        .stderr(std::process::Stdio::inherit())
        .output()
        .context("cargo build")?;
    ensure!(output.status.success(), "the benchmark does not build");
    let text = String::from_utf8(output.stdout).context("cargo speaks UTF-8")?;
    let mut lines = text.lines().filter(|line| line.contains("\"name\":\"instructions\""));
    let line = lines.find(|line| line.contains("\"executable\":\"")).context("no executable")?;
    let rest = line.split("\"executable\":\"").nth(1).context("no executable")?;
    Ok(rest.split('"').next().unwrap_or_default().to_owned())
}

/// The instructions of a run with so many batches.
fn count(root: &Path, program: &str, batches: u64) -> Result<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", program])
        .arg(batches.to_string())
        .current_dir(root)
        .output()
        .context("valgrind, which Debian has as a package of this name")?;
    let text = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "valgrind: {text}");
    let collected = text.lines().find_map(|line| line.split("Collected :").nth(1));
    let collected = collected.with_context(|| format!("valgrind counted nothing: {text}"))?;
    collected.trim().parse().with_context(|| format!("the count of {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_row_counts_and_five_percent_more_are_too_much() {
        assert_eq!(last(HEAD), None);
        assert_eq!(last(&format!("{HEAD}| 900 | first |\n| 1000 | more |\n")), Some(1000));
        assert!(!is_worse(1050, 1000) && is_worse(1051, 1000));
    }
}
