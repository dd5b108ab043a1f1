//! How a store is opened.
#![expect(clippy::exhaustive_structs, reason = "built by other crates")]

use std::time::Duration;

/// How a store is opened. The defaults suit one process and one server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How many connections serve calls, besides the writer's own.
    pub connections: usize,
    /// Whether missing tables are made; else an older schema is refused.
    pub migrate: bool,
    /// How long the server may take to answer before its connection is given up.
    pub answer_max: Duration,
    /// How long a call waits for a server that is away.
    pub call_max: Duration,
    /// How long the writer waits for a server that is away. Meanwhile batches are taken until the queue is full and
    /// nothing is acknowledged; afterwards every wait and write fails, and the process should end.
    pub outage_max: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connections: 8,
            migrate: true,
            answer_max: Duration::from_secs(10),
            call_max: Duration::from_secs(20),
            outage_max: Duration::from_secs(120),
        }
    }
}
