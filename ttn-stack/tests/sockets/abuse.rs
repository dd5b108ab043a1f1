//! What comes from people who mean no good: too much, nothing at all, lines in the wrong places, tokens that are none.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::TcpStream,
};

use rustix::process::{Resource, getrlimit};
use serde_json::Value;

use crate::{
    client::{Client, dial},
    grpc,
    http::{self, Answer},
    network::{APPLICATION, Network},
    server::{SOON, Server},
};

/// The largest body that the API reads.
const BODY_MAX: usize = 16 << 20;
/// How many clients do nothing, at most.
const IDLE_MAX: u64 = 10_000;
/// Files that the test and its server need besides.
const FILES_BESIDE: u64 = 1_000;

/// Sends a request as it is.
fn raw(port: u16, request: impl AsRef<[u8]>) -> Answer {
    http::exchange(dial(port), request.as_ref()).unwrap()
}

/// The name of an error.
fn name(answer: &Answer) -> String {
    let body: Value = serde_json::from_str(&answer.body).unwrap_or_default();
    body["details"][0]["name"].as_str().unwrap_or_default().to_owned()
}

fn is_well(port: u16) -> bool {
    raw(port, http::HEALTH).status == 200
}

/// Sends octets until the other side has enough; gives how many it took.
fn flood(mut stream: TcpStream, length: usize) -> usize {
    stream.set_write_timeout(Some(SOON)).unwrap();
    let chunk = [b' '; 1 << 16];
    for sent in (0..length).step_by(chunk.len()) {
        match stream.write_all(&chunk) {
            Ok(()) => {}
            Err(error) => {
                let kind = error.kind();
                assert!(
                    matches!(kind, ErrorKind::BrokenPipe | ErrorKind::ConnectionReset),
                    "{error}"
                );
                return sent;
            }
        }
    }
    length
}

/// Reads until the other side closes; gives whether it did so soon.
fn is_closed(stream: &mut TcpStream) -> bool {
    let mut octets = [0; 256];
    loop {
        match stream.read(&mut octets) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() == ErrorKind::ConnectionReset,
        }
    }
}

pub(crate) fn bodies_above_16_mib_are_refused_by_name_and_not_read() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let key = server.api_key.clone().unwrap();
    let head = |path: &str, kind: &str, length: usize| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Authorization: Bearer {key}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
        )
    };
    // The length alone is enough: nothing of the body is sent.
    let path = "/api/v3/users/admin/applications";
    let answer = raw(server.http, head(path, "application/json", BODY_MAX + 1));
    assert_eq!((answer.status, name(&answer).as_str()), (400, "request_body_too_large"));
    // Without a length, the body is read up to the limit.
    let chunked = head(path, "application/json", 0)
        .replace("Content-Length: 0", "Transfer-Encoding: chunked");
    let mut stream = dial(server.http);
    stream.write_all(chunked.as_bytes()).unwrap();
    let chunk = format!("{:x}\r\n{}\r\n", 1 << 16, " ".repeat(1 << 16));
    for _ in 0..=BODY_MAX >> 16 {
        if stream.write_all(chunk.as_bytes()).is_err() {
            break;
        }
    }
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    assert!(answer.contains("request_body_too_large"), "{answer}");
    // Forms and webhooks have less.
    let hook = format!("/api/v3/as/applications/{APPLICATION}/webhooks/h/devices/d/down/push");
    for path in ["/oauth/token", "/oauth/api/auth/login", "/oauth/login", &hook] {
        for kind in ["application/x-www-form-urlencoded", "application/json"] {
            let mut stream = dial(server.http);
            stream.write_all(head(path, kind, BODY_MAX + 1).as_bytes()).unwrap();
            let sent = flood(stream.try_clone().unwrap(), BODY_MAX + 1);
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer);
            let answer = String::from_utf8_lossy(&answer);
            assert!(sent < BODY_MAX || answer.starts_with("HTTP/1.1 4"), "{path} {kind}: {answer}");
        }
    }
    assert!(is_well(server.http));
}

