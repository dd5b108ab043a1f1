//! Clients that others wrote, unchanged, against the built server over real sockets.
//!
//! * `javascript/`: the vendor's SDK, from `npm ci` in that directory; `TTN_REQUIRE=ttn-lw` demands it.
//! * `python/`: gRPC and a validator of OpenAPI, installed into `.venv` in that directory; `TTN_REQUIRE=grpcio` demands
//!   them.
//!
//! Without what they need they are listed as ignored.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test may panic, and this one lives in real time with threads of its own"
)]

#[path = "../sockets/http.rs"]
#[expect(dead_code, reason = "shared with the tests over sockets")]
mod http;
#[path = "../sockets/need.rs"]
mod need;
#[path = "../sockets/server.rs"]
#[expect(dead_code, reason = "shared with the tests over sockets")]
mod server;

use std::{
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
};

use libtest_mimic::Arguments;

use crate::{
    need::{Need, trial},
    server::Server,
};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let (javascript, python) = (directory("javascript"), directory("python"));
    let sdk = javascript.join("node_modules/ttn-lw/package.json");
    let sdk = absent(Path::new("node"), &sdk, "run `npm ci` in ttn-stack/tests/clients/javascript");
    let sdk = Need { word: "ttn-lw", missing: sdk };
    let interpreter = python.join(".venv/bin/python");
    let what_to_do = "install requirements.txt of ttn-stack/tests/clients/python into .venv there";
    let grpcio = absent(&interpreter, &python.join(".venv/.complete"), what_to_do);
    let grpcio = Need { word: "grpcio", missing: grpcio };
    let with_python = |script: &str| {
        let mut command = Command::new(&interpreter);
        command.arg(python.join(script));
        command
    };
    let (mut reflection, mut openapi) = (with_python("reflection.py"), with_python("openapi.py"));
    let trials = vec![
        trial("the_sdk_of_the_vendor_creates_reads_lists_sends_and_deletes", &[&sdk], move || {
            talk(Command::new("node").arg(javascript.join("client.mjs")))
        }),
        trial("a_client_learns_the_api_from_reflection", &[&grpcio], move || talk(&mut reflection)),
        trial("the_document_of_the_http_api_is_valid", &[&grpcio], move || talk(&mut openapi)),
    ];
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn directory(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(name)
}

/// Why a client cannot run: its program does not start, or what it needs beside it is not there.
fn absent(program: &Path, beside: &Path, what_to_do: &str) -> Option<String> {
    let mut command = Command::new(program);
    let starts = command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    let is_there = starts.is_ok_and(|status| status.success()) && beside.exists();
    (!is_there).then(|| format!("{} is not complete: {what_to_do}", program.display()))
}

/// Starts a server on an empty directory and lets a client talk to it, which says by its end whether all was well.
fn talk(client: &mut Command) {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let key = server.api_key.as_deref().expect("the first start shows an API key");
    let client = client
        .env("TTN_URL", format!("http://127.0.0.1:{}", server.http))
        // Each port answers both.
        .env("TTN_GRPC", format!("127.0.0.1:{}", server.http))
        .env("TTN_API_KEY", key)
        .stdin(Stdio::null());
    let output = client.output().unwrap();
    let said = [&*output.stdout, &*output.stderr].concat();
    assert!(output.status.success(), "{}\n{}", output.status, String::from_utf8_lossy(&said));
}
