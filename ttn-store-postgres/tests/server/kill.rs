//! `kill -9`: what a killed process had confirmed is there, and of every lane a prefix.
//!
//! The test starts this binary again as the child that writes.

use std::{
    collections::BTreeMap,
    env,
    io::{BufRead as _, BufReader, Write as _},
    process::{Command, Stdio},
};

use ttn_as::log::{ApplicationLog as _, LogFilter};
use ttn_core::store::durable;
use ttn_store_postgres::{Options, PostgresStore};

use crate::{
    Database,
    lanes::{batch, numbers, record},
};

const KILLS: usize = 8;
const LANES: u64 = 3;
/// Numbers of one lane begin with a multiple of this.
const OF_LANE: u64 = 1_000_000;
const URL: &str = "TTN_TEST_KILL_URL";

pub(crate) fn is_child() -> bool {
    env::var_os(URL).is_some()
}

/// The process that is killed: writes one record per batch and says what is durable.
pub(crate) async fn write_for_ever() {
    let store = PostgresStore::open(&env::var(URL).unwrap(), Options::default()).await.unwrap();
    let mut next: BTreeMap<u64, u64> = (0..LANES).map(|lane| (lane, lane * OF_LANE)).collect();
    for number in numbers(&store, &LogFilter::default()).await {
        next.insert(number / OF_LANE, number + 1);
    }
    let mut out = std::io::stdout();
    loop {
        let mut last = Vec::new();
        for (lane, number) in &mut next {
            for _ in 0..10 {
                let lane = u16::try_from(*lane).unwrap();
                let taken = store.append(batch(lane, &[record(*number, &[7; 300])]));
                last.push((*number, taken.unwrap()));
                *number += 1;
            }
        }
        for (number, position) in last {
            durable(&*store, position).await.unwrap();
            writeln!(out, "kill: {number}").unwrap();
        }
        out.flush().unwrap();
    }
}

// DESIGN promise 1
pub(crate) async fn what_was_confirmed_before_a_kill_is_there(database: Database) {
    let mut confirmed: BTreeMap<u64, u64> = BTreeMap::new();
    for round in 0..KILLS {
        // Kills fall into the middle of writing: after so many lines, whenever that is.
        for number in numbers_of_killed_child(&database.url, 40 + round * 37) {
            confirmed.insert(number / OF_LANE, number);
        }
        let store = database.open().await;
        let mut found: BTreeMap<u64, u64> = BTreeMap::new();
        for number in numbers(&store, &LogFilter::default()).await {
            let lane = number / OF_LANE;
            let before = found.insert(lane, number);
            let expected = before.map_or(lane * OF_LANE, |before| before + 1);
            assert_eq!(number, expected, "a lane has no hole and nothing twice");
        }
        for (lane, number) in &confirmed {
            let last = found.get(lane).copied();
            assert!(
                last >= Some(*number),
                "lane {lane}: {number} was confirmed, {last:?} is there"
            );
        }
    }
    assert!(confirmed.len() == LANES as usize, "the child was killed while it wrote, not before");
}

/// Starts the child, kills it when it has said so much, and gives the whole lines that it said.
fn numbers_of_killed_child(url: &str, lines: usize) -> Vec<u64> {
    let mut child = Command::new(env::current_exe().unwrap())
        .env(URL, url)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut numbers = Vec::new();
    let mut line = String::new();
    while out.read_line(&mut line).unwrap_or(0) > 0 {
        // A line that the kill cut off says nothing.
        if let Some(number) = line.strip_suffix('\n').and_then(|line| line.strip_prefix("kill: ")) {
            numbers.push(number.parse().unwrap());
        }
        line.clear();
        if numbers.len() == lines {
            child.kill().unwrap();
        }
    }
    let status = child.wait().unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9), "{status}");
    numbers
}
