//! What a payload formatter in JavaScript costs per uplink: 25 octets of tags and values, decoded.
#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark")]

use std::sync::Arc;

use divan::{Bencher, black_box};
use ttn_as::format::{
    Formatter as _, Payload,
    javascript::{InProcessHost, JavaScript, Limits, ProcessHost, ScriptHost, WorkerCommand},
};
use ttn_core::{clock::SystemClock, id::DeviceIds, time::Timestamp};

fn main() {
    divan::main();
}

const SCRIPT: &str = "function decodeUplink(input) {
    var b = input.bytes, d = { port: input.fPort };
    for (var i = 0; i + 2 < b.length; i += 3) {
        var v = (b[i + 1] << 8) | b[i + 2];
        switch (b[i]) {
            case 1: d.battery = v / 1000; break;
            case 2: d.humidity = v / 10; break;
            case 3: d.counter = v; break;
            default: return { errors: ['unknown tag ' + b[i]] };
        }
    }
    return { data: d, warnings: d.battery < 2.5 ? ['battery low'] : [] };
}";
/// The same, and a change of a prototype: every call gets a new context.
const FRESH: &str = "Number.prototype.own = 1;";
const OCTETS: [u8; 25] =
    [1, 12, 128, 2, 1, 44, 3, 0, 7, 1, 12, 128, 2, 1, 44, 3, 0, 7, 1, 12, 128, 2, 1, 44, 0];

fn measure(bencher: Bencher<'_, '_>, host: Arc<dyn ScriptHost>, script: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let formatter = JavaScript::new(host);
    let ids = DeviceIds::new("my-app.my-dev".parse().unwrap());
    bencher.bench_local(|| {
        let payload = Payload {
            ids: &ids,
            version: None,
            f_port: 2,
            octets: black_box(&OCTETS),
            received_at: Some(Timestamp::from_unix_secs(1_795_000_000)),
            settings: None,
            parameter: script,
        };
        runtime.block_on(formatter.decode_uplink(&payload)).unwrap()
    });
}

#[divan::bench]
fn in_process_warm(bencher: Bencher<'_, '_>) {
    measure(bencher, Arc::new(InProcessHost::new(Limits::default())), SCRIPT);
}

#[divan::bench]
fn in_process_new_context(bencher: Bencher<'_, '_>) {
    let script = format!("{FRESH}{SCRIPT}");
    measure(bencher, Arc::new(InProcessHost::new(Limits::default())), &script);
}

#[divan::bench]
fn worker_process_warm(bencher: Bencher<'_, '_>) {
    let command = WorkerCommand {
        program: env!("CARGO_BIN_EXE_ttn-stack").into(),
        arguments: vec!["script-worker".into()],
    };
    let clock = Arc::new(SystemClock::new());
    measure(bencher, Arc::new(ProcessHost::new(command, 1, Limits::default(), clock)), SCRIPT);
}
