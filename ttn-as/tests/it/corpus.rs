//! The seeds of the fuzz target for results of scripts, replayed as an ordinary test.

use std::{fs, path::Path};

use proptest::prelude::*;
use ttn_as::format::javascript::result;

/// Reads an answer in both ways; gives whether each took it.
fn read(octets: &[u8]) -> (bool, bool) {
    let decoded = result::decoded(octets);
    if let Ok(decoded) = &decoded {
        assert!(decoded.warnings.len() <= 32);
        assert!(decoded.normalized.as_ref().is_none_or(|it| it.measurements.len() <= 64));
    }
    let encoded = result::encoded(octets);
    if let Ok(encoded) = &encoded {
        assert!(encoded.octets.len() <= 1024);
    }
    (decoded.is_ok(), encoded.is_ok())
}

#[test]
fn every_seed_is_read_and_no_cut_of_it() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/script_result");
    let mut taken = 0;
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        // Seeds have names; what a run of the target finds beside them is called by forty digits.
        if path.file_name().is_some_and(|name| name.len() == 40) {
            continue;
        }
        let octets = fs::read(path).unwrap();
        let (decodes, encodes) = read(&octets);
        taken += usize::from(decodes || encodes);
        for end in 0..octets.len() {
            assert_eq!(read(&octets[..end]), (false, false));
        }
    }
    assert!(taken >= 3, "{taken}");
}

proptest! {
    #[test]
    fn no_octets_panic(octets in prop::collection::vec(any::<u8>(), 0..64)) {
        let (decodes, encodes) = read(&octets);
        let may_be_object = octets.contains(&b'{');
        prop_assert!(may_be_object || !(decodes || encodes));
        let answer = [br#"{"result":{"data":"#.as_slice(), &octets, b"}}"].concat();
        prop_assert!(!octets.is_empty() || !read(&answer).0);
    }
}
