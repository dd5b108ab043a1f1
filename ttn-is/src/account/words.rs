//! Rights in the words of people.

use ttn_core::auth::{Right, Rights};

/// What somebody with rights could do: one line for each kind of thing.
pub(super) fn of(rights: Rights) -> Vec<String> {
    if rights.contains(Right::All) {
        return vec!["everything that you can do yourself".to_owned()];
    }
    let mut lines: Vec<(&str, Vec<String>)> = Vec::new();
    for right in rights.iter() {
        let name = right.name().trim_start_matches("RIGHT_");
        let (kind, what) = name.split_once('_').unwrap_or((name, name));
        let kind = match kind {
            "USER" => "your account",
            "APPLICATION" => "your applications",
            "CLIENT" => "your OAuth clients",
            "GATEWAY" => "your gateways",
            "ORGANIZATION" => "your organizations",
            _ => "this network",
        };
        match lines.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, all)) => all.push(words(what)),
            None => lines.push((kind, vec![words(what)])),
        }
    }
    lines.into_iter().map(|(kind, what)| format!("{kind}: {}", what.join(", "))).collect()
}

/// The words of a right, without the kind of thing that it is on.
fn words(what: &str) -> String {
    if let Some((_, words)) = WORDS.iter().find(|(known, _)| *known == what) {
        return (*words).to_owned();
    }
    let lower = |text: &str| text.to_lowercase().replace('_', " ");
    match what.rsplit_once('_') {
        Some((things, "CREATE")) => format!("create {}", lower(things)),
        Some((things, "LIST")) => format!("list {}", lower(things)),
        Some((things, "READ")) => format!("read {}", lower(things)),
        _ => lower(what),
    }
}

const WORDS: &[(&str, &str)] = &[
    ("ALL", "everything"),
    ("ADD_AS_COLLABORATOR", "add them as collaborators"),
    ("AUTHORIZED_CLIENTS", "manage authorized clients"),
    ("DEVICES_READ", "view end devices"),
    ("DEVICES_READ_KEYS", "view keys of end devices"),
    ("DEVICES_WRITE", "create, change and delete end devices"),
    ("DEVICES_WRITE_KEYS", "change keys of end devices"),
    ("INFO", "view"),
    ("INVITES", "send invitations"),
    ("LINK", "connect"),
    ("LOCATION_READ", "view the location"),
    ("READ_SECRETS", "view secrets"),
    ("SETTINGS_API_KEYS", "manage API keys"),
    ("SETTINGS_BASIC", "change settings"),
    ("SETTINGS_COLLABORATORS", "manage collaborators"),
    ("SETTINGS_MEMBERS", "manage members"),
    ("SETTINGS_PACKAGES", "manage packages"),
    ("STATUS_READ", "view the status"),
    ("TRAFFIC_DOWN_WRITE", "send downlinks"),
    ("TRAFFIC_READ", "read traffic"),
    ("TRAFFIC_UP_WRITE", "write uplinks"),
    ("WRITE_SECRETS", "change secrets"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_right_has_words() {
        for right in Right::ALL_RIGHTS {
            let lines = of([*right].into_iter().collect());
            assert_eq!(lines.len(), 1);
            assert!(!lines[0].contains('_') && !lines[0].contains("RIGHT"), "{lines:?}");
        }
        let some = [Right::UserInfo, Right::UserApplicationsList, Right::GatewayAll];
        assert_eq!(
            of(some.into_iter().collect()),
            ["your account: view, list applications", "your gateways: everything"]
        );
    }
}
