//! JSON of any message: no text panics, and what was read is written and read again as the same.
//!
//! Both the fuzz target of this name and a test that replays its seeds run this.

use serde_json::{Value, json};
use ttn_proto::{json, rpc::SERVICES, v3};

/// The first line is the name of a message, or a number that stands for one; the rest is its JSON.
pub(crate) fn check(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    let (name, text) = text.split_once('\n').unwrap_or(("EndDevice", text));
    let Ok(Value::Object(mut fields)) = serde_json::from_str(text) else { return };
    let name = match name.parse() {
        Ok(number) => numbered(number),
        Err(_) => name,
    };
    fields.insert("@type".to_owned(), format!("type.googleapis.com/ttn.lorawan.v3.{name}").into());
    // An event carries any message.
    let Ok(event) = json::from_value::<v3::Event>(json!({ "data": fields })) else { return };
    let written = json::to_string(&event);
    let again = json::from_slice::<v3::Event>(written.as_bytes());
    let again = again.unwrap_or_else(|error| panic!("{written}: {error}"));
    assert_eq!(json::to_string(&again), written);
}

/// The name of a request or answer.
fn numbered(number: usize) -> &'static str {
    let rpcs = SERVICES.iter().flat_map(|service| service.rpcs);
    let messages: Vec<_> = rpcs.flat_map(|rpc| [(rpc.request)(), (rpc.response)()]).collect();
    messages[number % messages.len()].name
}
