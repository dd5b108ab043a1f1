//! Logins, keys, collaborators, and refusals.

use serde_json::json;

use crate::server::{Server, cli, connect};

#[test]
fn a_login_is_checked_stored_and_used() {
    // CLI-02
    let server = Server::start();
    let file = server.credentials();
    let file = file.to_str().unwrap();
    let run = |arguments: &[&str]| {
        cli(&[&["ttn-cli", "--credentials", file], arguments].concat(), &connect)
    };
    let wrong = ["login", "--server", &server.url, "--api-key", "NNSXS.WRONG.KEY"];
    let (code, text) = run(&wrong).unwrap_err();
    assert_eq!(code, 4, "{text}");
    assert!(!server.credentials().exists(), "a key that is refused is not stored");
    let right = ["login", "--server", &server.url, "--api-key", &server.api_key, "--name", "house"];
    assert!(run(&right).unwrap().contains("you are user admin"));
    assert!(run(&["whoami"]).unwrap().contains("user admin"));
    assert!(run(&["--server", "house", "whoami"]).is_ok());
    assert!(run(&["servers"]).unwrap().contains("house"));
    let (code, text) = run(&["--server", "hut", "whoami"]).unwrap_err();
    assert_eq!(code, 4);
    assert!(text.contains("house"), "{text}");
    run(&["logout"]).unwrap();
    assert_eq!(run(&["whoami"]).unwrap_err().0, 4);
}

#[test]
fn a_stored_key_goes_to_no_other_server() {
    let server = Server::start();
    let file = server.credentials();
    let file = file.to_str().unwrap();
    let run = |arguments: &[&str]| {
        cli(&[&["ttn-cli", "--credentials", file], arguments].concat(), &connect)
    };
    run(&["login", "--server", &server.url, "--api-key", &server.api_key]).unwrap();
    let other = server.url.replace("127.0.0.1", "localhost");
    let (code, text) = run(&["--server", &other, "applications", "list"]).unwrap_err();
    assert_eq!(code, 4, "it was called in the name of nobody: {text}");
    assert!(run(&["--server", &server.url, "applications", "list"]).is_ok());
}

#[test]
fn a_missing_right_is_named() {
    // CLI-04
    let server = Server::start();
    server.create_application();
    let create = ["api-keys", "create", "--application", "app1", "--right", "application-info"];
    let key = server.json(&create)["key"].as_str().unwrap().to_owned();
    let arguments = ["devices", "list", "app1"];
    let (code, text) = server.cli_with(&key, &arguments, &connect).unwrap_err();
    assert_eq!(code, 5);
    assert!(text.contains("use a key with RIGHT_APPLICATION_DEVICES_READ"), "{text}");
    let list = ["api-keys", "list", "--application", "app1"];
    let id = server.json(&list)[0]["id"].as_str().unwrap().to_owned();
    server.cli(&["api-keys", "delete", "--application", "app1", &id]).unwrap();
    assert_eq!(server.json(&list), json!([]));
    assert_eq!(server.cli_with(&key, &arguments, &connect).unwrap_err().0, 4);
}

#[test]
fn collaborators_are_set_listed_and_deleted() {
    // CLI-04
    let server = Server::start();
    server.create_application();
    let user = json!({ "user": {
        "ids": { "user_id": "ada" }, "primary_email_address": "ada@b.example", "password": "Secret-1",
    }});
    server.api().post("/users", &user).unwrap();
    let on = ["--application", "app1"];
    let set = [&["collaborators", "set"], &on[..], &["user:ada", "--right", "application-all"]];
    server.cli(&set.concat()).unwrap();
    let list = || server.json(&[&["collaborators", "list"], &on[..]].concat());
    assert_eq!(list().as_array().unwrap().len(), 2);
    server.cli(&[&["collaborators", "delete"], &on[..], &["user:ada"]].concat()).unwrap();
    assert_eq!(list().as_array().unwrap().len(), 1);
}

#[test]
fn errors_say_what_to_do_and_give_a_code() {
    let server = Server::start();
    server.create_application();
    let (code, text) = server.cli(&["applications", "get", "nowhere"]).unwrap_err();
    assert_eq!(code, 6);
    assert!(text.contains("next:") && text.contains("list"), "{text}");
    let (code, _) = server.cli(&["applications", "create", "app1"]).unwrap_err();
    assert_eq!(code, 8);
    let arguments = ["--json", "applications", "get", "nowhere"];
    let (_, text) = server.cli(&arguments).unwrap_err();
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(report["error"]["status"], 404);
    let (code, text) = server.cli(&["applications", "set", "app1", "colour=red"]).unwrap_err();
    assert_eq!(code, 7, "{text}");
}

#[test]
fn links_are_set_shown_and_cleared() {
    // CLI-06
    let server = Server::start();
    server.create_application();
    server.cli(&["links", "set", "app1", "--up-formatter", "cayennelpp"]).unwrap();
    let link = server.json(&["links", "get", "app1"]);
    assert_eq!(link["default_formatters"]["up_formatter"], "FORMATTER_CAYENNELPP");
    server.cli(&["links", "delete", "app1"]).unwrap();
    assert_eq!(server.json(&["links", "get", "app1"])["default_formatters"], json!(null));
}
