//! Topics and filters (AS-33, AS-34), as pure functions.

use ttn_core::{
    id::{ApplicationId, DeviceId},
    msg::Up,
};

use crate::QueueOperation;

/// The first level of every topic.
const ROOT: &str = "v3";

/// The topic of a message; `None` for kinds without one.
pub(crate) fn of_message(
    application: &ApplicationId,
    device: &DeviceId,
    up: &Up,
) -> Option<String> {
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
        _ => return None,
    };
    Some(format!("{ROOT}/{application}/devices/{device}/{kind}"))
}

/// The device and operation of a topic that an application may publish to.
pub(crate) fn of_downlinks(
    application: &ApplicationId,
    topic: &str,
) -> Option<(DeviceId, QueueOperation)> {
    let mut levels = topic.split('/');
    let mut next = || levels.next();
    if next()? != ROOT || next()? != application.as_str() || next()? != "devices" {
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

/// Narrows a filter to what belongs to the application; `None` if nothing of it does or it is malformed.
pub(crate) fn narrow(application: &ApplicationId, filter: &str) -> Option<String> {
    if !is_well_formed(filter) {
        return None;
    }
    let own = format!("{ROOT}/{application}");
    let (root, rest) = match filter.split_once('/') {
        Some((root, rest)) => (root, Some(rest)),
        None => (filter, None),
    };
    match (root, rest) {
        ("#", None) => Some(format!("{own}/#")),
        (ROOT | "+", Some("#")) => Some(format!("{own}/#")),
        (ROOT | "+", Some(rest)) => {
            let (id, tail) = match rest.split_once('/') {
                Some((id, tail)) => (id, Some(tail)),
                None => (rest, None),
            };
            if id != "+" && id != application.as_str() {
                return None;
            }
            Some(tail.map_or_else(|| own.clone(), |tail| format!("{own}/{tail}")))
        }
        _ => None,
    }
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

/// Whether a topic matches a filter.
pub(crate) fn matches(filter: &str, topic: &str) -> bool {
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
    use super::*;

    fn application() -> ApplicationId {
        "my-app".parse().unwrap()
    }

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
            assert_eq!(narrow(&application(), filter).as_deref(), expected, "{filter}");
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

    // AS-34
    #[test]
    fn only_the_own_down_topics_are_writable() {
        let app = application();
        let push = of_downlinks(&app, "v3/my-app/devices/dev-1/down/push").unwrap();
        assert_eq!(push, ("dev-1".parse().unwrap(), QueueOperation::Push));
        assert!(of_downlinks(&app, "v3/my-app/devices/dev-1/down/replace").is_some());
        for topic in [
            "v3/other-app/devices/dev-1/down/push",
            "v3/my-app/devices/dev-1/down/push/x",
            "v3/my-app/devices/dev-1/up",
            "v3/my-app/devices/D/down/push",
        ] {
            assert!(of_downlinks(&app, topic).is_none(), "{topic}");
        }
    }
}
