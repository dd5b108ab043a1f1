//! One event as a line.

use std::fmt::Write as _;

use data_encoding::{BASE64, HEXUPPER};
use serde_json::Value;

/// What an event says: where it happened, what, and with which reason and numbers. May have several lines.
#[must_use]
pub fn describe(event: &Value) -> String {
    let name = event["name"].as_str().unwrap_or_default();
    let mut text = String::new();
    if let Some(gateway) = gateways(event).first().filter(|_| name.starts_with("gs.")) {
        let _ = write!(text, "{gateway}: ");
    }
    text.push_str(&phrase(name));
    let detail = detail(&event["data"]);
    if !detail.is_empty() {
        let _ = write!(text, ": {detail}");
    }
    text
}

/// To whom an event happened: `application/device`, or the id of another entity; several with commas.
#[must_use]
pub fn whose(event: &Value) -> String {
    let ids = event["identifiers"].as_array().into_iter().flatten();
    let names = ids.filter_map(|ids| {
        let (kind, ids) = ids.as_object()?.iter().next()?;
        let id = |ids: &Value| ids[kind.replace("_ids", "_id")].as_str().map(str::to_owned);
        if kind == "device_ids" {
            let application = ids["application_ids"]["application_id"].as_str()?;
            return Some(format!("{application}/{}", id(ids)?));
        }
        id(ids)
    });
    names.collect::<Vec<_>>().join(",")
}

/// How it ended, in the words of the outcome.
pub(super) fn hint(event: &Value) -> String {
    let gateway = gateways(event).first().map(|gateway| format!(" by {gateway}"));
    let gateway = gateway.or_else(|| Some(format!(" by {}", value(event)["gateway_id"].as_str()?)));
    let gateway = gateway.unwrap_or_default();
    match event["name"].as_str().unwrap_or_default() {
        "as.down.data.ack.forward" => "acknowledged by the device".to_owned(),
        "as.down.data.failed.forward" => format!("failed ({}), told", detail(&event["data"])),
        "as.down.data.forward" => "waits in the queue, put there".to_owned(),
        "as.down.data.nack.forward" => "not acknowledged by the device, told".to_owned(),
        "as.down.data.sent.forward" => "sent, told to the application".to_owned(),
        "as.up.data.forward" => "delivered to the application".to_owned(),
        "as.up.join.forward" => "joined, told to the application".to_owned(),
        "gs.down.send" => {
            format!("handed{}, which has not reported yet,", gateway.replace(" by", " to"))
        }
        "gs.down.tx.success" | "ns.down.transmission.success" => format!("transmitted{gateway}"),
        other => other.to_owned(),
    }
}

/// The gateways that an event is about.
fn gateways(event: &Value) -> Vec<&str> {
    let ids = event["identifiers"].as_array().into_iter().flatten();
    ids.filter_map(|ids| ids["gateway_ids"]["gateway_id"].as_str()).collect()
}

/// What an event's name means; names that need no words of their own stay as they are.
fn phrase(name: &str) -> String {
    if let Some(rest) = name.strip_prefix("ns.mac.") {
        return mac_phrase(rest);
    }
    match name {
        "as.down.data.ack.forward" => "told the application: acknowledged",
        "as.down.data.drop" => "dropped",
        "as.down.data.failed.forward" => "told the application: failed",
        "as.down.data.forward" => "queued at the Network Server",
        "as.down.data.nack.forward" => "told the application: not acknowledged",
        "as.down.data.queue.invalidated.forward" => "told the application: encrypt the queue anew",
        "as.down.data.receive" => "came from the application",
        "as.down.data.sent.forward" => "told the application: sent",
        "as.up.data.decode.fail" => "not decoded",
        "as.up.data.drop" | "as.up.join.drop" => "dropped",
        "as.up.data.forward" => "delivered to the application",
        "as.up.data.receive" => "received",
        "as.up.join.forward" => "told the application",
        "as.up.join.receive" => "received the new session",
        "gs.down.schedule.attempt" => "asked to send",
        "gs.down.schedule.fail" => "cannot send",
        "gs.down.send" => "handed to the gateway",
        "gs.down.tx.fail" => "not transmitted",
        "gs.down.tx.success" => "transmitted",
        "gs.io.up.repeat" => "the same reception again, ignored",
        "gs.txack.drop" => "report dropped",
        "gs.txack.forward" => "report forwarded to the Network Server",
        "gs.txack.receive" => "the gateway reported",
        "gs.up.drop" => "dropped",
        "gs.up.forward" => "forwarded to the Network Server",
        "gs.up.receive" => "received",
        "js.join.accept" => "accepted: nonces and keys are stored",
        "js.join.reject" => "refused",
        "ns.down.data.schedule.attempt" | "ns.down.join.schedule.attempt" => "offered to gateways",
        "ns.down.data.schedule.fail" | "ns.down.join.schedule.fail" => "not scheduled",
        "ns.down.data.schedule.success" | "ns.down.join.schedule.success" => "scheduled",
        "ns.down.rx.parameters.fail" => "no receive window fits",
        "ns.down.transmission.fail" => "not transmitted",
        "ns.down.transmission.success" => "transmitted",
        "ns.up.data.drop" | "ns.up.join.drop" => "dropped",
        "ns.up.data.forward" => "forwarded to the Application Server",
        "ns.up.data.process" | "ns.up.join.process" => "processed with all copies",
        "ns.up.data.receive" | "ns.up.join.receive" => "first copy matched a device",
        "ns.up.join.accept.forward" => "told the Application Server",
        "ns.up.join.cluster.attempt" => "asked the Join Server",
        "ns.up.join.cluster.fail" => "the Join Server refused or did not answer",
        "ns.up.join.cluster.success" => "the Join Server accepted",
        other => other,
    }
    .to_owned()
}

