//! Random values of the types that are built and parsed.

use proptest::{collection::vec, prelude::*};
use ttn_core::{
    addr::{DevAddr, NetId},
    eui::{DevEui, JoinEui},
    frame::{FCtrl, JoinRequestForm, RejoinRequestForm},
    key::Aes128Key,
    radio::{DataRateIndex, Frequency},
    version::MacVersion,
};
use ttn_mac::{
    command::{
        Command, DeviceModeClass, RelayActivation, RelayFilterEui, RelayLimit, RelayLimits,
        RelaySecondChannel, RootWorSKey,
    },
    frame::{CfList, DataFrame, DlSettings, JoinAccept},
    session::NetworkKeys,
};

pub(crate) fn key() -> impl Strategy<Value = Aes128Key> {
    any::<[u8; 16]>().prop_map(Aes128Key::new)
}

/// Keys, and a version that uses as many of them.
pub(crate) fn session() -> impl Strategy<Value = (MacVersion, NetworkKeys)> {
    let v1_0 = (prop::sample::select(&MacVersion::ALL[..5]), key().prop_map(NetworkKeys::v1_0));
    let v1_1 = (Just(MacVersion::V1_1), (key(), key(), key())).prop_map(|(version, keys)| {
        let (f_nwk_s_int_key, s_nwk_s_int_key, nwk_s_enc_key) = keys;
        (version, NetworkKeys { f_nwk_s_int_key, s_nwk_s_int_key, nwk_s_enc_key })
    });
    prop_oneof![v1_0, v1_1]
}

pub(crate) fn data_rate() -> impl Strategy<Value = DataRateIndex> {
    any::<u8>().prop_map(DataRateIndex::from_low_bits)
}

fn frequency() -> impl Strategy<Value = Frequency> {
    (1_000..0x100_0000_u64).prop_map(|units| Frequency::from_hz(units * 100))
}

fn dev_addr() -> impl Strategy<Value = DevAddr> {
    any::<u32>().prop_map(DevAddr::from_u32)
}

fn net_id() -> impl Strategy<Value = NetId> {
    any::<[u8; 3]>().prop_map(NetId::from_be_bytes)
}

fn join_eui() -> impl Strategy<Value = JoinEui> {
    any::<u64>().prop_map(JoinEui::from_u64)
}

fn dev_eui() -> impl Strategy<Value = DevEui> {
    any::<u64>().prop_map(DevEui::from_u64)
}

pub(crate) fn data_frame() -> impl Strategy<Value = DataFrame> {
    let header = (any::<bool>(), any::<bool>(), dev_addr(), any::<[bool; 4]>(), any::<u16>());
    let body = (vec(any::<u8>(), 0..=15), any::<Option<u8>>(), vec(any::<u8>(), 0..=227));
    (header, body).prop_map(|(header, (f_opts, f_port, frm_payload))| {
        let (uplink, confirmed, dev_addr, [adr, ack, bit_6, bit_4], f_cnt) = header;
        DataFrame {
            uplink,
            confirmed,
            dev_addr,
            f_ctrl: FCtrl {
                adr,
                ack,
                adr_ack_req: bit_6 && uplink,
                class_b: bit_4 && uplink,
                f_pending: bit_4 && !uplink,
            },
            f_cnt,
            f_opts,
            f_port,
            frm_payload: if f_port.is_some() { frm_payload } else { Vec::new() },
        }
    })
}

pub(crate) fn join_request() -> impl Strategy<Value = JoinRequestForm> {
    (join_eui(), dev_eui(), any::<u16>())
        .prop_map(|(join_eui, dev_eui, dev_nonce)| JoinRequestForm { join_eui, dev_eui, dev_nonce })
}