pub(crate) fn messages_above_16_mib_are_refused_over_grpc() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let path = "/ttn.lorawan.v3.ApplicationRegistry/Get";
    let announce = |length: usize| {
        let mut frame = vec![0];
        frame.extend_from_slice(&u32::try_from(length).unwrap().to_be_bytes());
        frame
    };
    // The length alone is enough.
    let answer = grpc::call(server.grpc, path, &[], announce(BODY_MAX + 1));
    assert_eq!((answer.http, answer.code), (200, Some(11)), "{answer:?}");
    assert!(answer.message.contains("too%20large"), "{answer:?}");
    let answer = grpc::call(server.grpc, path, &[], announce(u32::MAX as usize));
    assert_eq!(answer.code, Some(11), "{answer:?}");
    // One that ends early is no panic, either.
    let answer = grpc::call(server.grpc, path, &[], announce(16));
    assert!(answer.code.is_some_and(|code| code != 0), "{answer:?}");
    // gRPC-Web is refused by name, over HTTP/1.1, before its body is read.
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Type: application/grpc-web+proto\r\nContent-Length: {}\r\n\r\n",
        BODY_MAX + 1
    );
    let answer = raw(server.grpc, request);
    assert_eq!(answer.status, 501, "{}", answer.body);
    assert!(answer.body.contains("gRPC-Web"), "{}", answer.body);
    assert!(is_well(server.grpc));
}

pub(crate) fn packets_that_are_too_large_end_an_mqtt_connection_unread() {
    let network = Network::start();
    let server = &network.server;
    // The first octet and the length of CONNECT, of PUBLISH: 16 MiB and the most that can be said.
    for head in [[0x10, 0x80, 0x80, 0x80, 0x08], [0x10, 0xFF, 0xFF, 0xFF, 0x7F]] {
        let mut stream = dial(server.mqtt);
        stream.write_all(&head).unwrap();
        assert!(flood(stream, BODY_MAX) < BODY_MAX, "the server took it all");
    }
    for head in [[0x30, 0x80, 0x80, 0x80, 0x08], [0x30, 0xFF, 0xFF, 0xFF, 0x7F]] {
        let stream = dial(server.mqtt);
        let (_client, _) =
            Client::connect(Box::new(stream.try_clone().unwrap()), "large", &network.api_key);
        (&stream).write_all(&head).unwrap();
        assert!(flood(stream, BODY_MAX) < BODY_MAX, "the server took it all");
    }
    // The length of the length is limited, too.
    let mut stream = dial(server.mqtt);
    stream.write_all(&[0x10, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]).unwrap();
    assert!(is_closed(&mut stream));
    let _ = Client::connect(Box::new(dial(server.mqtt)), "well", &network.api_key);
}

/// As many as the limit of open files allows, spread over the listeners.
pub(crate) fn clients_that_send_nothing_keep_nobody_out_and_are_closed() {
    let network = Network::start();
    let server = &network.server;
    let ports = [server.http, server.http_tls, server.grpc, server.mqtt, server.mqtt_tls];
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let each = (files.saturating_sub(FILES_BESIDE) / ports.len() as u64).min(IDLE_MAX);
    println!("{each} clients that send nothing at each of {} listeners", ports.len());
    assert!(each > 0, "the limit of open files, {files}, is too low for this test");
    let connect = |port| {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream
    };
    let mut idle: Vec<_> = (0..each).flat_map(|_| ports.map(connect)).collect();
    // Some begin and stop in the middle of it.
    for (number, stream) in idle.iter_mut().enumerate().step_by(7) {
        let beginning: &[u8] = match number % ports.len() {
            0 => b"GET /healthz HTT",
            1 | 4 => &[22, 3, 1, 2],
            2 => b"PRI * HTTP/2.0",
            _ => &[0x10, 50, 0],
        };
        let _ = stream.write_all(beginning);
    }
    assert!(is_well(server.http));
    assert!(is_well(server.grpc));
    let _ = Client::connect(Box::new(dial(server.mqtt)), "well", &network.api_key);
    let open = idle.iter_mut().filter_map(|stream| (!is_closed(stream)).then_some(())).count();
    assert_eq!(open, 0, "of {} connections", idle.len());
    assert!(is_well(server.http));
}

