//! `cargo xtask fuzz [--minutes N] [TARGET…]`: runs the targets of `fuzz/`, two at a time, and notes what came out.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, Result, bail, ensure};

/// Where runs are noted.
const RUNS: &str = "fuzz/RUNS.md";
const HEAD: &str = "\
# Runs of the fuzz targets

What `cargo xtask fuzz` has noted: the last run of each target and day. Findings become seeds and tests.

| date | target | seconds | executions | findings |
|---|---|---|---|---|
";

/// A target of `fuzz/Cargo.toml`.
#[derive(Debug, Default, PartialEq)]
struct Target {
    name: String,
    /// Whether it needs features; it gets all of them, so that there is one build for all such targets.
    needs_features: bool,
}

/// What a run brought.
#[derive(Debug, PartialEq)]
struct Outcome {
    seconds: u64,
    executions: u64,
    findings: Vec<String>,
}

pub(crate) fn run(args: impl Iterator<Item = String>) -> Result<()> {
    let root = crate::root()?;
    let (minutes, names) = arguments(args)?;
    let all = targets(&fs::read_to_string(root.join("fuzz/Cargo.toml"))?);
    for name in &names {
        let known = || all.iter().map(|target| &*target.name).collect::<Vec<_>>().join(", ");
        ensure!(all.iter().any(|target| target.name == *name), "no target {name}: {}", known());
    }
    installed()?;
    let wanted: Vec<_> =
        all.iter().filter(|target| names.is_empty() || names.contains(&target.name)).collect();
    let date = output(Command::new("date").args(["-u", "+%F"]))?.trim().to_owned();
    let mut found = 0;
    for pair in wanted.chunks(2) {
        let running: Vec<_> =
            pair.iter().map(|target| start(&root, target, minutes)).collect::<Result<_>>()?;
        for (target, child) in pair.iter().zip(running) {
            let outcome = finish(&root, &target.name, child)?;
            println!("{}: {outcome:?}", target.name);
            found += outcome.findings.len();
            note(&root.join(RUNS), &date, &target.name, &outcome)?;
        }
    }
    ensure!(found == 0, "{found} findings; see fuzz/artifacts");
    Ok(())
}

/// The minutes for each target, and the targets; all if none is named.
fn arguments(mut args: impl Iterator<Item = String>) -> Result<(u64, Vec<String>)> {
    let (mut minutes, mut names) = (1, Vec::new());
    while let Some(argument) = args.next() {
        if argument == "--minutes" {
            let value = args.next().context("--minutes needs a number")?;
            minutes = value.parse().with_context(|| format!("--minutes {value}"))?;
        } else if argument.starts_with('-') {
            bail!("usage: cargo xtask fuzz [--minutes N] [TARGET…], not {argument}");
        } else {
            names.push(argument);
        }
    }
    ensure!(minutes > 0, "--minutes 0 would never end");
    Ok((minutes, names))
}

fn installed() -> Result<()> {
    let found = Command::new("cargo").args(["fuzz", "--version"]).output();
    if !found.is_ok_and(|output| output.status.success()) {
        bail!("cargo-fuzz is not installed; `cargo install cargo-fuzz` installs it");
    }
    Ok(())
}

/// The targets of a manifest.
fn targets(manifest: &str) -> Vec<Target> {
    let mut targets: Vec<Target> = Vec::new();
    let mut in_target = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            in_target = line == "[[bin]]";
            if in_target {
                targets.push(Target::default());
            }
            continue;
        }
        let Some(target) = targets.last_mut().filter(|_| in_target) else { continue };
        if line.starts_with("name = ") {
            target.name = line.split('"').nth(1).unwrap_or_default().to_owned();
        }
        target.needs_features |= line.starts_with("required-features = ");
    }
    targets
}

fn start(root: &Path, target: &Target, minutes: u64) -> Result<Child> {
    let log = fs::File::create(log(root, &target.name)?)?;
    let mut command = Command::new("cargo");
    // The stable compiler has what libFuzzer needs, behind this switch.
    command.env("RUSTC_BOOTSTRAP", "1").current_dir(root.join("fuzz"));
    command.args(["fuzz", "run", "--sanitizer", "none"]);
    if target.needs_features {
        command.arg("--all-features");
    }
    let limit = format!("-max_total_time={}", minutes * 60);
    command.args([&*target.name, "--", &limit, "-print_final_stats=1", "-rss_limit_mb=2048"]);
    command.stdout(Stdio::null()).stderr(log).spawn().context("cargo fuzz")
}

