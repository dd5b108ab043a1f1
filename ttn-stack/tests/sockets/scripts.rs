//! Payload formatters in JavaScript: the server runs them in processes of its own program.

use serde_json::json;

use crate::{
    http,
    server::{Server, wait_for},
};

// AS-13, AS-20
pub(crate) fn scripts_run_in_worker_processes() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let key = server.api_key.clone().unwrap();
    let application = json!({ "application": { "ids": { "application_id": "my-app" } } });
    http::call(server.http, &key, "POST", "/users/admin/applications", &application);
    let decode = |body: &str| {
        let path = "/api/v3/as/applications/my-app/devices/my-dev/up/decode";
        let request = json!({
            "uplink": {
                "f_port": 1,
                "frm_payload": "AQI=",
                "settings": {
                    "data_rate": { "lora": { "bandwidth": 125_000, "spreading_factor": 7 } },
                    "frequency": "868100000",
                },
            },
            "formatter": "FORMATTER_JAVASCRIPT",
            "parameter": format!("function decodeUplink(input) {{ {body} }}"),
        });
        http::request(server.http, "POST", path, Some(&key), &request.to_string()).unwrap()
    };
    let works = "return { data: { sum: input.bytes[0] + input.bytes[1] } };";
    let hangs = "return 'a'.repeat(1 << 22).indexOf('a'.repeat(1 << 21) + 'b');";
    // On a busy machine the time limit is short even for a small script.
    wait_for(|| decode(works).body.contains(r#""sum":3"#));
    let killed = decode(hangs);
    assert_eq!(killed.status, 504, "{}", killed.body);
    assert!(killed.body.contains("script_timeout"), "{}", killed.body);
    wait_for(|| decode(works).status == 200);
}
