//! Whether the time is right: tokens, joins and the times of messages depend on it.

use std::process::Command;

use ttn_core::clock::{Clock as _, SystemClock};

use super::Finding;

const CHECK: &str = "clock";
/// 2026-01-01: this program did not exist before, in seconds of Unix.
const EARLIEST: i64 = 1_767_225_600;

pub(super) fn check() -> Vec<Finding> {
    let now = SystemClock::new().utc().unix_nanos() / 1_000_000_000;
    vec![judge(now, synchronized())]
}

/// What the system says of its synchronization; `None` if it says nothing.
fn synchronized() -> Option<bool> {
    let output = Command::new("timedatectl")
        .args(["show", "--property=NTPSynchronized", "--value"])
        .output()
        .ok()?;
    match String::from_utf8_lossy(&output.stdout).trim() {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

fn judge(seconds: i64, synchronized: Option<bool>) -> Finding {
    let fix = "set the time and switch on synchronization, such as `timedatectl set-ntp true`";
    if seconds < EARLIEST {
        return Finding::error(CHECK, "the clock of this machine is years behind", fix);
    }
    match synchronized {
        Some(true) => Finding::fine(CHECK, "the clock is synchronized"),
        Some(false) => {
            Finding::warning(CHECK, "the clock is not synchronized with a time server", fix)
        }
        None => Finding::skipped(
            CHECK,
            "this system does not say whether its clock is synchronized",
            "check that a time service runs (in a container: on its host)",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::doctor::Severity;

    #[test]
    fn a_clock_behind_is_an_error_and_one_that_drifts_a_warning() {
        assert_eq!(judge(0, Some(true)).severity, Severity::Error);
        assert_eq!(judge(EARLIEST, Some(false)).severity, Severity::Warning);
        assert_eq!(judge(EARLIEST, None).severity, Severity::Skipped);
        assert_eq!(judge(EARLIEST, Some(true)).severity, Severity::Fine);
    }
}
