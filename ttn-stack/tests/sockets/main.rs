//! The built server over real sockets, in real time: a packet forwarder over UDP, clients over MQTT and HTTP, signals.
//!
//! Scenarios with an MQTT client need `mosquitto_sub` and `mosquitto_pub`, those with a database need PostgreSQL; without
//! they are listed as ignored, and fail if `TTN_REQUIRE` contains `mosquitto` and `postgres`.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test may panic, and this one lives in real time with threads of its own"
)]

mod abuse;
mod bench;
mod client;
#[path = "../../../ttn-store-postgres/tests/server/cluster.rs"]
mod cluster;
mod grpc;
mod guide;
mod home;
mod http;
mod mqtt;
mod need;
mod network;
mod postgres;
mod radio;
mod scripts;
mod server;
mod sessions;
mod starts;
mod tenants;
mod traffic;
mod web;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

use crate::{
    home::Home,
    need::{Need, trial},
};

/// A scenario: it fails by panicking.
type Scenario = (&'static str, fn());

/// A scenario that has to hold wherever the server keeps everything.
type Everywhere = (&'static str, fn(&Home));

/// What the scenarios with MQTT need.
const TOOLS: [&str; 3] = ["mosquitto_sub", "mosquitto_pub", "stdbuf"];

const WITH_MOSQUITTO_EVERYWHERE: &[Everywhere] = &[
    (
        "uplinks_reach_mqtt_and_downlinks_start_at_the_microsecond_of_rx1",
        traffic::uplinks_reach_mqtt_and_downlinks_start_at_the_microsecond_of_rx1,
    ),
    (
        "a_kill_after_a_delivered_message_loses_nothing",
        traffic::a_kill_after_a_delivered_message_loses_nothing,
    ),
    ("an_ordered_restart_keeps_sessions", traffic::an_ordered_restart_keeps_sessions),
    ("the_commands_of_the_guide_to_mqtt_work", sessions::the_commands_of_the_guide_to_mqtt_work),
];

const ALONE_EVERYWHERE: &[Everywhere] = &[
    (
        "a_subscriber_at_qos_1_gets_everything_once_or_marked_across_kill_9",
        sessions::a_subscriber_at_qos_1_gets_everything_once_or_marked_across_kill_9,
    ),
    (
        "the_commands_of_the_guide_to_webhooks_work",
        guide::the_commands_of_the_guide_to_webhooks_work,
    ),
];

const WITH_MOSQUITTO: &[Scenario] = &[(
    "a_wrong_api_key_is_refused_by_the_broker",
    traffic::a_wrong_api_key_is_refused_by_the_broker,
)];

const ALONE: &[Scenario] = &[
    (
        "a_bench_of_uplinks_accounts_for_every_payload",
        bench::a_bench_of_uplinks_accounts_for_every_payload,
    ),
    (
        "a_server_that_is_killed_again_and_again_keeps_its_promises",
        bench::a_server_that_is_killed_again_and_again_keeps_its_promises,
    ),
    (
        "a_bench_of_the_api_has_an_answer_to_every_call",
        bench::a_bench_of_the_api_has_an_answer_to_every_call,
    ),
    ("a_bench_of_joins_proves_every_session", bench::a_bench_of_joins_proves_every_session),
    (
        "a_bench_of_downlinks_finds_them_in_their_window",
        bench::a_bench_of_downlinks_finds_them_in_their_window,
    ),
    ("mqtt_speaks_tls_and_websockets", sessions::mqtt_speaks_tls_and_websockets),
    (
        "certificates_are_replaced_without_a_restart",
        web::certificates_are_replaced_without_a_restart,
    ),
    (
        "other_networks_are_answered_on_a_port_of_their_own",
        web::other_networks_are_answered_on_a_port_of_their_own,
    ),
    ("clients_choose_their_http_in_the_handshake", web::clients_choose_their_http_in_the_handshake),
    (
        "bodies_above_16_mib_are_refused_by_name_and_not_read",
        abuse::bodies_above_16_mib_are_refused_by_name_and_not_read,
    ),
    (
        "messages_above_16_mib_are_refused_over_grpc",
        abuse::messages_above_16_mib_are_refused_over_grpc,
    ),
    (
        "packets_that_are_too_large_end_an_mqtt_connection_unread",
        abuse::packets_that_are_too_large_end_an_mqtt_connection_unread,
    ),
    (
        "clients_that_send_nothing_keep_nobody_out_and_are_closed",
        abuse::clients_that_send_nothing_keep_nobody_out_and_are_closed,
    ),
    ("nobody_adds_headers_to_an_answer", abuse::nobody_adds_headers_to_an_answer),
    ("long_heads_are_refused", abuse::long_heads_are_refused),
    (
        "tokens_that_are_none_are_refused_everywhere",
        abuse::tokens_that_are_none_are_refused_everywhere,
    ),
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
    (
        "accounts_are_made_in_the_store_of_a_stopped_server",
        starts::accounts_are_made_in_the_store_of_a_stopped_server,
    ),
    ("config_prints_what_is_in_force", starts::config_prints_what_is_in_force),
    ("scripts_run_in_worker_processes", scripts::scripts_run_in_worker_processes),
    (
        "tenants_with_the_same_ids_live_side_by_side",
        tenants::tenants_with_the_same_ids_live_side_by_side,
    ),
    (
        "tenants_are_suspended_changed_deleted_and_found_again",
        tenants::tenants_are_suspended_changed_deleted_and_found_again,
    ),
    (
        "a_server_without_tenants_shows_no_trace_of_them",
        tenants::a_server_without_tenants_shows_no_trace_of_them,
    ),
];

const WITH_POSTGRES: &[Scenario] = &[
    ("a_network_lives_in_a_database", postgres::a_network_lives_in_a_database),
    (
        "uplinks_wait_for_a_database_that_is_away",
        postgres::uplinks_wait_for_a_database_that_is_away,
    ),
    (
        "a_live_network_moves_between_two_uplinks",
        postgres::a_live_network_moves_between_two_uplinks,
    ),
    ("db_says_what_is_there_and_what_to_do", postgres::db_says_what_is_there_and_what_to_do),
];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let mosquitto = TOOLS.iter().any(|tool| !mqtt::is_there(tool));
    let mosquitto = mosquitto.then(|| format!("one of {} is not installed", TOOLS.join(", ")));
    let mosquitto = Need { word: "mosquitto", missing: mosquitto };
    let postgres = cluster::bin().is_none().then(|| "PostgreSQL is not installed".to_owned());
    let postgres = Need { word: "postgres", missing: postgres };
    let alone = |(name, scenario): &Scenario, needs: &[&Need]| trial(name, needs, *scenario);
    let mut trials: Vec<Trial> = Vec::new();
    trials.extend(ALONE.iter().map(|it| alone(it, &[])));
    trials.extend(WITH_MOSQUITTO.iter().map(|it| alone(it, &[&mosquitto])));
    trials.extend(WITH_POSTGRES.iter().map(|it| alone(it, &[&postgres])));
    let everywhere = WITH_MOSQUITTO_EVERYWHERE.iter().map(|it| (it, vec![&mosquitto]));
    let everywhere = everywhere.chain(ALONE_EVERYWHERE.iter().map(|it| (it, vec![])));
    for ((name, scenario), mut needs) in everywhere {
        trials.push(trial(name, &needs, || scenario(&Home::Directory)));
        needs.push(&postgres);
        trials.push(trial(&format!("on_postgres::{name}"), &needs, || scenario(&Home::database())));
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}
