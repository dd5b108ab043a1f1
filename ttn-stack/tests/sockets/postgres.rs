//! The stack on a database, and moving there and back.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::{Value, json};

use crate::{
    cluster::Cluster,
    home::Home,
    network::{APPLICATION, MUST_ANSWER, Network, Node, WINDOWS},
    server::{FREE_PORTS, Server, command, wait_for, write_config},
    traffic::PAYLOAD,
};

/// Queues a downlink over HTTP, when the windows of the last uplink have passed.
fn push(network: &Network, node: &Node, frm_payload: &str) {
    std::thread::sleep(WINDOWS);
    let path = format!("/as/applications/{APPLICATION}/devices/{}/down", node.name);
    let downlink = json!({ "f_port": 2, "frm_payload": frm_payload });
    network.call("POST", &format!("{path}/push"), &json!({ "downlinks": [downlink] }));
    wait_for(|| {
        let queue = network.call("GET", &path, &Value::Null);
        queue["downlinks"].as_array().is_some_and(|queue| !queue.is_empty())
    });
}

/// Stops in order.
fn stop(server: Server) {
    let status = server.terminate();
    assert!(status.success(), "{status}");
}

// DESIGN promises 1 and 4
pub(crate) fn a_network_lives_in_a_database() {
    let home = Home::database();
    let mut network = Network::start_in(&home);
    let data = network.data();
    let mut node = network.add_device("meter", 1, &Value::Null);
    network.join(&mut node);
    let (old, _) = network.send(&mut node, &PAYLOAD);
    wait_for(|| home.logged(&data) == [0]);
    let mut network = network.restart(Server::kill);
    // NS-12: the old frame is not delivered again.
    network.transmit(old.uplink, MUST_ANSWER);
    push(&network, &node, "AQID");
    let (_, heard) = network.send_within(&mut node, &PAYLOAD, MUST_ANSWER);
    assert_eq!(heard.unwrap().payload, [1, 2, 3]);
    wait_for(|| home.logged(&data) == [0, 1]);
    let mut network = network.restart(stop);
    network.send(&mut node, &PAYLOAD);
    wait_for(|| home.logged(&data) == [0, 1, 2]);
    assert!(!data.join("engine").exists(), "nothing is in the directory");
}

/// What is done to the server of a database.
type Fault = fn(&mut Cluster);

pub(crate) fn uplinks_wait_for_a_database_that_is_away() {
    let mut home = Home::database();
    let config = format!("{}gateways:\n  ack: durable\n", home.config());
    let mut network = Network::start_with(&config);
    let data = network.data();
    let mut node = network.add_device("meter", 1, &Value::Null);
    network.join(&mut node);
    let mut sent = 0;
    // It crashes, it is stopped in order, it does not answer.
    let faults: [(Fault, Fault); 3] = [
        (Cluster::crash, Cluster::start_again),
        (Cluster::stop, Cluster::start_again),
        (Cluster::pause, Cluster::resume),
    ];
    for (begin, end) in faults {
        network.send(&mut node, &PAYLOAD);
        begin(home.cluster());
        // These come while nobody can write them.
        network.send(&mut node, &PAYLOAD);
        network.send(&mut node, &PAYLOAD);
        end(home.cluster());
        sent += 3;
        let all: Vec<u32> = (0..sent).collect();
        wait_for(|| home.logged(&data) == all);
    }
    push(&network, &node, "BAUG");
    let (_, heard) = network.send_within(&mut node, &PAYLOAD, MUST_ANSWER);
    assert_eq!(heard.unwrap().payload, [4, 5, 6]);
}

/// Runs `ttn-stack db` on a configuration.
fn db(config: &Path, arguments: &[&str]) -> Output {
    let mut all = vec!["db", arguments[0], "--config", config.to_str().unwrap()];
    all.extend(&arguments[1..]);
    let mut command: Command = command(&all);
    command.output().unwrap()
}

fn dump(config: &Path, file: &Path) {
    let output = db(config, &["dump", file.to_str().unwrap()]);
    assert!(output.status.success(), "{output:?}");
}

