//! Files of devices.

use serde_json::json;

use crate::server::Server;

const HEADER: &str = "id,dev_eui,join_eui,app_key,frequency_plan_id,name,rx1_delay\n";

fn line(number: usize) -> String {
    format!(
        "dev-{number},70B3D57ED00000{number:02X},0000000000000001,00112233445566778899AABBCCDDEE{number:02X},EU_863_870_TTN,No {number},5\n"
    )
}

#[test]
fn nothing_is_created_of_a_file_with_mistakes_unless_they_are_skipped() {
    let server = Server::start();
    server.create_application();
    let text = [HEADER, &line(1), "dev-2,70B3,,,MARS,,soon\n", &line(3)].concat();
    let file = server.file("devices.csv", &text);
    let report = server.cli(&["devices", "import", "app1", &file, "--skip-invalid", "--check"]);
    let report = report.unwrap();
    for part in [
        "line 3, column 2 (dev_eui)",
        "line 3, column 5 (frequency_plan_id)",
        "column 7 (rx1_delay)",
    ] {
        assert!(report.contains(part), "{part} is missing in: {report}");
    }
    let (code, error) = server.cli(&["devices", "import", "app1", &file]).unwrap_err();
    assert_eq!(code, 7);
    assert!(error.contains("1 of 3") && error.contains("nothing was created"), "{error}");
    assert_eq!(server.json(&["devices", "list", "app1"]), json!([]));
    let report = server.json(&["devices", "import", "app1", &file, "--skip-invalid"]);
    assert_eq!((&report["new"], &report["existed"]), (&json!(2), &json!(0)));
    assert_eq!(server.json(&["devices", "list", "app1"]).as_array().unwrap().len(), 2);
}

#[test]
fn an_import_that_was_cut_off_can_be_run_again() {
    let server = Server::start();
    server.create_application();
    let text = [HEADER, &line(1), &line(2), &line(3)].concat();
    let file = server.file("devices.csv", &text);
    server.cli(&["devices", "import", "app1", &file]).unwrap();
    // As if it was cut off within the second device and before the third.
    server.cli(&["devices", "delete", "app1", "dev-3"]).unwrap();
    for registry in ["ns", "as"] {
        server.api().delete(&format!("/{registry}/applications/app1/devices/dev-2")).unwrap();
    }
    let report = server.json(&["devices", "import", "app1", &file]);
    let counts = [&report["existed"], &report["completed"], &report["new"]];
    assert_eq!(counts, [&json!(1), &json!(1), &json!(1)]);
    let device = server.json(&["devices", "get", "app1", "dev-2"]);
    assert_eq!(device["mac_settings"]["rx1_delay"], 5);
}

#[test]
fn another_device_under_the_same_id_is_a_mistake() {
    let server = Server::start();
    server.create_application();
    server.cli(&["devices", "create", "app1", "dev-1"]).unwrap();
    let file = server.file("devices.csv", &[HEADER, &line(1)].concat());
    let (code, _) = server.cli(&["devices", "import", "app1", &file]).unwrap_err();
    assert_eq!(code, 7);
    assert!(server.cli(&["--json", "devices", "import", "app1", &file]).is_err());
}

#[test]
fn what_is_exported_can_be_imported_again() {
    let server = Server::start();
    server.create_application();
    let file = server.file("devices.csv", &[HEADER, &line(1), &line(2)].concat());
    server.cli(&["devices", "import", "app1", &file]).unwrap();
    server.cli(&["devices", "create", "app1", "abp-1", "--abp"]).unwrap();
    let get = |id| server.json(&["devices", "get", "app1", id, "--with-keys"]);
    let before = ["dev-1", "dev-2", "abp-1"].map(get);
    let export = |format| {
        server.cli(&["devices", "export", "app1", "--format", format, "--with-keys"]).unwrap()
    };
    for (name, text) in [("again.csv", export("csv")), ("again.json", export("json"))] {
        for id in ["dev-1", "dev-2", "abp-1"] {
            server.cli(&["devices", "delete", "app1", id]).unwrap();
        }
        server.cli(&["devices", "import", "app1", &server.file(name, &text)]).unwrap();
        for (id, before) in ["dev-1", "dev-2", "abp-1"].into_iter().zip(&before) {
            let after = get(id);
            for field in ["ids", "name", "lorawan_version", "frequency_plan_id", "root_keys"] {
                assert_eq!(after[field], before[field], "{field} of {id} from {name}");
            }
            let keys = |of: &serde_json::Value| of["session"]["keys"]["app_s_key"].clone();
            assert_eq!(keys(&after), keys(before), "{id} from {name}");
        }
    }
    let without = server.cli(&["devices", "export", "app1"]).unwrap();
    assert!(!without.contains("app_key"), "{without}");
}
