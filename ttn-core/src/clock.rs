//! Time as an argument.

use std::fmt;

use futures::future::BoxFuture;

use crate::time::{Monotonic, Now, Timestamp};

/// A clock. Components read time and wait through it, never from the system.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// Reads the wall clock.
    fn utc(&self) -> Timestamp;

    /// Reads the clock of the process, which never goes back.
    fn monotonic(&self) -> Monotonic;

    /// Waits until a point in time; ready at once if it has passed. Safe to drop halfway.
    fn sleep_until(&self, deadline: Monotonic) -> BoxFuture<'static, ()>;

    /// Reads both clocks.
    fn now(&self) -> Now {
        Now { utc: self.utc(), monotonic: self.monotonic() }
    }
}

/// The clocks of the system, through tokio's timer.
#[cfg(feature = "rt")]
#[derive(Clone, Debug)]
pub struct SystemClock {
    start: tokio::time::Instant,
}

#[cfg(feature = "rt")]
impl SystemClock {
    /// Makes a clock that starts now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the system's clock")]
    pub fn new() -> Self {
        Self { start: tokio::time::Instant::now() }
    }
}

#[cfg(feature = "rt")]
impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(feature = "rt")]
#[expect(clippy::disallowed_methods, reason = "the one place that reads the system's clock")]
impl Clock for SystemClock {
    fn utc(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let nanos = since.map_or(0, |since| since.as_nanos());
        Timestamp::from_unix_nanos(i64::try_from(nanos).unwrap_or(i64::MAX))
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
