//! HTTP and gRPC over TLS, and certificates that change.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use crate::{
    client::{dial, tls},
    http,
    server::{FREE_PORTS, Server, wait_for},
};

/// Certificate and key for this machine, in a directory.
struct Pair {
    certificate: PathBuf,
    key: PathBuf,
}

impl Pair {
    fn make(directory: &Path, name: &str) -> Self {
        let certificate = directory.join(format!("{name}.pem"));
        let key = directory.join(format!("{name}-key.pem"));
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(&certificate, made.cert.pem()).unwrap();
        fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        Self { certificate, key }
    }
}

/// Asks whether the server is well, as somebody who trusts a certificate.
fn is_trusted(port: u16, certificate: &Path) -> bool {
    http::exchange(tls(dial(port), certificate), http::HEALTH).is_ok_and(|it| it.status == 200)
}

// IS-58
pub(crate) fn other_networks_are_answered_on_a_port_of_their_own() {
    let directory = tempfile::tempdir().unwrap();
    let more = "network:\n  net_id: '000013'\n  ns_id: EC656E0000000001\n";
    let ports = FREE_PORTS.replace("http_tls: 0", "http_tls: 0\n  interop: 0");
    let server = Server::start_on(directory.path(), &format!("{ports}{more}"));
    let key = server.api_key.clone().unwrap();
    let application = json!({ "application": { "ids": { "application_id": "meters" } } });
    http::call(server.http, &key, "POST", "/users/admin/applications", &application);
    let ids = json!({ "device_id": "meter", "application_ids": { "application_id": "meters" },
                      "dev_eui": "70B3D57ED0000001", "join_eui": "70B3D57ED0000000" });
    let device = json!({ "end_device": { "ids": ids } });
    http::call(server.http, &key, "POST", "/applications/meters/devices", &device);
    let request = json!({
        "ProtocolVersion": "1.1", "SenderID": "000042", "SenderNSID": "0000000000000042",
        "ReceiverID": "70B3D57ED0000000", "TransactionID": 1, "MessageType": "HomeNSReq",
        "DevEUI": "70B3D57ED0000001",
    });
    let port = server.interop.unwrap();
    let answer = http::request(port, "POST", "/", None, &request.to_string()).unwrap();
    let answer: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(answer["Result"]["ResultCode"], "Success", "{answer}");
    assert_eq!(
        (&answer["HNetID"], &answer["HNSID"]),
        (&json!("000013"), &json!("EC656E0000000001"))
    );
}

// CLU-08
pub(crate) fn certificates_are_replaced_without_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let (old, new) = (Pair::make(directory.path(), "old"), Pair::make(directory.path(), "new"));
    let live = Pair::make(directory.path(), "live");
    fs::copy(&old.certificate, &live.certificate).unwrap();
    fs::copy(&old.key, &live.key).unwrap();
    let config = format!(
        "tls:\n  certificate: {}\n  key: {}\n",
        live.certificate.display(),
        live.key.display()
    );
    let server = Server::start_with(directory.path(), &config);
    let ports = [server.http_tls, server.grpc_tls];
    let mqtt = |certificate: &Path| {
        let mut stream = tls(dial(server.mqtt_tls), certificate);
        std::io::Write::flush(&mut stream).is_ok()
    };
    assert!(ports.iter().all(|port| is_trusted(*port, &old.certificate)));
    assert!(mqtt(&old.certificate));
    let mut open = tls(dial(server.http_tls), &old.certificate);
    // It has made a request, and its answer is read below: it may stay.
    open.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    // Half a pair changes nothing, however long it lasts: the file is seen when the whole pair is.
    fs::copy(&new.certificate, &live.certificate).unwrap();
    assert!(is_trusted(server.http_tls, &old.certificate));
    fs::copy(&new.key, &live.key).unwrap();
    wait_for(|| ports.iter().all(|port| is_trusted(*port, &new.certificate)));
    assert!(mqtt(&new.certificate));
    assert!(!is_trusted(server.http_tls, &old.certificate));
    // The connection that was open still is.
    assert_eq!(http::exchange(open, http::HEALTH).unwrap().status, 200);
    fs::write(&live.certificate, "broken").unwrap();
    fs::write(&live.key, "broken").unwrap();
    let config = directory.path().join("ttn.yml");
    let doctor = ["doctor", "--config", config.to_str().unwrap()];
    let told = crate::server::command(&doctor).output().unwrap();
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(told.contains("tls.certificate") && told.contains("ERROR"), "{told}");
    assert!(is_trusted(server.http_tls, &new.certificate));
    server.terminate();
}

/// HTTP/2 is agreed on in the handshake, HTTP/1.1 without a word.
pub(crate) fn clients_choose_their_http_in_the_handshake() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let certificate = directory.path().join("data/tls/certificate.pem");
    for port in [server.http_tls, server.grpc_tls] {
        let agreed = crate::client::agreed_protocol(dial(port), &certificate, &[b"h2"]);
        assert_eq!(agreed.as_deref(), Some(&b"h2"[..]));
        assert!(is_trusted(port, &certificate));
    }
}
