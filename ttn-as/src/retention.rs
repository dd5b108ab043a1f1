//! What the log forgets: records that are too old, and the oldest when there are too many octets.

use crate::{ApplicationServer, log::Retention};

impl ApplicationServer {
    /// Applies the configured retention, again and again.
    pub(crate) async fn retain(&self) {
        let config = &self.config.retention;
        loop {
            self.sleep(config.interval).await;
            let age = i64::try_from(config.age.as_nanos()).unwrap_or(i64::MAX);
            let now = self.clock.utc().unix_nanos();
            let before = ttn_core::time::Timestamp::from_unix_nanos(now.saturating_sub(age));
            let retention = Retention {
                before: (age > 0).then_some(before),
                bytes_max: (config.bytes_max > 0).then_some(config.bytes_max),
            };
            match self.log.truncate(&retention).await {
                Ok(0) => {}
                Ok(deleted) => tracing::info!(deleted, "the application log was shortened"),
                Err(error) => tracing::warn!(%error, "the application log cannot be shortened"),
            }
        }
    }
}
