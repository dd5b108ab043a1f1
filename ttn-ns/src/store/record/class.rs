//! Settings of class B and C as they are stored.

use std::time::Duration;

use ttn_core::radio::{DataRateIndex, Frequency};

use super::{RecordError, wire};
use crate::device::ClassSettings;

pub(super) fn to_wire(of: &ClassSettings) -> wire::ClassSettings {
    let nanos = |span: Duration| u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
    let data_rate = |index: DataRateIndex| index.get().into();
    wire::ClassSettings {
        class_b_timeout: of.class_b_timeout.map(nanos),
        class_c_timeout: of.class_c_timeout.map(nanos),
        class_b_c_downlink_interval: of.class_b_c_downlink_interval.map(nanos),
        ping_slot_periodicity: of.ping_slot_periodicity.map(Into::into),
        ping_slot_data_rate: of.ping_slot_data_rate.map(data_rate),
        ping_slot_frequency: of.ping_slot_frequency.map(Frequency::hz),
        beacon_frequency: of.beacon_frequency.map(Frequency::hz),
        desired_ping_slot_data_rate: of.desired_ping_slot_data_rate.map(data_rate),
        desired_ping_slot_frequency: of.desired_ping_slot_frequency.map(Frequency::hz),
        desired_beacon_frequency: of.desired_beacon_frequency.map(Frequency::hz),
    }
}

pub(super) fn from_wire(of: &wire::ClassSettings) -> Result<ClassSettings, RecordError> {
    let data_rate = |index: Option<u32>| {
        let read = |index| u8::try_from(index).ok().and_then(DataRateIndex::new);
        index
            .map(|index| read(index).ok_or(RecordError::Field { field: "data rate of ping slots" }))
            .transpose()
    };
    let periodicity = of.ping_slot_periodicity.map(u8::try_from).transpose();
    Ok(ClassSettings {
        class_b_timeout: of.class_b_timeout.map(Duration::from_nanos),
        class_c_timeout: of.class_c_timeout.map(Duration::from_nanos),
        class_b_c_downlink_interval: of.class_b_c_downlink_interval.map(Duration::from_nanos),
        ping_slot_periodicity: periodicity
            .map_err(|_| RecordError::Field { field: "periodicity of ping slots" })?,
        ping_slot_data_rate: data_rate(of.ping_slot_data_rate)?,
        ping_slot_frequency: of.ping_slot_frequency.map(Frequency::from_hz),
        beacon_frequency: of.beacon_frequency.map(Frequency::from_hz),
        desired_ping_slot_data_rate: data_rate(of.desired_ping_slot_data_rate)?,
        desired_ping_slot_frequency: of.desired_ping_slot_frequency.map(Frequency::from_hz),
        desired_beacon_frequency: of.desired_beacon_frequency.map(Frequency::from_hz),
    })
}
