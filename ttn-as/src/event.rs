//! The events of the Application Server (AS-59), by name.

use ttn_core::{
    error::ErrorBody,
    event::{Event, EventData, EventDefinition, Events, RadioIds, named},
    id::{DeviceIds, EntityId},
    msg::CorrelationIds,
    time::Timestamp,
};

macro_rules! events {
    ($($(#[$attribute:meta])* $name:ident = $text:literal;)*) => {
        $($(#[$attribute])* pub(crate) static $name: EventDefinition = named($text);)*
    };
}

events! {
    ALCSYNC_COMMAND_RECEIVED = "as.packages.alcsync.v1.time_correction.cmd_received";
    ALCSYNC_ENQUEUED = "as.packages.alcsync.v1.time_correction.answer_enqueued";
    ALCSYNC_FAIL = "as.packages.alcsync.v1.fail";
    APPLICATION_SUBSCRIBE = "as.application.subscribe";
    APPLICATION_UNSUBSCRIBE = "as.application.unsubscribe";
    DOWN_ACK_FORWARD = "as.down.data.ack.forward";
    DOWN_DECODE_FAIL = "as.down.data.decode.fail";
    DOWN_DECODE_WARNING = "as.down.data.decode.warning";
    DOWN_DROP = "as.down.data.drop";
    DOWN_ENCODE_FAIL = "as.down.data.encode.fail";
    DOWN_ENCODE_WARNING = "as.down.data.encode.warning";
    DOWN_FAILED_FORWARD = "as.down.data.failed.forward";
    DOWN_FORWARD = "as.down.data.forward";
    DOWN_INVALIDATED_FORWARD = "as.down.data.queue.invalidated.forward";
    DOWN_NACK_FORWARD = "as.down.data.nack.forward";
    DOWN_RECEIVE = "as.down.data.receive";
    DOWN_SENT_FORWARD = "as.down.data.sent.forward";
    END_DEVICE_BATCH_DELETE = "as.end_device.batch.delete";
    END_DEVICE_CREATE = "as.end_device.create";
    END_DEVICE_DELETE = "as.end_device.delete";
    END_DEVICE_UPDATE = "as.end_device.update";
    MQTT_CONNECT_FAIL = "as.mqtt.connect.fail";
    UP_DECODE_FAIL = "as.up.data.decode.fail";
    UP_DECODE_WARNING = "as.up.data.decode.warning";
    UP_DROP = "as.up.data.drop";
    UP_FORWARD = "as.up.data.forward";
    UP_JOIN_DROP = "as.up.join.drop";
    UP_JOIN_FORWARD = "as.up.join.forward";
    UP_JOIN_RECEIVE = "as.up.join.receive";
    UP_LOCATION_FORWARD = "as.up.location.forward";
    UP_NORMALIZED_FORWARD = "as.up.normalized.forward";
    UP_NORMALIZE_WARNING = "as.up.data.normalize.warning";
    UP_RECEIVE = "as.up.data.receive";
    UP_SERVICE_FORWARD = "as.up.service.forward";
    #[cfg(feature = "webhook")]
    WEBHOOK_FAIL = "as.webhook.fail";
}

/// Publishes an event if anybody reads; `data` is made only then.
pub(crate) fn publish<D: Into<EventData>>(
    events: &Events,
    definition: &'static EventDefinition,
    time: Timestamp,
    about: impl Into<About>,
    correlation_ids: &CorrelationIds,
    data: impl FnOnce() -> D,
) {
    if events.is_enabled() {
        let About { entity, radio_ids } = about.into();
        events.publish(Event {
            definition,
            time,
            identifiers: vec![entity],
            radio_ids,
            correlation_ids: correlation_ids.clone(),
            caller: None,
            data: data().into(),
        });
    }
}

/// To whom it happened.
pub(crate) struct About {
    entity: EntityId,
    radio_ids: RadioIds,
}

impl From<EntityId> for About {
    fn from(entity: EntityId) -> Self {
        Self { entity, radio_ids: RadioIds::default() }
    }
}

impl From<&DeviceIds> for About {
    fn from(ids: &DeviceIds) -> Self {
        Self { entity: EntityId::Device(ids.key.clone()), radio_ids: ids.into() }
    }
}

/// An error as the data of an event: what a client is told, with every number.
pub(crate) fn error_json(body: &ErrorBody) -> serde_json::Value {
    serde_json::json!({
        "namespace": body.namespace,
        "name": body.name,
        "message": body.message,
        "code": body.kind.code(),
        "attributes": body.attributes,
    })
}
