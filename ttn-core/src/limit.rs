//! Rate limits.

use std::{fmt, time::Duration};

use async_trait::async_trait;

/// The answer of a rate limiter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "built by other crates")]
pub struct LimitState {
    /// Whether the call may go on.
    pub allowed: bool,
    /// Calls per minute.
    pub limit: u32,
    /// Calls that are left.
    pub available: u32,
    /// Until when everything is available again.
    pub reset_after: Duration,
    /// When to try again, if refused.
    pub retry_after: Duration,
}

/// Limits how often something happens per class and key.
#[async_trait]
pub trait RateLimiter: fmt::Debug + Send + Sync + 'static {
    /// Takes one call of `class` for `key`; `None` if no limit applies.
    async fn take(&self, class: &str, key: &str) -> Option<LimitState>;
}

/// A limiter without limits.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Unlimited;

#[async_trait]
impl RateLimiter for Unlimited {
    async fn take(&self, _class: &str, _key: &str) -> Option<LimitState> {
        None
    }
}
