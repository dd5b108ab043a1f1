//! The events of pub/subs (AS-51).

use serde_json::{Value, json};
use ttn_core::{
    error::ErrorBody,
    event::{EventDefinition, named},
    id::{ApplicationId, EntityId},
};

use crate::{ApplicationServer, event};

pub(super) static DELETE: EventDefinition = named("as.pubsub.delete");
pub(super) static FAIL: EventDefinition = named("as.pubsub.fail");
pub(super) static SET: EventDefinition = named("as.pubsub.set");
pub(super) static START: EventDefinition = named("as.pubsub.start");
pub(super) static STOP: EventDefinition = named("as.pubsub.stop");

/// Publishes an event of a pub/sub.
pub(super) fn report(
    server: &ApplicationServer,
    definition: &'static EventDefinition,
    application: &ApplicationId,
    id: &str,
    error: Option<&ErrorBody>,
) {
    let entity = EntityId::Application(application.clone());
    event::publish(&server.events, definition, server.clock.utc(), entity, &Vec::new(), || {
        let mut data = json!({
            "application_ids": { "application_id": application.as_str() },
            "pub_sub_id": id,
        });
        if let (Some(error), Value::Object(members)) = (error, &mut data) {
            members.insert("namespace".to_owned(), error.namespace.as_ref().into());
            members.insert("name".to_owned(), error.name.as_ref().into());
            members.insert("message".to_owned(), error.message.as_str().into());
        }
        data
    });
}
