//! How long the disk takes to keep what it is given: every uplink waits for it once.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    path::Path,
    time::Duration,
};

use ttn_core::clock::{Clock as _, SystemClock};

use super::Finding;

const CHECK: &str = "disk";
/// How many writes are measured.
const WRITES: usize = 20;
/// As much as a commit of a quiet network writes.
const OCTETS: usize = 4096;
/// From here on the first receive window is in danger: the window of an uplink is open for 200 ms.
const SLOW: Duration = Duration::from_millis(20);
/// From here on answers come too late.
const TOO_SLOW: Duration = Duration::from_millis(200);

pub(super) fn check(data: &Path) -> Vec<Finding> {
    if !data.is_dir() {
        let text = format!("{} is not there yet: its disk was not measured", data.display());
        return vec![Finding::skipped(CHECK, text, "run `ttn-stack start` once")];
    }
    match measure(data) {
        Ok(times) => vec![judge(times)],
        Err(error) => {
            let text = format!("{} cannot be written: {error}", data.display());
            vec![Finding::error(CHECK, text, "make room on the disk, or correct the rights")]
        }
    }
}

fn measure(data: &Path) -> io::Result<Vec<Duration>> {
    let path = data.join(format!("doctor-{}.tmp", std::process::id()));
    let mut file = OpenOptions::new().create_new(true).write(true).open(&path)?;
    let measured = write_often(&mut file);
    fs::remove_file(&path)?;
    measured
}

fn write_often(file: &mut fs::File) -> io::Result<Vec<Duration>> {
    let clock = SystemClock::new();
    let mut times = Vec::with_capacity(WRITES);
    for _ in 0..WRITES {
        let start = clock.monotonic();
        file.write_all(&[0; OCTETS])?;
        file.sync_data()?;
        times.push(clock.monotonic().since(start));
    }
    Ok(times)
}

fn judge(mut times: Vec<Duration>) -> Finding {
    times.sort_unstable();
    let median = times.get(times.len() / 2).copied().unwrap_or_default();
    let worst = times.last().copied().unwrap_or_default();
    let text = format!(
        "a write is safe after {:.1} ms, at worst {:.1} ms",
        median.as_secs_f64() * 1e3,
        worst.as_secs_f64() * 1e3,
    );
    let fix = "put the data on a local SSD; a network disk or a memory card is too slow for answers in time";
    if median >= TOO_SLOW {
        Finding::error(CHECK, text, fix)
    } else if median >= SLOW || worst >= TOO_SLOW {
        Finding::warning(CHECK, text, fix)
    } else {
        Finding::fine(CHECK, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::doctor::Severity;

    #[test]
    fn a_slow_disk_is_found() {
        let ms = |all: &[u64]| judge(all.iter().map(|it| Duration::from_millis(*it)).collect());
        assert_eq!(ms(&[1, 2, 3]).severity, Severity::Fine);
        assert_eq!(ms(&[1, 2, 300]).severity, Severity::Warning);
        assert_eq!(ms(&[30, 30, 30]).severity, Severity::Warning);
        assert_eq!(ms(&[300, 300, 300]).severity, Severity::Error);
    }

    #[test]
    fn measuring_leaves_nothing_behind() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(measure(directory.path()).unwrap().len(), WRITES);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
