//! The protobuf messages of stored records, package `ttn.store.v1`. Numbers are never used again.

use prost::Message;

#[derive(Clone, PartialEq, Message)]
pub(super) struct Device {
    #[prost(string, tag = "1")]
    pub(super) application_id: String,
    #[prost(string, tag = "2")]
    pub(super) device_id: String,
    #[prost(fixed64, optional, tag = "3")]
    pub(super) dev_eui: Option<u64>,
    #[prost(fixed64, optional, tag = "4")]
    pub(super) join_eui: Option<u64>,
    #[prost(sfixed64, tag = "5")]
    pub(super) created_at: i64,
    #[prost(sfixed64, tag = "6")]
    pub(super) updated_at: i64,
    #[prost(string, tag = "7")]
    pub(super) frequency_plan_id: String,
    #[prost(string, tag = "8")]
    pub(super) mac_version: String,
    #[prost(string, tag = "9")]
    pub(super) phy_version: String,
    #[prost(bool, tag = "10")]
    pub(super) supports_join: bool,
    #[prost(bool, tag = "11")]
    pub(super) supports_class_b: bool,
    #[prost(bool, tag = "12")]
    pub(super) supports_class_c: bool,
    #[prost(bool, tag = "13")]
    pub(super) multicast: bool,
    #[prost(message, optional, tag = "14")]
    pub(super) settings: Option<Settings>,
    #[prost(message, optional, tag = "15")]
    pub(super) state: Option<State>,
    #[prost(message, optional, tag = "16")]
    pub(super) class_settings: Option<ClassSettings>,
}

