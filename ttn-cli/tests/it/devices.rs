//! Whole devices over all registries.

use std::io::{self, Cursor, Read};

use http::{Method, Request, Response};
use serde_json::json;
use ttn_cli::api::{Http, Transport};

use crate::server::Server;

#[test]
fn a_device_is_created_whole_with_what_it_was_not_given() {
    // CLI-05
    let server = Server::start();
    server.create_application();
    let text = server.cli(&["devices", "create", "app1", "door-1", "--name", "Door"]).unwrap();
    for part in ["created app1.door-1", "ids.dev_eui", "root_keys.app_key.key", "EU_863_870_TTN"] {
        assert!(text.contains(part), "{part} is missing in: {text}");
    }
    let device = server.json(&["devices", "get", "app1", "door-1", "--with-keys"]);
    assert_eq!(device["name"], "Door");
    assert_eq!(device["lorawan_version"], "MAC_V1_0_3");
    assert_eq!(device["frequency_plan_id"], "EU_863_870_TTN");
    assert_eq!(device["supports_join"], true);
    assert_eq!(device["ids"]["join_eui"], "0000000000000000");
    let key = device["root_keys"]["app_key"]["key"].as_str().unwrap();
    assert!(text.contains(key), "the key that was issued is the one that was shown");
    let shown = server.cli(&["devices", "get", "app1", "door-1"]).unwrap();
    assert!(!shown.contains(key), "keys are shown only on demand");
}

#[test]
fn a_device_of_abp_has_a_session_on_both_sides() {
    // CLI-05
    let server = Server::start();
    server.create_application();
    server
        .cli(&["devices", "create", "app1", "abp-1", "--abp", "--lorawan-version", "1.1"])
        .unwrap();
    let device = server.json(&["devices", "get", "app1", "abp-1", "--with-keys"]);
    assert_eq!(device["supports_join"], json!(null));
    let keys = &device["session"]["keys"];
    for name in ["app_s_key", "f_nwk_s_int_key", "s_nwk_s_int_key", "nwk_s_enc_key"] {
        assert_eq!(keys[name]["key"].as_str().map(str::len), Some(32), "{name}: {device}");
    }
    assert_eq!(device["session"]["dev_addr"], device["ids"]["dev_addr"]);
}

#[test]
fn a_device_takes_the_plan_of_the_gateways() {
    let server = Server::start();
    server.create_application();
    let plan = "US_902_928_FSB_2";
    server
        .cli(&[
            "gateways",
            "create",
            "gate-1",
            "--eui",
            "0102030405060708",
            "--frequency-plan",
            plan,
        ])
        .unwrap();
    server.cli(&["devices", "create", "app1", "door-1"]).unwrap();
    assert_eq!(server.json(&["devices", "get", "app1", "door-1"])["frequency_plan_id"], plan);
    server.cli(&["gateways", "create", "gate-2"]).unwrap();
    let (code, text) = server.cli(&["devices", "create", "app1", "door-2"]).unwrap_err();
    assert_eq!(code, 7);
    assert!(text.contains("--frequency-plan") && text.contains(plan), "{text}");
}

/// A server that refuses one call.
#[derive(Debug)]
struct Failing(Http, Method, &'static str);

impl Transport for Failing {
    fn send(&self, request: Request<Vec<u8>>) -> io::Result<Response<Box<dyn Read>>> {
        if request.method() != self.1 || !request.uri().path().contains(self.2) {
            return self.0.send(request);
        }
        let body: Box<dyn Read> = Box::new(Cursor::new(br#"{"code":14,"message":"stopping"}"#));
        Ok(Response::builder().status(503).body(body).unwrap())
    }
}

#[test]
fn a_failing_server_leaves_nothing_of_a_device_behind() {
    // CLI-05
    let server = Server::start();
    server.create_application();
    for path in ["/js/", "/ns/", "/as/"] {
        let failing = move |url: &str| -> Result<Box<dyn Transport>, _> {
            Ok(Box::new(Failing(Http::new(url).unwrap(), Method::PUT, path)))
        };
        let arguments = ["devices", "create", "app1", "door-1"];
        let (_, text) = server.cli_with(&server.api_key, &arguments, &failing).unwrap_err();
        assert!(text.contains("503") && text.contains("next:"), "{text}");
        for registry in ["", "/js", "/ns", "/as"] {
            let path = format!("{registry}/applications/app1/devices/door-1");
            assert_eq!(server.api().get(&path).unwrap_err().code(), 6, "{path}");
        }
    }
    server.cli(&["devices", "create", "app1", "door-1"]).unwrap();
}

#[test]
fn fields_are_set_where_they_belong_and_a_device_is_deleted_everywhere() {
    // CLI-03, CLI-05
    let server = Server::start();
    server.create_application();
    server.cli(&["devices", "create", "app1", "door-1"]).unwrap();
    let set = ["devices", "set", "app1", "door-1", "name=Gate", "mac_settings.rx1_delay=5"];
    server.cli(&set).unwrap();
    let device = server.json(&["devices", "get", "app1", "door-1"]);
    assert_eq!(
        (&device["name"], &device["mac_settings"]["rx1_delay"]),
        (&json!("Gate"), &json!(5))
    );
    let (code, text) = server.cli(&["devices", "set", "app1", "door-1", "nam=x"]).unwrap_err();
    assert_eq!(code, 7, "{text}");
    server.cli(&["devices", "delete", "app1", "door-1"]).unwrap();
    assert_eq!(server.cli(&["devices", "get", "app1", "door-1"]).unwrap_err().0, 6);
    assert_eq!(server.cli(&["devices", "delete", "app1", "door-1"]).unwrap_err().0, 6);
}

#[test]
fn downlinks_are_queued_listed_and_cleared() {
    // CLI-06
    let server = Server::start();
    server.create_application();
    server.cli(&["devices", "create", "app1", "abp-1", "--abp"]).unwrap();
    let push = ["downlinks", "push", "app1", "abp-1", "--port", "2", "--payload", "01FF"];
    server.cli(&push).unwrap();
    let list = || server.json(&["downlinks", "list", "app1", "abp-1"]);
    assert_eq!((&list()[0]["f_port"], &list()[0]["frm_payload"]), (&json!(2), &json!("Af8=")));
    server.cli(&["downlinks", "replace", "app1", "abp-1", "--payload", "02"]).unwrap();
    assert_eq!(list()[0]["frm_payload"], "Ag==");
    server.cli(&["downlinks", "clear", "app1", "abp-1"]).unwrap();
    assert_eq!(list(), json!([]));
}
