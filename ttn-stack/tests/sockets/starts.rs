//! Starts that cannot succeed, and what they say.

use std::{fs, net::TcpListener};

use serde_json::{Value, json};

use crate::{
    http,
    network::{APPLICATION, Network},
    server::{FREE_PORTS, Server, command, wait_for, write_config},
};

/// Runs a command that has to fail; gives what it says.
fn failure(arguments: &[&str]) -> String {
    let output = command(arguments).output().unwrap();
    assert!(!output.status.success(), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

fn assert_says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is missing in: {text}");
    }
}

pub(crate) fn a_second_process_on_the_same_data_names_the_directory() {
    let directory = tempfile::tempdir().unwrap();
    let _first = Server::start(directory.path());
    let config = write_config(directory.path(), FREE_PORTS);
    let text = failure(&["start", "--config", config.to_str().unwrap()]);
    assert_says(&text, &[directory.path().join("data").to_str().unwrap()]);
}

pub(crate) fn a_taken_port_names_its_key() {
    let directory = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let ports = FREE_PORTS.replace("http: 0", &format!("http: {port}"));
    let config = write_config(directory.path(), &ports);
    let text = failure(&["start", "--config", config.to_str().unwrap()]);
    assert_says(&text, &["ports.http", &port, "--port-offset"]);
    assert!(!directory.path().join("data").exists(), "a start that fails leaves nothing behind");
}

pub(crate) fn an_unknown_key_in_the_file_names_file_key_and_line() {
    let directory = tempfile::tempdir().unwrap();
    let config = write_config(directory.path(), "ports:\n  upd: 1700\n");
    let config = config.to_str().unwrap();
    for subcommand in ["start", "config"] {
        assert_says(&failure(&[subcommand, "--config", config]), &[config, "upd", "4"]);
    }
}

pub(crate) fn config_prints_what_is_in_force() {
    let directory = tempfile::tempdir().unwrap();
    let config = write_config(directory.path(), "ports:\n  udp: 1701\n  http: 8080\n");
    let arguments = ["config", "--config", config.to_str().unwrap(), "--port-offset", "7"];
    let mut command = command(&arguments);
    let output = command.env("TTN_PORTS_HTTP", "9090").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let data = directory.path().join("data");
    // The flag over the environment over the file over the default.
    assert_says(
        &text,
        &["offset: 7", "http: 9090", "udp: 1701", "mqtt: 1883", data.to_str().unwrap()],
    );
    // What it prints is a file that says the same.
    let printed = directory.path().join("printed.yml");
    fs::write(&printed, &text).unwrap();
    let again = crate::server::command(&["config", "--config", printed.to_str().unwrap()]).output();
    assert_eq!(String::from_utf8(again.unwrap().stdout).unwrap(), text);
}

pub(crate) fn the_doctor_ends_with_1_on_errors_and_says_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let config = write_config(directory.path(), FREE_PORTS);
    let arguments = ["doctor", "--json", "--config", config.to_str().unwrap()];
    let new = command(&arguments).output().unwrap();
    assert!(new.status.success(), "{new:?}");
    // A store whose key that wraps keys at rest is lost.
    drop(Server::start(directory.path()));
    fs::remove_file(directory.path().join("data").join("kek")).unwrap();
    let lost = command(&arguments).output().unwrap();
    assert_eq!(lost.status.code(), Some(1));
    let findings: Value = serde_json::from_slice(&lost.stdout).unwrap();
    assert_says(&findings.to_string(), &["kek", "--kek-file", "error"]);
}

pub(crate) fn the_doctor_asks_a_running_server_about_gateways_and_formatters() {
    let mut network = Network::start();
    let device = format!("/as/applications/{APPLICATION}/devices/sensor");
    let mut node = network.add_device("sensor", 1, &Value::Null);
    let broken = json!({
        "end_device": {
            "ids": { "device_id": "sensor", "application_ids": { "application_id": APPLICATION } },
            "formatters": {
                "up_formatter": "FORMATTER_JAVASCRIPT",
                "up_formatter_parameter": "function decodeUplink() { throw new Error('half done'); }",
            },
        },
        "field_mask": { "paths": ["formatters"] },
    });
    network.call("PUT", &device, &broken);
    network.join(&mut node);
    network.send(&mut node, &[1]);
    network.forwarder.status("2020-02-02 02:02:02 GMT");
    let url = format!("http://127.0.0.1:{}", network.server.http);
    let stats = "/gs/gateways/test-gateway/connection/stats";
    wait_for(|| !network.call("GET", stats, &Value::Null)["last_status"].is_null());
    let config = network.data().with_file_name("ttn.yml");
    let config = config.to_str().unwrap();
    let arguments = ["doctor", "--config", config, "--server", &url, "--api-key", &network.api_key];
    let text = || String::from_utf8(command(&arguments).output().unwrap().stdout).unwrap();
    // The script runs beside, and may need a while.
    wait_for(|| text().contains("half done"));
    let text = text();
    assert_says(&text, &["the clock of the gateway test-gateway", "behind", "chrony"]);
    assert_says(&text, &["the formatter of test-app.sensor failed for 1 uplinks", "codec test"]);
    assert!(!text.contains(&network.api_key));
}

