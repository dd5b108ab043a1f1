//! The events of the Join Server.

use ttn_core::{auth::Right, event::EventDefinition};

/// A join was accepted.
pub static JOIN_ACCEPT: EventDefinition =
    EventDefinition { name: "js.join.accept", visibility: &[Right::ApplicationTrafficRead] };
/// A join was refused; the data says why.
pub static JOIN_REJECT: EventDefinition =
    EventDefinition { name: "js.join.reject", visibility: &[Right::ApplicationTrafficRead] };
/// A device was registered.
pub static DEVICE_CREATE: EventDefinition =
    EventDefinition { name: "js.end_device.create", visibility: &[Right::ApplicationDevicesRead] };
/// A device's registration changed.
pub static DEVICE_UPDATE: EventDefinition =
    EventDefinition { name: "js.end_device.update", visibility: &[Right::ApplicationDevicesRead] };
/// A device was deleted.
pub static DEVICE_DELETE: EventDefinition =
    EventDefinition { name: "js.end_device.delete", visibility: &[Right::ApplicationDevicesRead] };
