//! What goes wrong, and whether to try again.

use std::{io, time::Duration};

use deadpool_postgres::PoolError;
use ttn_core::store::{StoreError, StoreErrorKind};

/// Why something did not happen.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Nothing was changed, and it may work in a moment: the server is away, busy, or somebody was faster.
    Again(StoreError),
    /// A condition of the write does not hold: which one, and whether something is stored there.
    #[cfg(feature = "identity")]
    Condition { index: usize, exists: bool },
    /// It failed, or was refused.
    Store(StoreError),
}

impl Failure {
    /// Whether it may work in a moment.
    pub(crate) const fn is_passing(&self) -> bool {
        matches!(self, Self::Again(_))
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Again(error) | Failure::Store(error) => error,
            #[cfg(feature = "identity")]
            Failure::Condition { .. } => Self::new(StoreErrorKind::Conflict, "a row"),
        }
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        let may_pass = match error.code() {
            Some(code) => passes(code.code()),
            None => is_of_line(&error),
        };
        let text =
            error.as_db_error().map_or_else(|| error.to_string(), |db| db.message().to_owned());
        let context = format!("the database ({text})");
        let error = StoreError::new(StoreErrorKind::Io, context);
        if may_pass { Self::Again(error) } else { Self::Store(error) }
    }
}

/// A connection that could not be had.
pub(super) fn of_pool(error: PoolError, name: &str) -> Failure {
    match error {
        PoolError::Backend(error) => match Failure::from(error) {
            Failure::Again(error) => Failure::Again(named(error, name)),
            Failure::Store(error) => Failure::Store(named(error, name)),
            #[cfg(feature = "identity")]
            condition @ Failure::Condition { .. } => condition,
        },
        other => {
            Failure::Again(StoreError::new(StoreErrorKind::Io, name.to_owned()).caused_by(other))
        }
    }
}

fn named(error: StoreError, name: &str) -> StoreError {
    StoreError::new(error.kind, format!("{name}: {}", error.context))
}

/// A commit whose answer did not come may have happened: it is not tried again.
pub(super) fn in_doubt(failure: Failure) -> Failure {
    match failure {
        Failure::Again(error) => {
            let context = format!("{}; whether it was written is not known: it", error.context);
            Failure::Store(StoreError::new(StoreErrorKind::Io, context))
        }
        other => other,
    }
}

/// Whether the reason of an SQLSTATE passes by itself.
fn passes(code: &str) -> bool {
    // Connections; transactions that met another one; resources; an operator's stop; a standby that takes over; a row
    // that somebody else has just made.
    let classes = ["08", "40", "53", "57P"];
    classes.iter().any(|class| code.starts_with(class)) || ["25006", "23505"].contains(&code)
}

fn is_of_line(error: &tokio_postgres::Error) -> bool {
    let is_io = std::error::Error::source(error).is_some_and(|source| source.is::<io::Error>());
    error.is_closed() || is_io || error.to_string().contains("timed out")
}

/// The pause before the second try; it doubles.
pub(crate) const PAUSE_MIN: Duration = Duration::from_millis(5);
/// The longest pause between two tries.
pub(crate) const PAUSE_MAX: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_by_itself_is_tried_again() {
        for code in ["08006", "40001", "40P01", "53300", "57P01", "57P03", "25006", "23505"] {
            assert!(passes(code), "{code}");
        }
        for code in ["42P01", "28P01", "3D000", "22P02", "42501", "57014"] {
            assert!(!passes(code), "{code}");
        }
    }
}
