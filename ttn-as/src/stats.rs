//! Counts per application since the start (AS-01).

use parking_lot::Mutex;
use ttn_core::{id::ApplicationId, map::Map, time::Timestamp};

use crate::ApplicationServer;

/// What went through for an application since the server started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LinkStats {
    /// When the server started.
    pub linked_at: Timestamp,
    /// How many messages came from the Network Server.
    pub up_count: u64,
    /// When the last of them was received.
    pub last_up_received_at: Option<Timestamp>,
    /// How many downlinks were handed to the Network Server.
    pub downlink_count: u64,
    /// When the last of them was.
    pub last_downlink_forwarded_at: Option<Timestamp>,
}

/// The counts; as many applications as have devices here.
#[derive(Debug, Default)]
pub(crate) struct Stats(Mutex<Map<ApplicationId, LinkStats>>);

impl Stats {
    pub(crate) fn up(&self, application: &ApplicationId, at: Timestamp) {
        self.change(application, |stats| {
            stats.up_count += 1;
            stats.last_up_received_at = stats.last_up_received_at.max(Some(at));
        });
    }

    pub(crate) fn down(&self, application: &ApplicationId, count: usize, at: Timestamp) {
        self.change(application, |stats| {
            stats.downlink_count += count as u64;
            stats.last_downlink_forwarded_at = Some(at);
        });
    }

    fn change(&self, application: &ApplicationId, change: impl FnOnce(&mut LinkStats)) {
        let mut all = self.0.lock();
        match all.get_mut(application) {
            Some(stats) => change(stats),
            None => change(all.entry(application.clone()).or_default()),
        }
    }
}

impl ApplicationServer {
    /// What went through for an application since the server started.
    #[must_use]
    pub fn link_stats(&self, application: &ApplicationId) -> LinkStats {
        let stats = self.stats.0.lock().get(application).copied().unwrap_or_default();
        LinkStats { linked_at: self.started_at, ..stats }
    }
}
