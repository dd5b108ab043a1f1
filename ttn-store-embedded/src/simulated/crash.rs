//! Crashes at every call and every octet: what was confirmed is there, in its order, nothing else, nothing half.

use std::{
    collections::BTreeMap,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use ttn_core::store::{LaneId, Refusal, StoreError};

use super::{Dice, Fuse, Machine, set};
use crate::{
    base::{Key, Layer, Space},
    checkpoint::Checkpoint,
    lane::Lanes,
    options::{Commit, Options},
    writer::{Limits, Place, Shared},
};

/// How many runs of [`after_crashes_anywhere_everything_confirmed_is_there_and_nothing_else`].
const SEEDS: u64 = 10_000;
/// How many calls and times one run has at most.
const STEPS: usize = 24;
const LANES: u16 = 2;

/// Small enough that everything happens within a few batches.
const LIMITS: Limits = Limits {
    segment_bytes: 200,
    chunk_bytes: 150,
    checkpoint_bytes: usize::MAX,
    written_bytes_max: usize::MAX,
};

/// What a store has: rows, and how far each lane has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Content {
    rows: BTreeMap<Key, Vec<u8>>,
    lanes: [u64; LANES as usize],
}

/// A store on a machine, and what it has promised.
struct Run {
    machine: Machine,
    dice: Dice,
    store: Option<Lanes>,
    checkpoint: Option<Checkpoint>,
    /// What is confirmed.
    confirmed: Content,
    /// What was taken.
    taken: Content,
    /// What a commit that failed may have left.
    in_doubt: Option<Content>,
    written: u64,
}

fn place(machine: &Machine) -> Place {
    Place {
        base: Box::new(machine.clone()),
        disk: Arc::new(machine.clone()),
        entropy: Arc::new(machine.clone()),
        held: None,
    }
}

fn open(machine: &Machine) -> Result<Lanes, StoreError> {
    Shared::open(place(machine), Options::default(), LIMITS).map(Lanes::idle)
}

impl Run {
    fn new(seed: u64) -> Self {
        Self {
            machine: Machine::new(seed),
            dice: Dice::new(seed ^ 0x5EED),
            store: None,
            checkpoint: None,
            confirmed: Content::default(),
            taken: Content::default(),
            in_doubt: None,
            written: 0,
        }
    }

    /// Opens the store. `false` if the power failed meanwhile.
    fn open(&mut self) -> bool {
        match open(&self.machine) {
            Ok(store) => self.store = Some(store),
            Err(error) => assert!(self.machine.with(|world| world.is_dead), "{error}"),
        }
        self.store.is_some()
    }

    fn store(&self) -> &Lanes {
        self.store.as_ref().unwrap()
    }

    /// Takes a batch of a lane.
    fn submit(&mut self) {
        let lane = self.dice.below(usize::from(LANES));
        let mut writes = Layer::new();
        for _ in 0..=self.dice.below(2) {
            let space = [Space::Hot, Space::Log, Space::State][self.dice.below(3)];
            let key = (space, vec![TEST_ROWS, self.dice.below(4) as u8]);
            self.written += 1;
            let value = (!self.dice.one_in(4)).then(|| self.written.to_be_bytes()[4..].into());
            writes.insert(key, value);
        }
        let result = self.store().submit::<_, Refusal>(LaneId(lane as u16), |change| {
            for ((space, key), value) in &writes {
                match value {
                    Some(value) => change.put(*space, key.clone(), value.clone()),
                    None => change.delete(*space, key.clone()),
                }
            }
            Ok(())
        });
        let (position, ()) = result.unwrap();
        self.taken.lanes[lane] += 1;
        assert_eq!(position.seq, self.taken.lanes[lane]);
        writes.iter().for_each(|(key, value)| set(&mut self.taken.rows, key, value));
    }

    /// Commits what was taken.
    fn commit(&mut self) {
        self.store().shared.commit();
        if self.store().with_state(|state| state.failure.is_some()) {
            self.in_doubt = Some(self.taken.clone());
        } else {
            self.confirmed = self.taken.clone();
        }
    }

    /// Does the next part of a checkpoint.
    fn step(&mut self) {
        let shared = &self.store.as_ref().unwrap().shared;
        self.checkpoint = self.checkpoint.take().or_else(|| shared.begin_checkpoint());
        let Some(checkpoint) = &mut self.checkpoint else { return };
        let result = checkpoint.step(shared.goal());
        if !matches!(result, Ok(false)) {
            self.checkpoint = None;
            shared.end_checkpoint(result.map(drop)).ok();
        }
    }

    /// Reads everything, through all layers.
    fn content(&self) -> Content {
        let mut content = Content::default();
        for space in [Space::Hot, Space::Log, Space::State] {
            let (from, to) = (vec![TEST_ROWS], vec![TEST_ROWS + 1]);
            let rows = self.store().range(space, from, to, usize::MAX).map(Result::unwrap);
            content.rows.extend(rows.map(|(key, value)| ((space, key), value)));
        }
        for lane in 0..LANES {
            let cx = Context::from_waker(Waker::noop());
            let Poll::Ready(Ok(proof)) = self.store().poll_durable(LaneId(lane), 0, &cx) else {
                panic!("the start is durable")
            };
            content.lanes[usize::from(lane)] = proof.position().seq;
        }
        content
    }

