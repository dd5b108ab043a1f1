//! Webhooks, pub/subs, and entities that come back (CLI-03, CLI-06).

use serde_json::json;

use crate::server::Server;

#[test]
fn a_webhook_is_set_changed_listed_and_deleted() {
    let server = Server::start();
    server.create_application();
    let (code, text) = server.cli(&["webhooks", "set", "app1", "my-hook"]).unwrap_err();
    assert_eq!(code, 7);
    assert!(text.contains("--url"), "{text}");
    let url = ["--url", "https://example.com/hook", "--header", "Authorization=Bearer secret"];
    server.cli(&[&["webhooks", "set", "app1", "my-hook"], &url[..]].concat()).unwrap();
    let get = || server.json(&["webhooks", "get", "app1", "my-hook"]);
    let new = get();
    assert_eq!((&new["base_url"], &new["format"]), (&json!(url[1]), &json!("json")));
    assert!(new["uplink_message"].is_object() && new["service_data"].is_object(), "{new}");
    let change = ["--messages", "uplink_message", "--paused", "true"];
    server.cli(&[&["webhooks", "set", "app1", "my-hook"], &change[..]].concat()).unwrap();
    let changed = get();
    assert_eq!(changed["base_url"], url[1]);
    assert_eq!(changed["headers"]["Authorization"], "Bearer secret");
    assert!(changed["join_accept"].is_null() && changed["paused"] == true, "{changed}");
    let wrong = ["webhooks", "set", "app1", "my-hook", "--messages", "uplinks"];
    let (code, text) = server.cli(&wrong).unwrap_err();
    assert!(code == 7 && text.contains("uplink_message"), "{text}");
    let list = || server.json(&["webhooks", "list", "app1"]);
    assert_eq!(list()[0]["ids"]["webhook_id"], "my-hook");
    server.cli(&["webhooks", "delete", "app1", "my-hook"]).unwrap();
    assert_eq!(list(), json!([]));
    assert_eq!(server.cli(&["webhooks", "get", "app1", "my-hook"]).unwrap_err().0, 6);
}

#[test]
fn a_pubsub_is_set_listed_and_deleted() {
    let server = Server::start();
    server.create_application();
    let set = ["pubsubs", "set", "app1", "my-pubsub"];
    assert_eq!(server.cli(&set).unwrap_err().0, 2, "a broker is named");
    // Nobody listens there; a pub/sub is kept all the same.
    let broker = ["--mqtt", "mqtt://127.0.0.1:1", "--base-topic", "base"];
    server.cli(&[&set, &broker[..]].concat()).unwrap();
    let found = server.json(&["pubsubs", "get", "app1", "my-pubsub"]);
    assert_eq!((&found["base_topic"], &found["format"]), (&json!("base"), &json!("json")));
    let list = || server.json(&["pubsubs", "list", "app1"]);
    assert_eq!(list()[0]["ids"]["pub_sub_id"], "my-pubsub");
    server.cli(&["pubsubs", "delete", "app1", "my-pubsub"]).unwrap();
    assert_eq!(list(), json!([]));
}

#[test]
fn what_was_deleted_is_restored_and_what_was_purged_is_not() {
    // CLI-03
    let server = Server::start();
    server.create_application();
    server.cli(&["gateways", "create", "gateway1"]).unwrap();
    for (kind, id) in [("applications", "app1"), ("gateways", "gateway1")] {
        server.cli(&[kind, "set", id, "name=Doors"]).unwrap();
        server.cli(&[kind, "delete", id]).unwrap();
        assert_eq!(server.cli(&[kind, "get", id]).unwrap_err().0, 6, "{kind}");
        server.cli(&[kind, "restore", id]).unwrap();
        assert_eq!(server.json(&[kind, "get", id])["name"], "Doors", "{kind}");
        assert_eq!(server.json(&[kind, "list"])[0]["name"], "Doors", "{kind}");
        server.cli(&[kind, "purge", id]).unwrap();
        assert_eq!(server.cli(&[kind, "restore", id]).unwrap_err().0, 6, "{kind}");
        server.cli(&[kind, "create", id]).unwrap();
    }
    assert_eq!(server.cli(&["users", "purge", "nobody"]).unwrap_err().0, 6);
    assert_eq!(server.json(&["users", "list"])[0]["ids"]["user_id"], "admin");
}
