//! The log on a real disk: what a crash leaves is replayed, what is damaged is named.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use ttn_as::log::{ApplicationLog as _, Cursor};
use ttn_core::store::{StoreErrorKind, durable};
use ttn_store_embedded::{EmbeddedStore, Options};

use crate::lanes::{batch, record};

/// Octets of a segment without records.
const HEAD: u64 = 32;

fn open(path: &Path) -> Arc<EmbeddedStore> {
    EmbeddedStore::open(path, Options::default()).unwrap()
}

/// Writes records, each one alone, and crashes.
async fn crash_behind(path: &Path, records: u64) {
    let store = open(path);
    for number in 1..=records {
        let position = store.append(batch(0, &[record(number, b"payload")])).unwrap();
        durable(&*store, position).await.unwrap();
    }
    store.abort();
}

/// The segments, in their order.
fn segments(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path.join("log")).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

// DESIGN promise 1
#[tokio::test]
async fn after_a_crash_the_log_is_replayed_and_begun_anew() {
    let directory = tempfile::tempdir().unwrap();
    crash_behind(directory.path(), 20).await;
    let old = segments(directory.path());
    assert!(fs::metadata(&old[0]).unwrap().len() > HEAD);
    let store = open(directory.path());
    assert_eq!(store.end(), Cursor::behind(20));
    let new = segments(directory.path());
    assert_ne!(old, new);
    assert_eq!(new.iter().map(|path| fs::metadata(path).unwrap().len()).sum::<u64>(), HEAD);
}

#[tokio::test]
async fn of_a_torn_end_only_the_last_commit_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    crash_behind(directory.path(), 3).await;
    let path = segments(directory.path()).remove(0);
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(file.metadata().unwrap().len() - 1).unwrap();
    let store = open(directory.path());
    assert_eq!(store.end(), Cursor::behind(2));
    let position = store.append(batch(0, &[record(3, b"again")])).unwrap();
    assert_eq!(position.seq, 3);
    durable(&*store, position).await.unwrap();
    store.abort();
    drop(store);
    assert_eq!(open(directory.path()).end(), Cursor::behind(3));
}

#[tokio::test]
async fn damage_in_the_middle_is_an_error_that_names_file_and_octet() {
    let directory = tempfile::tempdir().unwrap();
    crash_behind(directory.path(), 3).await;
    let path = segments(directory.path()).remove(0);
    let whole = fs::read(&path).unwrap();
    let mut damaged = whole.clone();
    damaged[usize::try_from(HEAD).unwrap() + 20] ^= 1;
    fs::write(&path, damaged).unwrap();
    let error = EmbeddedStore::open(directory.path(), Options::default()).unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Corrupt);
    let place = format!("{} at octet {HEAD}", path.display());
    assert!(error.to_string().contains(&place), "{error}");
    // Nothing was changed.
    fs::write(&path, whole).unwrap();
    assert_eq!(open(directory.path()).end(), Cursor::behind(3));
}

#[tokio::test]
async fn a_log_that_is_gone_is_not_taken_for_an_empty_one() {
    let directory = tempfile::tempdir().unwrap();
    crash_behind(directory.path(), 3).await;
    drop(open(directory.path()));
    fs::remove_dir_all(directory.path().join("log")).unwrap();
    let error = EmbeddedStore::open(directory.path(), Options::default()).unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Corrupt, "{error}");
}

#[tokio::test]
async fn a_newer_log_is_refused_and_left_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    crash_behind(directory.path(), 3).await;
    let path = segments(directory.path()).remove(0);
    let mut newer = fs::read(&path).unwrap();
    newer[7] += 1;
    fs::write(&path, &newer).unwrap();
    let error = EmbeddedStore::open(directory.path(), Options::default()).unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Schema, "{error}");
    assert_eq!(fs::read(&path).unwrap(), newer);
}

#[tokio::test]
async fn a_checkpoint_lets_full_segments_go() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let large = record(1, &vec![7; 200 << 10]);
    for _ in 0..50 {
        let position = store.append(batch(0, std::slice::from_ref(&large))).unwrap();
        durable(&*store, position).await.unwrap();
    }
    assert!(segments(directory.path()).len() > 1);
    store.checkpoint().unwrap();
    assert_eq!(segments(directory.path()).len(), 1);
    store.abort();
    drop(store);
    assert_eq!(open(directory.path()).end(), Cursor::behind(50));
}
