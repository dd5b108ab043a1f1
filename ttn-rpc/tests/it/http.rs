//! HTTP/JSON with a client that shows every byte.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::service::serve;

struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{}: {error}", self.body))
    }

    /// The name in the details of an error.
    fn name(&self) -> String {
        let body = self.json();
        body["details"][0]["name"].as_str().unwrap_or_default().to_owned()
    }
}

async fn send(method: &str, path: &str, headers: &[&str], body: &str) -> Answer {
    let mut socket = tokio::net::TcpStream::connect(serve().await).await.unwrap();
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n");
    for header in headers {
        head.push_str(header);
        head.push_str("\r\n");
    }
    let text = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
    // The server may answer before it has read everything.
    let _ = socket.write_all(text.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines.map(|line| {
        let (name, value) = line.split_once(": ").unwrap();
        (name.to_ascii_lowercase(), value.to_owned())
    });
    Answer { status, headers: headers.collect(), body: body.to_owned() }
}

async fn get(path: &str) -> Answer {
    send("GET", path, &[], "").await
}

#[tokio::test]
async fn path_and_query_become_the_request() {
    let answer = get("/api/v3/applications/abc?field_mask=name,ids").await;
    assert_eq!((answer.status, answer.json()["name"].as_str()), (200, Some("name,ids")));
    assert_eq!(answer.json()["ids"], json!({"application_id": "abc"}));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("content-length"), Some(answer.body.len().to_string().as_str()));
    assert!(!answer.body.ends_with('\n'));
}

#[tokio::test]
async fn nobody_chooses_the_address_that_a_route_beside_sees() {
    let answer = send("GET", "/beside", &["X-Forwarded-For: 1.2.3.4"], "").await;
    assert_eq!(answer.body, "127.0.0.1");
}

#[tokio::test]
async fn headers_become_metadata_and_back() {
    let headers =
        ["Authorization: bearer NNSXS.A.B", "X-Request-Id: mine", "X-Forwarded-For: 1.2.3.4"];
    let answer = send("GET", "/api/v3/applications/abc", &headers, "").await;
    let attributes = &answer.json()["attributes"];
    assert_eq!(attributes["caller"], "Bearer(…)");
    assert_eq!(attributes["request-id"], "mine");
    assert_eq!(attributes["forwarded-for"], "1.2.3.4,127.0.0.1");
    assert_eq!(answer.header("x-request-id"), Some("mine"));
    assert_eq!(get("/api/v3/applications/abc").await.header("x-request-id").unwrap().len(), 26);
}

#[tokio::test]
async fn totals_and_warnings_are_headers() {
    let answer = get("/api/v3/applications?limit=2").await;
    assert_eq!(answer.body, r#"{"applications":[{},{}]}"#);
    assert_eq!(answer.header("x-total-count"), Some("42"));
    let warnings = answer.headers.iter().filter(|(name, _)| name == "x-warning");
    assert_eq!(warnings.map(|(_, value)| value.as_str()).collect::<Vec<_>>(), ["one", "two"]);
}

#[tokio::test]
async fn long_answers_are_compressed_for_who_accepts_it() {
    let accept = ["Accept-Encoding: br, gzip;q=0.8"];
    let answer = send("GET", "/api/v3/applications?limit=1000", &accept, "").await;
    assert_eq!(answer.header("content-encoding"), Some("gzip"));
    let length: usize = answer.header("content-length").unwrap().parse().unwrap();
    assert!(length < 1000, "{length}");
    let answer = send("GET", "/api/v3/applications?limit=1", &accept, "").await;
    assert_eq!(answer.header("content-encoding"), None);
}

#[tokio::test]
async fn a_call_ends_with_the_patience_of_the_caller() {
    let answer = send("GET", "/api/v3/applications/slow", &["Grpc-Timeout: 10m"], "").await;
    assert_eq!((answer.status, answer.name().as_str()), (504, "context_deadline_exceeded"));
}

#[tokio::test]
async fn every_answer_has_the_protective_headers() {
    for path in ["/api/v3/applications/abc", "/api/v3/nothing", "/nothing"] {
        let answer = get(path).await;
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("access-control-allow-origin").is_some(), path != "/nothing");
    }
    let answer = send("OPTIONS", "/api/v3/applications/abc", &["Origin: https://x"], "").await;
    assert_eq!(answer.status, 204);
    assert_eq!(answer.header("access-control-max-age"), Some("600"));
}

#[tokio::test]
async fn bodies_and_path_parameters_go_together() {
    let body =
        r#"{"application":{"name":"New","ids":{"applicationId":"other"}},"fieldMask":"name"}"#;
    let answer = send("PUT", "/api/v3/applications/abc", &[], body).await;
    assert_eq!(answer.json(), json!({"ids": {"application_id": "abc"}, "name": "New"}));
}

#[tokio::test]
async fn only_masked_fields_are_validated() {
    let long = "x".repeat(60);
    let body = format!(r#"{{"application":{{"name":"{long}"}},"field_mask":"description"}}"#);
    assert_eq!(send("PUT", "/api/v3/applications/abc", &[], &body).await.status, 200);
    let body = body.replace("\"description\"", "\"name\"");
    let answer = send("PUT", "/api/v3/applications/abc", &[], &body).await;
    assert_eq!((answer.status, answer.name().as_str()), (400, "validation"));
    let body = r#"{"application":{"dev_eui_counter":3},"field_mask":"dev_eui_counter"}"#;
    let answer = send("PUT", "/api/v3/applications/abc", &[], body).await;
    assert_eq!((answer.status, answer.name().as_str()), (400, "field_mask_paths"));
}

#[tokio::test]
async fn an_empty_answer_is_an_empty_object() {
    let answer = send("DELETE", "/api/v3/applications/abc", &[], "").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "{}"));
}

