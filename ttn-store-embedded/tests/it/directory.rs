//! Who may open a directory.

use std::fs;

use ttn_core::store::StoreErrorKind;
use ttn_store_embedded::{Commit, EmbeddedStore, Options};

const BOTH: [Commit; 2] = [Commit::Thread, Commit::Inline];

fn options(commit: Commit) -> Options {
    Options { commit, ..Options::default() }
}

#[test]
fn a_directory_that_is_held_is_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a-store");
    let held = EmbeddedStore::open(&path, Options::default()).unwrap();
    let error = EmbeddedStore::open(&path, Options::default()).unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Locked);
    assert!(error.to_string().contains("a-store"), "{error}");
    drop(held);
    EmbeddedStore::open(&path, Options::default()).unwrap();
}

#[test]
fn a_dropped_store_can_be_opened_again_at_once() {
    for commit in BOTH {
        let directory = tempfile::tempdir().unwrap();
        for _ in 0..20 {
            drop(EmbeddedStore::open(directory.path(), options(commit)).unwrap());
        }
    }
}

#[test]
fn a_newer_format_is_refused_and_left_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    drop(EmbeddedStore::open(directory.path(), Options::default()).unwrap());
    let format = directory.path().join("FORMAT");
    fs::write(&format, "ttn-store-embedded 3\n").unwrap();
    let before = listing(directory.path());
    let error = EmbeddedStore::open(directory.path(), Options::default()).unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Schema);
    assert!(error.to_string().contains('3'), "{error}");
    assert_eq!(listing(directory.path()), before);
    fs::write(&format, "something else").unwrap();
    let error = EmbeddedStore::open(directory.path(), Options::default()).unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Corrupt);
}

fn listing(path: &std::path::Path) -> Vec<(std::path::PathBuf, u64, std::time::SystemTime)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(path).unwrap().map(Result::unwrap) {
        let metadata = entry.metadata().unwrap();
        if metadata.is_dir() {
            found.extend(listing(&entry.path()));
        } else {
            found.push((entry.path(), metadata.len(), metadata.modified().unwrap()));
        }
    }
    found.sort();
    found
}

#[cfg(unix)]
#[test]
fn nobody_else_may_look_into_the_directory() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("new");
    drop(EmbeddedStore::open(&path, Options::default()).unwrap());
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    drop(EmbeddedStore::open(&path, Options::default()).unwrap());
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
}
