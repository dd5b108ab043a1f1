//! `kill -9`: what a killed process had confirmed is there, and of every lane a prefix.
//!
//! The test starts this binary again as the child that writes, and makes checkpoints meanwhile.

use std::{
    collections::BTreeMap,
    env,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use futures::TryStreamExt as _;
use ttn_as::log::{ApplicationLog as _, Cursor, LogEntry, LogFilter};
use ttn_core::store::{LaneId, Position, Watermark as _, durable};
use ttn_js::{
    Euis,
    store::{DevNonceRule, JoinStore as _, JoinWrite, NonceId, RootKeyTag, SessionKeySet},
};
use ttn_store_embedded::{EmbeddedStore, Options};

use crate::lanes::{batch, record};

/// How often the child is killed.
const KILLS: usize = 50;
const LANES: u16 = 3;
const DIRECTORY: &str = "TTN_TEST_KILL_DIRECTORY";

/// Not a test by itself: the process that is killed. Without the variable it does nothing.
#[test]
fn child_that_writes_until_it_is_killed() {
    let Some(directory) = env::var_os(DIRECTORY) else { return };
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(write_for_ever(Path::new(&directory)));
}

/// Writes one record per batch: its lane and its place in it are in the record's number and payload. Says what is
/// durable.
async fn write_for_ever(directory: &Path) {
    let store = EmbeddedStore::open(directory, Options::default()).unwrap();
    let checkpoints = store.clone();
    std::thread::Builder::new().spawn(move || checkpoint_for_ever(&checkpoints)).unwrap();
    let mut next = BTreeMap::new();
    for lane in 0..LANES {
        let start = Position { lane: LaneId(lane), seq: 0 };
        next.insert(lane, durable(&*store, start).await.unwrap().position().seq + 1);
    }
    let id = nonce_id();
    let mut out = std::io::stdout();
    loop {
        let mut last = Vec::new();
        for (lane, seq) in &mut next {
            for _ in 0..20 {
                let payload = [&lane.to_be_bytes()[..], &seq.to_be_bytes(), &[7; 300]].concat();
                let position = store.append(batch(*lane, &[record(*seq, &payload)])).unwrap();
                assert_eq!(position.seq, *seq);
                *seq += 1;
                last.retain(|at: &Position| at.lane != position.lane);
                last.push(position);
            }
        }
        let nonces = store.nonces(&id, 0).await.unwrap();
        let join_nonce = nonces.join_nonce + 1;
        store.join(join(id, nonces.revision, join_nonce)).await.unwrap();
        writeln!(out, "kill: join {join_nonce}").unwrap();
        for position in last {
            let proof = durable(&*store, position).await.unwrap().position();
            writeln!(out, "kill: lane {} {}", proof.lane.0, proof.seq).unwrap();
        }
        out.flush().unwrap();
    }
}

/// Makes checkpoints far more often than a store does by itself, with something to replay in between.
fn checkpoint_for_ever(store: &EmbeddedStore) {
    loop {
        store.checkpoint().unwrap();
        println!("kill: checkpoint");
        std::thread::sleep(Duration::from_millis(7));
    }
}

// DESIGN promises 1 and 4
#[tokio::test]
async fn what_was_confirmed_before_a_kill_is_there_and_lanes_have_no_holes() {
    let directory = tempfile::tempdir().unwrap();
    let mut confirmed: BTreeMap<u16, u64> = BTreeMap::new();
    let mut join_nonce = 0;
    let mut checkpoints = 0;
    // Delays without a clock's granularity, the same in each run: kills fall into opening, writing and syncing.
    let mut random = 0x2545_F491_4F6C_DD1D_u64;
    for round in 0..KILLS {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        // Half of them come when the child is known to write.
        let delay = Duration::from_micros(random % 120_000);
        for line in lines_of_killed_child(directory.path(), delay, round % 2 == 1) {
            let mut words = line.split(' ');
            match (words.next(), words.next(), words.next()) {
                (Some("lane"), Some(lane), Some(seq)) => {
                    let seq: u64 = seq.parse().unwrap();
                    let best = confirmed.entry(lane.parse().unwrap()).or_default();
                    *best = seq.max(*best);
                }
                (Some("join"), Some(number), None) => join_nonce = number.parse().unwrap(),
                (Some("checkpoint"), None, None) => checkpoints += 1,
                _ => panic!("the child says {line:?}"),
            }
        }
        check(directory.path(), &confirmed, &mut join_nonce).await;
    }
    let total: u64 = confirmed.values().sum();
    println!(
        "{KILLS} kills, {total} confirmed batches, {join_nonce} confirmed joins, {checkpoints} checkpoints"
    );
    assert!(total > 500, "the child was killed while it wrote, not before");
    assert!(checkpoints > 50, "and while it made checkpoints");
}

/// Starts the child, kills it after a delay and gives the whole lines that it said.
fn lines_of_killed_child(directory: &Path, delay: Duration, waits: bool) -> Vec<String> {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "kill::child_that_writes_until_it_is_killed", "--nocapture"])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let out = child.stdout.take().unwrap();
    let (has_said, says) = std::sync::mpsc::channel();
    let reader = std::thread::Builder::new()
        .spawn(move || {
            let mut out = BufReader::new(out);
            let mut lines = Vec::new();
            let mut line = String::new();
            while out.read_line(&mut line).unwrap_or(0) > 0 {
                // A line that the kill cut off says nothing.
                if let Some(whole) = line.strip_suffix('\n')
                    && let Some((_, said)) = whole.split_once("kill: ")
                {
                    lines.push(said.to_owned());
                    has_said.send(()).ok();
                }
                line.clear();
            }
            lines
        })
        .unwrap();
    if waits {
        says.recv().unwrap();
    }
    // The test's own time: the child lives in the real one.
    std::thread::sleep(delay + Duration::from_millis(15));
    child.kill().unwrap();
    let status = child.wait().unwrap();
    assert!(!status.success(), "the child ended by the kill and by nothing else");
    #[cfg(unix)]
    {
        use std::os::unix::process::ExitStatusExt as _;
        assert_eq!(status.signal(), Some(9), "the child did not fail before it was killed");
    }
    reader.join().unwrap()
}