fn mac_phrase(rest: &str) -> String {
    let (command, what) = rest.split_once('.').unwrap_or((rest, ""));
    let command = command.replace('_', " ");
    match what {
        "answer" | "confirmation" => format!("MAC {command}: answer"),
        "answer.accept" => format!("MAC {command}: the device accepted"),
        "answer.reject" => format!("MAC {command}: the device rejected"),
        "indication" => format!("MAC {command}: indication"),
        "request" => format!("MAC {command}: request"),
        other => format!("MAC {command} {other}"),
    }
}

/// The value of data that is no message.
fn value(event: &Value) -> &Value {
    let data = &event["data"];
    if data["value"].is_null() { data } else { &data["value"] }
}

/// The data in short.
fn detail(data: &Value) -> String {
    let kind = data["@type"].as_str().and_then(|kind| kind.rsplit('.').next()).unwrap_or_default();
    match kind {
        "ApplicationDownlink" => downlink(data),
        "ApplicationUp" => application_up(data),
        "ErrorDetails" => error(data),
        "GatewayUplinkMessage" => reception(&data["message"]),
        "UplinkMessage" => frame(data),
        "Value" => plain(&data["value"]),
        _ if data["@type"].as_str().is_some_and(|kind| kind.contains(".MACCommand")) => {
            mac_command(data)
        }
        _ => String::new(),
    }
}

/// A reason with its numbers; causes stand below it, one a line.
fn error(details: &Value) -> String {
    let name = details["name"].as_str().unwrap_or_default();
    let message = details["message_format"].as_str().unwrap_or_default();
    let mut causes = Vec::new();
    let mut numbers = Vec::new();
    for (name, value) in details["attributes"].as_object().into_iter().flatten() {
        match value {
            Value::Array(items) if items.iter().any(Value::is_object) => {
                causes.extend(items.iter().map(error_or_text));
            }
            Value::Null => {}
            value => numbers.push(format!("{} {}", name.replace('_', " "), short(value))),
        }
    }
    // Causes stand below: the message need not repeat them.
    let message =
        if causes.is_empty() { message } else { message.split(": ").next().unwrap_or(message) };
    let mut text = name.to_owned();
    if !message.is_empty() {
        let _ = write!(text, " — {message}");
    }
    if !numbers.is_empty() {
        let _ = write!(text, " ({})", numbers.join(", "));
    }
    for cause in causes {
        let _ = write!(text, "\n• {cause}");
    }
    text
}

fn error_or_text(cause: &Value) -> String {
    let mut cause = cause.clone();
    if let (Some(message), Some(fields)) =
        (cause["message"].as_str().map(str::to_owned), cause.as_object_mut())
    {
        fields.insert("message_format".to_owned(), message.into());
    }
    error(&cause)
}

/// How one gateway received a frame.
fn reception(message: &Value) -> String {
    let size = octets(&message["raw_payload"]).len();
    let mut text = format!("{size} octets, {}", radio(&message["settings"]));
    if let Some(best) = message["rx_metadata"].as_array().and_then(|all| all.first()) {
        let _ = write!(text, ", {}", signal(best));
    }
    text
}

/// A frame with all who received it.
fn frame(message: &Value) -> String {
    let mac = &message["payload"]["mac_payload"];
    let join = &message["payload"]["join_request_payload"];
    let mut parts = Vec::new();
    if let Some(address) = mac["f_hdr"]["dev_addr"].as_str() {
        let f_cnt = mac["f_hdr"]["f_cnt"].as_u64().unwrap_or_default();
        parts.push(format!("DevAddr {address}, FCnt {f_cnt}"));
    }
    if let Some(dev_eui) = join["dev_eui"].as_str() {
        let nonce = join["dev_nonce"].as_str().unwrap_or_default();
        parts.push(format!("DevEUI {dev_eui}, DevNonce {nonce}"));
    }
    let receptions = message["rx_metadata"].as_array().into_iter().flatten();
    let receptions: Vec<_> = receptions
        .map(|of| {
            let gateway = of["gateway_ids"]["gateway_id"].as_str().unwrap_or("?");
            format!("{gateway} {}", signal(of))
        })
        .collect();
    if !receptions.is_empty() {
        parts.push(format!("heard by {}", receptions.join(", ")));
    }
    parts.join("; ")
}

