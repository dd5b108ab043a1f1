//! The seeds of the fuzz targets, replayed as ordinary tests.

use std::{fs, path::Path};

use crate::calls;

fn replay(target: &str, check: fn(&[u8])) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let mut seeds = 0;
    for seed in fs::read_dir(directory).unwrap() {
        check(&fs::read(seed.unwrap().path()).unwrap());
        seeds += 1;
    }
    assert!(seeds >= 3, "{target} has seeds");
}

#[test]
fn the_seeds_of_the_fuzz_target_http_hold() {
    replay("http", calls::check);
}
