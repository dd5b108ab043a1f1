//! The events of the Join Server.

use ttn_core::event::{EventDefinition, named};

/// A join was accepted.
pub static JOIN_ACCEPT: EventDefinition = named("js.join.accept");
/// A join was refused; the data says why.
pub static JOIN_REJECT: EventDefinition = named("js.join.reject");
/// A device was registered.
pub static DEVICE_CREATE: EventDefinition = named("js.end_device.create");
/// A device's registration changed.
pub static DEVICE_UPDATE: EventDefinition = named("js.end_device.update");
/// A device was deleted.
pub static DEVICE_DELETE: EventDefinition = named("js.end_device.delete");