fn signal(metadata: &Value) -> String {
    let number = |name: &str| metadata[name].as_f64().unwrap_or_default();
    format!("{} dBm / SNR {}", number("rssi"), number("snr"))
}

fn radio(settings: &Value) -> String {
    let lora = &settings["data_rate"]["lora"];
    let rate = match lora["spreading_factor"].as_u64() {
        Some(factor) => {
            format!("SF{factor}BW{}", lora["bandwidth"].as_u64().unwrap_or_default() / 1000)
        }
        None => String::from("FSK"),
    };
    format!("{rate} at {} MHz", megahertz(&settings["frequency"]))
}

fn megahertz(frequency: &Value) -> f64 {
    let hertz: f64 = frequency.as_str().and_then(|text| text.parse().ok()).unwrap_or_default();
    hertz / 1e6
}

fn application_up(message: &Value) -> String {
    let up = &message["uplink_message"];
    if up.is_object() {
        let f_cnt = up["f_cnt"].as_u64().unwrap_or_default();
        let mut text = format!("FCnt {f_cnt}");
        if let Some(port) = up["f_port"].as_u64() {
            let payload = HEXUPPER.encode(&octets(&up["frm_payload"]));
            let _ = write!(text, ", port {port}, payload {payload}");
        }
        if !up["decoded_payload"].is_null() {
            let _ = write!(text, ", decoded {}", up["decoded_payload"]);
        }
        return text;
    }
    if let Some(failed) = message["downlink_failed"].as_object() {
        return failed.get("error").map(error).unwrap_or_default();
    }
    let kinds = ["downlink_ack", "downlink_nack", "downlink_sent"];
    let of = kinds.iter().map(|kind| &message[*kind]).find(|of| of.is_object());
    of.map(downlink).unwrap_or_default()
}

fn downlink(downlink: &Value) -> String {
    let payload = HEXUPPER.encode(&octets(&downlink["frm_payload"]));
    let f_cnt = downlink["f_cnt"].as_u64().unwrap_or_default();
    let confirmed = if downlink["confirmed"] == true { ", confirmed" } else { "" };
    format!("FCnt {f_cnt}, port {}, payload {payload}{confirmed}", downlink["f_port"])
}

/// Free data: names and values. What is empty or false says nothing.
fn plain(value: &Value) -> String {
    let Value::Object(fields) = value else { return short(value) };
    let parts = fields.iter().filter_map(|(name, value)| {
        let name = name.replace('_', " ");
        match value {
            Value::Null | Value::Bool(false) => None,
            // In one cluster there is nothing else.
            _ if name == "host" => None,
            Value::Bool(true) => Some(name),
            Value::Array(items) if items.is_empty() => None,
            value if name == "frequency" => Some(format!("{} MHz", megahertz(value))),
            value => Some(format!("{name} {}", short(value))),
        }
    });
    parts.collect::<Vec<_>>().join(", ")
}

/// The fields of a MAC command.
fn mac_command(fields: &Value) -> String {
    let fields = fields.as_object().into_iter().flatten().filter(|(name, _)| *name != "@type");
    let parts = fields.map(|(name, value)| {
        let name = name.replace('_', " ");
        match value {
            Value::Array(mask) if mask.iter().all(Value::is_boolean) => {
                let set = mask.iter().enumerate().filter(|(_, set)| **set == true);
                let set: Vec<_> = set.map(|(index, _)| index.to_string()).collect();
                format!("{name} {}", set.join(" "))
            }
            Value::Bool(set) if name.ends_with(" ack") => {
                let name = name.trim_end_matches(" ack");
                format!("{name} {}", if *set { "accepted" } else { "refused" })
            }
            value if name.ends_with("frequency") => format!("{name} {} MHz", megahertz(value)),
            // DATA_RATE_5 is number 5.
            Value::String(text) => match text.rsplit_once('_') {
                Some((_, number)) if number.parse::<u32>().is_ok() => format!("{name} {number}"),
                _ => format!("{name} {text}"),
            },
            value => format!("{name} {}", short(value)),
        }
    });
    parts.collect::<Vec<_>>().join(", ")
}

fn short(value: &Value) -> String {
    match value {
        Value::Array(items) => items.iter().map(short).collect::<Vec<_>>().join("; "),
        Value::Null => String::new(),
        Value::Number(number) => match number.as_f64() {
            Some(number) => format!("{}", (number * 1000.0).round() / 1000.0),
            None => number.to_string(),
        },
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn octets(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap_or_default();
    BASE64.decode(text.as_bytes()).unwrap_or_default()
}
