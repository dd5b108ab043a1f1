//! What a process uses, as the kernel counts it.

use std::{fs, io, time::Duration};

/// What a process has used since its start.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Usage {
    /// User and system time of all its threads.
    pub(super) cpu: Duration,
    /// What it had written to disks.
    pub(super) written: u64,
    /// What it has in memory now.
    pub(super) resident_kib: u64,
}

impl Usage {
    /// Reads it from `/proc`.
    ///
    /// # Errors
    ///
    /// The process is gone, or the system has no `/proc` as Linux has it.
    pub(super) fn of(pid: u32) -> io::Result<Self> {
        let read = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}"));
        let unknown = || io::Error::other(format!("/proc/{pid} is not as expected"));
        let cpu = cpu(&read("stat")?).ok_or_else(unknown)?;
        let resident_kib = field(&read("status")?, "VmRSS:").ok_or_else(unknown)?;
        // Containers may hide it.
        let written = read("io").ok().and_then(|text| field(&text, "write_bytes:"));
        Ok(Self { cpu, written: written.unwrap_or_default(), resident_kib })
    }
}

/// How many datagrams the kernel dropped because the receive buffer of a UDP port was full.
pub(super) fn socket_drops(port: u16) -> Option<u64> {
    drops(&fs::read_to_string("/proc/net/udp").ok()?, port)
}

/// How busy the machine is: the mean of a minute.
pub(super) fn load() -> Option<f64> {
    fs::read_to_string("/proc/loadavg").ok()?.split(' ').next()?.parse().ok()
}

/// Fields 14 and 15, in ticks; the name in the second may hold anything, parentheses included.
fn cpu(stat: &str) -> Option<Duration> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(Duration::from_millis(user.checked_add(system)?.checked_mul(1000 / TICKS_PER_SECOND)?))
}

/// The last column of the line whose local address has the port, in hexadecimal digits.
fn drops(table: &str, port: u16) -> Option<u64> {
    let ending = format!(":{port:04X}");
    let line = table.lines().find(|line| {
        line.split_whitespace().nth(1).is_some_and(|address| address.ends_with(&ending))
    })?;
    line.split_whitespace().next_back()?.parse().ok()
}

fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// `USER_HZ`: the same on every machine that Linux runs on but a few forgotten ones.
const TICKS_PER_SECOND: u64 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_parentheses_do_not_shift_the_fields() {
        let stat = "42 (a) b) S 1 42 42 0 -1 4194560 1 2 3 4 250 50 7 8 20 0 5 0 100";
        assert_eq!(cpu(stat), Some(Duration::from_secs(3)));
        assert_eq!(cpu("42 (a) S 1"), None);
    }

    #[test]
    fn the_drops_of_a_port_are_in_its_line() {
        let table = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n\
            7: 00000000:06A4 00000000:0000 07 00000000:00000000 00:00000000 00000000 0 0 1 2 0 17\n\
            8: 0100007F:A406 00000000:0000 07 00000000:00000000 00:00000000 00000000 0 0 1 2 0 3\n";
        assert_eq!(drops(table, 1700), Some(17));
        assert_eq!(drops(table, 0xA406), Some(3));
        assert_eq!(drops(table, 1), None);
    }
}
