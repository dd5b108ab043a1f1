//! Topics and filters (AS-33, AS-34), as pure functions. An application is named by its `uid`: the user name of the
//! client, its id or `id@tenant`.

use ttn_core::{id::DeviceId, msg::Up};

use crate::QueueOperation;

/// The first level of every topic.
const ROOT: &str = "v3";

/// The topic of a message; `None` for kinds without one.
pub(super) fn of_message(uid: &str, device: &DeviceId, up: &Up) -> Option<String> {
    let kind = match up {
        Up::DownlinkAck(_) => "down/ack",
        Up::DownlinkFailed(..) => "down/failed",
        Up::DownlinkNack(_) => "down/nack",
        Up::DownlinkQueueInvalidated(_) => "down/invalidated",
        Up::DownlinkQueued(_) => "down/queued",
        Up::DownlinkSent(_) => "down/sent",
        Up::JoinAccept(_) => "join",
        Up::LocationSolved(_) => "location/solved",
        Up::ServiceData(_) => "service/data",
        Up::Uplink(_) => "up",
        Up::UplinkNormalized(_) => "up/normalized",
        _ => return None,
    };
    Some(format!("{ROOT}/{uid}/devices/{device}/{kind}"))
}

/// The device and operation of a topic that an application may publish to.
pub(super) fn of_downlinks(uid: &str, topic: &str) -> Option<(DeviceId, QueueOperation)> {
    let mut levels = topic.split('/');
    let mut next = || levels.next();
    if next()? != ROOT || next()? != uid || next()? != "devices" {
        return None;
    }
    let device = next()?.parse().ok()?;
    if next()? != "down" {
        return None;
    }
    let operation = match next()? {
        "push" => QueueOperation::Push,
        "replace" => QueueOperation::Replace,
        _ => return None,
    };
    next().is_none().then_some((device, operation))
}

/// The longest filter: no topic that matches without a wildcard is longer.
pub const FILTER_MAX: usize = 256;

/// Narrows a filter to what belongs to the application; `None` if nothing of it does, or it is malformed or longer than
/// [`FILTER_MAX`] octets.
#[must_use]
pub fn narrow(uid: &str, filter: &str) -> Option<String> {
    if !is_well_formed(filter) {
        return None;
    }
    let (root, rest) = match filter.split_once('/') {
        Some((root, rest)) => (root, Some(rest)),
        None => (filter, None),
    };
    let own = format!("{ROOT}/{uid}");
    let narrowed = match (root, rest) {
        ("#", None) | (ROOT | "+", Some("#")) => format!("{own}/#"),
        (ROOT | "+", Some(rest)) => match rest.split_once('/') {
            Some((id, tail)) if id == "+" || id == uid => format!("{own}/{tail}"),
            None if rest == "+" || rest == uid => own,
            _ => return None,
        },
        _ => return None,
    };
    (narrowed.len() <= FILTER_MAX).then_some(narrowed)
}

/// Whether `#` and `+` stand alone in their level, and `#` last (MQTT 3.1.1 §4.7.1).
fn is_well_formed(filter: &str) -> bool {
    let levels: Vec<_> = filter.split('/').collect();
    let last = levels.len().saturating_sub(1);
    !filter.is_empty()
        && levels.iter().enumerate().all(|(index, level)| match *level {
            "#" => index == last,
            "+" => true,
            _ => !level.contains(['#', '+']),
        })
}