fn finish(root: &Path, name: &str, mut child: Child) -> Result<Outcome> {
    let status = child.wait()?;
    let text = fs::read(log(root, name)?)?;
    let text = String::from_utf8_lossy(&text);
    let outcome = outcome(&text);
    if !status.success() && outcome.findings.is_empty() {
        let tail: Vec<_> = text.lines().rev().take(20).collect();
        let tail: Vec<_> = tail.into_iter().rev().collect();
        bail!("{name} did not run:\n{}", tail.join("\n"));
    }
    Ok(outcome)
}

fn log(root: &Path, name: &str) -> Result<std::path::PathBuf> {
    let directory = root.join("fuzz/artifacts/logs");
    fs::create_dir_all(&directory)?;
    Ok(directory.join(format!("{name}.log")))
}

/// What libFuzzer has printed.
fn outcome(text: &str) -> Outcome {
    let number = |key: &str| {
        let line = text.lines().rev().find_map(|line| line.strip_prefix(key));
        line.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
    };
    let seconds = text.lines().rev().find_map(|line| {
        let (_, rest) = line.split_once(" runs in ")?;
        rest.split(' ').next()?.parse().ok()
    });
    let units = text.lines().filter_map(|line| line.split_once("Test unit written to "));
    Outcome {
        seconds: seconds.unwrap_or(0),
        executions: number("stat::number_of_executed_units:"),
        findings: units.map(|(_, path)| path.trim().to_owned()).collect(),
    }
}

/// Writes the row of a run in the place of the one of the same target and day.
fn note(path: &Path, date: &str, name: &str, outcome: &Outcome) -> Result<()> {
    let old = fs::read_to_string(path).unwrap_or_default();
    fs::write(path, noted(&old, date, name, outcome)).context("fuzz/RUNS.md")
}

fn noted(old: &str, date: &str, name: &str, outcome: &Outcome) -> String {
    let rows = old.lines().skip_while(|line| !line.starts_with("|---")).skip(1);
    let mut by_run: BTreeMap<(String, String), String> = BTreeMap::new();
    for row in rows {
        let mut cells = row.split('|').map(|cell| cell.trim().to_owned()).skip(1);
        if let (Some(date), Some(name)) = (cells.next(), cells.next()) {
            by_run.insert((date, name), row.to_owned());
        }
    }
    let findings = match &*outcome.findings {
        [] => "none".to_owned(),
        some => some.join(", "),
    };
    let Outcome { seconds, executions, .. } = outcome;
    let row = format!("| {date} | {name} | {seconds} | {executions} | {findings} |");
    by_run.insert((date.to_owned(), name.to_owned()), row);
    let mut text = HEAD.to_owned();
    for row in by_run.values() {
        text.push_str(row);
        text.push('\n');
    }
    text
}

fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    Ok(String::from_utf8(output.stdout)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_targets_and_what_they_need() {
        let manifest = "[package]\nname = \"x\"\n\n[[bin]]\nname = \"frame\"\n\n[[bin]]\nname = \"udp\"\n\
            required-features = [\"gateway\", \"more\"]\n\n[profile.release]\nname = \"y\"\n";
        let found = targets(manifest);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0], Target { name: "frame".into(), needs_features: false });
        assert_eq!(found[1], Target { name: "udp".into(), needs_features: true });
    }

    #[test]
    fn reads_what_a_run_brought() {
        let text = "#12 DONE cov: 1\nDone 1234 runs in 61 second(s)\n\
            stat::number_of_executed_units: 1234\nstat::peak_rss_mb: 50\n";
        let wanted = Outcome { seconds: 61, executions: 1234, findings: vec![] };
        assert_eq!(outcome(text), wanted);
        let crashed = outcome("artifact_prefix='x/'; Test unit written to fuzz/x/crash-1\n");
        assert_eq!(crashed.findings, ["fuzz/x/crash-1"]);
    }

    #[test]
    fn a_run_of_the_same_day_replaces_the_last() {
        let outcome = |executions| Outcome { seconds: 60, executions, findings: vec![] };
        let one = noted("", "2026-01-01", "udp", &outcome(1));
        let two = noted(&one, "2026-01-02", "udp", &outcome(2));
        let three = noted(&two, "2026-01-02", "udp", &outcome(3));
        let rows: Vec<_> = three.lines().filter(|line| line.starts_with("| 2026")).collect();
        let row = "| 2026-01-02 | udp | 60 | 3 | none |";
        assert_eq!(rows, ["| 2026-01-01 | udp | 60 | 1 | none |", row]);
    }

    #[test]
    fn unknown_options_are_refused() {
        let arguments = |list: &[&str]| arguments(list.iter().map(|item| (*item).to_owned()));
        assert_eq!(arguments(&["--minutes", "5", "udp"]).unwrap(), (5, vec!["udp".to_owned()]));
        arguments(&["--seconds"]).unwrap_err();
        arguments(&["--minutes", "x"]).unwrap_err();
        arguments(&["--minutes", "0"]).unwrap_err();
    }
}
