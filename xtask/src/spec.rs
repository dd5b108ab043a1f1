//! `cargo xtask spec`: where clauses of specifications are cited, in the code and in tests.
//!
//! A citation is `DOCUMENT-VERSION §SECTION`, such as `TS001-1.0.4 §5.3`; more sections of the same document follow
//! behind commas. It counts as a test in test files and below `#[cfg(test)]`.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::Result;

/// Documents whose clauses are traced.
const PREFIXES: &[&str] = &["TS0", "RP0"];

/// Where a clause is cited: file and line.
#[derive(Debug, Default, PartialEq)]
struct Places {
    code: Vec<String>,
    tests: Vec<String>,
}

pub(crate) fn run() -> Result<()> {
    let root = crate::root()?;
    let mut clauses = BTreeMap::new();
    for path in crate::tidy::tracked_files(&root)? {
        let is_rust = path.extension().is_some_and(|extension| extension == "rs");
        if is_rust && !path.starts_with("xtask") {
            collect(&path, &fs::read_to_string(root.join(&path))?, &mut clauses);
        }
    }
    print!("{}", table(&clauses));
    Ok(())
}

fn collect(path: &Path, text: &str, clauses: &mut BTreeMap<Clause, Places>) {
    let mut in_tests = crate::tidy::is_test(path);
    for (number, line) in text.lines().enumerate() {
        in_tests |= line.starts_with("#[cfg(test)]");
        for clause in citations(line) {
            let places = clauses.entry(clause).or_default();
            let list = if in_tests { &mut places.tests } else { &mut places.code };
            list.push(format!("{}:{}", path.display(), number + 1));
        }
    }
}

/// A document and the numbers of a section, in the order of the document.
type Clause = (String, Vec<u32>);

/// The citations of a line.
fn citations(line: &str) -> Vec<Clause> {
    let mut found = Vec::new();
    let mut document = None;
    let mut words = line.split([' ', '(', ')', '`', '"']).peekable();
    while let Some(word) = words.next() {
        let bare = word.trim_end_matches([',', '.', ':', ';']);
        if PREFIXES.iter().any(|prefix| bare.starts_with(prefix)) {
            document = words.peek().is_some_and(|next| next.starts_with('§')).then_some(bare);
        } else if let (Some(section), Some(document)) = (bare.strip_prefix('§'), document) {
            let numbers: Option<Vec<u32>> = section.split('.').map(|n| n.parse().ok()).collect();
            found.extend(numbers.map(|numbers| (document.to_owned(), numbers)));
        } else if !word.is_empty() && word != "and" {
            document = None;
        }
    }
    found
}

fn table(clauses: &BTreeMap<Clause, Places>) -> String {
    let name = |(document, numbers): &Clause| {
        let numbers: Vec<_> = numbers.iter().map(u32::to_string).collect();
        format!("{document} §{}", numbers.join("."))
    };
    let list = |places: &[String]| match places {
        [] => "—".to_owned(),
        some => some.join(", "),
    };
    let mut text = String::from("| clause | code | tests |\n|---|---|---|\n");
    for (clause, places) in clauses {
        let (code, tests) = (list(&places.code), list(&places.tests));
        text.push_str(&format!("| {} | {code} | {tests} |\n", name(clause)));
    }
    let untested = clauses.iter().filter(|(_, places)| places.tests.is_empty());
    let untested: Vec<_> = untested.map(|(clause, _)| name(clause)).collect();
    let unversioned = clauses.keys().filter(|(document, _)| !document.contains('-'));
    let unversioned: Vec<_> = unversioned.map(name).collect();
    text.push_str(&format!(
        "\n{} clauses cited.\nCited in code without a test: {}\nCited without a version: {}\n",
        clauses.len(),
        list(&untested),
        list(&unversioned)
    ));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clause(document: &str, numbers: &[u32]) -> Clause {
        (document.to_owned(), numbers.to_vec())
    }

    #[test]
    fn finds_sections_with_their_document() {
        let line = "// TS001-1.0.4 §5.3, §5.10: a rule (RP002-1.0.3 §2.4.2).";
        let wanted = [
            clause("TS001-1.0.4", &[5, 3]),
            clause("TS001-1.0.4", &[5, 10]),
            clause("RP002-1.0.3", &[2, 4, 2]),
        ];
        assert_eq!(citations(line), wanted);
        assert_eq!(citations("/// TS003, versions 1 and 2; MQTT 3.1.1 §4.7"), []);
        assert_eq!(citations("// TS004-2.0.0 has no §3.2 here"), []);
    }

    #[test]
    fn tells_code_from_tests() {
        let mut clauses = BTreeMap::new();
        let text = "// TS001 §1\n#[cfg(test)]\n// TS001-1.1 §2.1\n";
        collect(Path::new("ttn-mac/src/lib.rs"), text, &mut clauses);
        collect(Path::new("ttn-mac/tests/it/a.rs"), "// TS001-1.1 §2.1\n", &mut clauses);
        let places = &clauses[&clause("TS001-1.1", &[2, 1])];
        assert_eq!(places.tests, ["ttn-mac/src/lib.rs:3", "ttn-mac/tests/it/a.rs:1"]);
        let text = table(&clauses);
        assert!(text.contains("Cited in code without a test: TS001 §1\n"), "{text}");
        assert!(text.contains("Cited without a version: TS001 §1\n"), "{text}");
    }
}
