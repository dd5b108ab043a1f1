//! What may not stand in sources.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Result;

use super::{
    Finding,
    files::{is_generated, is_test},
};

/// Crates that run in virtual time: their order of doing things follows from their input alone.
const COMPONENTS: &[&str] = &["ttn-mac", "ttn-gs", "ttn-ns", "ttn-as", "ttn-is", "ttn-js"];

/// What is forbidden where, and why.
const FORBIDDEN: &[(&str, Scope, &str)] = &[
    ("dbg!(", Scope::Everywhere, "left-over of debugging"),
    ("todo!(", Scope::Everywhere, "a stub is not done"),
    ("unimplemented!(", Scope::Everywhere, "a stub is not done"),
    (
        "std::collections::HashMap",
        Scope::Components,
        "use ttn_core::map::Map: its order is the same in every run",
    ),
    (
        "std::collections::HashSet",
        Scope::Components,
        "use ttn_core::map::Set: its order is the same in every run",
    ),
    ("std::thread", Scope::Components, "no threads that virtual time does not know"),
    ("spawn_blocking", Scope::Components, "no threads that virtual time does not know"),
    ("Ulid::new", Scope::Components, "ids come from ttn_core::rand::Entropy"),
    ("SystemTime::now", Scope::Components, "time comes from ttn_core::clock::Clock"),
    ("attested_by_store(", Scope::NotStores, "only stores attest durability"),
];

#[derive(Clone, Copy, PartialEq)]
enum Scope {
    Components,
    Everywhere,
    NotStores,
}

pub(super) fn check(root: &Path, tracked: &[PathBuf]) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for path in tracked {
        let is_rust = path.extension().is_some_and(|extension| extension == "rs");
        if !is_rust || is_generated(path) || path.starts_with("xtask/src/tidy") {
            continue;
        }
        let text = fs::read_to_string(root.join(path))?;
        check_text(path, &text, &mut findings);
        if path.starts_with("ttn-mac/src") && !names_its_source(&text) {
            findings.push(Finding::new(
                path,
                1,
                "public items without a source (TS…, RP…, RFC, row)",
            ));
        }
    }
    Ok(findings)
}

/// Whether a file without public items, or one that says from which document or row its rules are.
fn names_its_source(text: &str) -> bool {
    let (code, _) = text.split_once("#[cfg(test)]").unwrap_or((text, ""));
    let is_public =
        code.lines().any(|line| line.trim_start().starts_with("pub ") && !is_module(line));
    !is_public || SOURCES.iter().any(|source| code.contains(source))
}

fn is_module(line: &str) -> bool {
    line.starts_with("pub mod") || line.starts_with("pub use")
}

/// How the sources of rules begin: specifications, rows of behaviour, another server.
const SOURCES: &[&str] = &["TS0", "RP0", "RFC ", "NS-", "AS-", "ChirpStack"];

fn check_text(path: &Path, text: &str, findings: &mut Vec<Finding>) {
    let mut in_tests = is_test(path);
    let mut select = None;
    for (number, line) in text.lines().enumerate() {
        in_tests |= line.starts_with("#[cfg(test)]");
        for (needle, scope, why) in FORBIDDEN {
            if line.contains(needle) && applies(*scope, path, in_tests) {
                findings.push(Finding::new(path, number + 1, format!("`{needle}`: {why}")));
            }
        }
        if line.contains("TODO") && !line.contains("TODO(#") {
            findings.push(Finding::new(path, number + 1, "TODO without the number of an issue"));
        }
        if let Some(opened) = select.take()
            && !line.trim_start().starts_with("biased;")
        {
            findings.push(Finding::new(
                path,
                opened,
                "`select!` without `biased;`: its order is chance",
            ));
        }
        if line.contains("tokio::select! {") && !in_tests && is_component(path) {
            select = Some(number + 1);
        }
    }
    if in_tests {
        check_tests(path, text, findings);
    }
}

fn applies(scope: Scope, path: &Path, in_tests: bool) -> bool {
    match scope {
        Scope::Everywhere => true,
        Scope::Components => !in_tests && is_component(path),
        Scope::NotStores => !in_tests && !is_store(path),
    }
}

