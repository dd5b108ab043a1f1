//! Events: what happened, to whom, and why.
//!
//! The names, who may see them and what they carry are one [table]; components refer to its rows with [`named`]. Events
//! go to an [`EventSink`]; the one of a process is the [`EventBus`], which hands them to readers and keeps the last of
//! every entity.

mod bus;
mod data;
pub mod describe;
mod filter;
mod history;
pub mod table;

pub use bus::{EventBus, Published, QUEUE_MAX, Subscription};
pub use data::EventData;
pub use filter::EventFilter;
pub use history::HistoryConfig;
pub use table::{find, named};

use std::{fmt, sync::Arc};

use crate::{
    addr::DevAddr,
    auth::Right,
    eui::{DevEui, GatewayEui, JoinEui},
    id::{DeviceIds, EntityId, GatewayIds},
    msg::CorrelationIds,
    time::Timestamp,
};

/// The definition of an event (EVT-08).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct EventDefinition {
    /// The name, such as `ns.up.data.receive`.
    pub name: &'static str,
    /// What happened, as a sentence.
    pub description: &'static str,
    /// Rights of which one is needed to see it; none for events that whoever may read the entity's events sees.
    pub visibility: &'static [Right],
    /// The full name of the message that is its data; empty if none is declared.
    pub data_type: &'static str,
    /// Whether an event of an end device is shown under its application, too.
    pub propagate_to_parent: bool,
    /// Whether it tells who called, from where and with what.
    pub names_caller: bool,
    /// Its place in [`table::ALL`]; beyond its end if it is not there.
    pub place: usize,
}

/// Something that happened.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "built by other crates")]
pub struct Event {
    /// What it is.
    pub definition: &'static EventDefinition,
    /// When it happened.
    pub time: Timestamp,
    /// To whom it happened.
    pub identifiers: Vec<EntityId>,
    /// What radio knows the first of them by, if it is a device or a gateway.
    pub radio_ids: RadioIds,
    /// What else belongs to it.
    pub correlation_ids: CorrelationIds,
    /// Who caused it, if somebody called.
    pub caller: Option<Arc<EventCaller>>,
    /// The reason and its numbers.
    pub data: EventData,
}

/// What radio knows a device or a gateway by (EVT-01). What is not known is left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "built by other crates")]
pub struct RadioIds {
    /// The device's EUI.
    pub dev_eui: Option<DevEui>,
    /// The EUI of its Join Server.
    pub join_eui: Option<JoinEui>,
    /// The address of its session.
    pub dev_addr: Option<DevAddr>,
    /// The EUI, if it is a gateway.
    pub gateway_eui: Option<GatewayEui>,
}

impl From<&DeviceIds> for RadioIds {
    fn from(ids: &DeviceIds) -> Self {
        Self {
            dev_eui: ids.dev_eui,
            join_eui: ids.join_eui,
            dev_addr: ids.dev_addr,
            gateway_eui: None,
        }
    }
}

impl From<&GatewayIds> for RadioIds {
    fn from(ids: &GatewayIds) -> Self {
        Self { gateway_eui: ids.eui, ..Self::default() }
    }
}

/// Who caused an event (EVT-01). What is not known is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "built by other crates")]
pub struct EventCaller {
    /// What was presented, such as `Bearer`.
    pub authentication: &'static str,
    /// Which kind of token it was, such as `APIKey`.
    pub token_type: &'static str,
    /// The id of the token; never its secret.
    pub token_id: String,
    /// The address that called.
    pub remote_ip: String,
    /// The program that called.
    pub user_agent: String,
    /// `rpc:…:<request id>`, the correlation id of the call.
    pub correlation_id: Option<Arc<str>>,
}

/// Takes events. Publishing is synchronous and never blocks.
pub trait EventSink: fmt::Debug + Send + Sync + 'static {
    /// Whether anybody wants events; without a reader none need be made.
    fn is_enabled(&self) -> bool {
        true
    }

    /// Publishes an event.
    fn publish(&self, event: Event);
}

/// A sink that forgets everything.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct NoEvents;

impl EventSink for NoEvents {
    fn is_enabled(&self) -> bool {
        false
    }

    fn publish(&self, _event: Event) {}
}

/// A shared sink.
pub type Events = Arc<dyn EventSink>;
