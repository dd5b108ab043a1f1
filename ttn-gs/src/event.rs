//! Events of the Gateway Server (GS-78).

use ttn_core::{
    auth::Right,
    error::ErrorBody,
    event::{Event, EventDefinition, Events},
    id::GatewayId,
    msg::CorrelationIds,
    time::Timestamp,
};

macro_rules! events {
    ($($name:ident = $text:literal, [$($right:ident),+];)*) => {
        $(
            #[doc = concat!("`", $text, "`")]
            pub static $name: EventDefinition =
                EventDefinition { name: $text, visibility: &[$(Right::$right),+] };
        )*

        /// Every event of this crate.
        pub static ALL: &[&EventDefinition] = &[$(&$name),*];
    };
}

events! {
    CONNECT = "gs.gateway.connect", [GatewayLink, GatewayStatusRead];
    CONNECTION_STATS = "gs.gateway.connection.stats", [GatewayLink, GatewayStatusRead];
    DISCONNECT = "gs.gateway.disconnect", [GatewayLink, GatewayStatusRead];
    DOWN_SCHEDULE_ATTEMPT = "gs.down.schedule.attempt", [GatewayTrafficRead];
    DOWN_SCHEDULE_FAIL = "gs.down.schedule.fail", [GatewayTrafficRead];
    DOWN_SEND = "gs.down.send", [GatewayTrafficRead];
    DOWN_TX_FAIL = "gs.down.tx.fail", [GatewayTrafficRead];
    DOWN_TX_SUCCESS = "gs.down.tx.success", [GatewayTrafficRead];
    STATUS_RECEIVE = "gs.status.receive", [GatewayStatusRead];
    TX_ACK_DROP = "gs.txack.drop", [GatewayStatusRead];
    TX_ACK_FORWARD = "gs.txack.forward", [GatewayTrafficRead];
    TX_ACK_RECEIVE = "gs.txack.receive", [GatewayTrafficRead];
    UP_DROP = "gs.up.drop", [GatewayTrafficRead];
    UP_FORWARD = "gs.up.forward", [GatewayTrafficRead];
    UP_RECEIVE = "gs.up.receive", [GatewayTrafficRead];
    UP_REPEAT = "gs.io.up.repeat", [GatewayTrafficRead];
}

/// Publishes events about gateways.
#[derive(Clone, Debug)]
pub(crate) struct Publisher(Events);

impl Publisher {
    pub(crate) const fn new(events: Events) -> Self {
        Self(events)
    }

    /// Publishes an event; its data is made only if somebody reads it.
    pub(crate) fn gateway(
        &self,
        definition: &'static EventDefinition,
        time: Timestamp,
        gateway: &GatewayId,
        correlation_ids: &CorrelationIds,
        data: impl FnOnce() -> serde_json::Value,
    ) {
        if !self.0.is_enabled() {
            return;
        }
        self.0.publish(Event {
            definition,
            time,
            identifiers: vec![gateway.clone().into()],
            correlation_ids: correlation_ids.clone(),
            data: data(),
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
