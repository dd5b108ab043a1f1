//! Reports when devices were last seen (AS-08), in batches.

use parking_lot::Mutex;
use ttn_core::{id::DeviceKey, map::Map, time::Timestamp};

use crate::ApplicationServer;

/// When devices were last seen, not reported yet.
#[derive(Debug, Default)]
pub(crate) struct LastSeen(Mutex<Map<DeviceKey, Timestamp>>);

/// How many devices go into one report.
const BATCH_MAX: usize = 1000;
/// How many devices wait to be reported; further ones are left out until the next report.
const DEVICES_MAX: usize = 100_000;

impl LastSeen {
    pub(crate) fn note(&self, key: &DeviceKey, time: Timestamp) {
        let mut seen = self.0.lock();
        if seen.len() < DEVICES_MAX || seen.contains_key(key) {
            seen.insert(key.clone(), time);
        }
    }

    fn take(&self) -> Vec<(DeviceKey, Timestamp)> {
        let mut seen: Vec<_> = self.0.lock().drain().collect();
        seen.sort();
        seen
    }
}

impl ApplicationServer {
    pub(crate) async fn report_last_seen(&self) {
        loop {
            self.sleep(self.config.last_seen_interval).await;
            for batch in self.last_seen.take().chunks(BATCH_MAX) {
                let Ok(directory) = self.peers.directory() else { break };
                if let Err(error) = directory.report_last_seen(batch.to_vec()).await {
                    tracing::debug!(%error, devices = batch.len(), "last activity not reported");
                }
            }
        }
    }
}