async fn check(directory: &Path, confirmed: &BTreeMap<u16, u64>, join_nonce: &mut u32) {
    let store = EmbeddedStore::open(directory, Options::default()).unwrap();
    let mut found: BTreeMap<u16, u64> = BTreeMap::new();
    let entries: Vec<_> =
        store.read(&Cursor::start(), &LogFilter::default()).try_collect().await.unwrap();
    for entry in entries {
        let LogEntry::Record(record) = entry.entry else { panic!("no gap") };
        let ttn_core::msg::Up::Uplink(up) = &record.up.up else { panic!("an uplink") };
        let (lane, rest) = up.frm_payload.split_first_chunk::<2>().unwrap();
        let (seq, filler) = rest.split_first_chunk::<8>().unwrap();
        assert_eq!(filler, [7; 300], "records are whole");
        let last = found.entry(u16::from_be_bytes(*lane)).or_default();
        assert_eq!(u64::from_be_bytes(*seq), *last + 1, "no hole in a lane");
        *last += 1;
    }
    for (lane, seq) in confirmed {
        let last = found.get(lane).copied().unwrap_or(0);
        assert!(last >= *seq, "lane {lane}: {seq} was confirmed, {last} is there");
        let start = Position { lane: LaneId(*lane), seq: 0 };
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        let std::task::Poll::Ready(Ok(proof)) = store.poll_durable(start.lane, 0, &mut cx) else {
            panic!("the start is durable")
        };
        assert_eq!(proof.position().seq, last, "the watermark is what is there");
    }
    let nonces = store.nonces(&nonce_id(), 0).await.unwrap();
    assert!(nonces.join_nonce >= *join_nonce, "a confirmed join is there");
    // One that was written, but not yet confirmed, may be there as well.
    assert!(nonces.join_nonce <= *join_nonce + 1);
    *join_nonce = nonces.join_nonce;
    if nonces.join_nonce > 0 {
        let set = join(nonce_id(), nonces.revision, nonces.join_nonce).keys;
        let kept = store.session_keys(nonce_id().euis, &set.keys.id).await.unwrap();
        assert_eq!(kept, set, "nonces and keys are written together");
    }
}

fn nonce_id() -> NonceId {
    NonceId {
        euis: Euis {
            join_eui: ttn_core::eui::JoinEui::from_u64(1),
            dev_eui: ttn_core::eui::DevEui::from_u64(2),
        },
        root_key: RootKeyTag([3; 8]),
    }
}

fn join(id: NonceId, reads: ttn_core::store::Revision, join_nonce: u32) -> JoinWrite {
    let key = || ttn_core::key::KeyEnvelope::Wrapped {
        kek_label: Arc::from("at-rest"),
        encrypted_key: [join_nonce.to_be_bytes(); 6].concat(),
    };
    JoinWrite {
        id,
        reads,
        dev_nonce: u16::try_from(join_nonce % 60_000).unwrap(),
        dev_nonce_rule: DevNonceRule::Counter,
        join_nonce,
        keys: SessionKeySet {
            net_id: ttn_core::addr::NetId::from_u32(0x13).unwrap(),
            keys: ttn_core::msg::SessionKeys {
                id: ttn_core::key::SessionKeyId::new(&join_nonce.to_be_bytes()).unwrap(),
                f_nwk_s_int_key: key(),
                s_nwk_s_int_key: key(),
                nwk_s_enc_key: key(),
                app_s_key: Some(key()),
            },
        },
        session_keys_max: 10,
    }
}