/// Times in nanoseconds.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ClassSettings {
    #[prost(uint64, optional, tag = "1")]
    pub(super) class_b_timeout: Option<u64>,
    #[prost(uint64, optional, tag = "2")]
    pub(super) class_c_timeout: Option<u64>,
    #[prost(uint64, optional, tag = "3")]
    pub(super) class_b_c_downlink_interval: Option<u64>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Settings {
    #[prost(uint32, optional, tag = "1")]
    pub(super) rx1_delay: Option<u32>,
    #[prost(uint32, optional, tag = "2")]
    pub(super) rx1_dr_offset: Option<u32>,
    #[prost(uint32, optional, tag = "3")]
    pub(super) rx2_data_rate: Option<u32>,
    #[prost(uint64, optional, tag = "4")]
    pub(super) rx2_frequency: Option<u64>,
    #[prost(uint64, repeated, tag = "5")]
    pub(super) factory_preset_frequencies: Vec<u64>,
    #[prost(uint32, optional, tag = "6")]
    pub(super) max_duty_cycle: Option<u32>,
    #[prost(bool, optional, tag = "7")]
    pub(super) supports_32_bit_f_cnt: Option<bool>,
    #[prost(bool, optional, tag = "8")]
    pub(super) resets_f_cnt: Option<bool>,
    #[prost(bool, optional, tag = "9")]
    pub(super) uplink_dwell_time: Option<bool>,
    #[prost(bool, optional, tag = "10")]
    pub(super) downlink_dwell_time: Option<bool>,
    #[prost(uint32, optional, tag = "11")]
    pub(super) desired_rx1_delay: Option<u32>,
    #[prost(uint32, optional, tag = "12")]
    pub(super) desired_rx1_dr_offset: Option<u32>,
    #[prost(uint32, optional, tag = "13")]
    pub(super) desired_rx2_data_rate: Option<u32>,
    #[prost(uint64, optional, tag = "14")]
    pub(super) desired_rx2_frequency: Option<u64>,
    #[prost(uint32, optional, tag = "15")]
    pub(super) desired_max_duty_cycle: Option<u32>,
    #[prost(float, optional, tag = "16")]
    pub(super) desired_max_eirp: Option<f32>,
    #[prost(uint32, optional, tag = "17")]
    pub(super) desired_adr_ack_limit_exponent: Option<u32>,
    #[prost(uint32, optional, tag = "18")]
    pub(super) desired_adr_ack_delay_exponent: Option<u32>,
    #[prost(bool, optional, tag = "19")]
    pub(super) desired_uplink_dwell_time: Option<bool>,
    #[prost(bool, optional, tag = "20")]
    pub(super) desired_downlink_dwell_time: Option<bool>,
    #[prost(message, optional, tag = "21")]
    pub(super) adr: Option<Adr>,
    #[prost(bool, optional, tag = "22")]
    pub(super) schedule_downlinks: Option<bool>,
    #[prost(uint64, optional, tag = "23")]
    pub(super) status_time_periodicity_ns: Option<u64>,
    #[prost(uint32, optional, tag = "24")]
    pub(super) status_count_periodicity: Option<u32>,
    #[prost(uint32, optional, tag = "25")]
    pub(super) ping_slot_periodicity: Option<u32>,
    #[prost(uint64, optional, tag = "26")]
    pub(super) ping_slot_frequency: Option<u64>,
    #[prost(uint32, optional, tag = "27")]
    pub(super) ping_slot_data_rate: Option<u32>,
    #[prost(uint64, optional, tag = "28")]
    pub(super) beacon_frequency: Option<u64>,
    #[prost(uint64, optional, tag = "29")]
    pub(super) desired_ping_slot_frequency: Option<u64>,
    #[prost(uint32, optional, tag = "30")]
    pub(super) desired_ping_slot_data_rate: Option<u32>,
    #[prost(uint64, optional, tag = "31")]
    pub(super) desired_beacon_frequency: Option<u64>,
    #[prost(uint32, optional, tag = "32")]
    pub(super) desired_rejoin_time_exponent: Option<u32>,
    #[prost(uint32, optional, tag = "33")]
    pub(super) desired_rejoin_count_exponent: Option<u32>,
    #[prost(message, optional, tag = "34")]
    pub(super) relay: Option<Relay>,
    #[prost(message, optional, tag = "35")]
    pub(super) desired_relay: Option<Relay>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Adr {
    /// 0 disabled, 1 dynamic, 2 static.
    #[prost(uint32, tag = "1")]
    pub(super) mode: u32,
    #[prost(float, optional, tag = "2")]
    pub(super) margin: Option<f32>,
    #[prost(uint32, optional, tag = "3")]
    pub(super) min_data_rate: Option<u32>,
    #[prost(uint32, optional, tag = "4")]
    pub(super) max_data_rate: Option<u32>,
    #[prost(uint32, optional, tag = "5")]
    pub(super) min_tx_power_index: Option<u32>,
    #[prost(uint32, optional, tag = "6")]
    pub(super) max_tx_power_index: Option<u32>,
    #[prost(uint32, optional, tag = "7")]
    pub(super) min_nb_trans: Option<u32>,
    #[prost(uint32, optional, tag = "8")]
    pub(super) max_nb_trans: Option<u32>,
    #[prost(uint32, tag = "9")]
    pub(super) data_rate: u32,
    #[prost(uint32, tag = "10")]
    pub(super) tx_power_index: u32,
    #[prost(uint32, tag = "11")]
    pub(super) nb_trans: u32,
    #[prost(bool, tag = "12")]
    pub(super) steer_narrow: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct State {
    #[prost(string, tag = "1")]
    pub(super) version: String,
    #[prost(message, optional, tag = "2")]
    pub(super) session: Option<Session>,
    #[prost(message, optional, tag = "3")]
    pub(super) pending_session: Option<PendingSession>,
    #[prost(message, optional, tag = "4")]
    pub(super) current: Option<Parameters>,
    #[prost(message, optional, tag = "5")]
    pub(super) desired: Option<Parameters>,
    /// Downlink commands with frequencies in steps of `frequency_step` hertz.
    #[prost(bytes = "vec", tag = "6")]
    pub(super) pending_requests: Vec<u8>,
    #[prost(uint32, tag = "7")]
    pub(super) frequency_step: u32,
    #[prost(message, optional, tag = "8")]
    pub(super) rejected: Option<Rejected>,
    #[prost(message, optional, tag = "9")]
    pub(super) status: Option<Status>,
    #[prost(bool, tag = "10")]
    pub(super) supports_join: bool,
    /// 0 A, 1 B, 2 C.
    #[prost(uint32, tag = "11")]
    pub(super) class: u32,
    #[prost(uint32, optional, tag = "12")]
    pub(super) ping_slot_periodicity: Option<u32>,
    #[prost(message, optional, tag = "13")]
    pub(super) force_rejoin: Option<ForceRejoin>,
    #[prost(uint32, optional, tag = "14")]
    pub(super) rejoin_count_0: Option<u32>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Session {
    #[prost(fixed32, tag = "1")]
    pub(super) dev_addr: u32,
    #[prost(message, optional, tag = "2")]
    pub(super) f_nwk_s_int_key: Option<Key>,
    #[prost(message, optional, tag = "3")]
    pub(super) s_nwk_s_int_key: Option<Key>,
    #[prost(message, optional, tag = "4")]
    pub(super) nwk_s_enc_key: Option<Key>,
    #[prost(bytes = "vec", tag = "5")]
    pub(super) session_key_id: Vec<u8>,
    #[prost(sfixed64, tag = "6")]
    pub(super) started_at: i64,
}

/// A key: wrapped if it has a label. It has no derived `Debug`, because that would show it.
#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub(super) struct Key {
    #[prost(string, tag = "1")]
    pub(super) kek_label: String,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) octets: Vec<u8>,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({:?}, …)", self.kek_label)
    }
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct PendingSession {
    #[prost(message, optional, tag = "1")]
    pub(super) session: Option<Session>,
    #[prost(uint32, tag = "2")]
    pub(super) rx_delay: u32,
    #[prost(bool, tag = "3")]
    pub(super) opt_neg: bool,
    #[prost(uint32, tag = "4")]
    pub(super) rx1_dr_offset: u32,
    #[prost(uint32, tag = "5")]
    pub(super) rx2_dr: u32,
    #[prost(uint64, repeated, tag = "6")]
    pub(super) cf_list_frequencies: Vec<u64>,
    #[prost(uint32, repeated, tag = "7")]
    pub(super) cf_list_masks: Vec<u32>,
    #[prost(message, optional, tag = "8")]
    pub(super) channels: Option<Channels>,
    #[prost(bool, tag = "9")]
    pub(super) keeps_parameters: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Parameters {
    #[prost(float, tag = "1")]
    pub(super) max_eirp: f32,
    #[prost(uint32, tag = "2")]
    pub(super) adr_data_rate: u32,
    #[prost(uint32, tag = "3")]
    pub(super) adr_tx_power_index: u32,
    #[prost(uint32, tag = "4")]
    pub(super) adr_nb_trans: u32,
    #[prost(uint32, tag = "5")]
    pub(super) adr_ack_limit_exponent: u32,
    #[prost(uint32, tag = "6")]
    pub(super) adr_ack_delay_exponent: u32,
    #[prost(uint32, tag = "7")]
    pub(super) rx1_delay: u32,
    #[prost(uint32, tag = "8")]
    pub(super) rx1_dr_offset: u32,
    #[prost(uint32, tag = "9")]
    pub(super) rx2_data_rate: u32,
    #[prost(uint64, tag = "10")]
    pub(super) rx2_frequency: u64,
    #[prost(uint32, tag = "11")]
    pub(super) max_duty_cycle: u32,
    #[prost(bool, optional, tag = "12")]
    pub(super) uplink_dwell_time: Option<bool>,
    #[prost(bool, optional, tag = "13")]
    pub(super) downlink_dwell_time: Option<bool>,
    #[prost(message, optional, tag = "14")]
    pub(super) channels: Option<Channels>,
    #[prost(uint64, tag = "15")]
    pub(super) ping_slot_frequency: u64,
    #[prost(uint32, optional, tag = "16")]
    pub(super) ping_slot_data_rate: Option<u32>,
    #[prost(uint64, tag = "17")]
    pub(super) beacon_frequency: u64,
    #[prost(uint32, tag = "18")]
    pub(super) rejoin_time_exponent: u32,
    #[prost(uint32, tag = "19")]
    pub(super) rejoin_count_exponent: u32,
    #[prost(message, optional, tag = "20")]
    pub(super) relay: Option<Relay>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Channels {
    #[prost(message, repeated, tag = "1")]
    pub(super) list: Vec<Channel>,
    /// Bits 0 to 63 and 64 to 127.
    #[prost(fixed64, tag = "2")]
    pub(super) enabled_low: u64,
    #[prost(fixed64, tag = "3")]
    pub(super) enabled_high: u64,
}

/// An index without channel has an uplink frequency of zero.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Channel {
    #[prost(uint64, tag = "1")]
    pub(super) uplink_frequency: u64,
    #[prost(uint64, tag = "2")]
    pub(super) downlink_frequency: u64,
    #[prost(uint32, tag = "3")]
    pub(super) min_data_rate: u32,
    #[prost(uint32, tag = "4")]
    pub(super) max_data_rate: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ForceRejoin {
    #[prost(uint32, tag = "1")]
    pub(super) period_exponent: u32,
    #[prost(uint32, tag = "2")]
    pub(super) max_retries: u32,
    #[prost(uint32, tag = "3")]
    pub(super) rejoin_type: u32,
    #[prost(uint32, tag = "4")]
    pub(super) data_rate: u32,
}

/// One of both.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Relay {
    #[prost(message, optional, tag = "1")]
    pub(super) served: Option<ServedRelay>,
    #[prost(message, optional, tag = "2")]
    pub(super) serving: Option<ServingRelay>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ServedRelay {
    #[prost(uint32, tag = "1")]
    pub(super) activation: u32,
    #[prost(uint32, tag = "2")]
    pub(super) smart_enable_level: u32,
    #[prost(uint32, tag = "3")]
    pub(super) backoff: u32,
    #[prost(message, optional, tag = "4")]
    pub(super) second_channel: Option<RelayChannel>,
    #[prost(string, optional, tag = "5")]
    pub(super) serving_device_id: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ServingRelay {
    #[prost(message, optional, tag = "1")]
    pub(super) second_channel: Option<RelayChannel>,
    #[prost(uint32, tag = "2")]
    pub(super) default_channel_index: u32,
    #[prost(uint32, tag = "3")]
    pub(super) cad_periodicity: u32,
    #[prost(message, repeated, tag = "4")]
    pub(super) rules: Vec<RelayRule>,
    #[prost(message, optional, tag = "5")]
    pub(super) limits: Option<RelayLimits>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct RelayChannel {
    #[prost(uint32, tag = "1")]
    pub(super) index: u32,
    #[prost(uint32, tag = "2")]
    pub(super) data_rate: u32,
    #[prost(uint32, tag = "3")]
    pub(super) ack_offset: u32,
    #[prost(uint64, tag = "4")]
    pub(super) frequency: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct RelayRule {
    #[prost(uint32, tag = "1")]
    pub(super) index: u32,
    #[prost(string, tag = "2")]
    pub(super) device_id: String,
    #[prost(message, optional, tag = "3")]
    pub(super) limit: Option<RelayLimit>,
    #[prost(message, optional, tag = "4")]
    pub(super) session: Option<RuleSession>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct RuleSession {
    #[prost(fixed32, tag = "1")]
    pub(super) dev_addr: u32,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) session_key_id: Vec<u8>,
    #[prost(uint32, tag = "3")]
    pub(super) w_f_cnt: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct RelayLimit {
    #[prost(uint32, tag = "1")]
    pub(super) reload_rate: u32,
    #[prost(uint32, tag = "2")]
    pub(super) bucket_size: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct RelayLimits {
    #[prost(uint32, tag = "1")]
    pub(super) reset_limit_counter: u32,
    #[prost(message, optional, tag = "2")]
    pub(super) join_request: Option<RelayLimit>,
    #[prost(message, optional, tag = "3")]
    pub(super) notify: Option<RelayLimit>,
    #[prost(message, optional, tag = "4")]
    pub(super) global_uplink: Option<RelayLimit>,
    #[prost(message, optional, tag = "5")]
    pub(super) overall: Option<RelayLimit>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Rejected {
    #[prost(uint32, tag = "1")]
    pub(super) adr_data_rates: u32,
    #[prost(uint32, tag = "2")]
    pub(super) adr_tx_powers: u32,
    #[prost(uint64, repeated, tag = "3")]
    pub(super) frequencies: Vec<u64>,
    #[prost(uint32, tag = "4")]
    pub(super) rx1_dr_offsets: u32,
    #[prost(uint32, tag = "5")]
    pub(super) rx2_data_rates: u32,
    #[prost(uint32, tag = "6")]
    pub(super) channel_data_rates: u32,
    /// Sixteen octets, the lowest channels first.
    #[prost(bytes = "vec", optional, tag = "7")]
    pub(super) channel_mask: Option<Vec<u8>>,
    #[prost(uint32, tag = "8")]
    pub(super) ping_slot_data_rates: u32,
    /// Downlink commands with frequencies in steps of `requests_frequency_step` hertz.
    #[prost(bytes = "vec", tag = "9")]
    pub(super) requests: Vec<u8>,
    #[prost(uint32, tag = "10")]
    pub(super) requests_frequency_step: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Status {
    #[prost(uint32, tag = "1")]
    pub(super) battery: u32,
    #[prost(sint32, tag = "2")]
    pub(super) margin: i32,
    #[prost(sfixed64, tag = "3")]
    pub(super) received_at: i64,
    #[prost(uint32, tag = "4")]
    pub(super) f_cnt_up: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct QueueItem {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) session_key_id: Vec<u8>,
    #[prost(uint32, tag = "2")]
    pub(super) f_port: u32,
    #[prost(uint32, tag = "3")]
    pub(super) f_cnt: u32,
    #[prost(bytes = "vec", tag = "4")]
    pub(super) frm_payload: Vec<u8>,
    #[prost(bool, tag = "5")]
    pub(super) confirmed: bool,
    /// 0 lowest to 6 highest.
    #[prost(uint32, tag = "6")]
    pub(super) priority: u32,
    #[prost(message, optional, tag = "7")]
    pub(super) class_b_c: Option<ClassBc>,
    #[prost(string, repeated, tag = "8")]
    pub(super) correlation_ids: Vec<String>,
    #[prost(message, optional, tag = "9")]
    pub(super) confirmed_retry: Option<ConfirmedRetry>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ConfirmedRetry {
    #[prost(uint32, tag = "1")]
    pub(super) attempt: u32,
    #[prost(uint32, optional, tag = "2")]
    pub(super) max_attempts: Option<u32>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ClassBc {
    #[prost(message, repeated, tag = "1")]
    pub(super) gateways: Vec<Antenna>,
    #[prost(sfixed64, optional, tag = "2")]
    pub(super) absolute_time: Option<i64>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Antenna {
    #[prost(string, tag = "1")]
    pub(super) gateway_id: String,
    #[prost(uint32, tag = "2")]
    pub(super) antenna_index: u32,
    #[prost(uint32, tag = "3")]
    pub(super) group_index: u32,
}

/// An uplink that was acknowledged before its window ended.
#[derive(Clone, PartialEq, Message)]
pub(super) struct FirstCopy {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) phy: Vec<u8>,
    #[prost(uint64, tag = "2")]
    pub(super) frequency: u64,
    #[prost(message, optional, tag = "3")]
    pub(super) data_rate: Option<DataRate>,
    #[prost(fixed32, tag = "4")]
    pub(super) timestamp: u32,
    #[prost(sfixed64, optional, tag = "5")]
    pub(super) time: Option<i64>,
    #[prost(sfixed64, tag = "6")]
    pub(super) received_at: i64,
    #[prost(message, repeated, tag = "7")]
    pub(super) receptions: Vec<Reception>,
    #[prost(string, repeated, tag = "8")]
    pub(super) correlation_ids: Vec<String>,
}

/// LoRa has a spreading factor, FSK a bit rate; what has neither is LR-FHSS.
#[derive(Clone, PartialEq, Message)]
pub(super) struct DataRate {
    #[prost(uint32, tag = "1")]
    pub(super) spreading_factor: u32,
    /// Of LR-FHSS, the operating channel width.
    #[prost(uint32, tag = "2")]
    pub(super) bandwidth: u32,
    #[prost(uint32, tag = "3")]
    pub(super) bit_rate: u32,
    #[prost(uint32, tag = "4")]
    pub(super) modulation_type: u32,
    #[prost(string, tag = "5")]
    pub(super) coding_rate: String,
}

/// How one antenna received it.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Reception {
    #[prost(string, tag = "1")]
    pub(super) gateway_id: String,
    #[prost(fixed64, optional, tag = "2")]
    pub(super) gateway_eui: Option<u64>,
    #[prost(uint32, tag = "3")]
    pub(super) antenna_index: u32,
    #[prost(sfixed64, optional, tag = "4")]
    pub(super) time: Option<i64>,
    #[prost(sfixed64, optional, tag = "5")]
    pub(super) gps_time: Option<i64>,
    #[prost(fixed32, tag = "6")]
    pub(super) timestamp: u32,
    #[prost(uint64, optional, tag = "7")]
    pub(super) fine_timestamp: Option<u64>,
    #[prost(sfixed64, tag = "8")]
    pub(super) received_at: i64,
    #[prost(float, tag = "9")]
    pub(super) channel_rssi: f32,
    #[prost(float, tag = "10")]
    pub(super) rssi: f32,
    #[prost(float, optional, tag = "11")]
    pub(super) signal_rssi: Option<f32>,
    #[prost(float, tag = "12")]
    pub(super) snr: f32,
    #[prost(sint64, tag = "13")]
    pub(super) frequency_offset: i64,
    #[prost(uint32, tag = "14")]
    pub(super) channel_index: u32,
    /// 0 none, 1 never, 2 if no other can.
    #[prost(uint32, tag = "15")]
    pub(super) path_constraint: u32,
    #[prost(bytes = "vec", tag = "16")]
    pub(super) uplink_token: Vec<u8>,
}
