//! More than a million random frames and commands, octet for octet against two other codecs: `lrwn` (all versions) and
//! `lorawan` (LoRaWAN 1.0.x). Chance is ours and cheap; the seed is fixed, so a failure comes again.

mod commands;
mod frames;
mod joins;

use std::collections::BTreeMap;

use crate::chance::Chance;

/// Where the other codecs are known to go their own way. What is not here must agree, and what is here must differ, so
/// that a defect that goes away is noticed.
const DEFECTS: [(&str, &str); 7] = [
    ("lorawan FPort", "tells none where FRMPayload is empty"),
    ("lrwn ForceRejoinReq", "does not write the rejoin type 1, which means the same as 0"),
    ("lrwn RekeyConf", "knows no minor version but 1"),
    ("lrwn RekeyInd", "knows no minor version but 1"),
    ("lrwn RelayFilterListReq", "loses a bit of the length"),
    ("lrwn ResetConf", "knows no minor version but 1"),
    ("lrwn ResetInd", "knows no minor version but 1"),
];

/// What was compared, and where it differed.
#[derive(Default)]
struct Tally {
    cases: u64,
    differs: BTreeMap<String, (u64, String)>,
}

impl Tally {
    fn agrees(&mut self, what: &str, holds: bool, example: impl FnOnce() -> String) {
        if !holds {
            let entry = self.differs.entry(what.to_owned()).or_insert_with(|| (0, example()));
            entry.0 += 1;
        }
    }

    fn add(&mut self, name: &str, cases: u64) {
        println!("{cases} {name}");
        self.cases += cases;
    }
}

// NS-11, NS-14, NS-44 to NS-65
#[test]
fn a_million_random_frames_and_commands_are_read_and_written_as_two_other_codecs_do() {
    let chance = Chance::new(16);
    let mut tally = Tally::default();
    commands::single(&chance, &mut tally, 650_000);
    commands::streams(&chance, &mut tally, 100_000);
    frames::data(&chance, &mut tally, 150_000);
    frames::octets(&chance, &mut tally, 200_000);
    frames::sealed(&chance, &mut tally, 50_000);
    joins::requests(&chance, &mut tally, 30_000);
    joins::accepts(&chance, &mut tally, 30_000);
    println!("{} cases", tally.cases);
    assert!(tally.cases >= 1_000_000, "{}", tally.cases);

    let known = |what: &String| DEFECTS.iter().any(|(name, _)| name == what);
    let new: Vec<_> = tally.differs.iter().filter(|(what, _)| !known(what)).collect();
    assert!(new.is_empty(), "{new:#?}");
    for (name, defect) in DEFECTS {
        assert!(tally.differs.contains_key(name), "{name} no longer {defect}");
    }
}
