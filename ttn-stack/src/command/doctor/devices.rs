//! Devices that one registry has and another has not: they were created or deleted in part.

use super::{Finding, store::Inventory};

const CHECK: &str = "devices";

/// A device of the Join Server alone is not seen: its registry cannot be listed.
pub(super) fn check(inventory: &Inventory) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (key, known) in &inventory.devices {
        let missing: Vec<_> = [
            (known.identity, "Identity Server"),
            (known.network, "Network Server"),
            (known.join || !known.joins, "Join Server"),
            (known.application, "Application Server"),
        ]
        .into_iter()
        .filter_map(|(has, name)| (!has).then_some(name))
        .collect();
        if missing.is_empty() {
            continue;
        }
        let (application, device) = (&key.application_id, &key.device_id);
        findings.push(Finding::warning(
            CHECK,
            format!("{key} is half: it is missing in the {}", missing.join(", ")),
            format!(
                "run `ttn-cli devices delete {application} {device}` and create it again, or import its file again"
            ),
        ));
    }
    if findings.is_empty() {
        let text = format!("all {} devices are whole", inventory.devices.len());
        findings.push(Finding::fine(CHECK, text));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::doctor::{Severity, store::Known};

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