// IS-59
pub(crate) fn accounts_are_made_in_the_store_of_a_stopped_server() {
    let directory = tempfile::tempdir().unwrap();
    let config = write_config(directory.path(), FREE_PORTS);
    let config = config.to_str().unwrap();
    let db = |arguments: &[&str]| {
        let output = command(&[arguments, &["--config", config]].concat()).output().unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.success(), text)
    };
    let said = |arguments: &[&str]| {
        let (is_fine, text) = db(arguments);
        assert!(is_fine, "{arguments:?}: {text}");
        text
    };
    let value = |text: &str, of: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(of)).expect(of);
        line.trim().to_owned()
    };
    assert_says(&said(&["is-db", "init"]), &["is ready"]);
    let password = directory.path().join("password");
    fs::write(&password, "Correct-horse-1\n").unwrap();
    let file = ["--password-file", password.to_str().unwrap()];
    let admin = [&["is-db", "create-admin-user", "--id", "root"][..], &file].concat();
    let text = said(&admin);
    assert!(!text.contains("Correct-horse-1"));
    let first = value(&text, "API key");
    let (is_fine, text) = db(&admin);
    assert!(!is_fine && text.contains("there is a user root"), "{text}");
    let info = ["--right", "RIGHT_USER_INFO"];
    let key = [&["db", "create-user-api-key", "--user-id", "root"][..], &info].concat();
    let second = value(&said(&key), "API key");
    let (is_fine, text) = db(&["db", "create-user-api-key", "--right", "RIGHT_TO_BE"]);
    assert!(!is_fine && text.contains("RIGHT_TO_BE"), "{text}");
    let client = [
        "db",
        "create-oauth-client",
        "--id",
        "dash",
        "--owner",
        "root",
        "--redirect-uri",
        "https://dash.example.com/back",
    ];
    value(&said(&client), "secret");
    let block = said(&["db", "create-eui-block", "70B3D57ED0050000/48", "--given", "7"]);
    assert_says(&block, &["65529 DevEUIs are left"]);
    assert_says(&said(&["db", "cleanup", "--dry-run"]), &["To be removed: 0 sessions"]);

    let server = Server::start_on(directory.path(), FREE_PORTS);
    assert_eq!(server.api_key, None, "there is an administrator already");
    let (is_fine, text) = db(&["db", "cleanup"]);
    let data = directory.path().join("data");
    assert!(!is_fine && text.contains(data.to_str().unwrap()), "a server runs: {text}");
    let get = |key: &str, path: &str| {
        http::request(server.http, "GET", &format!("/api/v3{path}"), Some(key), "").unwrap()
    };
    assert_eq!(get(&second, "/users/root").status, 200);
    assert_eq!(get(&second, "/users/root/api-keys").status, 403);
    let client: Value =
        serde_json::from_str(&get(&first, "/clients/dash?field_mask=state").body).unwrap();
    assert_eq!(client["state"], "STATE_APPROVED");
    let application = json!({ "application": { "ids": { "application_id": "meters" } } });
    http::call(server.http, &first, "POST", "/users/root/applications", &application);
    let drawn =
        http::call(server.http, &first, "POST", "/applications/meters/dev-eui", &Value::Null);
    assert_eq!(drawn["dev_eui"], "70B3D57ED0050007");
    let login = json!({ "user_id": "root", "password": "Correct-horse-1" }).to_string();
    let login = http::request(server.http, "POST", "/oauth/api/auth/login", None, &login).unwrap();
    assert!(login.status == 204 || login.body.contains("csrf"), "{}", login.body);
}
