//! How joins ended, counted by reason (JS-23).

use std::collections::BTreeMap;

use parking_lot::Mutex;
use ttn_core::error::ApiError as _;

use crate::error::Error;

/// Counts of joins. The names of refusals are those of [`Error`]: there are as many as it has.
#[derive(Debug, Default)]
pub struct JoinCounters(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    accepted: u64,
    rejected: BTreeMap<&'static str, u64>,
}

impl JoinCounters {
    pub(crate) fn count<T>(&self, result: &Result<T, Error>) {
        let mut counts = self.0.lock();
        match result {
            Ok(_) => counts.accepted += 1,
            Err(error) => *counts.rejected.entry(error.name()).or_default() += 1,
        }
    }

    /// How many were accepted.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.0.lock().accepted
    }

    /// How many were refused, by the name of the error, such as `reuse_dev_nonce`.
    #[must_use]
    pub fn rejected(&self) -> BTreeMap<&'static str, u64> {
        self.0.lock().rejected.clone()
    }
}
