//! Known answers: the vector files that `TTN_VECTORS` (a directory) points to.
//!
//! One test per file and kind. Kinds of later issues are counted by name and printed; unknown kinds fail.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::too_many_lines,
    reason = "a test may panic"
)]

#[path = "vectors/adr.rs"]
mod adr;
#[path = "vectors/command_json.rs"]
mod command_json;
#[path = "vectors/crypto.rs"]
mod crypto;
#[path = "vectors/frames.rs"]
mod frames;
#[path = "vectors/mac_commands.rs"]
mod mac_commands;
#[path = "vectors/packages.rs"]
mod packages;
#[path = "vectors/plans.rs"]
mod plans;
#[path = "vectors/region_cases.rs"]
mod region_cases;
#[path = "vectors/regions.rs"]
mod regions;
#[path = "vectors/second_source.rs"]
mod second_source;
#[path = "vectors/support.rs"]
mod support;
#[path = "vectors/time_on_air.rs"]
mod time_on_air;
#[path = "vectors/versions.rs"]
mod versions;

use std::{collections::BTreeMap, env, fs, path::Path, process::ExitCode};

use libtest_mimic::{Arguments, Failed, Trial};
use support::{Case, Check, Kind};

/// The files, and for each the kinds of cases by module.
const TOPICS: &[(&str, &[&[Kind]])] = &[
    ("adr", &[adr::KINDS]),
    ("crypto", &[crypto::KINDS]),
    ("frames", &[frames::KINDS]),
    ("frequency_plans", &[plans::KINDS]),
    ("mac_commands", &[mac_commands::KINDS, packages::KINDS, versions::KINDS]),
    ("region_cases", &[region_cases::KINDS]),
    ("regions", &[regions::KINDS]),
    ("regions_chirpstack", &[second_source::KINDS]),
    ("time_on_air", &[time_on_air::KINDS]),
];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let directory = env::var_os("TTN_VECTORS");
    let required =
        env::var("TTN_REQUIRE").is_ok_and(|list| list.split(',').any(|r| r == "vectors"));
    let trials = match directory {
        Some(directory) => {
            let directory = Path::new(&directory);
            let topics = TOPICS.iter().flat_map(|topic| trials(directory, topic));
            topics.chain(plans::files(directory)).collect()
        }
        None => TOPICS.iter().map(|(topic, _)| absent(topic, required)).collect(),
    };
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn absent(topic: &str, required: bool) -> Trial {
    let reason = "TTN_VECTORS is not set";
    Trial::test(format!("{topic}: {reason}"), move || Err(Failed::from(reason)))
        .with_ignored_flag(!required)
}

fn trials(directory: &Path, (topic, modules): &(&str, &[&'static [Kind]])) -> Vec<Trial> {
    let cases = match read(&directory.join(format!("{topic}.json"))) {
        Ok(cases) => cases,
        Err(reason) => {
            return vec![Trial::test(format!("{topic}: can be read"), || Err(reason.into()))];
        }
    };
    let mut by_kind: BTreeMap<String, Vec<Case>> = BTreeMap::new();
    for case in cases {
        by_kind.entry(case.kind()).or_default().push(case);
    }
    let known = |name: &str| modules.iter().copied().flatten().find(|kind| kind.name == name);
    by_kind
        .into_iter()
        .map(|(name, cases)| {
            let title = format!("{topic}: {name} ({} cases)", cases.len());
            match known(&name).map(|kind| kind.check) {
                Some(Some(check)) => Trial::test(title, move || run(check, &cases)),
                Some(None) => Trial::test(format!("{title}, counted for a later issue"), || Ok(())),
                None => Trial::test(title, || Err("this kind is not known".into())),
            }
        })
        .collect()
}

fn run(check: Check, cases: &[Case]) -> Result<(), Failed> {
    let passes = |case: &&Case| std::panic::catch_unwind(|| check(case)).is_ok();
    let failed: Vec<String> = cases.iter().filter(|case| !passes(case)).map(Case::id).collect();
    if failed.is_empty() { Ok(()) } else { Err(Failed::from(format!("see above: {failed:?}"))) }
}

fn read(path: &Path) -> Result<Vec<Case>, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let file: serde_json::Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    match file.get("cases") {
        Some(serde_json::Value::Array(cases)) => Ok(cases.iter().cloned().map(Case).collect()),
        _ => Err(format!("{} has no cases", path.display())),
    }
}