pub(crate) fn rejoin_request() -> impl Strategy<Value = RejoinRequestForm> {
    let home = (prop_oneof![Just(0), Just(2)], net_id(), dev_eui(), any::<u16>()).prop_map(
        |(rejoin_type, net_id, dev_eui, rejoin_count)| RejoinRequestForm::HomeNetwork {
            rejoin_type,
            net_id,
            dev_eui,
            rejoin_count,
        },
    );
    let join_server =
        (join_eui(), dev_eui(), any::<u16>()).prop_map(|(join_eui, dev_eui, rejoin_count)| {
            RejoinRequestForm::JoinServer { join_eui, dev_eui, rejoin_count }
        });
    prop_oneof![home, join_server]
}

pub(crate) fn join_accept() -> impl Strategy<Value = JoinAccept> {
    let none_or_frequency = prop_oneof![Just(Frequency::default()), frequency()];
    let cf_list = prop_oneof![
        Just(None),
        prop::array::uniform5(none_or_frequency).prop_map(|list| Some(CfList::Frequencies(list))),
        any::<[u16; 6]>().prop_map(|masks| Some(CfList::ChannelMasks(masks))),
    ];
    let settings = (any::<bool>(), 0..=7_u8, data_rate())
        .prop_map(|(opt_neg, rx1_dr_offset, rx2_dr)| DlSettings { opt_neg, rx1_dr_offset, rx2_dr });
    (0..0x100_0000_u32, net_id(), dev_addr(), settings, any::<u8>(), cf_list).prop_map(
        |(join_nonce, net_id, dev_addr, dl_settings, rx_delay, cf_list)| JoinAccept {
            join_nonce,
            net_id,
            dev_addr,
            dl_settings,
            rx_delay,
            cf_list,
        },
    )
}

pub(crate) fn uplink_command() -> impl Strategy<Value = Command> {
    prop_oneof![first_uplink_command(), class_b_uplink(), relay_uplink()]
}

pub(crate) fn downlink_command() -> impl Strategy<Value = Command> {
    prop_oneof![first_downlink_command(), class_b_downlink(), relay_downlink()]
}

fn class_b_uplink() -> impl Strategy<Value = Command> {
    prop_oneof![
        (0..=7_u8).prop_map(|period| Command::PingSlotInfoReq { period }),
        any::<[bool; 2]>().prop_map(|[frequency_ack, data_rate_index_ack]| {
            Command::PingSlotChannelAns { frequency_ack, data_rate_index_ack }
        }),
        Just(Command::BeaconTimingReq),
        any::<bool>().prop_map(|frequency_ack| Command::BeaconFreqAns { frequency_ack }),
    ]
}

fn class_b_downlink() -> impl Strategy<Value = Command> {
    prop_oneof![
        Just(Command::PingSlotInfoAns),
        (frequency(), data_rate()).prop_map(|(frequency, data_rate_index)| {
            Command::PingSlotChannelReq { frequency, data_rate_index }
        }),
        any::<(u16, u8)>()
            .prop_map(|(delay, channel_index)| Command::BeaconTimingAns { delay, channel_index }),
        frequency().prop_map(|frequency| Command::BeaconFreqReq { frequency }),
    ]
}

fn relay_uplink() -> impl Strategy<Value = Command> {
    prop_oneof![
        any::<[bool; 6]>().prop_map(|[a, b, c, d, e, f]| Command::RelayConfAns {
            second_channel_frequency_ack: a,
            second_channel_ack_offset_ack: b,
            second_channel_data_rate_index_ack: c,
            second_channel_index_ack: d,
            default_channel_index_ack: e,
            cad_periodicity_ack: f,
        }),
        any::<[bool; 4]>().prop_map(|[a, b, c, d]| Command::RelayEndDeviceConfAns {
            second_channel_frequency_ack: a,
            second_channel_data_rate_index_ack: b,
            second_channel_index_ack: c,
            backoff_ack: d,
        }),
        any::<[bool; 3]>().prop_map(|[action_ack, length_ack, combined_rules_ack]| {
            Command::RelayFilterListAns { action_ack, length_ack, combined_rules_ack }
        }),
        Just(Command::RelayUpdateUplinkListAns),
        any::<(bool, u32)>().prop_map(|(rule_index_ack, w_f_cnt)| {
            Command::RelayCtrlUplinkListAns { rule_index_ack, w_f_cnt }
        }),
        Just(Command::RelayConfigureFwdLimitAns),
        (dev_addr(), -20..=11_i8, -142..=-15_i16).prop_map(|(dev_addr, snr, rssi)| {
            Command::RelayNotifyNewEndDeviceReq { dev_addr, snr, rssi }
        }),
    ]
}

