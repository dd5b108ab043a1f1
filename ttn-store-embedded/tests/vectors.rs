//! Known answers of `crypto.json` for secrets at rest.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests stop at the first surprise"
)]

use std::{fs, path::PathBuf, process::ExitCode};

use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;
use ttn_core::vault::KeyVault as _;
use ttn_store_embedded::LocalVault;

const KIND: &str = "secret_envelope_gcm";

fn main() -> ExitCode {
    let directory = std::env::var_os("TTN_VECTORS").map(PathBuf::from);
    let required = std::env::var("TTN_REQUIRE").unwrap_or_default();
    let trial = match directory {
        Some(directory) => Trial::test(KIND, move || check_all(&directory.join("crypto.json"))),
        None if required.split(',').any(|word| word == "vectors") => {
            Trial::test(KIND, || Err("TTN_VECTORS is not set, but required".into()))
        }
        None => {
            let title = format!("{KIND} (TTN_VECTORS is not set)");
            Trial::test(title, || Ok(())).with_ignored_flag(true)
        }
    };
    libtest_mimic::run(&Arguments::from_args(), vec![trial]).exit_code()
}

fn check_all(path: &std::path::Path) -> Result<(), Failed> {
    let vectors: Value = serde_json::from_str(&fs::read_to_string(path)?)?;
    let cases = vectors["cases"].as_array().ok_or("no cases")?;
    let cases: Vec<_> = cases.iter().filter(|case| case["kind"] == KIND).collect();
    assert!(!cases.is_empty(), "there is no case of {KIND}");
    for case in cases {
        let octets = |section: &str, name: &str| hex(case[section][name].as_str().unwrap());
        let vault = LocalVault::new().with("k", &octets("input", "key"))?;
        let nonce = octets("input", "nonce").try_into().unwrap();
        let (secret, envelope) = (octets("input", "plaintext"), octets("expected", "envelope"));
        assert_eq!(vault.seal(&secret, nonce, "k")?, envelope, "{}", case["id"]);
        assert_eq!(vault.open(&envelope, "k")?, secret, "{}", case["id"]);
    }
    Ok(())
}

fn hex(text: &str) -> Vec<u8> {
    let octet = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(octet).collect()
}
