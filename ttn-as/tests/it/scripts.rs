//! Payload formatters in JavaScript (AS-12 to AS-14, AS-16), with the host of this process.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Map, Value, json};
use ttn_as::{
    format::{
        Encoded, FormatError, Formatter, Payload, SCRIPT_SIZE_MAX, Structure,
        javascript::{InProcessHost, JavaScript, Limits},
    },
    log::Decoded,
    testing,
};
use ttn_core::{error::ApiError as _, id::DeviceIds, time::Timestamp};

use crate::world::{World, uplink};

/// Runs scripts one after the other in the same host.
struct Runner {
    formatter: JavaScript,
    ids: DeviceIds,
}

impl Runner {
    fn new() -> Self {
        let host = InProcessHost::new(Limits { memory_max: 8 << 20, ..Limits::default() });
        Self { formatter: JavaScript::new(Arc::new(host)), ids: testing::ids("my-app.my-dev") }
    }

    fn decode(&self, parameter: &str, octets: &[u8]) -> Result<Decoded, FormatError> {
        let received_at = Some(Timestamp::from_unix_secs(1_795_000_000));
        let payload = Payload {
            ids: &self.ids,
            version: None,
            f_port: 2,
            octets,
            received_at,
            settings: None,
            parameter,
        };
        futures::executor::block_on(self.formatter.decode_uplink(&payload))
    }

    fn data(&self, script: &str) -> Value {
        Value::Object(self.decode(script, &[1, 2, 3]).unwrap().payload)
    }

    fn encode(&self, parameter: &str, payload: &Value) -> Encoded {
        let payload = payload.as_object().unwrap();
        let structure =
            Structure { ids: &self.ids, version: None, f_port: None, payload, parameter };
        futures::executor::block_on(self.formatter.encode_downlink(&structure)).unwrap()
    }

    /// The name of the error that `body` of `decodeUplink` ends with; the next script still runs.
    fn name_of(&self, body: &str) -> &'static str {
        let script = format!("function decodeUplink(input) {{ {body} }}");
        let name = self.decode(&script, &[1]).map_err(|error| error.name()).unwrap_err();
        assert_eq!(self.data(NEXT), json!({ "ok": 3 }), "after {body}");
        name
    }
}

/// A script with nothing special.
const NEXT: &str = "function decodeUplink(i) { return { data: { ok: i.bytes.length } }; }";

// AS-14
#[test]
fn every_name_of_an_entry_point_is_taken() {
    let runner = Runner::new();
    let expected = json!({ "first": 1, "port": 2 });
    for script in [
        "function decodeUplink(i) { return { data: { first: i.bytes[0], port: i.fPort } }; }",
        "function Decoder(bytes, port) { return { first: bytes[0], port: port }; }",
        "function Decode(fPort, bytes, variables) { return { first: bytes[0], port: fPort, x: variables.x }; }",
        "'use strict'; const decodeUplink = ({ bytes, fPort }) => ({ data: { first: bytes[0], port: fPort } })",
        "globalThis.decodeUplink = function (i) { return { data: { first: i.bytes[0], port: i.fPort } }; } // end",
    ] {
        assert_eq!(runner.data(script), expected, "{script}");
    }
    for script in [
        "function encodeDownlink(i) { return { bytes: [i.data.a], fPort: 7, warnings: ['odd'] }; }",
        "function Encoder(object, port) { return [object.a]; }",
        "function Encode(fPort, obj, variables) { return new Uint8Array([obj.a]); }",
    ] {
        let encoded = runner.encode(script, &json!({ "a": 9 }));
        assert_eq!(encoded.octets, [9], "{script}");
        let named = if script.contains("warnings") { 7 } else { 1 };
        assert_eq!(encoded.f_port, Some(named), "{script}");
    }
}

#[test]
fn the_time_of_reception_is_a_date() {
    let script = "function decodeUplink(i) { return { data: { t: i.recvTime.toISOString() } }; }";
    assert_eq!(Runner::new().data(script), json!({ "t": "2026-11-18T11:06:40.000Z" }));
}

