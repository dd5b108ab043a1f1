//! Scripts of payload formatters in worker processes, in real time. The workers are this program again.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

use std::{
    env,
    process::{Command, ExitCode, Stdio},
    sync::Arc,
    time::Duration,
};

use futures::future::{Either, join_all, select};
use libtest_mimic::{Arguments, Trial};
use serde_json::{Value, json};
use ttn_as::format::{
    FormatError,
    javascript::{
        Function, Limits, ProcessHost, ScriptCall, ScriptHost as _, WorkerCommand, result, worker,
    },
};
use ttn_core::{clock::SystemClock, error::ApiError as _, id::ApplicationId};

/// The argument that makes this program a worker.
const WORKER: &str = "script-worker";

/// A scenario: it fails by panicking.
type Scenario = (&'static str, fn());

const SCENARIOS: &[Scenario] = &[
    ("hostile_scripts_end_in_a_named_error_and_the_next_one_runs", || {
        run(hostile_scripts_end_in_a_named_error_and_the_next_one_runs());
    }),
    ("scripts_of_one_application_that_hang_delay_no_other_application", || {
        run(scripts_of_one_application_that_hang_delay_no_other_application());
    }),
    ("a_run_that_nobody_waits_for_ends_with_its_process", || {
        run(a_run_that_nobody_waits_for_ends_with_its_process());
    }),
    ("more_scripts_than_a_worker_keeps_run_in_turn", || {
        run(more_scripts_than_a_worker_keeps_run_in_turn());
    }),
    ("a_program_that_is_no_worker_gives_a_named_error", || {
        run(a_program_that_is_no_worker_gives_a_named_error());
    }),
    ("a_worker_ends_with_its_input", a_worker_ends_with_its_input),
];

fn main() -> ExitCode {
    if env::args().any(|argument| argument == WORKER) {
        return if worker().is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let trial = |(name, scenario): &Scenario| {
        let scenario = *scenario;
        Trial::test(*name, move || {
            scenario();
            Ok(())
        })
    };
    libtest_mimic::run(&Arguments::from_args(), SCENARIOS.iter().map(trial).collect()).exit_code()
}

fn run(scenario: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(scenario);
}

/// A host whose time limit is long enough for a busy machine.
fn host(workers: usize) -> ProcessHost {
    let command =
        WorkerCommand { program: env::current_exe().unwrap(), arguments: vec![WORKER.into()] };
    let limits = Limits { timeout: Duration::from_millis(1500), ..Limits::default() };
    ProcessHost::new(command, workers, limits, Arc::new(SystemClock::new()))
}

async fn decode(host: &ProcessHost, application: &str, script: &str) -> Result<Value, FormatError> {
    let application: ApplicationId = application.parse().unwrap();
    let input = json!({ "bytes": [1, 2, 3], "fPort": 2, "variables": {} });
    let function = Function::DecodeUplink;
    let call = ScriptCall { application: &application, script, function, input: &input };
    let decoded = result::decoded(&host.run(&call).await?)?;
    Ok(Value::Object(decoded.payload))
}

fn script(body: &str) -> String {
    format!("function decodeUplink(input) {{ {body} }}")
}

/// Runs for ever where nothing can interrupt it.
const HANGS: &str = "return 'a'.repeat(1 << 22).indexOf('a'.repeat(1 << 21) + 'b');";
const LOOPS: &str = "while (true) {}";
const WORKS: &str = "return { data: { length: input.bytes.length } };";

// AS-13
async fn hostile_scripts_end_in_a_named_error_and_the_next_one_runs() {
    let host = Arc::new(host(2));
    let cases = [
        (LOOPS, "script_timeout"),
        (HANGS, "script_timeout"),
        ("return /^(a+)+$/.exec('a'.repeat(40) + 'b');", "script_timeout"),
        ("let s = 'x'; for (;;) { s += s; }", "runtime"),
        ("return new Array(1e9).join('');", "script"),
        ("return { data: { x: 'x'.repeat(1e7) } };", "output"),
    ];
    for (body, name) in cases {
        let error = decode(&host, "app", &script(body)).await.unwrap_err();
        assert_eq!(error.name(), name, "{body}");
        let next = decode(&host, "app", &script(WORKS)).await;
        assert_eq!(next, Ok(json!({ "length": 3 })), "after {body}");
    }
    assert_eq!(host.idle_workers(), 1, "what hung was killed, the rest went on in one process");
}

// AS-13, DESIGN promise 9
async fn scripts_of_one_application_that_hang_delay_no_other_application() {
    let host = host(2);
    let (hangs, works) = (script(HANGS), script(WORKS));
    let greedy = join_all((0..8).map(|_| decode(&host, "greedy", &hangs)));
    let other = async {
        for _ in 0..20 {
            assert_eq!(decode(&host, "other", &works).await, Ok(json!({ "length": 3 })));
        }
    };
    match select(Box::pin(greedy), Box::pin(other)).await {
        Either::Left(_) => panic!("the other application waited for all that hung"),
        Either::Right(((), greedy)) => drop(greedy),
    }
}

async fn a_run_that_nobody_waits_for_ends_with_its_process() {
    let host = host(1);
    let hangs = script(HANGS);
    let run = Box::pin(decode(&host, "app", &hangs));
    let given_up = tokio::time::timeout(Duration::from_millis(300), run).await;
    assert!(given_up.is_err());
    assert_eq!(decode(&host, "app", &script(WORKS)).await, Ok(json!({ "length": 3 })));
}

async fn more_scripts_than_a_worker_keeps_run_in_turn() {
    let host = host(1);
    for round in 0..2 {
        for number in 0..40 {
            let text = script(&format!("return {{ data: {{ number: {number} }} }};"));
            let decoded = decode(&host, "app", &text).await;
            assert_eq!(decoded, Ok(json!({ "number": number })), "round {round}");
        }
    }
    assert_eq!(host.idle_workers(), 1);
}

async fn a_program_that_is_no_worker_gives_a_named_error() {
    let command = WorkerCommand { program: "/bin/false".into(), arguments: Vec::new() };
    let host = ProcessHost::new(command, 1, Limits::default(), Arc::new(SystemClock::new()));
    let error = decode(&host, "app", &script(WORKS)).await.unwrap_err();
    assert_eq!(error.name(), "runtime");
}

fn a_worker_ends_with_its_input() {
    let mut worker = Command::new(env::current_exe().unwrap());
    let status = worker.arg(WORKER).stdin(Stdio::null()).status().unwrap();
    assert!(status.success());
}
