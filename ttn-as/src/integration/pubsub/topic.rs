//! Topics of messages (AS-50), as pure functions.

use ttn_core::msg::Up;

/// The kinds of messages that can have a topic, by their names in the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum MessageKind {
    /// A confirmed downlink was acknowledged.
    DownlinkAck,
    /// A downlink will not be sent.
    DownlinkFailed,
    /// A confirmed downlink was not acknowledged.
    DownlinkNack,
    /// Downlinks to be added to a queue: from the broker.
    DownlinkPush,
    /// Queued downlinks became invalid.
    DownlinkQueueInvalidated,
    /// A downlink was queued.
    DownlinkQueued,
    /// Downlinks to take the place of a queue: from the broker.
    DownlinkReplace,
    /// A downlink was sent.
    DownlinkSent,
    /// A device joined.
    JoinAccept,
    /// A place became known.
    LocationSolved,
    /// A service tells something.
    ServiceData,
    /// A device sent data.
    UplinkMessage,
    /// A measurement of an uplink.
    UplinkNormalized,
}

impl MessageKind {
    /// Every kind.
    pub const ALL: [Self; 13] = [
        Self::DownlinkAck,
        Self::DownlinkFailed,
        Self::DownlinkNack,
        Self::DownlinkPush,
        Self::DownlinkQueueInvalidated,
        Self::DownlinkQueued,
        Self::DownlinkReplace,
        Self::DownlinkSent,
        Self::JoinAccept,
        Self::LocationSolved,
        Self::ServiceData,
        Self::UplinkMessage,
        Self::UplinkNormalized,
    ];

    /// Its name in the API; what is stored depends on it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::DownlinkAck => "downlink_ack",
            Self::DownlinkFailed => "downlink_failed",
            Self::DownlinkNack => "downlink_nack",
            Self::DownlinkPush => "downlink_push",
            Self::DownlinkQueueInvalidated => "downlink_queue_invalidated",
            Self::DownlinkQueued => "downlink_queued",
            Self::DownlinkReplace => "downlink_replace",
            Self::DownlinkSent => "downlink_sent",
            Self::JoinAccept => "join_accept",
            Self::LocationSolved => "location_solved",
            Self::ServiceData => "service_data",
            Self::UplinkMessage => "uplink_message",
            Self::UplinkNormalized => "uplink_normalized",
        }
    }

    /// The kind of a message to the broker.
    pub(super) const fn of(up: &Up) -> Option<Self> {
        Some(match up {
            Up::DownlinkAck(_) => Self::DownlinkAck,
            Up::DownlinkFailed(..) => Self::DownlinkFailed,
            Up::DownlinkNack(_) => Self::DownlinkNack,
            Up::DownlinkQueueInvalidated(_) => Self::DownlinkQueueInvalidated,
            Up::DownlinkQueued(_) => Self::DownlinkQueued,
            Up::DownlinkSent(_) => Self::DownlinkSent,
            Up::JoinAccept(_) => Self::JoinAccept,
            Up::LocationSolved(_) => Self::LocationSolved,
            Up::ServiceData(_) => Self::ServiceData,
            Up::Uplink(_) => Self::UplinkMessage,
            _ => return None,
        })
    }
}

/// A topic below a base; empty parts are left out, and separators at their ends.
pub(super) fn join(base: &str, topic: &str, separator: char) -> String {
    let parts = [base, topic].map(|part| part.trim_matches(separator));
    let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join(&String::from(separator))
}

#[cfg(test)]
mod tests {
    use super::*;

    // AS-50
    #[test]
    fn topics_are_joined_with_the_separator_of_the_provider() {
        let cases = [
            ("base", "up", '.', "base.up"),
            ("my/base/", "/up", '/', "my/base/up"),
            ("", "up", '/', "up"),
            ("base", "", '.', "base"),
            ("", "", '.', ""),
        ];
        for (base, topic, separator, expected) in cases {
            assert_eq!(join(base, topic, separator), expected);
        }
    }
}