// AS-13
#[test]
fn hostile_scripts_end_in_a_named_error() {
    let runner = Runner::new();
    for (body, name) in [
        ("while (true) {}", "script_timeout"),
        ("for (;;) { try { while (true) {} } catch (e) {} }", "script_timeout"),
        ("return /^(a+)+$/.exec('a'.repeat(40) + 'b');", "script_timeout"),
        ("const a = []; for (;;) { a.push('x'.repeat(1000) + a.length); }", "runtime"),
        ("return new Uint8Array(1e9);", "runtime"),
        ("let s = 'x'; for (;;) { s += s; }", "runtime"),
        ("return new Array(1e9).join('');", "script"),
        ("return new Array(1e9) + '';", "script"),
        ("new Array(2 ** 32 - 1).reverse();", "script"),
        ("return new Array(2 ** 32 - 1).splice(0, 1);", "script"),
        ("throw { get stack() { while (true) {} } };", "script_timeout"),
        ("throw {};", "script"),
        ("throw null;", "runtime"),
        ("return undefinedName;", "script"),
    ] {
        assert_eq!(runner.name_of(body), name, "{body}");
    }
    // What is left when the memory ends differs: sometimes not enough for an error.
    for size in (16..=1024).step_by(48) {
        let body = format!("const a = []; for (;;) {{ a.push('x'.repeat({size}) + a.length); }}");
        assert_eq!(runner.name_of(&body), "runtime", "{body}");
    }
    // Whether the stack or the memory ends first is the engine's business.
    let name = runner.name_of("const f = () => f() + 1; return f();");
    assert!(["runtime", "script"].contains(&name), "{name}");
}

// AS-14
#[test]
fn results_of_a_wrong_kind_end_in_a_named_error() {
    let runner = Runner::new();
    for (body, name) in [
        ("const a = {}; a.a = a; return { data: a };", "output"),
        ("return { data: { x: NaN } };", "output_encoding"),
        ("return { data: { x: [1, { y: -Infinity }] } };", "output_encoding"),
        ("return { data: { x: 1e308 * 10 } };", "output_encoding"),
        ("return { data: { x: 10n ** 30n } };", "output"),
        ("return { data: { x: 'x'.repeat(1e6) } };", "output"),
        ("return 42;", "output"),
        ("return 'text';", "output"),
        ("return null;", "output"),
        ("", "output"),
        ("return { data: [1] };", "output"),
        ("return { data: {}, warnings: 'x' };", "output"),
        ("return Promise.resolve({ data: {} });", "output"),
        ("return { errors: ['a', 'b'] };", "output_errors"),
    ] {
        assert_eq!(runner.name_of(body), name, "{body}");
    }
    let huge = runner.data("function decodeUplink() { return { data: { x: 1e308 } }; }");
    assert_eq!(huge, json!({ "x": 1e308 }));
    let missing = runner.decode("function other() {}", &[]).unwrap_err();
    let expected = FormatError::EntrypointNotFound { entrypoint: "decodeUplink".to_owned() };
    assert_eq!(missing, expected);
    assert_eq!(runner.decode("function (", &[]).unwrap_err().name(), "script");
}

// AS-13: a call finds nothing of the calls before it
#[test]
fn runs_do_not_influence_each_other() {
    let runner = Runner::new();
    let state = "var calls = 0; let list = [];
        function decodeUplink() {
            calls += 1; list.push(1);
            leaked = typeof leaked === 'undefined' ? 1 : leaked + 1;
            globalThis[0] = 1;
            Math.max = () => 'changed'; JSON = null; Array = null;
            const error = new Error('a'); error.message = 'own';
            const object = {}; object.toString = () => 'own';
            return { data: {
                calls, list: list.length, leaked, max: Math.max(1, 2), text: `${object}`, message: error.message,
            } };
        }";
    let expected = json!({
        "calls": 1, "list": 1, "leaked": 1, "max": 2, "text": "own", "message": "own",
    });
    for _ in 0..3 {
        assert_eq!(runner.data(state), expected);
    }
    let prototypes = "String.prototype.twice = function () { return this + this; };
        Array.prototype.seen = (Array.prototype.seen || 0) + 1;
        function decodeUplink() { return { data: { text: 'ab'.twice(), seen: [].seen } }; }";
    for _ in 0..2 {
        assert_eq!(runner.data(prototypes), json!({ "text": "abab", "seen": 1 }));
    }
    let hidden = [
        "globalThis[Symbol.for('kept')] = 1; return { data: { seen } };",
        "Object.defineProperties(globalThis, { kept: { value: 1 } }); return { data: { seen } };",
    ];
    for change in hidden {
        let seen = "const seen = globalThis.kept || globalThis[Symbol.for('kept')] || 0;";
        let script = format!("function decodeUplink() {{ {seen} {change} }}");
        for _ in 0..2 {
            assert_eq!(runner.data(&script), json!({ "seen": 0 }), "{change}");
        }
    }
    assert_eq!(runner.data(NEXT), json!({ "ok": 3 }));
}

#[test]
fn a_script_that_leaves_its_function_gains_nothing() {
    let runner = Runner::new();
    let script = "}); __formatter.install(() => ({ decodeUplink: () => ({ data: {} }) }), false); (function () {";
    assert_eq!(runner.decode(script, &[]).unwrap_err().name(), "script");
    assert_eq!(runner.data(NEXT), json!({ "ok": 3 }));
}

