//! `ttn-cli uplinks`.

use data_encoding::{BASE64, HEXUPPER};
use serde_json::{Value, json};
use ttn_core::id::{ApplicationId, DeviceId};

use super::{Context, Run, events};
use crate::error::Error;

/// Shows what devices sent: the last uplinks that the server remembers, and on request those to come.
#[derive(Debug, clap::Args)]
#[non_exhaustive]
pub struct Arguments {
    /// The application.
    pub application: ApplicationId,
    /// One device of it; all if not named.
    pub device: Option<DeviceId>,
    /// How many of the last uplinks come first.
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub tail: u32,
    /// Go on with what comes from now.
    #[arg(long, short)]
    pub follow: bool,
}

/// The event of an uplink that goes to the application; it has the message as data.
const FORWARD: &str = "as.up.data.forward";

impl Run for Arguments {
    fn run(&self, context: &mut Context<'_>) -> Result<(), Error> {
        let application = json!({ "application_id": self.application.as_str() });
        let whose = match &self.device {
            None => json!({ "application_ids": application }),
            Some(id) => json!({
                "device_ids": { "device_id": id.as_str(), "application_ids": application }
            }),
        };
        let body = json!({ "identifiers": [whose], "names": [FORWARD], "tail": self.tail });
        events::read(context, &body, self.follow, &mut |context, event| match &event["data"] {
            message if message["uplink_message"].is_object() => {
                Ok(context.output.item(message, line)?)
            }
            // The start of the stream.
            _ => Ok(()),
        })
    }
}

/// An uplink as a line: time, device, port, counter, payload.
fn line(message: &Value) -> String {
    let uplink = &message["uplink_message"];
    let time = message["received_at"].as_str().unwrap_or_default();
    let time = time.get(..19).unwrap_or(time);
    let device = message["end_device_ids"]["device_id"].as_str().unwrap_or_default();
    let number = |name: &str| uplink[name].as_u64().unwrap_or_default();
    let octets = uplink["frm_payload"].as_str().unwrap_or_default();
    let octets = BASE64.decode(octets.as_bytes()).unwrap_or_default();
    let payload = match &uplink["decoded_payload"] {
        Value::Null => HEXUPPER.encode(&octets),
        decoded => format!("{}  {decoded}", HEXUPPER.encode(&octets)),
    };
    format!("{time}  {device:<24}  port {:<3} {:>6}  {payload}", number("f_port"), number("f_cnt"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_uplink_is_a_line() {
        let message = json!({
            "end_device_ids": { "device_id": "door" },
            "received_at": "2026-11-18T11:06:40.123456Z",
            "uplink_message": {
                "f_port": 2, "f_cnt": 77, "frm_payload": "AWc=", "decoded_payload": { "open": true },
            },
        });
        let line = line(&message);
        for part in ["2026-11-18T11:06:40  door", "port 2 ", "77  0167", r#"{"open":true}"#] {
            assert!(line.contains(part), "{part:?} is missing in {line:?}");
        }
    }
}