fn is_component(path: &Path) -> bool {
    COMPONENTS.iter().any(|component| path.starts_with(format!("{component}/src")))
}

fn is_store(path: &Path) -> bool {
    let in_store = path.components().any(|part| {
        matches!(
            part.as_os_str().to_str(),
            Some("store" | "log" | "store.rs" | "ttn-store-embedded" | "ttn-store-postgres")
        )
    });
    in_store || path.starts_with("examples")
}

/// A test without an assertion cannot fail for the right reason. One that calls a function of its file which asserts
/// has one.
fn check_tests(path: &Path, text: &str, findings: &mut Vec<Finding>) {
    let lines: Vec<&str> = text.lines().collect();
    let mut asserting: Vec<String> = ASSERTIONS.iter().map(|word| (*word).to_owned()).collect();
    // Helpers call helpers: three rounds find them in any order that occurs.
    for _ in 0..3 {
        for (number, line) in lines.iter().enumerate() {
            let Some(name) = function_name(line) else { continue };
            let call = format!("{name}(");
            if !asserting.contains(&call) && contains_any(&body(&lines[number..]), &asserting) {
                asserting.push(format!("{name}::<"));
                asserting.push(call);
            }
        }
    }
    for (number, line) in lines.iter().enumerate() {
        let attribute = line.trim();
        let is_test = attribute == "#[test]" || attribute.starts_with("#[tokio::test");
        if is_test && !contains_any(&body(&lines[number..]), &asserting) {
            findings.push(Finding::new(path, number + 1, "a test without an assertion"));
        }
    }
}

/// Words that make a test fail.
const ASSERTIONS: &[&str] =
    &["assert", "unwrap", "expect", "panic!", "check", "suite", "require", "?;"];

fn function_name(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once("fn ")?;
    rest.split(['(', '<']).next().filter(|name| !name.is_empty())
}

/// The lines of an item behind its first one, up to the brace that closes it.
fn body(lines: &[&str]) -> String {
    let first = lines.first().copied().unwrap_or_default();
    let indent = first.len() - first.trim_start().len();
    let end = format!("{}}}", " ".repeat(indent));
    let rest = lines
        .iter()
        .skip(1)
        .skip_while(|line| function_name(line).is_some() && first.contains("#["));
    let mut text = String::new();
    rest.take_while(|line| **line != end).for_each(|line| text.push_str(line));
    text
}

fn contains_any(text: &str, words: &[String]) -> bool {
    words.iter().any(|word| text.contains(word.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> usize {
        let mut findings = Vec::new();
        check_text(Path::new(path), text, &mut findings);
        findings.len()
    }

    #[test]
    fn components_may_not_use_maps_without_an_order() {
        let text = "use std::collections::HashMap;\n";
        assert_eq!(findings("ttn-ns/src/shard/mod.rs", text), 1);
        assert_eq!(findings("ttn-stack/src/main.rs", text), 0);
    }

    #[test]
    fn only_stores_attest_durability() {
        let text = "let proof = Durable::attested_by_store(position);\n";
        assert_eq!(findings("ttn-ns/src/runner.rs", text), 1);
        assert_eq!(findings("ttn-ns/src/store/memory.rs", text), 0);
    }

    #[test]
    fn a_select_says_in_which_order() {
        assert_eq!(findings("ttn-ns/src/runner.rs", "tokio::select! {\n    biased;\n"), 0);
        assert_eq!(findings("ttn-ns/src/runner.rs", "tokio::select! {\n    a = b => {}\n"), 1);
    }

    #[test]
    fn public_items_of_the_mac_layer_name_their_source() {
        assert!(!names_its_source("//! Table.\npub fn f() {}\n"));
        assert!(names_its_source("//! Table (TS001-1.0.4 §5).\npub fn f() {}\n"));
        assert!(names_its_source("pub mod f;\n"));
        assert!(!names_its_source("pub fn f() {}\n#[cfg(test)]\n// RP002\n"));
    }

    #[test]
    fn a_test_needs_an_assertion() {
        let text = "#[cfg(test)]\nmod tests {\n    #[test]\n    fn nothing() {\n    }\n}\n";
        assert_eq!(findings("ttn-ns/src/lib.rs", text), 1);
    }
}
