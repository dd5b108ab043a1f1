//! The events of the Application Server (AS-59), by name.

use serde_json::Value;
use ttn_core::{
    auth::Right,
    event::{Event, EventDefinition, Events},
    id::EntityId,
    msg::CorrelationIds,
    time::Timestamp,
};

macro_rules! events {
    ($($(#[$attribute:meta])* $name:ident = $text:literal, $right:ident;)*) => {
        $($(#[$attribute])* pub(crate) static $name: EventDefinition =
            EventDefinition { name: $text, visibility: &[Right::$right] };)*
    };
}

events! {
    APPLICATION_SUBSCRIBE = "as.application.subscribe", ApplicationLink;
    APPLICATION_UNSUBSCRIBE = "as.application.unsubscribe", ApplicationLink;
    DOWN_ACK_FORWARD = "as.down.data.ack.forward", ApplicationTrafficRead;
    DOWN_DECODE_FAIL = "as.down.data.decode.fail", ApplicationTrafficRead;
    DOWN_DROP = "as.down.data.drop", ApplicationTrafficRead;
    DOWN_ENCODE_FAIL = "as.down.data.encode.fail", ApplicationTrafficRead;
    DOWN_FAILED_FORWARD = "as.down.data.failed.forward", ApplicationTrafficRead;
    DOWN_FORWARD = "as.down.data.forward", ApplicationTrafficRead;
    DOWN_INVALIDATED_FORWARD = "as.down.data.queue.invalidated.forward", ApplicationTrafficRead;
    DOWN_NACK_FORWARD = "as.down.data.nack.forward", ApplicationTrafficRead;
    DOWN_RECEIVE = "as.down.data.receive", ApplicationTrafficRead;
    DOWN_SENT_FORWARD = "as.down.data.sent.forward", ApplicationTrafficRead;
    END_DEVICE_BATCH_DELETE = "as.end_device.batch.delete", ApplicationDevicesRead;
    END_DEVICE_CREATE = "as.end_device.create", ApplicationDevicesRead;
    END_DEVICE_DELETE = "as.end_device.delete", ApplicationDevicesRead;
    END_DEVICE_UPDATE = "as.end_device.update", ApplicationDevicesRead;
    MQTT_CONNECT_FAIL = "as.mqtt.connect.fail", ApplicationTrafficRead;
    UP_DECODE_FAIL = "as.up.data.decode.fail", ApplicationTrafficRead;
    UP_DECODE_WARNING = "as.up.data.decode.warning", ApplicationTrafficRead;
    UP_DROP = "as.up.data.drop", ApplicationTrafficRead;
    UP_FORWARD = "as.up.data.forward", ApplicationTrafficRead;
    UP_JOIN_DROP = "as.up.join.drop", ApplicationTrafficRead;
    UP_JOIN_FORWARD = "as.up.join.forward", ApplicationTrafficRead;
    UP_JOIN_RECEIVE = "as.up.join.receive", ApplicationTrafficRead;
    UP_LOCATION_FORWARD = "as.up.location.forward", ApplicationTrafficRead;
    UP_RECEIVE = "as.up.data.receive", ApplicationTrafficRead;
    UP_SERVICE_FORWARD = "as.up.service.forward", ApplicationTrafficRead;
    #[cfg(feature = "webhook")]
    WEBHOOK_FAIL = "as.webhook.fail", ApplicationTrafficRead;
}

/// Publishes an event if anybody reads; `data` is made only then.
pub(crate) fn publish(
    events: &Events,
    definition: &'static EventDefinition,
    time: Timestamp,
    identifiers: EntityId,
    correlation_ids: &CorrelationIds,
    data: impl FnOnce() -> Value,
) {
    if events.is_enabled() {
        events.publish(Event {
            definition,
            time,
            identifiers: vec![identifiers],
            correlation_ids: correlation_ids.clone(),
            data: data(),
        });
    }
}
