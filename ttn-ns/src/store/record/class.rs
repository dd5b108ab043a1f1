//! How long the network waits in class B and C, as it is stored.

use std::time::Duration;

use super::wire;
use crate::device::ClassSettings;

pub(super) fn to_wire(of: &ClassSettings) -> wire::ClassSettings {
    let nanos = |span: Duration| u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
    wire::ClassSettings {
        class_b_timeout: of.class_b_timeout.map(nanos),
        class_c_timeout: of.class_c_timeout.map(nanos),
        class_b_c_downlink_interval: of.class_b_c_downlink_interval.map(nanos),
    }
}

pub(super) fn from_wire(of: &wire::ClassSettings) -> ClassSettings {
    ClassSettings {
        class_b_timeout: of.class_b_timeout.map(Duration::from_nanos),
        class_c_timeout: of.class_c_timeout.map(Duration::from_nanos),
        class_b_c_downlink_interval: of.class_b_c_downlink_interval.map(Duration::from_nanos),
    }
}
