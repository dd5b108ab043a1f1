//! A device as the Network Server knows it.

use std::time::Duration;

use ttn_core::{
    id::{DeviceIds, DeviceKey, FrequencyPlanId},
    store::PartitionId,
    time::Timestamp,
    version::{MacVersion, PhyVersion},
};
use ttn_mac::{
    engine::Classes,
    state::{MacSettings, SlowState},
};

/// The registration of a device: what its owner set, and the part of the MAC state that changes rarely.
///
/// Keys are in clear text here; [`crate::store::DeviceRecord`] holds them wrapped.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "built by other crates")]
pub struct Device {
    /// What names it. The address is that of the session in use.
    pub ids: DeviceIds,
    /// When it was created.
    pub created_at: Timestamp,
    /// When its owner changed it last.
    pub updated_at: Timestamp,
    /// Its frequency plan.
    pub frequency_plan_id: FrequencyPlanId,
    /// The version of LoRaWAN that it was registered with.
    pub mac_version: MacVersion,
    /// The version of the Regional Parameters that it was registered with.
    pub phy_version: PhyVersion,
    /// Whether it joins (OTAA).
    pub supports_join: bool,
    /// Whether it can do class B.
    pub supports_class_b: bool,
    /// Whether it can do class C.
    pub supports_class_c: bool,
    /// Whether it stands for a multicast group.
    pub multicast: bool,
    /// Its MAC settings.
    pub settings: MacSettings,
    /// How long the network waits in class B and C.
    pub class_settings: ClassSettings,
    /// The MAC state; `None` until it has a session or has tried to join.
    pub state: Option<Box<SlowState>>,
}

/// How long the network waits in class B and C. These are kept; nothing acts on them yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "built by other crates")]
pub struct ClassSettings {
    /// How long the acknowledgement of a confirmed class B downlink is waited for.
    pub class_b_timeout: Option<Duration>,
    /// The same for class C.
    pub class_c_timeout: Option<Duration>,
    /// The least time between two downlinks that the network begins.
    pub class_b_c_downlink_interval: Option<Duration>,
}

impl Device {
    /// Makes a device without a session and with the settings of the network.
    #[must_use]
    pub fn new(
        ids: DeviceIds,
        frequency_plan_id: FrequencyPlanId,
        mac_version: MacVersion,
        phy_version: PhyVersion,
    ) -> Self {
        Self {
            ids,
            created_at: Timestamp::default(),
            updated_at: Timestamp::default(),
            frequency_plan_id,
            mac_version,
            phy_version,
            supports_join: true,
            supports_class_b: false,
            supports_class_c: false,
            multicast: false,
            settings: MacSettings::default(),
            class_settings: ClassSettings::default(),
            state: None,
        }
    }

    /// Its unique id.
    #[must_use]
    pub const fn key(&self) -> &DeviceKey {
        &self.ids.key
    }

    /// What it can do besides class A.
    #[must_use]
    pub const fn classes(&self) -> Classes {
        let Self { supports_class_b, supports_class_c, multicast, .. } = *self;
        Classes { b: supports_class_b, c: supports_class_c, multicast }
    }

    /// The partition that it belongs to, for ever: neither its id nor its DevEUI changes.
    #[must_use]
    pub fn partition(&self) -> PartitionId {
        PartitionId::of_device(self.ids.dev_eui, &self.ids.key.to_string())
    }
}
