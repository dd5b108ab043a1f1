//! Counts of the tables, against the facts they are made of.

use std::collections::BTreeSet;

use ttn_proto::rpc::{SERVICES, Verb, find};

#[test]
fn there_are_282_rpcs_with_322_bindings_and_ten_of_our_own() {
    let rpcs: Vec<_> = SERVICES.iter().flat_map(|service| service.rpcs).collect();
    let (rpcs, ours): (Vec<_>, Vec<_>) =
        rpcs.into_iter().partition(|rpc| rpc.path.starts_with("/ttn.lorawan.v3."));
    let ours: Vec<_> = ours.iter().map(|rpc| (rpc.path, rpc.base())).collect();
    let names = [
        "Audit/List",
        "Devices/Create",
        "Devices/Get",
        "Devices/Set",
        "Devices/Delete",
        "Tenants/Create",
        "Tenants/Get",
        "Tenants/List",
        "Tenants/Update",
        "Tenants/Delete",
    ]
    .map(|name| format!("/ttn.v1.{name}"));
    assert_eq!(ours, names.each_ref().map(|name| (name.as_str(), "/api/v1")));
    assert_eq!(SERVICES.len(), 71);
    assert_eq!(rpcs.len(), 282);
    assert_eq!(rpcs.iter().filter(|rpc| !rpc.bindings.is_empty()).count(), 253);
    let bindings: Vec<_> = rpcs.iter().flat_map(|rpc| rpc.bindings).collect();
    assert_eq!(bindings.len(), 322);
    assert_eq!(bindings.iter().filter(|binding| binding.body).count(), 99);
    let count = |verb| bindings.iter().filter(|binding| binding.verb == verb).count();
    let counts = [Verb::Get, Verb::Post, Verb::Delete, Verb::Put, Verb::Patch].map(count);
    assert_eq!(counts, [152, 67, 63, 36, 4]);
}

#[test]
fn seven_rpcs_stream() {
    let streaming: BTreeSet<_> = SERVICES
        .iter()
        .flat_map(|service| service.rpcs)
        .filter(|rpc| rpc.server_stream || rpc.client_stream)
        .map(|rpc| rpc.path.trim_start_matches("/ttn.lorawan.v3."))
        .collect();
    let expected = [
        "AppAs/Subscribe",
        "ApplicationUpStorage/GetStoredApplicationUp",
        "EndDeviceTemplateConverter/Convert",
        "Events/Stream",
        "GtwGs/LinkGateway",
        "JsEndDeviceRegistry/Provision",
        "ManagedGatewayConfigurationService/StreamEvents",
    ];
    assert_eq!(streaming, BTreeSet::from(expected));
}

#[test]
fn path_parameters_are_fields_of_the_request() {
    for rpc in SERVICES.iter().flat_map(|service| service.rpcs) {
        for binding in rpc.bindings {
            for part in binding.path.split('/').filter_map(|part| part.strip_prefix('{')) {
                let mut message = Some((rpc.request)());
                for name in part.trim_end_matches('}').split('.') {
                    let field = message.and_then(|message| message.field(name));
                    let field = field.unwrap_or_else(|| panic!("{}: {part}", binding.path));
                    message = match field.kind {
                        ttn_proto::Kind::Message(nested) => Some(nested()),
                        _ => None,
                    };
                }
            }
        }
    }
}

#[test]
fn every_field_mask_row_is_reproduced() {
    let facts = include_str!("../../proto/field_masks.tsv");
    let mut rows = 0;
    for line in facts.lines().skip(1) {
        let columns: Vec<_> = line.split('\t').collect();
        let (service, name) = columns[0].split_once('.').unwrap();
        let rule = find(service, name).unwrap().field_mask.unwrap();
        let paths = (rule.message)().paths();
        // Paths of fields that are gone are counted in the facts.
        let gone = columns[6].split(',').filter(|path| path.starts_with('+')).count();
        assert_eq!((paths.len() + gone).to_string(), columns[3], "{}: paths", columns[0]);
        assert_eq!(paths.iter().collect::<BTreeSet<_>>().len(), paths.len());
        let allowed = paths.iter().filter(|path| rule.allows(path)).count();
        assert_eq!((allowed + gone).to_string(), columns[5], "{}: allowed", columns[0]);
        assert!(paths.iter().all(|path| (rule.message)().has_path(path)));
        assert_eq!(rule.set.is_some(), columns[1] == "set");
        assert!(!rule.allows("no.such.path"));
        rows += 1;
    }
    assert_eq!(rows, 82);
}
