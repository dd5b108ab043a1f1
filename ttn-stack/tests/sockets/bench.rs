//! `ttn-stack bench` with few devices: what it counts, not how fast it is.

use std::process::Stdio;

use serde_json::Value;

use crate::server::command;

/// Runs a bench and gives its line of JSON.
fn bench(arguments: &[&str]) -> Value {
    let directory = tempfile::tempdir().unwrap();
    let place = ["--json", "--directory", directory.path().to_str().unwrap()];
    let mut command = command(&[&["bench"], arguments, &place].concat());
    let output = command.stderr(Stdio::inherit()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    assert_eq!(directory.path().read_dir().unwrap().count(), 0, "nothing is left behind");
    serde_json::from_str(text.trim()).expect(&text)
}

pub(crate) fn a_bench_of_uplinks_accounts_for_every_payload() {
    let line = bench(&[
        "uplink",
        "--devices",
        "10",
        "--gateways",
        "3",
        "--copies",
        "3",
        "--rate",
        "50",
        "--duration",
        "2s",
        "--qos",
        "1",
        "--ack",
        "durable",
    ]);
    assert_eq!(line["sent"], 100, "{line}");
    for none in ["lost", "duplicated", "wrong"] {
        assert_eq!(line[none], 0, "{none}: {line}");
    }
    assert!(line["syncs"].as_u64().unwrap() > 0, "{line}");
    assert!(line["acknowledged_datagrams"].as_u64().unwrap() >= 300, "{line}");
}

// DESIGN promises 1, 3 and 4; the whole run: docs/reliability.md
pub(crate) fn a_server_that_is_killed_again_and_again_keeps_its_promises() {
    let line =
        bench(&["crash", "--devices", "200", "--rate", "100", "--kills", "4", "--ack", "durable"]);
    for none in ["receipts_lost", "acks_lost", "unmarked", "wrong"] {
        assert_eq!(line[none], 0, "{none}: {line}");
    }
    for none in ["f_cnt_reused", "join_nonces_reused"] {
        assert_eq!(line[none], 0, "{none}: {line}");
    }
    for some in ["receipts", "acks", "downlinks", "join_accepts"] {
        assert!(line[some].as_u64().unwrap() > 0, "{some}: {line}");
    }
}

pub(crate) fn a_bench_of_joins_proves_every_session() {
    let line = bench(&["join", "--devices", "10", "--gateways", "5"]);
    assert_eq!(
        (&line["sent"], &line["lost"], &line["wrong"]),
        (&10.into(), &0.into(), &0.into()),
        "{line}"
    );
    assert_eq!(line["sessions_proven"], 15, "those of the warm-up included: {line}");
}

pub(crate) fn a_bench_of_downlinks_finds_them_in_their_window() {
    let line = bench(&[
        "downlink",
        "--devices",
        "15",
        "--gateways",
        "5",
        "--rate",
        "2",
        "--downlinks",
        "1",
        "--duration",
        "10s",
    ]);
    let downlinks = &line["downlinks"];
    assert!(downlinks["queued"].as_u64().unwrap() >= 2, "{line}");
    // A machine that does other things may need the second window.
    let windows = ["rx1", "rx2"].map(|name| downlinks[name].as_u64().unwrap());
    assert_eq!(Some(windows.iter().sum()), downlinks["queued"].as_u64(), "{line}");
    let none = Value::from(0);
    assert_eq!((&downlinks["lost"], &downlinks["elsewhere"]), (&none, &none), "{line}");
    assert_eq!((&line["lost"], &line["wrong"]), (&none, &none), "{line}");
}

pub(crate) fn a_bench_of_the_api_has_an_answer_to_every_call() {
    let line = bench(&["api", "--devices", "150", "--rate", "50", "--duration", "2s"]);
    assert_eq!((&line["sent"], &line["lost"]), (&100.into(), &0.into()), "{line}");
    for kind in ["create", "first_page", "get", "page", "rights", "session", "set"] {
        assert!(line[format!("{kind}_ms")]["p99"].as_f64().unwrap() > 0.0, "{kind}: {line}");
    }
}