/// Lines that would be headers of an answer, in every place from which one could get there.
pub(crate) fn nobody_adds_headers_to_an_answer() {
    let network = Network::start();
    let server = &network.server;
    let key = &network.api_key;
    let evil = "%0d%0aX-Evil:%20yes";
    let paths = [
        format!("/api/v3/applications/a{evil}"),
        format!("/api/v3/applications?order=name{evil}"),
        format!("/api/v3/applications/{APPLICATION}?field_mask=name{evil}"),
        format!("/oauth/login?n=/{evil}"),
        format!("/oauth/logout?post_logout_redirect_uri=https://a.example/{evil}"),
        format!("/oauth/authorize?client_id=cli&redirect_uri=/x{evil}&response_type=code"),
        format!("/oauth/authorize?client_id=cli&state=a{evil}&response_type=code"),
        format!("/oauth/local-callback?port=1&code=a{evil}&state=b{evil}"),
        format!("/oauth/code?code=a{evil}"),
        format!("/nothing{evil}"),
    ];
    for path in paths {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Authorization: Bearer {key}\r\n\r\n"
        );
        let answer = raw(server.http, request);
        assert!(!answer.head.to_lowercase().contains("\r\nx-evil"), "{path}: {}", answer.head);
        assert!(answer.status < 500, "{path}: {}", answer.status);
    }
    // What is echoed: the id of a request. A line feed alone, a control character, and octets that are no text.
    let ids: [&[u8]; 4] = [b"a\nX-Evil: yes", b"a\x01b", b"a\xFF\xFEb", b"a\r X-Evil: yes"];
    for id in ids {
        let mut request =
            b"GET /api/v3/applications HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: ".to_vec();
        request.extend_from_slice(id);
        request.extend_from_slice(b"\r\nConnection: close\r\n\r\n");
        let answer = raw(server.http, request);
        assert!(answer.status < 500, "{}", answer.status);
        let id = String::from_utf8_lossy(id);
        assert!(!answer.head.contains(&*id), "{id:?} came back: {}", answer.head);
        assert!(!answer.head.contains("\r\nX-Evil"), "{}", answer.head);
    }
    // What is stored and sent on: names, addresses, headers of webhooks.
    let text = "a\r\nX-Evil: yes";
    let hook = serde_json::json!({ "webhook": {
        "ids": { "webhook_id": "hook", "application_ids": { "application_id": APPLICATION } },
        "base_url": "https://a.example", "format": "json", "headers": { "X-Mine": text },
    }});
    let answers = [
        post(server, key, &format!("/as/webhooks/{APPLICATION}"), &hook),
        post(
            server,
            key,
            "/users/admin/applications",
            &serde_json::json!({
                "application": { "ids": { "application_id": text } }
            }),
        ),
        post(
            server,
            key,
            "/users",
            &serde_json::json!({ "user": {
                "ids": { "user_id": "eve" }, "password": "Secret-123",
                "primary_email_address": format!("eve@a.example\r\nBcc: all@a.example"),
            }}),
        ),
    ];
    for answer in answers {
        assert_eq!(answer.status, 400, "{}", answer.body);
        assert!(!answer.head.to_lowercase().contains("\r\nx-evil"), "{}", answer.head);
    }
    let answer = grpc::call(
        server.grpc,
        "/ttn.lorawan.v3.ApplicationRegistry/Get",
        &[("grpc-metadata-x", "a%0d%0aX-Evil: yes"), ("x-request-id", "a%0d%0aX-Evil: yes")],
        vec![0; 5],
    );
    assert!(!answer.has_header("x-evil"), "{answer:?}");
}

fn post(server: &Server, key: &str, path: &str, body: &Value) -> Answer {
    let path = format!("/api/v3{path}");
    http::request(server.http, "POST", &path, Some(key), &body.to_string()).unwrap()
}

pub(crate) fn long_heads_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let get = |path: &str, header: &str| {
        format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{header}Connection: close\r\n\r\n")
    };
    let long = |length: usize| "x".repeat(length);
    let status = |request: String| raw(server.http, request).status;
    assert_eq!(status(get(&format!("/api/v3/applications/{}", long(8 << 10)), "")), 400);
    assert_eq!(status(get(&format!("/{}", long(70_000)), "")), 414);
    assert_eq!(status(get("/healthz", &format!("X-Long: {}\r\n", long(1 << 20)))), 431);
    assert_eq!(status(get("/healthz", &"X-Many: x\r\n".repeat(1_000))), 431);
    let bearer = format!("Authorization: Bearer {}\r\n", long(64 << 10));
    assert_eq!(status(get("/api/v3/applications", &bearer)), 401);
    // Nobody is asked to remember an id as long as that.
    let answer = raw(
        server.http,
        get("/api/v3/applications", &format!("X-Request-Id: {}\r\n", long(8 << 10))),
    );
    assert!(answer.head.len() < 4_096, "{}", answer.head.len());
    let value = long(256 << 10);
    let path = "/ttn.lorawan.v3.ApplicationRegistry/Get";
    let answer = grpc::call(server.grpc, path, &[("x-long", &value)], vec![0; 5]);
    assert!(answer.http != 200 || answer.code != Some(0), "{answer:?}");
    let path = format!("/ttn.lorawan.v3.{}/Get", long(8 << 10));
    let answer = grpc::call(server.grpc, &path, &[], vec![0; 5]);
    assert_eq!(answer.code, Some(12), "{answer:?}");
    assert!(is_well(server.http));
}