fn relay_downlink() -> impl Strategy<Value = Command> {
    prop_oneof![
        (any::<bool>(), 0..=5_u8, 0..=1_u8, second_channel()).prop_map(
            |(start, cad_periodicity, default_channel_index, second_channel)| {
                Command::RelayConfReq {
                    start,
                    cad_periodicity,
                    default_channel_index,
                    second_channel,
                }
            }
        ),
        (any::<u8>(), 0..=3_u8, 0..=63_u8, second_channel()).prop_map(
            |(activation, smart_enable_level, backoff, second_channel)| {
                Command::RelayEndDeviceConfReq {
                    activation: RelayActivation::from_low_bits(activation),
                    smart_enable_level,
                    backoff,
                    second_channel,
                }
            }
        ),
        (0..=15_u8, 0..=2_u8, vec(any::<u8>(), 0..=16)).prop_map(|(index, action, eui)| {
            Command::RelayFilterListReq { index, action, eui: RelayFilterEui::new(&eui).unwrap() }
        }),
        (0..=15_u8, limit(63), dev_addr(), any::<u32>(), any::<[u8; 16]>()).prop_map(
            |(rule_index, limit, dev_addr, w_f_cnt, key)| Command::RelayUpdateUplinkListReq {
                rule_index,
                limit,
                dev_addr,
                w_f_cnt,
                root_wor_s_key: RootWorSKey::new(key),
            }
        ),
        (0..=15_u8, any::<bool>()).prop_map(|(rule_index, remove)| {
            Command::RelayCtrlUplinkListReq { rule_index, remove }
        }),
        (0..=3_u8, prop::array::uniform4(limit(127))).prop_map(
            |(reset_limit_counter, [join_request, notify, global_uplink, overall])| {
                Command::RelayConfigureFwdLimitReq(RelayLimits {
                    reset_limit_counter,
                    join_request,
                    notify,
                    global_uplink,
                    overall,
                })
            }
        ),
    ]
}

fn second_channel() -> impl Strategy<Value = RelaySecondChannel> {
    (0..=1_u8, data_rate(), 0..=5_u8, frequency()).prop_map(
        |(index, data_rate_index, ack_offset, frequency)| RelaySecondChannel {
            index,
            data_rate_index,
            ack_offset,
            frequency,
        },
    )
}

fn limit(reload_rate_max: u8) -> impl Strategy<Value = RelayLimit> {
    (0..=reload_rate_max, 0..=3_u8)
        .prop_map(|(reload_rate, bucket_size)| RelayLimit { reload_rate, bucket_size })
}

fn first_uplink_command() -> impl Strategy<Value = Command> {
    let version = 0..=15_u8;
    prop_oneof![
        version.clone().prop_map(|minor_version| Command::ResetInd { minor_version }),
        version.prop_map(|minor_version| Command::RekeyInd { minor_version }),
        prop::sample::select(vec![
            Command::LinkCheckReq,
            Command::DutyCycleAns,
            Command::RxTimingSetupAns,
            Command::TxParamSetupAns,
            Command::AdrParamSetupAns,
            Command::DeviceTimeReq,
            Command::DeviceModeInd { class: DeviceModeClass::A },
            Command::DeviceModeInd { class: DeviceModeClass::C },
        ]),
        any::<[bool; 3]>().prop_map(
            |[channel_mask_ack, data_rate_index_ack, tx_power_index_ack]| Command::LinkAdrAns {
                channel_mask_ack,
                data_rate_index_ack,
                tx_power_index_ack,
            }
        ),
        any::<[bool; 3]>().prop_map(
            |[rx2_frequency_ack, rx2_data_rate_index_ack, rx1_data_rate_offset_ack]| {
                Command::RxParamSetupAns {
                    rx2_frequency_ack,
                    rx2_data_rate_index_ack,
                    rx1_data_rate_offset_ack,
                }
            }
        ),
        (any::<u8>(), -32..=31_i8)
            .prop_map(|(battery, margin)| Command::DevStatusAns { battery, margin }),
        any::<[bool; 2]>().prop_map(|[frequency_ack, data_rate_ack]| Command::NewChannelAns {
            frequency_ack,
            data_rate_ack
        }),
        any::<[bool; 2]>().prop_map(|[channel_frequency_ok, uplink_frequency_exists]| {
            Command::DlChannelAns { channel_frequency_ok, uplink_frequency_exists }
        }),
        any::<bool>().prop_map(|max_time_exponent_ack| Command::RejoinParamSetupAns {
            max_time_exponent_ack
        }),
    ]
}

