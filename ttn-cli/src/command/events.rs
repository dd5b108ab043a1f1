//! `ttn-cli events`.

use data_encoding::BASE64;
use http::Method;
use serde_json::{Value, json};
use ttn_core::id::{ApplicationId, DeviceKey, GatewayId, UserId};

use super::{Context, Run};
use crate::{error::Error, story};

/// Shows what happens to applications, devices and gateways.
#[derive(Debug, clap::Args)]
#[non_exhaustive]
pub struct Arguments {
    /// Events of an application, and those that its devices pass on.
    #[arg(long, visible_alias = "application", value_name = "ID")]
    pub app: Vec<ApplicationId>,
    /// Events of a device.
    #[arg(long, value_name = "APPLICATION.DEVICE")]
    pub device: Vec<DeviceKey>,
    /// Events of a gateway.
    #[arg(long, value_name = "ID")]
    pub gateway: Vec<GatewayId>,
    /// Events of a user.
    #[arg(long, value_name = "ID")]
    pub user: Vec<UserId>,
    /// Only events with these names; a regular expression is written /between slashes/.
    #[arg(long, value_name = "NAME|/REGEXP/", value_delimiter = ',')]
    pub names: Vec<String>,
    /// How many of the last events come first.
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub tail: u32,
    /// Go on with what happens from now.
    #[arg(long, short)]
    pub follow: bool,
}

impl Run for Arguments {
    fn run(&self, context: &mut Context<'_>) -> Result<(), Error> {
        let identifiers = self.identifiers();
        if identifiers.is_empty() {
            let advice = "name an application, a device or a gateway, such as --app my-app";
            return Err(Error::invalid("nothing says whose events", advice));
        }
        let body = json!({ "identifiers": identifiers, "names": self.names, "tail": self.tail });
        read(context, &body, self.follow, &mut |context, event| {
            if event["name"] == START && !context.output.is_json() {
                return Ok(());
            }
            Ok(context.output.item(event, line)?)
        })
    }
}

/// What is done with an event.
type Show<'a> = dyn FnMut(&mut Context<'_>, &Value) -> Result<(), Error> + 'a;

/// Reads a stream of events: those of the past that were asked for, and on request those to come. The first is
/// [`START`].
pub(super) fn read(
    context: &mut Context<'_>,
    body: &Value,
    follow: bool,
    show: &mut Show<'_>,
) -> Result<(), Error> {
    let events = context.api()?.stream(Method::POST, "/events", body)?;
    let mut left = None;
    for event in events {
        let event = event?;
        show(context, &event)?;
        if event["name"] == START {
            left = past(&event).filter(|_| !follow);
        } else {
            left = left.map(|left| left.saturating_sub(1));
        }
        if left == Some(0) {
            break;
        }
    }
    Ok(())
}

/// The event with which a stream begins.
const START: &str = "events.stream.start";

impl Arguments {
    fn identifiers(&self) -> Vec<Value> {
        let application = |id: &ApplicationId| json!({ "application_id": id.as_str() });
        let applications = self.app.iter().map(|id| json!({ "application_ids": application(id) }));
        let devices = self.device.iter().map(|key| {
            let (id, of) = (key.device_id.as_str(), application(&key.application_id));
            json!({ "device_ids": { "device_id": id, "application_ids": of } })
        });
        let gateways = self.gateway.iter();
        let gateways = gateways.map(|id| json!({ "gateway_ids": { "gateway_id": id.as_str() } }));
        let users = self.user.iter();
        let users = users.map(|id| json!({ "user_ids": { "user_id": id.as_str() } }));
        applications.chain(devices).chain(gateways).chain(users).collect()
    }
}

/// How many past events follow the start; a server that does not say goes on with new ones.
fn past(start: &Value) -> Option<u64> {
    let count = BASE64.decode(start["context"]["tail"].as_str()?.as_bytes()).ok()?;
    std::str::from_utf8(&count).ok()?.parse().ok()
}

/// An event as a line: time, name, whose, and what it says.
fn line(event: &Value) -> String {
    let time = event["time"].as_str().unwrap_or_default();
    let time = time.get(11..23).unwrap_or(time);
    let name = event["name"].as_str().unwrap_or_default();
    let whose = story::whose(event);
    let said = story::describe(event).replace('\n', " ");
    format!("{time}  {name:<32}  {whose:<20}  {said}")
}
