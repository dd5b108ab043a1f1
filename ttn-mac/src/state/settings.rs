//! Settings of a device and defaults of a network; each overrides one value (NS-101).

use alloc::vec::Vec;
use core::time::Duration;

use ttn_core::radio::{DataRateIndex, Frequency};

use super::Relay;

/// Overrides of MAC parameters. The same type holds a device's settings and the network's defaults.
///
/// Where more than one source has a value, the order is: device, network defaults, frequency plan, band (NS-38).
#[derive(Clone, Debug, PartialEq, Default)]
pub struct MacSettings {
    /// The delay of RX1 that the device has from the factory, in seconds.
    pub rx1_delay: Option<u8>,
    /// The RX1DROffset that the device has from the factory.
    pub rx1_dr_offset: Option<u8>,
    /// The RX2 data rate that the device has from the factory.
    pub rx2_data_rate: Option<DataRateIndex>,
    /// The RX2 frequency that the device has from the factory.
    pub rx2_frequency: Option<Frequency>,
    /// The uplink frequencies that the device has from the factory; at most [`FACTORY_PRESETS_MAX`].
    /// Empty means those of the band.
    pub factory_preset_frequencies: Vec<Frequency>,
    /// The duty cycle that the device has from the factory, as MaxDCycle.
    pub max_duty_cycle: Option<u8>,
    /// Whether frame counters have 32 bits; `true` unless set (NS-08).
    pub supports_32_bit_f_cnt: Option<bool>,
    /// Whether the counter of an ABP device starts again at zero when it restarts (NS-10).
    pub resets_f_cnt: Option<bool>,
    /// The uplink dwell time that the device has from the factory.
    pub uplink_dwell_time: Option<bool>,
    /// The downlink dwell time that the device has from the factory.
    pub downlink_dwell_time: Option<bool>,
    /// The RX1 delay that the network wants, in seconds; 5 unless set (NS-24).
    pub desired_rx1_delay: Option<u8>,
    /// The RX1DROffset that the network wants.
    pub desired_rx1_dr_offset: Option<u8>,
    /// The RX2 data rate that the network wants.
    pub desired_rx2_data_rate: Option<DataRateIndex>,
    /// The RX2 frequency that the network wants.
    pub desired_rx2_frequency: Option<Frequency>,
    /// The duty cycle that the network wants, as MaxDCycle.
    pub desired_max_duty_cycle: Option<u8>,
    /// The maximum EIRP that the network wants, in dBm.
    pub desired_max_eirp: Option<f32>,
    /// ADR_ACK_LIMIT that the network wants, as an exponent of two.
    pub desired_adr_ack_limit_exponent: Option<u8>,
    /// ADR_ACK_DELAY that the network wants, as an exponent of two.
    pub desired_adr_ack_delay_exponent: Option<u8>,
    /// The uplink dwell time that the network wants.
    pub desired_uplink_dwell_time: Option<bool>,
    /// The downlink dwell time that the network wants.
    pub desired_downlink_dwell_time: Option<bool>,
    /// How often the device listens in class B: every 2 to this power seconds, 0 to 7; else it says so itself (NS-59).
    pub ping_slot_periodicity: Option<u8>,
    /// The frequency of ping slots that the device has from the factory.
    pub ping_slot_frequency: Option<Frequency>,
    /// The data rate of ping slots that the device has from the factory.
    pub ping_slot_data_rate: Option<DataRateIndex>,
    /// The frequency of the beacon that the device has from the factory.
    pub beacon_frequency: Option<Frequency>,
    /// The frequency of ping slots that the network wants.
    pub desired_ping_slot_frequency: Option<Frequency>,
    /// The data rate of ping slots that the network wants.
    pub desired_ping_slot_data_rate: Option<DataRateIndex>,
    /// The frequency of the beacon that the network wants.
    pub desired_beacon_frequency: Option<Frequency>,
    /// MaxTimeN that the network wants: a rejoin-request after 2 to this power + 10 seconds, 0 to 15 (NS-58).
    pub desired_rejoin_time_exponent: Option<u8>,
    /// MaxCountN that the network wants: a rejoin-request after 2 to this power + 4 uplinks, 0 to 15 (NS-58).
    pub desired_rejoin_count_exponent: Option<u8>,
    /// What the device has to do with relays from the factory (NS-108). Sessions in rules do not count.
    pub relay: Option<Relay>,
    /// What it shall have to do with relays.
    pub desired_relay: Option<Relay>,
    /// How the data rate is controlled; dynamic unless set.
    pub adr: Option<AdrMode>,
    /// Whether anything is sent to the device; `true` unless set (NS-94).
    pub schedule_downlinks: Option<bool>,
    /// The time between two DevStatusReq (NS-49); 24 hours unless set, zero does not ask for time's sake.
    pub status_time_periodicity: Option<Duration>,
    /// The uplinks between two DevStatusReq (NS-49); 200 unless set, zero does not ask for their number's sake.
    pub status_count_periodicity: Option<u32>,
}

/// The uplinks between two DevStatusReq where nothing is set (NS-49).
pub const STATUS_COUNT_DEFAULT: u32 = 200;
/// The time between two DevStatusReq where nothing is set (NS-49).
pub const STATUS_TIME_DEFAULT: Duration = Duration::from_secs(86_400);

/// The most factory preset frequencies.
pub const FACTORY_PRESETS_MAX: usize = 96;

/// How the data rate of a device is controlled (NS-68).
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum AdrMode {
    /// By nobody: the ADR bit of downlinks is not set.
    Disabled,
    /// By the ADR policy.
    Dynamic(AdrDynamic),
    /// It is fixed.
    Static(AdrStatic),
}

impl Default for AdrMode {
    fn default() -> Self {
        Self::Dynamic(AdrDynamic::default())
    }
}

/// Limits of dynamic ADR.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct AdrDynamic {
    /// The margin in dB; 15 unless set.
    pub margin: Option<f32>,
    /// The lowest data rate.
    pub min_data_rate: Option<DataRateIndex>,
    /// The highest data rate.
    pub max_data_rate: Option<DataRateIndex>,
    /// The lowest TXPower index, that is the highest power.
    pub min_tx_power_index: Option<u8>,
    /// The highest TXPower index, that is the lowest power.
    pub max_tx_power_index: Option<u8>,
    /// The least NbTrans.
    pub min_nb_trans: Option<u8>,
    /// The greatest NbTrans.
    pub max_nb_trans: Option<u8>,
    /// Whether a device that sends on 500 kHz is moved to 125 kHz (NS-74).
    pub steer_narrow: bool,
}

/// Fixed parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdrStatic {
    /// The data rate.
    pub data_rate: DataRateIndex,
    /// TXPower.
    pub tx_power_index: u8,
    /// NbTrans, 1 to 15.
    pub nb_trans: u8,
}