/// What has no form of a token is a bad request, `pkg/auth:token`.
const fn is_refusal(status: u16) -> bool {
    matches!(status, 400 | 401 | 403)
}

/// Tokens that are wrong, cut off, foreign or of another kind.
fn bad_tokens(key: &str) -> Vec<String> {
    let mut parts = key.split('.');
    let (kind, id, secret) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
    let cut = &key[..key.len() - 1];
    let mut tokens = vec![
        "x".to_owned(),
        "..".to_owned(),
        kind.to_owned(),
        format!("{kind}."),
        format!("{kind}.{id}"),
        format!("{kind}.{id}."),
        format!("{kind}..{secret}"),
        format!("{kind}.{secret}.{id}"),
        format!("{kind}.{id}.{secret}.{secret}"),
        cut.to_owned(),
        format!("{key}A"),
        key.to_lowercase(),
        // A key of nobody, and ours as if it were something else.
        format!("{kind}.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA.{secret}"),
        format!("MFRWG.{id}.{secret}"),
        format!("ONZW4.{id}.{secret}"),
        // The form of another system: a JSON Web Token without a signature.
        "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9.".to_owned(),
        format!("{kind}.{id}.{}", "A".repeat(8_000)),
        format!("{kind}.{id}.%00"),
        format!("{kind}.{id}.' OR '1'='1"),
    ];
    // Any single octet of the secret counts.
    let last = if key.ends_with('A') { "B" } else { "A" };
    tokens.push(format!("{cut}{last}"));
    tokens
}

pub(crate) fn tokens_that_are_none_are_refused_everywhere() {
    let network = Network::start();
    let server = &network.server;
    let key = &network.api_key;
    let path = format!("/api/v3/applications/{APPLICATION}");
    let get = |path: &str, authorization: &str| {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{authorization}\r\n\r\n"
        );
        raw(server.http, request)
    };
    for token in bad_tokens(key) {
        let answer = get(&path, &format!("Authorization: Bearer {token}"));
        assert!(is_refusal(answer.status), "{token}: {}", answer.body);
        assert!(!answer.body.contains(key.rsplit('.').next().unwrap()), "the secret came back");
        let bearer = format!("Bearer {token}");
        let rpc = "/ttn.lorawan.v3.ApplicationRegistry/List";
        let answer = grpc::call(server.grpc, rpc, &[("authorization", &bearer)], vec![0; 5]);
        assert!(matches!(answer.code, Some(3 | 7 | 16)), "{token}: {answer:?}");
        let cookie = get(&path, &format!("Cookie: _session={token}"));
        assert!(is_refusal(cookie.status), "{token} as cookie: {}", cookie.body);
        assert!(Client::is_refused(&dial(server.mqtt), &token), "{token} as password");
    }
    // The key itself works where it belongs, and nowhere else.
    assert_eq!(get(&path, &format!("Authorization: Bearer {key}")).status, 200);
    let others = [
        format!("Authorization: Basic {key}"),
        format!("Authorization: {key}"),
        "Authorization: Bearer".to_owned(),
        "Authorization: Bearer ".to_owned(),
        format!("Authorization: ClusterKey {key}"),
        "Authorization: ClusterKey ".to_owned(),
        "Authorization: ClusterKey 00000000000000000000000000000000".to_owned(),
        format!("Cookie: _session={key}"),
        format!("X-Api-Key: {key}"),
    ];
    for authorization in others {
        let answer = get(&path, &authorization);
        assert!(is_refusal(answer.status), "{authorization}: {}", answer.body);
    }
    for name in ["access_token", "token", "key", "api_key", "authorization"] {
        let answer = get(&format!("{path}?{name}={key}"), "X-Nothing: x");
        assert!(is_refusal(answer.status), "{name}: {}", answer.body);
    }
    assert!(is_well(server.http));
}
