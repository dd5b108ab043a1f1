//! Tools that need no server.

use crate::server::{cli, connect};

#[test]
fn plans_and_regions_are_shown_from_the_tables() {
    let run = |arguments: &[&str]| cli(&[&["ttn-cli"], arguments].concat(), &connect);
    let plan = run(&["plan", "show", "EU_863_870_TTN"]).unwrap();
    assert!(plan.contains("868.1 MHz") && plan.contains("DR0-DR5"), "{plan}");
    for part in ["SF12BW125", "51", "222", "duty cycle 10 %", "RX2"] {
        assert!(plan.contains(part), "{part} is missing in: {plan}");
    }
    let older = ["plan", "show", "US_902_928_FSB_2", "--regional-parameters", "RP001_V1_0_3_REV_A"];
    let older = serde_json::from_str::<serde_json::Value>(
        &run(&[&older[..], &["--json"]].concat()).unwrap(),
    );
    let older = older.unwrap();
    assert_eq!(older["regional_parameters"], "RP001_V1_0_3_REV_A");
    assert_eq!(older["data_rates"][0]["max"], "11");
    let (_, text) = run(&["plan", "show", "EU_433", "--regional-parameters", "1.0"]).unwrap_err();
    assert!(text.contains("RP002_V1_0_4"), "{text}");
    assert!(run(&["plan", "list"]).unwrap().contains("US_902_928_FSB_2"));
    let (code, text) = run(&["plan", "show", "MARS"]).unwrap_err();
    assert_eq!(code, 7);
    assert!(text.contains("ttn-cli plan list"), "{text}");
    assert!(run(&["region", "list"]).unwrap().contains("EU_863_870"));
}

#[test]
fn airtime_is_what_the_formula_says() {
    let run = |arguments: &[&str]| cli(&[&["ttn-cli", "airtime"], arguments].concat(), &connect);
    // 23 octets at SF7 and 125 kHz: 61.696 ms.
    let text = run(&["--data-rate", "SF7BW125", "--octets", "23"]).unwrap();
    assert!(text.contains("61.696 ms"), "{text}");
    assert!(run(&["--data-rate", "SF99BW125", "--octets", "23"]).is_err());
}

const UPLINK: &str = "40040302018001000 1A6946426 15D6C3B582";

#[test]
fn a_frame_is_read_checked_and_opened() {
    let run =
        |arguments: &[&str]| cli(&[&["ttn-cli", "frame", "decode"], arguments].concat(), &connect);
    let key = "02".repeat(16);
    let text = run(&[UPLINK, "--nwk-s-key", &key]).unwrap();
    for part in ["01020304", "unconfirmed data up", "FCnt", "MIC", "right"] {
        assert!(text.contains(part), "{part} is missing in: {text}");
    }
    let wrong = run(&[UPLINK, "--nwk-s-key", &"03".repeat(16)]).unwrap();
    assert!(wrong.contains("wrong") && wrong.contains("another key"), "{wrong}");
    assert!(!wrong.contains(&"03".repeat(16)), "keys are not shown");
    // The MIC is one of FCnt 65537, of which the frame carries the low half.
    let (code, text) = run(&["40"]).unwrap_err();
    assert_eq!(code, 7, "{text}");
}
