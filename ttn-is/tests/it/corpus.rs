//! The seeds of the fuzz targets, replayed as ordinary tests.

use std::{fs, path::Path};

use crate::{questions, tokens};

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
fn the_seeds_of_the_fuzz_target_oauth_hold() {
    replay("oauth", questions::check);
}

#[test]
fn the_seeds_of_the_fuzz_target_token_hold() {
    replay("token", tokens::check);
}

// IS-27
#[test]
fn tokens_that_were_issued_let_somebody_in_and_what_resembles_them_does_not() {
    for token in tokens::issued() {
        let (_, secret) = token.rsplit_once('.').unwrap();
        for header in [
            format!("Bearer {token}"),
            format!("bearer  {token} "),
            format!("Bearer {token}A"),
            format!("Bearer {}", &token[..token.len() - 1]),
            format!("Bearer {}", token.to_lowercase()),
            format!("Bearer {}", token.replace(secret, &secret.replace(&secret[..1], "7"))),
        ] {
            tokens::check(header.as_bytes());
        }
    }
}
