//! Sizes of files, and links and paths in documents.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Result;

use super::Finding;

const LINES_MAX: usize = 800;
const OCTETS_MAX: u64 = 1 << 20;

pub(super) fn check(root: &Path, tracked: &[PathBuf]) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for path in tracked {
        let full = root.join(path);
        if fs::metadata(&full)?.len() > OCTETS_MAX {
            findings.push(Finding::new(path, 1, "larger than a megabyte"));
            continue;
        }
        let extension = path.extension().and_then(|extension| extension.to_str());
        match extension {
            Some("rs") if !is_generated(path) && !is_test(path) => {
                let lines = fs::read_to_string(&full)?.lines().count();
                if lines > LINES_MAX {
                    findings.push(Finding::new(
                        path,
                        lines,
                        format!("more than {LINES_MAX} lines"),
                    ));
                }
            }
            Some("md") => {
                let text = fs::read_to_string(&full)?;
                check_document(root, path, &text, &mut findings);
            }
            _ => {}
        }
    }
    Ok(findings)
}

pub(super) fn is_generated(path: &Path) -> bool {
    path.starts_with("ttn-proto/src/gen")
}

pub(crate) fn is_test(path: &Path) -> bool {
    path.components().any(|part| matches!(part.as_os_str().to_str(), Some("tests" | "benches")))
}

fn check_document(root: &Path, path: &Path, text: &str, findings: &mut Vec<Finding>) {
    for (number, line) in text.lines().enumerate() {
        for target in links(line) {
            let target = target.split('#').next().unwrap_or_default();
            let external = target.starts_with("http") || target.starts_with("mailto:");
            let beside =
                path.parent().map_or_else(|| PathBuf::from(target), |parent| parent.join(target));
            if !external && !target.is_empty() && !root.join(beside).exists() {
                findings.push(Finding::new(path, number + 1, format!("dead link {target}")));
            }
        }
        for quoted in line.split('`').skip(1).step_by(2) {
            let first = quoted.split('/').next().unwrap_or_default();
            let names_a_path = quoted.contains('/')
                && !first.is_empty()
                && root.join(first).is_dir()
                && quoted.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
            if names_a_path && !root.join(quoted).exists() {
                findings.push(Finding::new(path, number + 1, format!("`{quoted}` does not exist")));
            }
        }
    }
}

/// The targets of `[text](target)` in a line.
fn links(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split(')').next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_targets_of_links() {
        let found: Vec<_> = links("see [a](b.md) and [c](https://d)").collect();
        assert_eq!(found, ["b.md", "https://d"]);
    }
}
