//! `ttn-cli downlinks`.

use clap::Subcommand;
use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};
use serde_json::{Value, json};
use ttn_core::id::{ApplicationId, DeviceId};

use super::{Context, Run};
use crate::error::Error;

/// Queues of downlinks.
#[derive(Debug, clap::Args)]
#[non_exhaustive]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub action: Action,
}

/// What to do with a queue.
#[derive(Debug, Subcommand)]
#[non_exhaustive]
pub enum Action {
    /// Empties the queue of a device.
    Clear {
        /// The application.
        application: ApplicationId,
        /// The device.
        device: DeviceId,
    },
    /// Lists the queue of a device.
    List {
        /// The application.
        application: ApplicationId,
        /// The device.
        device: DeviceId,
    },
    /// Puts a downlink at the end of the queue.
    Push(Downlink),
    /// Puts a downlink in place of the queue.
    Replace(Downlink),
}

/// A downlink.
#[derive(Debug, clap::Args)]
#[group(id = "content", required = true, args = ["payload", "base64", "json_payload"])]
#[non_exhaustive]
pub struct Downlink {
    /// The application.
    pub application: ApplicationId,
    /// The device.
    pub device: DeviceId,
    /// The FPort.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=223))]
    pub port: u8,
    /// The payload as hexadecimal digits.
    #[arg(long, value_name = "HEX")]
    pub payload: Option<String>,
    /// The payload as base64.
    #[arg(long)]
    pub base64: Option<String>,
    /// The payload as JSON, for the formatter of downlinks.
    #[arg(long, value_name = "JSON")]
    pub json_payload: Option<String>,
    /// The device has to confirm it.
    #[arg(long)]
    pub confirmed: bool,
    /// The priority: lowest, low, below-normal, normal, above-normal, high, highest.
    #[arg(long, default_value = "normal")]
    pub priority: String,
}

impl Downlink {
    fn to_json(&self) -> Result<Value, Error> {
        let mut downlink = json!({
            "f_port": self.port,
            "confirmed": self.confirmed,
            "priority": self.priority.to_uppercase().replace('-', "_"),
        });
        if let Some(hex) = &self.payload {
            let octets = HEXLOWER_PERMISSIVE.decode(hex.replace([' ', ':'], "").as_bytes());
            let octets = octets.map_err(|error| {
                let advice = "write two digits of 0-9, A-F per octet, such as --payload 01FF";
                Error::invalid(format!("the payload is not hexadecimal: {error}"), advice)
            })?;
            downlink["frm_payload"] = json!(BASE64.encode(&octets));
        } else if let Some(text) = &self.base64 {
            downlink["frm_payload"] = json!(text);
        } else if let Some(text) = &self.json_payload {
            downlink["decoded_payload"] = serde_json::from_str(text).map_err(|error| {
                let advice = "write an object, such as --json-payload '{\"led\":true}'";
                Error::invalid(format!("the payload is not JSON: {error}"), advice)
            })?;
        }
        Ok(downlink)
    }

    fn send(&self, context: &mut Context<'_>, how: &str, done: &str) -> Result<(), Error> {
        let Self { application, device, .. } = self;
        let path = format!("/as/applications/{application}/devices/{device}/down/{how}");
        let body = json!({ "downlinks": [self.to_json()?] });
        let answer = context.api()?.post(&path, &body)?;
        Ok(context.output.done(format!("{done} {application}.{device}"), &answer)?)
    }
}

impl Run for Arguments {
    fn run(&self, context: &mut Context<'_>) -> Result<(), Error> {
        match &self.action {
            Action::Clear { application, device } => {
                let path = format!("/as/applications/{application}/devices/{device}/down/replace");
                let answer = context.api()?.post(&path, &json!({ "downlinks": [] }))?;
                let text = format!("emptied the queue of {application}.{device}");
                Ok(context.output.done(text, &answer)?)
            }
            Action::List { application, device } => {
                let path = format!("/as/applications/{application}/devices/{device}/down");
                let answer = context.api()?.get(&path)?;
                let items = answer["downlinks"].as_array().map_or(&[][..], Vec::as_slice);
                let columns = [
                    ("FCnt", "/f_cnt"),
                    ("FPort", "/f_port"),
                    ("payload (base64)", "/frm_payload"),
                    ("confirmed", "/confirmed"),
                    ("priority", "/priority"),
                ];
                Ok(context.output.list(items, &columns)?)
            }
            Action::Push(downlink) => downlink.send(context, "push", "queued for"),
            Action::Replace(downlink) => downlink.send(context, "replace", "replaced the queue of"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_hexadecimal_digits() {
        let downlink = |payload: &str| Downlink {
            application: "app".parse().unwrap(),
            device: "dev".parse().unwrap(),
            port: 2,
            payload: Some(payload.to_owned()),
            base64: None,
            json_payload: None,
            confirmed: false,
            priority: "above-normal".to_owned(),
        };
        let json = downlink("01 fF").to_json().unwrap();
        assert_eq!((&json["frm_payload"], &json["priority"]), (&json!("Af8="), &json!("ABOVE_NORMAL")));
        assert_eq!(downlink("0").to_json().unwrap_err().code(), 7);
    }
}
