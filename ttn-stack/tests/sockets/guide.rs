//! The commands of `docs/guide/webhooks.md`, run as they stand there against a running server.

use std::process::Command;

use serde_json::{Value, json};

use crate::{home::Home, http::call, server::Server};

const GUIDE: &str = include_str!("../../../docs/guide/webhooks.md");

/// The commands of a text in the order in which they stand.
fn commands() -> Vec<String> {
    let blocks = GUIDE.split("```sh\n").skip(1);
    blocks.map(|block| block.split("```").next().unwrap().to_owned()).collect()
}

/// Runs commands with the variables that the guide names; they have to succeed.
fn run(commands: &str, server: &Server, key: &str) -> String {
    let mut shell = Command::new("sh");
    shell.arg("-euc").arg(commands).env("TTN", format!("http://127.0.0.1:{}", server.http));
    shell.env("KEY", key).env("T", "1795000000").env("BODY", "{}").env("SECRET", "secret");
    let output = shell.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{commands}\n{text}\n{errors}");
    text
}

fn application(server: &Server, key: &str) {
    let ids = json!({ "application_id": "my-app" });
    let body = json!({ "application": { "ids": ids } });
    call(server.http, key, "POST", "/users/admin/applications", &body);
}

/// AS-37, AS-42, AS-45, AS-57
pub(crate) fn the_commands_of_the_guide_to_webhooks_work(home: &Home) {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start_with(directory.path(), &home.config());
    let key = server.api_key.clone().unwrap();
    application(&server, &key);
    let commands = commands();
    assert_eq!(commands.len(), 5, "a new command belongs into this test");
    let webhook: Value = serde_json::from_str(&run(&commands[0], &server, &key)).unwrap();
    assert_eq!(webhook["ids"]["webhook_id"], "my-hook");
    let expected = "6b4c7e66d3b69c810f27c4aa67ee370757d4dfdabf1fbb338ea7cf6aba9e0494";
    assert!(run(&commands[1], &server, &key).contains(expected));
    assert!(run(&commands[2], &server, &key).contains(r#""dead_letters":[]"#));
    // There is no such device: what matters is that the route is the one of the guide.
    let push = commands[3].replace("-fsS", "-sS");
    assert!(run(&push, &server, &key).contains("device_not_found"));
    assert_eq!(run(&commands[4], &server, &key), "{}", "nothing is stored yet");
}
