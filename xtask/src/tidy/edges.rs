//! Which crate may know which.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};

use super::Finding;

/// The allowed edges; every crate of the workspace is listed.
const ALLOWED: &[(&str, &[&str])] = &[
    ("ttn-core", &[]),
    ("ttn-mac", &["ttn-core"]),
    ("ttn-proto", &["ttn-core", "ttn-mac"]),
    ("ttn-rpc", &["ttn-core", "ttn-proto"]),
    ("ttn-gs", COMPONENT),
    ("ttn-ns", COMPONENT),
    ("ttn-as", COMPONENT),
    ("ttn-is", COMPONENT),
    ("ttn-js", COMPONENT),
    ("ttn-store-embedded", &["ttn-core", "ttn-mac", "ttn-ns", "ttn-as", "ttn-is", "ttn-js"]),
    ("ttn-store-postgres", &["ttn-core", "ttn-mac", "ttn-ns", "ttn-as", "ttn-is", "ttn-js"]),
    ("ttn-testkit", &["ttn-core", "ttn-mac"]),
    ("xtask", &[]),
];

const COMPONENT: &[&str] = &["ttn-core", "ttn-mac", "ttn-proto", "ttn-rpc"];
/// Know everything.
const TOP: &[&str] = &["ttn", "ttn-cli", "ttn-stack"];

pub(super) fn check(root: &Path) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for entry in fs::read_dir(root)? {
        let manifest = entry?.path().join("Cargo.toml");
        if !manifest.is_file() {
            continue;
        }
        let text = fs::read_to_string(&manifest).with_context(|| manifest.display().to_string())?;
        let Some(name) = package_name(&text) else { continue };
        if TOP.contains(&name) || name == "ttn-fuzz" {
            continue;
        }
        let Some((_, allowed)) = ALLOWED.iter().find(|(crate_name, _)| *crate_name == name) else {
            findings.push(Finding::new(
                &manifest,
                1,
                format!("{name} has no row in the table of edges"),
            ));
            continue;
        };
        for (number, line) in text.lines().enumerate() {
            let dependency = line.split(['=', '.', ' ']).next().unwrap_or_default();
            let is_ours = dependency.starts_with("ttn-") && line.contains("workspace = true");
            if is_ours && !allowed.contains(&dependency) {
                let text = format!("{name} may not know {dependency}");
                findings.push(Finding::new(&manifest, number + 1, text));
            }
        }
    }
    Ok(findings)
}

fn package_name(manifest: &str) -> Option<&str> {
    let line = manifest.lines().find(|line| line.starts_with("name = "))?;
    line.split('"').nth(1)
}
