//! Rate limits.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::{clock::Clock, map::Map, time::Monotonic};

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
    /// Whether calls of `class` may be limited. If not, nobody need make a key for them.
    fn limits(&self, _class: &str) -> bool {
        true
    }

    /// Takes one call of `class` for `key`; `None` if no limit applies.
    async fn take(&self, class: &str, key: &str) -> Option<LimitState>;
}

/// A limiter without limits.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Unlimited;

#[async_trait]
impl RateLimiter for Unlimited {
    fn limits(&self, _class: &str) -> bool {
        false
    }

    async fn take(&self, _class: &str, _key: &str) -> Option<LimitState> {
        None
    }
}

/// How often something may happen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[expect(clippy::exhaustive_structs, reason = "built by other crates")]
pub struct LimitProfile {
    /// What the operator calls it.
    pub name: String,
    /// Calls per minute and key, in the long run.
    pub max_per_min: u32,
    /// Calls at once; as many as per minute if it is 0.
    #[serde(default)]
    pub max_burst: u32,
    /// The classes that it holds for, such as `gs:up:udp`.
    pub associations: Vec<String>,
}

/// A limiter in memory: each key of each class has a budget of its own that fills up evenly.
///
/// It remembers [`KEYS_MAX`] keys that have used some of their budget. At the limit those that are full again are
/// forgotten, and if there are none, calls of further keys are not limited.
pub struct MemoryLimiter {
    clock: Arc<dyn Clock>,
    rates: Map<String, (usize, Rate)>,
    /// By profile and key, when the budget is full again.
    full_at: Mutex<Map<(usize, String), Monotonic>>,
}

/// Keys that a limiter remembers.
pub const KEYS_MAX: usize = 65_536;

#[derive(Clone, Copy)]
struct Rate {
    per_minute: u32,
    burst: u32,
    interval: Duration,
}

impl MemoryLimiter {
    /// Makes a limiter. Of several profiles for one class the first holds; one without calls per minute does not.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, profiles: &[LimitProfile]) -> Self {
        let mut rates = Map::default();
        let usable = profiles.iter().enumerate().filter(|(_, profile)| profile.max_per_min > 0);
        for (index, profile) in usable {
            let per_minute = profile.max_per_min;
            let burst = if profile.max_burst == 0 { per_minute } else { profile.max_burst };
            let rate = Rate { per_minute, burst, interval: Duration::from_secs(60) / per_minute };
            for class in &profile.associations {
                rates.entry(class.clone()).or_insert((index, rate));
            }
        }
        Self { clock, rates, full_at: Mutex::default() }
    }
}

#[async_trait]
impl RateLimiter for MemoryLimiter {
    fn limits(&self, class: &str) -> bool {
        self.rates.contains_key(class)
    }

    async fn take(&self, class: &str, key: &str) -> Option<LimitState> {
        let (profile, rate) = *self.rates.get(class)?;
        let now = self.clock.monotonic();
        let mut keys = self.full_at.lock();
        let key = (profile, key.to_owned());
        if keys.len() >= KEYS_MAX && !keys.contains_key(&key) {
            keys.retain(|_, full_at| *full_at > now);
            if keys.len() >= KEYS_MAX {
                return None;
            }
        }
        let used = keys.get(&key).map_or(Duration::ZERO, |full_at| full_at.since(now));
        let after = used + rate.interval;
        let budget = rate.interval * rate.burst;
        let allowed = after <= budget;
        let used = if allowed { after } else { used };
        keys.insert(key, now.plus(used));
        let left = budget.saturating_sub(used).as_nanos() / rate.interval.as_nanos().max(1);
        Some(LimitState {
            allowed,
            limit: rate.per_minute,
            available: u32::try_from(left).unwrap_or(u32::MAX),
            reset_after: used,
            retry_after: if allowed { Duration::ZERO } else { after.saturating_sub(budget) },
        })
    }
}

impl fmt::Debug for MemoryLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryLimiter")
            .field("keys", &self.full_at.lock().len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt as _, future::BoxFuture};

    use super::*;
    use crate::time::Timestamp;

    #[derive(Debug, Default)]
    struct Hand(Mutex<u64>);

    impl Clock for Hand {
        fn utc(&self) -> Timestamp {
            Timestamp::UNIX_EPOCH
        }

        fn monotonic(&self) -> Monotonic {
            Monotonic::from_nanos(*self.0.lock() * 1_000_000_000)
        }

        fn sleep_until(&self, _deadline: Monotonic) -> BoxFuture<'static, ()> {
            futures::future::pending().boxed()
        }
    }

    // GS-18
    #[test]
    fn each_key_has_a_budget_that_fills_up_evenly() {
        let clock = Arc::new(Hand::default());
        let profile = LimitProfile {
            name: "uplinks".into(),
            max_per_min: 60,
            max_burst: 2,
            associations: vec!["gs:up".into()],
        };
        let limiter = MemoryLimiter::new(clock.clone(), &[profile]);
        let take = |class: &str, key: &str| limiter.take(class, key).now_or_never().unwrap();
        assert!(take("other", "a").is_none(), "no profile, no limit");
        assert_eq!(
            take("gs:up", "a").map(|state| (state.allowed, state.available)),
            Some((true, 1))
        );
        assert!(take("gs:up", "a").unwrap().allowed);
        let refused = take("gs:up", "a").unwrap();
        assert_eq!((refused.allowed, refused.retry_after), (false, Duration::from_secs(1)));
        assert!(take("gs:up", "b").unwrap().allowed, "another key");
        *clock.0.lock() = 1;
        assert!(take("gs:up", "a").unwrap().allowed);
        assert!(!take("gs:up", "a").unwrap().allowed);
    }
}
