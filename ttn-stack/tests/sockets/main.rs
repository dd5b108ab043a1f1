//! The built server over real sockets, in real time: a packet forwarder over UDP, clients over MQTT and HTTP, signals.
//!
//! Scenarios with an MQTT client need `mosquitto_sub` and `mosquitto_pub`; without them they are listed as ignored, and
//! fail if `TTN_REQUIRE` contains `mosquitto`.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test may panic, and this one lives in real time with threads of its own"
)]

mod bench;
mod client;
mod guide;
mod http;
mod mqtt;
mod network;
mod radio;
mod scripts;
mod server;
mod sessions;
mod starts;
mod traffic;

use std::{env, process::ExitCode};

use libtest_mimic::{Arguments, Failed, Trial};

/// A scenario: it fails by panicking.
type Scenario = (&'static str, fn());

/// What the scenarios with MQTT need.
const TOOLS: [&str; 3] = ["mosquitto_sub", "mosquitto_pub", "stdbuf"];

const WITH_MOSQUITTO: &[Scenario] = &[
    (
        "uplinks_reach_mqtt_and_downlinks_start_at_the_microsecond_of_rx1",
        traffic::uplinks_reach_mqtt_and_downlinks_start_at_the_microsecond_of_rx1,
    ),
    ("a_wrong_api_key_is_refused_by_the_broker", traffic::a_wrong_api_key_is_refused_by_the_broker),
    (
        "a_kill_after_a_delivered_message_loses_nothing",
        traffic::a_kill_after_a_delivered_message_loses_nothing,
    ),
    ("an_ordered_restart_keeps_sessions", traffic::an_ordered_restart_keeps_sessions),
    ("the_commands_of_the_guide_to_mqtt_work", sessions::the_commands_of_the_guide_to_mqtt_work),
];

const ALONE: &[Scenario] = &[
    (
        "a_bench_of_uplinks_accounts_for_every_payload",
        bench::a_bench_of_uplinks_accounts_for_every_payload,
    ),
    ("a_bench_of_joins_proves_every_session", bench::a_bench_of_joins_proves_every_session),
    (
        "a_bench_of_downlinks_finds_them_in_their_window",
        bench::a_bench_of_downlinks_finds_them_in_their_window,
    ),
    (
        "a_subscriber_at_qos_1_gets_everything_once_or_marked_across_kill_9",
        sessions::a_subscriber_at_qos_1_gets_everything_once_or_marked_across_kill_9,
    ),
    ("mqtt_speaks_tls_and_websockets", sessions::mqtt_speaks_tls_and_websockets),
    (
        "a_second_process_on_the_same_data_names_the_directory",
        starts::a_second_process_on_the_same_data_names_the_directory,
    ),
    ("a_taken_port_names_its_key", starts::a_taken_port_names_its_key),
    (
        "an_unknown_key_in_the_file_names_file_key_and_line",
        starts::an_unknown_key_in_the_file_names_file_key_and_line,
    ),
    (
        "the_doctor_ends_with_1_on_errors_and_says_what_to_do",
        starts::the_doctor_ends_with_1_on_errors_and_says_what_to_do,
    ),
    (
        "the_doctor_asks_a_running_server_about_gateways_and_formatters",
        starts::the_doctor_asks_a_running_server_about_gateways_and_formatters,
    ),
    ("config_prints_what_is_in_force", starts::config_prints_what_is_in_force),
    ("scripts_run_in_worker_processes", scripts::scripts_run_in_worker_processes),
    (
        "the_commands_of_the_guide_to_webhooks_work",
        guide::the_commands_of_the_guide_to_webhooks_work,
    ),
];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let missing = TOOLS.iter().any(|tool| !mqtt::is_there(tool));
    let required =
        env::var("TTN_REQUIRE").is_ok_and(|list| list.split(',').any(|name| name == "mosquitto"));
    let mut trials: Vec<Trial> = ALONE.iter().map(|scenario| trial(*scenario)).collect();
    trials.extend(WITH_MOSQUITTO.iter().map(|scenario| match missing {
        true => absent(scenario.0, required),
        false => trial(*scenario),
    }));
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trial((name, scenario): Scenario) -> Trial {
    Trial::test(name, move || {
        scenario();
        Ok(())
    })
}

fn absent(name: &str, required: bool) -> Trial {
    let reason = format!("one of {} is not installed", TOOLS.join(", "));
    Trial::test(format!("{name}: {reason}"), move || Err(Failed::from(reason)))
        .with_ignored_flag(!required)
}
