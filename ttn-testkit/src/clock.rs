//! A clock that agrees with tokio's paused time.

use futures::future::BoxFuture;
use ttn_core::{
    clock::Clock,
    time::{Monotonic, Timestamp},
};

/// Reads tokio's clock, which in a paused runtime moves only when every task waits. The wall clock starts at
/// a fixed date and moves with it. Read it within the runtime: outside of one tokio gives the time of the system.
#[derive(Clone, Debug)]
pub struct VirtualClock {
    start: tokio::time::Instant,
    utc: Timestamp,
}

impl VirtualClock {
    /// 2026-01-01T00:00:00Z: where the wall clock starts unless told otherwise.
    pub const DEFAULT_START: Timestamp = Timestamp::from_unix_secs(1_767_225_600);

    /// Makes a clock that starts now, at a date. Call it within a runtime.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn starting_at(utc: Timestamp) -> Self {
        Self { start: tokio::time::Instant::now(), utc }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the clock")]
impl Clock for VirtualClock {
    fn utc(&self) -> Timestamp {
        self.utc.plus(std::time::Duration::from_nanos(self.monotonic().nanos()))
    }

    fn monotonic(&self) -> Monotonic {
        let nanos = tokio::time::Instant::now().duration_since(self.start).as_nanos();
        Monotonic::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    fn sleep_until(&self, deadline: Monotonic) -> BoxFuture<'static, ()> {
        let until = self.start + std::time::Duration::from_nanos(deadline.nanos());
        Box::pin(tokio::time::sleep_until(until))
    }
}
