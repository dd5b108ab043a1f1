//! Arguments, and what errors say.

use clap::{CommandFactory as _, Parser as _};
use ttn_cli::command::{Arguments, run};

/// Runs the client; gives what it wrote, or code and report of its error.
fn cli(arguments: &[&str]) -> Result<String, (u8, String)> {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("cli.json");
    let mut all = vec!["ttn-cli", "--credentials", file.to_str().unwrap()];
    all.extend(arguments);
    let mut out = Vec::new();
    match run(Arguments::try_parse_from(all).unwrap(), &mut out) {
        Ok(()) => Ok(String::from_utf8(out).unwrap()),
        Err(error) => Err((error.code(), error.report(false))),
    }
}

#[test]
fn the_arguments_fit_together() {
    Arguments::command().debug_assert();
    assert!(Arguments::try_parse_from(["ttn-cli", "applications", "get", "NOT AN ID"]).is_err());
}

#[test]
fn without_a_login_it_says_how_to_log_in() {
    let (code, text) = cli(&["applications", "list"]).unwrap_err();
    assert_eq!(code, 4);
    assert!(text.contains("ttn-cli login --server"), "{text}");
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let arguments = ["--server", "http://127.0.0.1:1", "--api-key", "k", "applications", "list"];
    let (code, text) = cli(&arguments).unwrap_err();
    assert_eq!(code, 3);
    assert!(text.contains("http://127.0.0.1:1") && text.contains("next:"), "{text}");
}

#[test]
fn completions_know_the_commands() {
    assert!(cli(&["completion", "bash"]).unwrap().contains("applications"));
}