/// Whether a topic matches a filter (MQTT 3.1.1 §4.7).
#[must_use]
pub fn matches(filter: &str, topic: &str) -> bool {
    let mut topic = topic.split('/');
    for level in filter.split('/') {
        match (level, topic.next()) {
            ("#", _) => return true,
            ("+", Some(_)) => {}
            (level, Some(name)) if level == name => {}
            _ => return false,
        }
    }
    topic.next().is_none()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const UID: &str = "my-app";

    // AS-33; gateway-facts 13
    #[test]
    fn filters_are_narrowed_to_the_own_application() {
        let cases = [
            ("#", Some("v3/my-app/#")),
            ("v3/#", Some("v3/my-app/#")),
            ("+/#", Some("v3/my-app/#")),
            ("v3/+/devices/+/up", Some("v3/my-app/devices/+/up")),
            ("+/+/devices/+/up", Some("v3/my-app/devices/+/up")),
            ("v3/my-app/devices/+/up", Some("v3/my-app/devices/+/up")),
            ("v3/other-app/devices/+/up", None),
            ("v3/other-app/#", None),
            ("v2/my-app/#", None),
            ("v3/my-app/dev#", None),
            ("v3/#/up", None),
            ("", None),
        ];
        for (filter, expected) in cases {
            assert_eq!(narrow(UID, filter).as_deref(), expected, "{filter}");
        }
    }

    #[test]
    fn wildcards_match_levels() {
        let topic = "v3/my-app/devices/dev-1/up";
        for filter in
            ["v3/my-app/#", "v3/my-app/devices/+/up", topic, "v3/my-app/devices/dev-1/up/#"]
        {
            assert!(matches(filter, topic), "{filter}");
        }
        for filter in ["v3/my-app/devices/+", "v3/my-app/devices/+/join", "v3/my-app/+/up"] {
            assert!(!matches(filter, topic), "{filter}");
        }
    }

    /// Levels that topics and filters are made of.
    fn level(wildcards: bool) -> impl Strategy<Value = String> {
        let words = ["v3", "v2", UID, "other-app", "devices", "dev-1", "up", "down", "$SYS", ""];
        let all = if wildcards { [&words[..], &["+", "#", "a#"]].concat() } else { words.to_vec() };
        proptest::sample::select(all).prop_map(str::to_owned)
    }

    fn path(wildcards: bool) -> impl Strategy<Value = String> {
        let levels = proptest::collection::vec(level(wildcards), 1..7);
        let own = proptest::bool::ANY;
        (own, levels).prop_map(|(own, levels)| {
            let start = if own { "v3/my-app/" } else { "" };
            format!("{start}{}", levels.join("/"))
        })
    }

    proptest! {
        // AS-33; gateway-facts 13
        #[test]
        fn narrowing_never_widens(filter in path(true), topic in path(false)) {
            if let Some(narrowed) = narrow(UID, &filter) {
                let is_own = topic == "v3/my-app" || topic.starts_with("v3/my-app/");
                let both = matches(&filter, &topic) && is_own;
                prop_assert_eq!(matches(&narrowed, &topic), both, "{} as {}", filter, narrowed);
                let again = narrow(UID, &narrowed);
                prop_assert_eq!(again.as_deref(), Some(narrowed.as_str()));
            } else if is_well_formed(&filter) {
                let is_own = topic.starts_with("v3/my-app/");
                prop_assert!(!(is_own && matches(&filter, &topic)), "{} is refused", filter);
            }
        }
    }

    // The seeds of the fuzz target `mqtt_topic`.
    #[test]
    fn no_seed_is_widened() {
        let seeds = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/mqtt_topic");
        for seed in std::fs::read_dir(seeds).unwrap() {
            // What a run of the target finds lies beside the seeds, and need not be text.
            let Ok(text) = std::fs::read_to_string(seed.unwrap().path()) else { continue };
            let Some((filter, topic)) = text.split_once('\n') else { continue };
            if topic.contains(['+', '#']) {
                continue;
            }
            let narrowed = narrow(UID, filter);
            let is_matched = narrowed.is_some_and(|narrowed| matches(&narrowed, topic));
            assert!(!is_matched || (matches(filter, topic) && topic.starts_with("v3/my-app")));
        }
    }

    // AS-34
    #[test]
    fn only_the_own_down_topics_are_writable() {
        let push = of_downlinks(UID, "v3/my-app/devices/dev-1/down/push").unwrap();
        assert_eq!(push, ("dev-1".parse().unwrap(), QueueOperation::Push));
        assert!(of_downlinks(UID, "v3/my-app/devices/dev-1/down/replace").is_some());
        for topic in [
            "v3/other-app/devices/dev-1/down/push",
            "v3/my-app/devices/dev-1/down/push/x",
            "v3/my-app/devices/dev-1/up",
            "v3/my-app/devices/D/down/push",
        ] {
            assert!(of_downlinks(UID, topic).is_none(), "{topic}");
        }
    }
}
