//! Events of the Gateway Server (GS-78).

use ttn_core::{
    error::ErrorBody,
    event::{Event, EventData, EventDefinition, Events, named},
    id::GatewayIds,
    msg::CorrelationIds,
    time::Timestamp,
};

macro_rules! events {
    ($($name:ident = $text:literal;)*) => {
        $(
            #[doc = concat!("`", $text, "`")]
            pub static $name: EventDefinition = named($text);
        )*

        /// Every event of this crate.
        pub static ALL: &[&EventDefinition] = &[$(&$name),*];
    };
}

events! {
    CONNECT = "gs.gateway.connect";
    CONNECTION_STATS = "gs.gateway.connection.stats";
    DISCONNECT = "gs.gateway.disconnect";
    DOWN_SCHEDULE_ATTEMPT = "gs.down.schedule.attempt";
    DOWN_SCHEDULE_FAIL = "gs.down.schedule.fail";
    DOWN_SEND = "gs.down.send";
    DOWN_TX_FAIL = "gs.down.tx.fail";
    DOWN_TX_SUCCESS = "gs.down.tx.success";
    IO_STATUS_DROP = "gs.io.status.drop";
    IO_TX_ACK_DROP = "gs.io.tx.ack.drop";
    IO_UP_DROP = "gs.io.up.drop";
    STATUS_DROP = "gs.status.drop";
    STATUS_RECEIVE = "gs.status.receive";
    TX_ACK_DROP = "gs.txack.drop";
    TX_ACK_FORWARD = "gs.txack.forward";
    TX_ACK_RECEIVE = "gs.txack.receive";
    UP_DROP = "gs.up.drop";
    UP_FORWARD = "gs.up.forward";
    UP_RECEIVE = "gs.up.receive";
    UP_REPEAT = "gs.io.up.repeat";
}

/// Publishes events about gateways.
#[derive(Clone, Debug)]
pub(crate) struct Publisher(Events);

impl Publisher {
    pub(crate) const fn new(events: Events) -> Self {
        Self(events)
    }

    /// Publishes an event; its data is made only if somebody reads it.
    pub(crate) fn gateway<D: Into<EventData>>(
        &self,
        definition: &'static EventDefinition,
        time: Timestamp,
        gateway: &GatewayIds,
        correlation_ids: &CorrelationIds,
        data: impl FnOnce() -> D,
    ) {
        if !self.0.is_enabled() {
            return;
        }
        self.0.publish(Event {
            definition,
            time,
            identifiers: vec![gateway.gateway_id.clone().into()],
            radio_ids: gateway.into(),
            correlation_ids: correlation_ids.clone(),
            caller: None,
            data: data().into(),
        });
    }
}

/// An error as the data of an event.
pub(crate) fn error_json(body: &ErrorBody) -> serde_json::Value {
    serde_json::json!({
        "namespace": body.namespace,
        "name": body.name,
        "message": body.message,
        "code": body.kind.code(),
        "attributes": body.attributes,
    })
}