    /// What is read is what was taken; what the lanes attest is what is confirmed.
    fn check_reads(&mut self) {
        let found = self.content();
        assert_eq!(found.rows, self.taken.rows);
        assert_eq!(found.lanes, self.confirmed.lanes);
        let space = [Space::Hot, Space::Log, Space::State][self.dice.below(3)];
        let limit = self.dice.below(4);
        let page = self.store().range(space, vec![TEST_ROWS], vec![TEST_ROWS + 1], limit);
        let page: Vec<_> = page.map(Result::unwrap).collect();
        let all = self.taken.rows.iter().filter(|((of, _), _)| *of == space);
        let first: Vec<_> =
            all.take(limit).map(|((_, key), value)| (key.clone(), value.clone())).collect();
        assert_eq!(page, first);
    }

    /// Lets the power fail, if it has not yet, and closes the store.
    fn crash(&mut self) {
        self.machine.with(|world| world.is_dead = true);
        (self.store, self.checkpoint) = (None, None);
        self.machine.with(super::World::crash);
    }

    /// Opens without a crash and compares.
    fn recover(&mut self) {
        assert!(self.open());
        let found = self.content();
        let is_confirmed = found == self.confirmed;
        assert!(
            is_confirmed || Some(&found) == self.in_doubt.as_ref(),
            "found {found:?}, confirmed {:?}, in doubt {:?}",
            self.confirmed,
            self.in_doubt,
        );
        (self.confirmed, self.taken, self.in_doubt) = (found.clone(), found, None);
    }

    fn has_failed(&self) -> bool {
        self.store().with_state(|state| state.failure.is_some())
    }

    /// Writes, commits and makes checkpoints in any order.
    fn go(&mut self, steps: usize) {
        for _ in 0..steps {
            match self.dice.below(16) {
                0..6 => self.submit(),
                6..10 => self.commit(),
                10..15 => self.step(),
                _ => self.check_reads(),
            }
            if self.has_failed() {
                return;
            }
        }
    }
}

/// The first octet of the test's keys in every space.
const TEST_ROWS: u8 = 0x70;

// DESIGN promise 1, sections 4 and 7
#[test]
fn after_crashes_anywhere_everything_confirmed_is_there_and_nothing_else() {
    let mut died_in_recovery = 0;
    for seed in 0..SEEDS {
        let mut run = Run::new(seed);
        run.recover();
        for _ in 0..2 {
            let fuse = Fuse { call: run.dice.below(STEPS), octets: run.dice.below(80) };
            run.machine.with(|world| world.fuse = Some(fuse));
            run.go(STEPS);
            run.crash();
            // The power fails again while the store opens.
            while run.dice.one_in(3) {
                let fuse = Fuse { call: run.dice.below(12), octets: run.dice.below(40) };
                run.machine.with(|world| world.fuse = Some(fuse));
                if run.open() {
                    let found = run.content();
                    assert!(found == run.confirmed || Some(found) == run.in_doubt, "seed {seed}");
                } else {
                    died_in_recovery += 1;
                }
                run.crash();
            }
            run.recover();
        }
        // A clean stop.
        run.go(4);
        run.store().shared.commit();
        run.store = None;
        (run.confirmed, run.checkpoint) = (run.taken.clone(), None);
        run.recover();
    }
    assert!(died_in_recovery > 100);
}

// DESIGN 7: a torn record
#[test]
fn no_call_and_no_octet_is_a_bad_moment_for_a_crash() {
    let script = |run: &mut Run| {
        for _ in 0..3 {
            for _ in 0..3 {
                if run.has_failed() {
                    return;
                }
                run.submit();
                run.commit();
            }
            for _ in 0..8 {
                if run.has_failed() {
                    return;
                }
                run.step();
            }
        }
    };
    let mut rehearsal = Run::new(1);
    rehearsal.recover();
    rehearsal.machine.with(|world| world.calls.clear());
    script(&mut rehearsal);
    let calls = rehearsal.machine.with(|world| world.calls.clone());
    assert!(calls.len() > 30 && calls.iter().flatten().count() > 9, "{calls:?}");
    for (call, octets) in calls.iter().enumerate() {
        for octets in 0..=octets.unwrap_or(0) {
            for seed in 0..4 {
                let mut run = Run::new(1);
                run.recover();
                run.machine.with(|world| world.fuse = Some(Fuse { call, octets }));
                script(&mut run);
                run.machine.with(|world| world.dice = Dice::new(seed));
                run.crash();
                run.recover();
                run.submit();
                run.commit();
                run.check_reads();
            }
        }
    }
}

// DESIGN promise 8: without a clock the log is bounded, too
#[test]
fn a_row_that_is_rewritten_for_ever_does_not_fill_the_disk() {
    let machine = Machine::new(1);
    let options = Options { commit: Commit::Inline, ..Options::default() };
    let limits = Limits { checkpoint_bytes: 1000, ..LIMITS };
    let store = Lanes::start(Shared::open(place(&machine), options, limits).unwrap()).unwrap();
    let mut most = 0;
    for number in 0..1000_u16 {
        let written = store.submit::<_, Refusal>(LaneId(0), |change| {
            change.put(Space::Hot, vec![TEST_ROWS], number.to_be_bytes().as_slice());
            Ok(())
        });
        written.unwrap();
        let files = machine.with(|world| world.files.values().map(|file| file.now.len()).sum());
        most = most.max(files);
    }
    assert!(most < 2000, "{most} octets");
    machine.with(|world| world.is_dead = true);
    drop(store);
    machine.with(super::World::crash);
    let row = open(&machine).unwrap().get(Space::Hot, &[TEST_ROWS]).unwrap();
    assert_eq!(row.unwrap(), 999_u16.to_be_bytes());
}
