//! What is wrong in the log and was not left by a crash: an error that says where, and no silent loss.

use ttn_core::store::{StoreError, StoreErrorKind};

use super::Machine;
use crate::{
    base::{Layer, Space},
    log::{Found, Log, LogOptions, format::HEAD, replay},
};

/// Three records in one segment, and two in the next.
fn written() -> (Machine, Log) {
    let machine = Machine::new(1);
    let options = LogOptions { segment_bytes: 3 * RECORD as u64, syncs: true };
    let disk = std::sync::Arc::new(machine.clone());
    let log = Log::begin(disk.clone(), disk, options, &Found::default()).unwrap();
    for number in 1..=5 {
        assert_eq!(log.append(&layer(number)).unwrap(), u64::from(number));
    }
    (machine, log)
}

/// The octets of each of the records.
const RECORD: usize = 30;

fn layer(number: u8) -> Layer {
    Layer::from([((Space::Hot, vec![number; 5]), Some([number; 6].as_slice().into()))])
}

fn replayed(machine: &Machine, mark: Option<u64>) -> Result<(Vec<Layer>, Found), StoreError> {
    let mut layers = Vec::new();
    let found = replay(machine, mark, |layer| {
        layers.push(layer);
        Ok(())
    })?;
    Ok((layers, found))
}

const FIRST: &str = "0000000000000001.log";
const SECOND: &str = "0000000000000002.log";

#[test]
fn what_the_engine_does_not_have_is_replayed_in_order() {
    let (machine, log) = written();
    for mark in 0..=5 {
        let (layers, found) = replayed(&machine, Some(mark)).unwrap();
        let expected: Vec<_> = (mark as u8 + 1..=5).map(layer).collect();
        assert_eq!((layers, found.last), (expected, 5));
    }
    log.forget(2);
    assert_eq!(machine.with(|world| world.files.len()), 2);
    log.forget(3);
    assert_eq!(machine.with(|world| world.files.keys().cloned().collect::<Vec<_>>()), [SECOND]);
    assert_eq!(replayed(&machine, Some(3)).unwrap().0.len(), 2);
}

#[test]
fn every_flipped_octet_in_front_of_something_whole_is_an_error_with_its_place() {
    let (machine, _log) = written();
    for (name, records, follows) in [(FIRST, 3, 3), (SECOND, 2, 1)] {
        for at in 0..HEAD + records * RECORD {
            machine.with(|world| world.files.get_mut(name).unwrap().now[at] ^= 0x55);
            let result = replayed(&machine, None);
            let record = at.checked_sub(HEAD).map(|at| at / RECORD);
            if record.is_some_and(|record| record >= follows) {
                // The last one: as if it had never been whole.
                assert_eq!(result.unwrap().1.last, 4, "octet {at}");
            } else {
                let error = result.unwrap_err();
                // A version that is not ours is a newer one.
                let is_version = at == 7;
                let kind =
                    if is_version { StoreErrorKind::Schema } else { StoreErrorKind::Corrupt };
                assert_eq!(error.kind, kind, "{error}");
                let octet = record.map_or(0, |record| HEAD + record * RECORD);
                let place = format!("simulated/{name} at octet {octet}");
                assert!(is_version || error.to_string().contains(&place), "octet {at}: {error}");
            }
            machine.with(|world| world.files.get_mut(name).unwrap().now[at] ^= 0x55);
        }
    }
    replayed(&machine, None).unwrap();
}

#[test]
fn a_last_record_that_the_engine_is_known_to_have_may_not_be_missing() {
    let (machine, _log) = written();
    machine.with(|world| world.files.get_mut(SECOND).unwrap().now.truncate(HEAD + RECORD));
    assert_eq!(replayed(&machine, Some(4)).unwrap().1.last, 4);
    let error = replayed(&machine, Some(5)).unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Corrupt);
    assert!(error.to_string().contains("octet 62"), "{error}");
}

#[test]
fn a_missing_segment_is_an_error() {
    for (missing, mark) in
        [(vec![FIRST], None), (vec![FIRST], Some(2)), (vec![FIRST, SECOND], Some(5))]
    {
        let (machine, _log) = written();
        machine.with(|world| world.files.retain(|name, _| !missing.contains(&name.as_str())));
        let error = replayed(&machine, mark).unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::Corrupt, "{error}");
    }
}

#[test]
fn whatever_has_another_name_is_left_alone() {
    let (machine, _log) = written();
    for name in ["1.log", "000000000000000G.log", "0000000000000009.LOG", "lost+found", "notes.txt"]
    {
        machine.with(|world| world.files.insert(name.to_owned(), super::File::default()));
    }
    assert_eq!(replayed(&machine, None).unwrap().1.numbers, [1, 2]);
}

#[test]
fn after_a_failed_sync_nothing_is_written_any_more() {
    let (machine, log) = written();
    // The append succeeds, its sync does not.
    machine.with(|world| world.fuse = Some(super::Fuse { call: 1, octets: 0 }));
    assert!(log.append(&layer(6)).is_err());
    machine.with(|world| world.is_dead = false);
    let before = machine.with(|world| world.files.clone());
    let error = log.append(&layer(7)).unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Io);
    assert_eq!(machine.with(|world| world.files.clone()), before);
}
