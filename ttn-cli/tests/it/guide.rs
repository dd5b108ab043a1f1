//! The commands of the guide, by the built client in a shell.

use std::{
    env, fs,
    path::Path,
    process::{Command, Output},
};

use crate::server::Server;

/// The blocks of a page that a shell runs.
fn blocks(page: &str) -> Vec<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(page);
    let text = fs::read_to_string(page).unwrap();
    let blocks = text.split("```sh\n").skip(1);
    blocks.map(|block| block.split("```").next().unwrap().to_owned()).collect()
}

fn shell(server: &Server, script: &str) -> Output {
    let client = Path::new(env!("CARGO_BIN_EXE_ttn-cli")).parent().unwrap();
    let path = format!("{}:{}", client.display(), env::var("PATH").unwrap());
    let script = script.replace("http://localhost:1885", &server.url);
    let mut command = Command::new("sh");
    for (name, _) in env::vars().filter(|(name, _)| name.starts_with("TTN_")) {
        command.env_remove(name);
    }
    command
        .args(["-e", "-c", &script])
        .current_dir(server.directory.path())
        .env("PATH", path)
        .env("KEY", &server.api_key)
        .env("TTN_CLI_CONFIG", server.credentials())
        .output()
        .unwrap()
}

#[test]
fn every_command_of_the_guide_works() {
    let server = Server::start();
    let blocks = blocks("docs/guide/cli.md");
    assert!(blocks.len() > 5, "the guide has its commands");
    for block in blocks {
        let output = shell(&server, &block);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{block}: {error}");
    }
}

#[test]
fn the_program_ends_with_the_documented_code() {
    let server = Server::start();
    let code = |script: &str| shell(&server, script).status.code();
    assert_eq!(code("ttn-cli whoami"), Some(4));
    assert_eq!(code("ttn-cli nonsense"), Some(2));
    assert_eq!(code("ttn-cli --server http://127.0.0.1:1 --api-key k whoami"), Some(3));
    let output = shell(&server, "ttn-cli --json whoami");
    let report: serde_json::Value = serde_json::from_slice(&output.stderr).unwrap();
    assert!(report["error"]["next"].as_str().unwrap().contains("login"), "{report}");
}
