//! Registry writes: checked under the lock, durable before they return.

use ttn_core::store::{Durable, Refusal, StoreError, StoreErrorKind};

use crate::lane::{CONTROL_LANE, Change, Lanes};

/// Why a write did not happen.
#[derive(Debug)]
pub(crate) enum Denied {
    /// A condition of the write does not hold: which one, and whether something is stored there.
    #[cfg(feature = "identity")]
    Condition { index: usize, exists: bool },
    /// The lanes did not take it.
    Refused(Refusal),
    /// The store failed or refused.
    Store(StoreError),
}

impl From<Refusal> for Denied {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<StoreError> for Denied {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Denied> for StoreError {
    fn from(denied: Denied) -> Self {
        match denied {
            #[cfg(feature = "identity")]
            Denied::Condition { .. } => Self::new(StoreErrorKind::Conflict, "a row"),
            Denied::Refused(refusal) => {
                Self::new(StoreErrorKind::Io, format!("the store takes no writes: {refusal}"))
            }
            Denied::Store(error) => error,
        }
    }
}

impl Lanes {
    /// Writes in the control lane and waits until it is durable. When the queue is full it waits for room. May be
    /// dropped halfway: then the write happens or not, as a whole.
    pub(crate) async fn write<T: Send>(
        &self,
        mut change: impl FnMut(&mut Change<'_>) -> Result<T, Denied> + Send,
    ) -> Result<(Durable, T), Denied> {
        loop {
            match self.submit(CONTROL_LANE, &mut change) {
                Ok((position, value)) => return Ok((self.flushed(position).await?, value)),
                Err(Denied::Refused(Refusal::Full)) => self.room().await?,
                Err(denied) => return Err(denied),
            }
        }
    }

    /// Waits until something of what waits is durable.
    async fn room(&self) -> Result<(), StoreError> {
        if let Some(position) = self.with_state(|state| state.behind()) {
            self.flushed(position).await?;
        }
        Ok(())
    }
}