fn load(config: &Path, file: &Path) {
    let output = db(config, &["load", file.to_str().unwrap()]);
    assert!(output.status.success(), "{output:?}");
}

pub(crate) fn a_live_network_moves_between_two_uplinks() {
    let (home, embedded_home) = (Home::database(), Home::Directory);
    let files = tempfile::tempdir().unwrap();
    let file = |name: &str| -> PathBuf { files.path().join(name) };
    let mut network = Network::start();
    let directory = network.data().parent().unwrap().to_owned();
    let embedded = || write_config(&directory, FREE_PORTS);
    let postgres = || write_config(&directory, &format!("{FREE_PORTS}{}", home.config()));
    let mut node = network.add_device("meter", 1, &Value::Null);
    network.join(&mut node);
    let (old, _) = network.send(&mut node, &PAYLOAD);
    push(&network, &node, "AQID");

    // From the directory into the database.
    let data = network.data();
    let mut network = network.restart_with(&home.config(), |server| {
        stop(server);
        assert_eq!(embedded_home.logged(&data), [0]);
        dump(&embedded(), &file("of-directory"));
        load(&postgres(), &file("of-directory"));
        dump(&postgres(), &file("of-database"));
        let dumps =
            [fs::read(file("of-directory")).unwrap(), fs::read(file("of-database")).unwrap()];
        assert!(dumps[0] == dumps[1], "the two stores have the same");
        let refused = db(&postgres(), &["load", file("of-directory").to_str().unwrap()]);
        assert!(!refused.status.success(), "it is not empty: {refused:?}");
    });
    network.transmit(old.uplink, MUST_ANSWER);
    // Its session, its counters and its queue have come along.
    let (_, heard) = network.send_within(&mut node, &PAYLOAD, MUST_ANSWER);
    assert_eq!(heard.unwrap().payload, [1, 2, 3]);
    wait_for(|| home.logged(&data) == [0, 1]);
    push(&network, &node, "BAUG");

    // And back, into a directory where only the key is.
    let mut network = network.restart_with("", |server| {
        stop(server);
        dump(&postgres(), &file("back"));
        for gone in ["engine", "log", "FORMAT", "LOCK"] {
            let path = data.join(gone);
            if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.unwrap();
        }
        load(&embedded(), &file("back"));
        dump(&embedded(), &file("again"));
        assert!(fs::read(file("back")).unwrap() == fs::read(file("again")).unwrap());
    });
    let (_, heard) = network.send_within(&mut node, &PAYLOAD, MUST_ANSWER);
    assert_eq!(heard.unwrap().payload, [4, 5, 6]);
    let mut node = network.add_device("other", 2, &Value::Null);
    network.join(&mut node);
    network.server.kill();
    assert_eq!(embedded_home.logged(&data), [0, 1, 2]);
}

pub(crate) fn db_says_what_is_there_and_what_to_do() {
    let home = Home::database();
    let directory = tempfile::tempdir().unwrap();
    let store = home.config().replace("user=ttn", "user=ttn&password=hunter2");
    let config = write_config(directory.path(), &format!("{FREE_PORTS}{store}"));
    let said = |arguments: &[&str]| {
        let output = db(&config, arguments);
        let text = format!("{output:?}");
        assert!(!text.contains("hunter2"), "{text}");
        (output.status.success(), text)
    };
    assert!(said(&["status"]).1.contains("no tables yet"));
    assert!(said(&["migrate"]).0);
    assert!(said(&["status"]).1.contains("up to date"));
    assert!(said(&["migrate"]).1.contains("nothing to do"));
    let file = directory.path().join("dump");
    fs::write(&file, "no dump").unwrap();
    let (is_fine, text) = said(&["load", file.to_str().unwrap()]);
    assert!(!is_fine && text.contains("is no dump"), "{text}");
    let (is_fine, text) = said(&["dump", file.to_str().unwrap()]);
    assert!(!is_fine && text.contains("dump"), "nothing is overwritten: {text}");
    drop(home);
    let (is_fine, text) = said(&["status"]);
    assert!(!is_fine && text.contains("the database ttn"), "{text}");
}