#[tokio::test]
async fn errors_are_status_objects() {
    let answer = get("/api/v3/applications/missing").await;
    assert_eq!(answer.status, 404);
    let mut body = answer.json();
    let details = &mut body["details"][0];
    assert_eq!(details["correlation_id"].take().as_str().unwrap().len(), 32);
    assert_eq!(
        body,
        json!({
            "code": 5,
            "message": "error:pkg/identityserver/store:application_not_found (application `missing` not found)",
            "details": [{
                "@type": "type.googleapis.com/ttn.lorawan.v3.ErrorDetails",
                "namespace": "pkg/identityserver/store",
                "name": "application_not_found",
                "message_format": "application `missing` not found",
                "attributes": {"application_id": "missing"},
                "correlation_id": null,
                "code": 5,
            }],
        })
    );
}

#[tokio::test]
async fn unknown_routes_and_wrong_methods_have_their_codes() {
    let answer = get("/api/v3/nothing").await;
    assert_eq!((answer.status, answer.json()), (404, json!({"code": 5, "message": "Not Found"})));
    let answer = send("PATCH", "/api/v3/applications/abc", &[], "").await;
    let body = json!({"code": 12, "message": "Method Not Allowed"});
    assert_eq!((answer.status, answer.json()), (501, body));
    let answer = get("/elsewhere").await;
    assert_eq!((answer.status, answer.name().as_str()), (404, "route_not_found"));
    let answer = get("/api/v3/users/abc").await;
    assert_eq!(answer.status, 501);
    assert_eq!(answer.json()["message"], "UserRegistry.Get is not served here");
}

#[tokio::test]
async fn unauthenticated_answers_say_so_in_a_header() {
    let answer = get("/api/v3/applications?order=-name").await;
    assert_eq!((answer.status, answer.header("www-authenticate")), (401, Some("who are you")));
}

#[tokio::test]
async fn malformed_bodies_are_named() {
    for body in ["{", "[]", r#"{"application":{"name":5}}"#] {
        let answer = send("PUT", "/api/v3/applications/abc", &[], body).await;
        assert_eq!((answer.status, answer.name().as_str()), (400, "invalid_json"), "{body}");
    }
    let body = " ".repeat((16 << 20) + 1);
    let answer = send("PUT", "/api/v3/applications/abc", &[], &body).await;
    assert_eq!((answer.status, answer.name().as_str()), (400, "request_body_too_large"));
}

const EVENTS: &str = r#"{"identifiers":[{"application_ids":{"application_id":"abc"}}],"names":["a","b","error","c"]}"#;

#[tokio::test]
async fn streams_are_lines() {
    let answer = send("POST", "/api/v3/events", &[], EVENTS).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let lines: Vec<_> = answer.body.lines().filter(|line| line.starts_with('{')).collect();
    let error = r#"{"error":{"code":14,"message":"the bus is gone"}}"#;
    assert_eq!(lines, [r#"{"result":{"name":"a"}}"#, r#"{"result":{"name":"b"}}"#, error]);
}

#[tokio::test]
async fn streams_are_events_if_the_client_accepts_them() {
    let answer = send("POST", "/api/v3/events", &["Accept: text/event-stream"], EVENTS).await;
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    assert!(answer.body.contains("{\"result\":{\"name\":\"a\"}}\n\n"), "{}", answer.body);
}

#[tokio::test]
async fn a_stream_that_fails_at_once_answers_with_the_status() {
    let body = EVENTS.replace(r#""a","b","#, "");
    let answer = send("POST", "/api/v3/events", &[], &body).await;
    assert_eq!((answer.status, answer.json()["code"].as_i64()), (503, Some(14)));
}

#[tokio::test]
async fn health_follows_the_callback() {
    let answer = get("/healthz").await;
    assert_eq!(answer.status, 503);
    assert!(answer.body.contains("the store is closed"));
}

#[tokio::test]
async fn the_document_has_what_is_served_and_nothing_else() {
    let answer = get("/api/v3/openapi.json").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    let document = answer.json();
    let paths = document["paths"].as_object().unwrap();
    let path = &paths["/api/v3/applications/{application_id}"];
    assert_eq!(path["get"]["operationId"], "ApplicationRegistry.Get");
    assert!(paths.contains_key("/api/v3/events"), "{:?}", paths.keys());
    let strange =
        |path: &&String| path.starts_with("/api/v1") || path.starts_with("/api/v3/gateways");
    assert_eq!(paths.keys().filter(strange).collect::<Vec<_>>(), Vec::<&String>::new());
    let tags: Vec<_> = document["tags"].as_array().unwrap().iter().map(|it| &it["name"]).collect();
    assert_eq!(tags, ["ApplicationRegistry", "Events", "GtwGs"]);
    assert_eq!(send("POST", "/api/v3/openapi.json", &[], "").await.status, 404);
}