#[test]
fn scripts_of_a_mebibyte_run_and_larger_ones_are_refused() {
    let runner = Runner::new();
    let mut script = format!("{NEXT}\n// ");
    script.push_str(&"x".repeat(SCRIPT_SIZE_MAX - script.len()));
    assert_eq!(runner.data(&script), json!({ "ok": 3 }));
    script.push('x');
    let error = runner.decode(&script, &[]).unwrap_err();
    assert_eq!(error.name(), "formatter_script_too_large");
}

// AS-16
#[test]
fn measurements_come_from_the_normaliser_or_from_the_structure_itself() {
    let runner = Runner::new();
    let own = "function decodeUplink() { return { data: { air: { temperature: 20 } } }; }";
    let normalized = runner.decode(own, &[]).unwrap().normalized.unwrap();
    assert_eq!(json!(normalized.measurements), json!([{ "air": { "temperature": 20 } }]));
    let script = format!(
        "{NEXT} function normalizeUplink(i) {{
            return {{ data: [{{ soil: {{ pH: i.data.ok, moisture: 101 }} }}], warnings: ['w'] }};
        }}"
    );
    let normalized = runner.decode(&script, &[1, 2]).unwrap().normalized.unwrap();
    assert_eq!(json!(normalized.measurements), json!([{ "soil": { "pH": 2 } }]));
    let outside = "measurement 1: `soil.moisture` should be equal or less than `100`";
    assert_eq!(normalized.warnings, ["w", outside]);
    assert_eq!(runner.decode(NEXT, &[]).unwrap().normalized, None);
}

/// Gives a script to devices whose formatter has no parameter.
#[derive(Debug)]
struct Scripted(JavaScript, String);

impl Scripted {
    fn new(script: &str) -> Arc<Self> {
        let host = InProcessHost::new(Limits::default());
        Arc::new(Self(JavaScript::new(Arc::new(host)), script.to_owned()))
    }
}

#[async_trait]
impl Formatter for Scripted {
    async fn decode_uplink(&self, payload: &Payload<'_>) -> Result<Decoded, FormatError> {
        self.0.decode_uplink(&Payload { parameter: &self.1, ..*payload }).await
    }

    async fn decode_downlink(&self, payload: &Payload<'_>) -> Result<Decoded, FormatError> {
        self.0.decode_downlink(&Payload { parameter: &self.1, ..*payload }).await
    }

    async fn encode_downlink(&self, structure: &Structure<'_>) -> Result<Encoded, FormatError> {
        self.0.encode_downlink(&Structure { parameter: &self.1, ..*structure }).await
    }
}

// AS-16
#[tokio::test(start_paused = true)]
async fn every_measurement_is_a_message_after_its_uplink() {
    let script = "function decodeUplink(i) { return { data: { list: i.bytes } }; }
        function normalizeUplink(i) {
            return { data: i.data.list.map((t) => ({ air: { temperature: t, co2: -1 } })) };
        }";
    let world = World::with_formatter(Scripted::new(script)).await;
    let mut client = world.connect("read").await;
    client.subscribe("#").await;
    world.deliver(vec![uplink(1, &[20, 21]), uplink(2, &[])]);
    let mut seen = Vec::new();
    for _ in 0..4 {
        let (topic, message) = client.message().await;
        seen.push((topic.replace("v3/my-app/devices/my-dev/", ""), message));
    }
    let topics: Vec<_> = seen.iter().map(|(topic, _)| topic.as_str()).collect();
    assert_eq!(topics, ["up", "up/normalized", "up/normalized", "up"]);
    let up = &seen[0].1["uplink_message"];
    assert_eq!(up["decoded_payload"], json!({ "list": [20, 21] }));
    let measurements = json!([{ "air": { "temperature": 20 } }, { "air": { "temperature": 21 } }]);
    assert_eq!(up["normalized_payload"], measurements);
    assert_eq!(up["normalized_payload_warnings"].as_array().map(Vec::len), Some(2));
    let second = &seen[2].1["uplink_normalized"];
    assert_eq!(second["normalized_payload"], measurements[1]);
    assert_eq!(second["f_cnt"], 1);
    assert_eq!(second["f_port"], 2);
}

// AS-11
#[tokio::test(start_paused = true)]
async fn an_uplink_whose_script_hangs_arrives_all_the_same() {
    let script =
        "function decodeUplink(i) { while (i.bytes[0] === 0) {} return { data: { ok: 1 } }; }";
    let world = World::with_formatter(Scripted::new(script)).await;
    world.deliver(vec![uplink(1, &[0]), uplink(2, &[1])]);
    let log = world.log().await;
    let decoded = |at: usize| log[at].record().decoded.as_ref().map(|of| of.payload.clone());
    assert_eq!(log.len(), 2);
    assert_eq!(decoded(0), None);
    let expected: Map<String, Value> = json!({ "ok": 1 }).as_object().unwrap().clone();
    assert_eq!(decoded(1), Some(expected));
}
