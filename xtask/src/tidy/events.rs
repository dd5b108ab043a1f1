//! Events of the API (EVT-08): every one that a built component owns is defined in its code, or listed as not yet.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use super::Finding;

/// The names of all events.
const TABLE: &str = "ttn-core/src/event/table.rs";
/// Names that nobody publishes yet. It may only shrink.
const NOT_YET: &str = "docs/events-not-yet.txt";
/// Built components: what their names begin with, and where they are defined.
const COMPONENTS: &[(&[&str], &str)] = &[
    (&["as."], "ttn-as/src"),
    (&["gs."], "ttn-gs/src"),
    (&["js."], "ttn-js/src"),
    (&["ns."], "ttn-ns/src"),
    (
        &[
            "application.",
            "client.",
            "end_device.",
            "gateway.",
            "invitation.",
            "organization.",
            "user.",
        ],
        "ttn-is/src",
    ),
];

pub(super) fn check(root: &Path, tracked: &[PathBuf]) -> Result<Vec<Finding>> {
    let table = read(root, TABLE)?;
    let not_yet = read(root, NOT_YET)?;
    let not_yet: BTreeSet<&str> =
        not_yet.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    let names: BTreeSet<&str> = table.lines().filter_map(name_of_row).collect();
    let list = Path::new(NOT_YET);
    let mut findings = Vec::new();
    for name in not_yet.difference(&names) {
        findings.push(Finding::new(list, 1, format!("the API has no event `{name}`")));
    }
    for (prefixes, source) in COMPONENTS {
        let literals = literals(root, tracked, source)?;
        let own = names.iter().filter(|name| prefixes.iter().any(|of| name.starts_with(of)));
        for name in own {
            match (is_defined(name, &literals), not_yet.contains(name)) {
                (false, false) => {
                    let text = format!("`{name}` is defined nowhere in {source}, and not listed");
                    findings.push(Finding::new(list, 1, text));
                }
                (true, true) => {
                    let text = format!("`{name}` is defined by now: take it off the list");
                    findings.push(Finding::new(list, 1, text));
                }
                _ => {}
            }
        }
    }
    Ok(findings)
}

fn read(root: &Path, path: &str) -> Result<String> {
    fs::read_to_string(root.join(path)).with_context(|| path.to_owned())
}

fn name_of_row(line: &str) -> Option<&str> {
    line.strip_prefix("    \"")?.split_once("\" [").map(|(name, _)| name)
}

/// All strings of the files that define events.
fn literals(root: &Path, tracked: &[PathBuf], source: &str) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    let sources = tracked.iter().filter(|path| path.starts_with(source));
    for path in sources.filter(|path| path.file_name().is_some_and(|name| name == "event.rs")) {
        let text = fs::read_to_string(root.join(path))?;
        found.extend(text.split('"').skip(1).step_by(2).map(str::to_owned));
    }
    Ok(found)
}

/// Whether a name stands there whole, or in two parts that a macro joins.
fn is_defined(name: &str, literals: &BTreeSet<String>) -> bool {
    let joined = |(at, _): (usize, &str)| {
        let has = |part: &str| literals.contains(part);
        (has(&name[..at]) && has(&name[at..])) || (has(&name[..=at]) && has(&name[at + 1..]))
    };
    literals.contains(name) || name.match_indices('.').any(joined)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_whole_and_in_parts() {
        let literals: BTreeSet<String> =
            ["as.up.drop", "ns.mac.", "reset.request", "user", ".create"].map(str::to_owned).into();
        for name in ["as.up.drop", "ns.mac.reset.request", "user.create"] {
            assert!(is_defined(name, &literals), "{name}");
        }
        for name in ["as.up", "ns.mac.reset", "user.delete"] {
            assert!(!is_defined(name, &literals), "{name}");
        }
    }

    // EVT-08
    #[test]
    fn every_event_of_a_built_component_is_defined_or_listed() {
        let root = crate::root().unwrap();
        let findings = check(&root, &super::super::tracked_files(&root).unwrap()).unwrap();
        assert!(findings.is_empty(), "{findings:#?}");
    }
}
