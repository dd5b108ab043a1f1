//! `ttn-cli codec test`.

use std::fs;

use clap::Parser as _;
use ttn_cli::command::{Arguments, run};

const SCRIPT: &str = "function decodeUplink(i) { return { data: { t: i.bytes[0] / 2 } }; }";

/// Runs it on a script and cases; gives what it wrote, and the code of its error.
fn test(script: &str, cases: &str) -> (String, u8) {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("script.js"), script).unwrap();
    fs::write(path("cases.json"), cases).unwrap();
    let arguments =
        ["ttn-cli", "codec", "test", &path("script.js"), "--vectors", &path("cases.json")];
    let mut out = Vec::new();
    let code = match run(Arguments::try_parse_from(arguments).unwrap(), &mut out) {
        Ok(()) => 0,
        Err(error) => error.code(),
    };
    (String::from_utf8(out).unwrap(), code)
}

#[test]
fn examples_that_fit_end_well() {
    let cases =
        r#"[{ "input": { "fPort": 1, "bytes": "2b" }, "output": { "data": { "t": 21.5 } } }]"#;
    let (text, code) = test(SCRIPT, cases);
    assert_eq!((text.as_str(), code), ("ok   1 decodeUplink\n1 examples, no difference\n", 0));
}

#[test]
fn differences_are_shown_and_fail() {
    let cases = r#"[
        { "description": "wrong", "input": { "bytes": [43] }, "output": { "data": { "t": 22 } } },
        { "function": "encodeDownlink", "input": {}, "output": { "error": "entrypoint_not_found" } }
    ]"#;
    let (text, code) = test(SCRIPT, cases);
    assert_eq!(code, 7);
    assert!(
        text.contains("FAIL 1 decodeUplink wrong\n     output.data.t: 21.5 instead of 22"),
        "{text}"
    );
    assert!(text.contains("ok   2 encodeDownlink"), "{text}");
}

#[test]
fn a_file_of_another_form_is_refused() {
    assert_eq!(test(SCRIPT, "{}").1, 7);
    assert_eq!(test(SCRIPT, r#"[{ "input": {}, "outputs": {} }]"#).1, 7);
}
