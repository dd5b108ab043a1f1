//! What a running server knows: gateways whose clocks are wrong or whose way is long, payload formatters that fail.

use std::{collections::BTreeMap, time::Duration};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use ttn_cli::{
    api::{Api, Http},
    error::Error,
    login::ApiKey,
};

use super::Finding;

const GATEWAYS: &str = "gateways";
const CODECS: &str = "codecs";
/// By how much the clock of a gateway may be off; its status may have been on its way for a while.
const CLOCK_OFF_MAX: SignedDuration = SignedDuration::from_secs(5);
/// The longest usual round trip that leaves time to answer in RX1 after one second.
const ROUND_TRIP_MAX: f64 = 0.7;
/// How long the events of the past are read.
const READING: Duration = Duration::from_secs(2);
/// How many applications one stream of events may be about.
const APPLICATIONS: usize = 100;
/// How many events of an application are looked through.
const EVENTS: usize = 100;
/// Formatters that failed.
const FAILURES: [&str; 3] =
    ["as.down.data.decode.fail", "as.down.data.encode.fail", "as.up.data.decode.fail"];

/// Asks the server at `url` in the name of an API key; without one, says what could not be examined.
pub(super) fn check(url: &str, api_key: Option<&str>) -> Vec<Finding> {
    let Some(api_key) = api_key else {
        let text = "gateways and payload formatters were not examined: only a running server knows how they do";
        let fix =
            "run the doctor beside the server with the API key of an administrator in TTN_API_KEY";
        return vec![Finding::skipped(GATEWAYS, text, fix)];
    };
    let http = match Http::with_body_timeout(url, READING) {
        Ok(http) => http,
        Err(error) => {
            let fix = "name a server with --server, such as http://localhost:1885";
            return vec![Finding::error(GATEWAYS, error.to_string(), fix)];
        }
    };
    let api = Api::new(url, Box::new(http), Some(ApiKey::new(api_key)));
    let mut findings = gateways(&api).unwrap_or_else(|error| vec![refused(GATEWAYS, &error)]);
    findings.extend(codecs(&api).unwrap_or_else(|error| vec![refused(CODECS, &error)]));
    findings
}

fn refused(check: &'static str, error: &Error) -> Finding {
    Finding::skipped(check, error.to_string(), error.advice())
}

fn gateways(api: &Api) -> Result<Vec<Finding>, Error> {
    let mut findings = Vec::new();
    let all = api.list("/gateways", "gateways")?;
    for gateway in &all {
        let id = gateway["ids"]["gateway_id"].as_str().unwrap_or_default();
        // One that is not connected has none.
        if let Ok(stats) = api.get(&format!("/gs/gateways/{id}/connection/stats")) {
            findings.extend(of_gateway(id, &stats));
        }
    }
    if findings.is_empty() {
        let text = format!("of {} gateways none has a wrong clock or a long way", all.len());
        findings.push(Finding::fine(GATEWAYS, text));
    }
    Ok(findings)
}

fn of_gateway(id: &str, stats: &Value) -> Vec<Finding> {
    let time = |value: &Value| value.as_str()?.parse::<Timestamp>().ok();
    let mut findings = Vec::new();
    let (said, heard) =
        (time(&stats["last_status"]["time"]), time(&stats["last_status_received_at"]));
    if let (Some(said), Some(heard)) = (said, heard) {
        let off = said.duration_since(heard);
        if off.abs() > CLOCK_OFF_MAX {
            let way = if off.is_negative() { "behind" } else { "ahead" };
            let text = format!("the clock of the gateway {id} is {:#} {way}", off.abs());
            let fix = "let it synchronize with a time server (chrony, ntpd) or by GPS: the times of its uplinks are wrong";
            findings.push(Finding::warning(GATEWAYS, text, fix));
        }
    }
    let median = stats["round_trip_times"]["median"].as_str();
    let median = median.and_then(|text| text.trim_end_matches('s').parse::<f64>().ok());
    if let Some(median) = median.filter(|median| *median > ROUND_TRIP_MAX) {
        let text = format!(
            "to the gateway {id} and back takes {median:.1} s: answers after one second come too late"
        );
        let fix = "use a faster link, or raise `mac_settings.desired_rx1_delay` of its devices";
        findings.push(Finding::warning(GATEWAYS, text, fix));
    }
    findings
}

