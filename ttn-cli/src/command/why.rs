//! `ttn-cli why`.

use std::collections::BTreeSet;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::{Context, Run};
use crate::{api::Api, error::Error, story};

/// Tells what happened to a frame or a downlink, and why.
#[derive(Debug, clap::Args)]
#[non_exhaustive]
pub struct Arguments {
    /// A correlation id such as gs:uplink:01J… of a message, the part behind its last colon, or the unique id of an event.
    pub id: String,
}

impl Run for Arguments {
    fn run(&self, context: &mut Context<'_>) -> Result<(), Error> {
        let events = collect(&context.api()?, &self.id)?;
        if events.is_empty() {
            let what = format!("no event that you may see belongs to {:?}", self.id);
            let advice = "take an id from `correlation_ids` of a message, or from `ttn-cli events`; a server forgets \
                          events after a day, and the oldest of a busy device or gateway sooner";
            return Err(Error::invalid(what, advice));
        }
        if context.output.is_json() {
            return Ok(context.output.list(&events, &[])?);
        }
        Ok(context.output.raw(story::tell(&events).as_bytes())?)
    }
}

/// Every event of a story: those with the id, and those that share an id with them.
///
/// # Errors
///
/// The server cannot be reached, or refuses.
pub fn collect(api: &Api, id: &str) -> Result<Vec<Value>, Error> {
    let mut events = related(api, id)?;
    for more in story::more_ids(&events, id) {
        events.extend(related(api, &more)?);
    }
    let mut seen = BTreeSet::new();
    events.retain(|event| seen.insert(event["unique_id"].to_string()));
    Ok(events)
}

fn related(api: &Api, id: &str) -> Result<Vec<Value>, Error> {
    let id = utf8_percent_encode(id, NON_ALPHANUMERIC);
    let mut answer = api.get(&format!("/events/related?correlation_id={id}"))?;
    match answer["events"].take() {
        Value::Array(events) => Ok(events),
        _ => Ok(Vec::new()),
    }
}
