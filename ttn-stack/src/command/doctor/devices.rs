//! Devices that one registry has and another has not: they were created or deleted in part.

use ttn_core::id::DeviceKey;

use super::{
    Finding,
    store::{Inventory, Known},
};

const CHECK: &str = "devices";

/// A device of the Join Server alone is not seen: its registry cannot be listed.
pub(super) fn check(inventory: &Inventory) -> Vec<Finding> {
    let mut findings: Vec<_> = halves(inventory).map(|(key, known)| half(key, known)).collect();
    if findings.is_empty() {
        let text = format!("all {} devices are whole", inventory.devices.len());
        findings.push(Finding::fine(CHECK, text));
    }
    findings
}

/// The devices that are not whole.
pub(super) fn halves(inventory: &Inventory) -> impl Iterator<Item = (&DeviceKey, &Known)> {
    inventory.devices.iter().filter(|(_, known)| known.missing().next().is_some())
}

/// Says of a half what is missing, and what to do.
pub(super) fn half(key: &DeviceKey, known: &Known) -> Finding {
    let missing: Vec<_> = known.missing().collect();
    let text = format!("{key} is half: it is missing in the {}", missing.join(", "));
    let (application, device) = (&key.application_id, &key.device_id);
    let fix = if known.was_heard {
        "it has sent, and is left alone: create what is missing with `ttn-cli devices import`"
            .to_owned()
    } else {
        format!(
            "run `ttn-cli devices delete {application} {device}`, or with the server stopped `ttn-stack doctor devices \
             --repair`, and create it again"
        )
    };
    Finding::warning(CHECK, text, fix)
}

impl Known {
    /// The servers that lack it.
    fn missing(&self) -> impl Iterator<Item = &'static str> {
        [
            (self.identity, "Identity Server"),
            (self.network, "Network Server"),
            (self.join || !self.joins, "Join Server"),
            (self.application, "Application Server"),
        ]
        .into_iter()
        .filter_map(|(has, name)| (!has).then_some(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::doctor::Severity;

    fn findings(known: Known) -> Vec<Finding> {
        let devices = [("app.dev".parse().unwrap(), known)].into();
        check(&Inventory { devices })
    }

    #[test]
    fn a_device_that_does_not_join_needs_no_join_server() {
        let whole =
            || Known { identity: true, network: true, application: true, ..Known::default() };
        assert_eq!(findings(whole())[0].severity, Severity::Fine);
        let joining = findings(Known { joins: true, ..whole() });
        assert!(joining[0].text.contains("Join Server"), "{joining:?}");
        let alone = findings(Known { identity: true, ..Known::default() });
        assert!(alone[0].text.contains("Network Server, Application Server"), "{alone:?}");
    }
}
