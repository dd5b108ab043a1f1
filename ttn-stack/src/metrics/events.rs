//! What events count: every event by its name, and the counters of components that follow from them.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use ttn_core::event::{Event, EventBus, EventSink, table::ALL};

/// Counts events on their way to the bus, whether anybody reads them or not.
pub(super) struct CountedEvents {
    bus: Arc<EventBus>,
    /// By place in the table of events.
    counts: Vec<AtomicU64>,
}

/// A counter of a component: the sum of some events, or one for each of them with a label.
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    /// The name of the label; none if the events are added up.
    pub(super) label: Option<&'static str>,
    /// Names of events with the value of the label.
    pub(super) events: &'static [(&'static str, &'static str)],
}

const fn sum(
    name: &'static str,
    help: &'static str,
    events: &'static [(&'static str, &'static str)],
) -> Family {
    Family { name, help, label: None, events }
}

const fn by_type(
    name: &'static str,
    help: &'static str,
    events: &'static [(&'static str, &'static str)],
) -> Family {
    Family { name, help, label: Some("type"), events }
}

/// GS-79, NS-117, AS-61. Frames of gateways with several antennas and channels count once each.
pub(super) const FAMILIES: &[Family] = &[
    sum("gs_status_received", "Status messages of gateways", &[("gs.status.receive", "")]),
    sum("gs_status_dropped", "Status messages that were dropped", &[("gs.status.drop", "")]),
    sum("gs_uplink_received", "Uplinks of gateways", &[("gs.up.receive", "")]),
    sum("gs_uplink_forwarded", "Uplinks that were forwarded", &[("gs.up.forward", "")]),
    sum("gs_uplink_dropped", "Uplinks that were dropped", &[("gs.up.drop", "")]),
    sum("gs_txack_received", "Reports on transmissions", &[("gs.txack.receive", "")]),
    sum("gs_txack_forwarded", "Reports that were forwarded", &[("gs.txack.forward", "")]),
    sum("gs_txack_dropped", "Reports that were dropped", &[("gs.txack.drop", "")]),
    sum("gs_downlink_attempted", "Downlinks to be scheduled", &[("gs.down.schedule.attempt", "")]),
    sum("gs_downlink_failed", "Downlinks that had no room", &[("gs.down.schedule.fail", "")]),
    sum("gs_downlink_sent", "Downlinks handed to gateways", &[("gs.down.send", "")]),
    sum("gs_downlink_tx_success", "Downlinks that were transmitted", &[("gs.down.tx.success", "")]),
    sum("gs_downlink_tx_fail", "Downlinks that gateways refused", &[("gs.down.tx.fail", "")]),
    by_type(
        "ns_uplink_processed",
        "Frames that were processed",
        &[("ns.up.data.process", "data"), ("ns.up.join.process", "join")],
    ),
    by_type(
        "ns_uplink_dropped",
        "Frames that were dropped",
        &[("ns.up.data.drop", "data"), ("ns.up.join.drop", "join")],
    ),
    by_type(
        "ns_uplink_forwarded",
        "Frames that went to the Application Server",
        &[("ns.up.data.forward", "data"), ("ns.up.join.accept.forward", "join")],
    ),
    by_type(
        "ns_downlink_attempted",
        "Downlinks that a Gateway Server was asked to send",
        &[("ns.down.data.schedule.attempt", "data"), ("ns.down.join.schedule.attempt", "join")],
    ),
    by_type(
        "ns_downlink_forwarded",
        "Downlinks that a Gateway Server took",
        &[("ns.down.data.schedule.success", "data"), ("ns.down.join.schedule.success", "join")],
    ),
    by_type(
        "as_uplink_received",
        "Messages from the Network Server",
        &[("as.up.data.receive", "data"), ("as.up.join.receive", "join")],
    ),
    by_type(
        "as_uplink_forwarded",
        "Messages that went to applications",
        &[("as.up.data.forward", "data"), ("as.up.join.forward", "join")],
    ),
    by_type(
        "as_uplink_dropped",
        "Messages that were dropped",
        &[("as.up.data.drop", "data"), ("as.up.join.drop", "join")],
    ),
    sum("as_downlink_forwarded", "Downlinks that were queued", &[("as.down.data.forward", "")]),
];

impl CountedEvents {
    pub(super) fn new(bus: Arc<EventBus>) -> Self {
        Self { bus, counts: ALL.iter().map(|_| AtomicU64::new(0)).collect() }
    }

    pub(super) fn bus(&self) -> &EventBus {
        &self.bus
    }

    /// How often an event happened.
    pub(super) fn count(&self, name: &str) -> u64 {
        self.slot(name).map_or(0, |count| count.load(Ordering::Relaxed))
    }

    /// Every event that happened.
    pub(super) fn all(&self) -> Vec<(&'static str, u64)> {
        let counts = self.counts.iter().map(|count| count.load(Ordering::Relaxed));
        let all = ALL.iter().map(|definition| definition.name).zip(counts);
        all.filter(|(_, count)| *count > 0).collect()
    }

    fn slot(&self, name: &str) -> Option<&AtomicU64> {
        let place = ALL.binary_search_by(|definition| definition.name.cmp(name)).ok()?;
        self.counts.get(place)
    }
}

impl EventSink for CountedEvents {
    fn publish(&self, event: Event) {
        if let Some(count) = self.counts.get(event.definition.place) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.bus.publish(event);
    }
}

impl fmt::Debug for CountedEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CountedEvents").field("bus", &self.bus).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_family_counts_events_that_exist() {
        for family in FAMILIES {
            for (event, value) in family.events {
                assert!(ttn_core::event::find(event).is_some(), "{event}");
                assert_eq!(family.label.is_some(), !value.is_empty(), "{}", family.name);
            }
        }
    }
}