fn first_downlink_command() -> impl Strategy<Value = Command> {
    let nibble = 0..=15_u8;
    prop_oneof![
        Just(Command::DevStatusReq),
        (0..=254_u8, any::<u8>())
            .prop_map(|(margin, gateway_count)| Command::LinkCheckAns { margin, gateway_count }),
        (data_rate(), nibble.clone(), any::<u16>(), 0..=7_u8, nibble.clone()).prop_map(
            |(data_rate_index, tx_power_index, channel_mask, channel_mask_control, nb_trans)| {
                Command::LinkAdrReq {
                    data_rate_index,
                    tx_power_index,
                    channel_mask,
                    channel_mask_control,
                    nb_trans,
                }
            }
        ),
        nibble.clone().prop_map(|max_duty_cycle| Command::DutyCycleReq { max_duty_cycle }),
        (0..=7_u8, data_rate(), frequency()).prop_map(
            |(rx1_data_rate_offset, rx2_data_rate_index, rx2_frequency)| {
                Command::RxParamSetupReq {
                    rx1_data_rate_offset,
                    rx2_data_rate_index,
                    rx2_frequency,
                }
            }
        ),
        (any::<u8>(), frequency(), data_rate(), data_rate()).prop_map(
            |(channel_index, frequency, min_data_rate_index, max_data_rate_index)| {
                Command::NewChannelReq {
                    channel_index,
                    frequency,
                    min_data_rate_index,
                    max_data_rate_index,
                }
            }
        ),
        nibble.clone().prop_map(|delay| Command::RxTimingSetupReq { delay }),
        (nibble.clone(), any::<bool>(), any::<bool>()).prop_map(
            |(max_eirp_index, uplink_dwell_time, downlink_dwell_time)| Command::TxParamSetupReq {
                max_eirp_index,
                uplink_dwell_time,
                downlink_dwell_time,
            }
        ),
        (any::<u8>(), frequency()).prop_map(|(channel_index, frequency)| Command::DlChannelReq {
            channel_index,
            frequency
        }),
        (nibble.clone(), nibble.clone()).prop_map(
            |(adr_ack_limit_exponent, adr_ack_delay_exponent)| Command::AdrParamSetupReq {
                adr_ack_limit_exponent,
                adr_ack_delay_exponent,
            }
        ),
        (any::<u32>(), any::<u8>()).prop_map(|(gps_seconds, fraction_256)| {
            Command::DeviceTimeAns { gps_seconds, fraction_256 }
        }),
        (0..=7_u8, 0..=7_u8, 0..=2_u8, data_rate()).prop_map(
            |(period_exponent, max_retries, rejoin_type, data_rate_index)| {
                Command::ForceRejoinReq {
                    period_exponent,
                    max_retries,
                    rejoin_type,
                    data_rate_index,
                }
            }
        ),
        (nibble.clone(), nibble).prop_map(|(max_time_exponent, max_count_exponent)| {
            Command::RejoinParamSetupReq { max_time_exponent, max_count_exponent }
        }),
    ]
}