fn codecs(api: &Api) -> Result<Vec<Finding>, Error> {
    let all = api.list("/applications", "applications")?;
    let mut failures = BTreeMap::new();
    for some in all.chunks(APPLICATIONS) {
        let identifiers: Vec<_> = some
            .iter()
            .map(|application| json!({ "application_ids": application["ids"] }))
            .collect();
        let tail = EVENTS * some.len();
        let ask = json!({ "identifiers": identifiers, "names": FAILURES, "tail": tail });
        let events = api.stream(http::Method::POST, "/events", &ask)?;
        // The stream goes on with what is to come; the end of the time for reading ends it.
        note(&mut failures, events.map_while(Result::ok));
    }
    let mut findings: Vec<_> = failures.into_iter().map(of_codec).collect();
    if findings.is_empty() {
        let text = format!("no payload formatter of {} applications failed of late", all.len());
        findings.push(Finding::fine(CODECS, text));
    }
    Ok(findings)
}

/// The device and whether it was an uplink, with the number of failures and the last one.
type Failures = BTreeMap<(String, bool), (usize, String)>;

fn note(failures: &mut Failures, events: impl Iterator<Item = Value>) {
    for event in events.filter(|event| FAILURES.contains(&event["name"].as_str().unwrap_or(""))) {
        let ids = &event["identifiers"][0]["device_ids"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let application = text(&ids["application_ids"]["application_id"]);
        let device = format!("{application}.{}", text(&ids["device_id"]));
        let is_uplink = event["name"] == "as.up.data.decode.fail";
        let entry = failures.entry((device, is_uplink)).or_default();
        let message = text(&event["data"]["message_format"]);
        *entry = (entry.0 + 1, message);
    }
}

fn of_codec(((device, is_uplink), (count, message)): ((String, bool), (usize, String))) -> Finding {
    let what = if is_uplink { "uplinks" } else { "downlinks" };
    let text = format!("the formatter of {device} failed for {count} {what} of late: {message}");
    let fix = "try the script on such a payload with `ttn-cli codec test`, and set the mended one";
    Finding::warning(CODECS, text, fix)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::doctor::Severity;

    fn stats(said: &str, round_trip: &str) -> Value {
        json!({
            "last_status_received_at": "2026-05-01T12:00:00Z",
            "last_status": { "time": said },
            "round_trip_times": { "median": round_trip },
        })
    }

    #[test]
    fn a_clock_that_is_off_and_a_long_way_are_told_with_their_numbers() {
        assert_eq!(of_gateway("roof", &stats("2026-05-01T11:59:56Z", "0.05s")), []);
        let behind = of_gateway("roof", &stats("2026-05-01T11:58:00Z", "0.05s"));
        assert!(behind[0].text.contains("roof is 2m behind"), "{behind:?}");
        let ahead = of_gateway("roof", &stats("2026-05-01T13:00:00Z", "0.8s"));
        assert!(ahead[0].text.contains("ahead"), "{ahead:?}");
        assert!(ahead[1].text.contains("0.8 s"), "{ahead:?}");
        assert_eq!(of_gateway("roof", &Value::Null), []);
    }

    #[test]
    fn failures_are_added_up_by_device() {
        let event = |name: &str, message: &str| {
            json!({
                "name": name,
                "identifiers": [{ "device_ids": {
                    "device_id": "dev", "application_ids": { "application_id": "app" },
                } }],
                "data": { "message_format": message },
            })
        };
        let mut failures = Failures::new();
        let up = |message| event("as.up.data.decode.fail", message);
        let other = event("events.stream.start", "");
        note(&mut failures, [up("a"), other, up("b")].into_iter());
        let findings: Vec<_> = failures.into_iter().map(of_codec).collect();
        assert_eq!(findings.len(), 1);
        assert!(findings[0].text.contains("app.dev failed for 2 uplinks of late: b"));
        assert_eq!(findings[0].severity, Severity::Warning);
    }

    #[test]
    fn without_a_key_nothing_is_asked() {
        let findings = check("http://localhost:1", None);
        assert_eq!(findings[0].severity, Severity::Skipped);
    }
}
