//! mac_commands.json: packages of the application layer

use ttn_core::{
    addr::DevAddr,
    radio::{DeviceClass, Frequency},
};
use ttn_mac::{
    command::Direction,
    frame::FrequencyStep,
    package::{
        BuildError, ParseError, Version,
        certification::{self, Downlink as Dut, Uplink as DutUp},
        clock_sync::{self, Downlink as Clock, Uplink as ClockUp},
        firmware::{self, Downlink as Firmware, Uplink as FirmwareUp},
        fragmentation::{
            self, Downlink as Frag, Integrity, Reception, Setup, SetupAns, StatusAns,
            Uplink as FragUp,
        },
        multicast_setup::{
            self, Downlink as Mc, GroupSetup, Session, SessionAns, SessionKind, Uplink as McUp,
        },
    },
};

use crate::support::{Case, Fields, Kind, checked};

pub(crate) const KINDS: &[Kind] = &[
    checked("app_package", app_package),
    checked("fragmentation_fec", fragmentation_fec),
    checked("fragmentation_fec_error", fragmentation_fec_error),
];

const STEP: FrequencyStep = FrequencyStep::Hz100;

fn app_package(case: &Case) {
    let (input, bytes) = (case.input(), case.expected().bytes("bytes"));
    let (document, name, fields) =
        (input.text("document"), input.text("name"), input.object("fields"));
    let (package, version) = document.split_once('-').unwrap();
    let version = if version.starts_with('2') { Version::V2 } else { Version::V1 };
    let port = match (package, input.direction()) {
        ("TS003", Direction::Uplink) => {
            let encode = |command: &ClockUp, out: &mut Vec<u8>| {
                command.encode(out);
                Ok(())
            };
            both(&clock_up(name, fields), &bytes, encode, clock_sync::parse_uplink(&bytes));
            clock_sync::F_PORT
        }
        ("TS003", Direction::Downlink) => {
            let encode = |command: &Clock, out: &mut Vec<u8>| {
                command.encode(out);
                Ok(())
            };
            both(&clock(name, fields), &bytes, encode, clock_sync::parse_downlink(&bytes));
            clock_sync::F_PORT
        }
        ("TS004", Direction::Uplink) => {
            let encode = |command: &FragUp, out: &mut Vec<u8>| command.encode(version, out);
            let parsed = fragmentation::parse_uplink(version, &bytes);
            both(&frag_up(name, fields), &bytes, encode, parsed);
            fragmentation::F_PORT
        }
        ("TS004", Direction::Downlink) => {
            let encode = |command: &Frag, out: &mut Vec<u8>| command.encode(version, out);
            let parsed = fragmentation::parse_downlink(version, &bytes);
            both(&frag(name, fields, version), &bytes, encode, parsed);
            fragmentation::F_PORT
        }
        ("TS005", Direction::Uplink) => {
            let encode = |command: &McUp, out: &mut Vec<u8>| command.encode(version, out);
            let parsed = multicast_setup::parse_uplink(version, &bytes);
            both(&mc_up(name, fields), &bytes, encode, parsed);
            multicast_setup::F_PORT
        }
        ("TS005", Direction::Downlink) => {
            let encode = |command: &Mc, out: &mut Vec<u8>| command.encode(STEP, out);
            both(&mc(name, fields), &bytes, encode, multicast_setup::parse_downlink(STEP, &bytes));
            multicast_setup::F_PORT
        }
        ("TS006", Direction::Uplink) => {
            let parsed = firmware::parse_uplink(&bytes);
            both(&firmware_up(name, fields), &bytes, FirmwareUp::encode, parsed);
            firmware::F_PORT
        }
        ("TS006", Direction::Downlink) => {
            let parsed = firmware::parse_downlink(&bytes);
            both(&firmware_down(name, fields), &bytes, Firmware::encode, parsed);
            firmware::F_PORT
        }
        ("TS009", Direction::Uplink) => {
            let wanted = dut_up(name, fields);
            assert_eq!(wanted.encode(), bytes);
            assert_eq!(certification::parse_uplink(&bytes), Ok(wanted));
            certification::F_PORT
        }
        ("TS009", Direction::Downlink) => {
            let wanted = dut(name, fields);
            assert_eq!(wanted.encode().unwrap(), bytes);
            assert_eq!(certification::parse_downlink(&bytes), Ok(wanted));
            certification::F_PORT
        }
        _ => panic!("{document} is not known"),
    };
    assert_eq!(input.int::<u8>("f_port"), port);
}

/// The command is written and read as the case says.
fn both<T: core::fmt::Debug + PartialEq>(
    wanted: &T,
    bytes: &[u8],
    encode: impl Fn(&T, &mut Vec<u8>) -> Result<(), BuildError>,
    parsed: impl Iterator<Item = Result<T, ParseError>>,
) {
    let mut encoded = Vec::new();
    encode(wanted, &mut encoded).unwrap();
    assert_eq!(encoded, bytes);
    let parsed: Vec<T> = parsed.map(Result::unwrap).collect();
    assert_eq!(parsed.iter().collect::<Vec<_>>(), [wanted]);
}

fn clock_up(name: &str, fields: Fields<'_>) -> ClockUp {
    match name {
        "AppTimeReq" => ClockUp::AppTimeReq {
            device_time: fields.int("device_time"),
            token: fields.int("token_req"),
            answer_required: fields.flag("ans_required"),
        },
        "DeviceAppTimePeriodicityAns" => ClockUp::DeviceAppTimePeriodicityAns {
            not_supported: fields.flag("not_supported"),
            device_time: fields.int("time"),
        },
        "PackageVersionAns" => ClockUp::PackageVersionAns {
            identifier: fields.int("package_identifier"),
            version: fields.int("package_version"),
        },
        _ => panic!("{name} is not known"),
    }
}

fn clock(name: &str, fields: Fields<'_>) -> Clock {
    match name {
        "AppTimeAns" => Clock::AppTimeAns {
            correction: fields.int("time_correction"),
            token: fields.int("token_ans"),
        },
        "DeviceAppTimePeriodicityReq" => {
            Clock::DeviceAppTimePeriodicityReq { period: fields.int("period") }
        }
        "ForceDeviceResyncReq" | "ForceDeviceResyncCmd" => {
            Clock::ForceDeviceResyncReq { transmissions: fields.int("nb_transmissions") }
        }
        "PackageVersionReq" => Clock::PackageVersionReq,
        _ => panic!("{name} is not known"),
    }
}

fn frag_up(name: &str, fields: Fields<'_>) -> FragUp {
    let frag_index = fields.int_or_zero("frag_index");
    match name {
        "FragDataBlockReceivedReq" => {
            FragUp::FragDataBlockReceivedReq { frag_index, mic_error: fields.flag("mic_error") }
        }
        "FragSessionDeleteAns" => FragUp::FragSessionDeleteAns {
            frag_index,
            session_does_not_exist: fields.flag("session_does_not_exist"),
        },
        "FragSessionSetupAns" => FragUp::FragSessionSetupAns(SetupAns {
            frag_index,
            frag_algo_unsupported: fields.flag("frag_algo_unsupported"),
            not_enough_memory: fields.flag("not_enough_memory"),
            frag_index_unsupported: fields.flag("frag_index_unsupported"),
            wrong_descriptor: fields.flag("wrong_descriptor"),
            session_cnt_replay: fields.flag_or_false("session_cnt_replay"),
        }),
        "FragSessionStatusAns" => FragUp::FragSessionStatusAns(StatusAns {
            memory_error: fields.flag_or_false("memory_error")
                || fields.flag_or_false("not_enough_matrix_memory"),
            mic_error: fields.flag_or_false("mic_error"),
            session_does_not_exist: fields.flag_or_false("session_does_not_exist"),
            reception: fields.has("nb_frag_received").then(|| Reception {
                frag_index,
                nb_frag_received: fields.int("nb_frag_received"),
                missing_frag: fields.int("missing_frag"),
            }),
        }),
        "PackageVersionAns" => FragUp::PackageVersionAns {
            identifier: fields.int("package_identifier"),
            version: fields.int("package_version"),
        },
        _ => panic!("{name} is not known"),
    }
}

fn frag(name: &str, fields: Fields<'_>, version: Version) -> Frag {
    let frag_index = fields.int_or_zero("frag_index");
    match name {
        "DataFragment" => {
            Frag::DataFragment { frag_index, n: fields.int("n"), data: fields.bytes("data") }
        }
        "FragDataBlockReceivedAns" => Frag::FragDataBlockReceivedAns { frag_index },
        "FragSessionDeleteReq" => Frag::FragSessionDeleteReq { frag_index },
        "FragSessionSetupReq" => Frag::FragSessionSetupReq(Setup {
            frag_index,
            mc_group_bit_mask: mask(fields, "mc_group_bit_mask"),
            nb_frag: fields.int("nb_frag"),
            frag_size: fields.int("frag_size"),
            block_ack_delay: fields.int("block_ack_delay"),
            frag_algo: fields.int("frag_algo"),
            padding: fields.int("padding"),
            descriptor: fields.array("descriptor"),
            integrity: (version == Version::V2).then(|| Integrity {
                ack_reception: fields.flag("ack_reception"),
                session_cnt: fields.int("session_cnt"),
                mic: fields.array("mic"),
            }),
        }),
        "FragSessionStatusReq" => {
            Frag::FragSessionStatusReq { frag_index, participants: fields.flag("participants") }
        }
        "PackageVersionReq" => Frag::PackageVersionReq,
        _ => panic!("{name} is not known"),
    }
}

/// A list of flags, the lowest bit first.
fn mask(fields: Fields<'_>, name: &str) -> u8 {
    let flags = fields.value(name).as_array().unwrap();
    flags.iter().rev().fold(0, |mask, flag| mask << 1 | u8::from(flag.as_bool().unwrap()))
}

fn mc_up(name: &str, fields: Fields<'_>) -> McUp {
    let mc_group_id = fields.int_or_zero("mc_group_id");
    match name {
        "McClassBSessionAns" => McUp::McClassBSessionAns(session_ans(fields)),
        "McClassCSessionAns" => McUp::McClassCSessionAns(session_ans(fields)),
        "McGroupDeleteAns" => McUp::McGroupDeleteAns {
            mc_group_id,
            mc_group_undefined: fields.flag("mc_group_undefined"),
        },
        "McGroupSetupAns" => {
            McUp::McGroupSetupAns { mc_group_id, id_error: fields.flag("id_error") }
        }
        "McGroupStatusAns" => {
            let groups = fields.value("groups").as_array().unwrap().iter().map(Fields);
            let groups: Vec<(u8, DevAddr)> =
                groups.map(|group| (group.int("mc_group_id"), group.dev_addr("mc_addr"))).collect();
            let listed = groups.iter().fold(0, |mask, (id, _)| mask | 1 << id);
            assert_eq!(mask(fields, "ans_group_mask"), listed);
            McUp::McGroupStatusAns { nb_total_groups: fields.int("nb_total_groups"), groups }
        }
        "PackageVersionAns" => McUp::PackageVersionAns {
            identifier: fields.int("package_identifier"),
            version: fields.int("package_version"),
        },
        _ => panic!("{name} is not known"),
    }
}

fn session_ans(fields: Fields<'_>) -> SessionAns {
    SessionAns {
        mc_group_id: fields.int("mc_group_id"),
        dr_error: fields.flag("dr_error"),
        freq_error: fields.flag("freq_error"),
        mc_group_undefined: fields.flag("mc_group_undefined"),
        start_missed: fields.flag_or_false("start_missed"),
        time_to_start: fields.has("time_to_start").then(|| fields.int("time_to_start")),
    }
}

fn mc(name: &str, fields: Fields<'_>) -> Mc {
    let mc_group_id = fields.int_or_zero("mc_group_id");
    match name {
        "McClassBSessionReq" => {
            let periodicity = fields.int("periodicity");
            session_req(fields, SessionKind::ClassB { periodicity })
        }
        "McClassCSessionReq" => session_req(fields, SessionKind::ClassC),
        "McGroupDeleteReq" => Mc::McGroupDeleteReq { mc_group_id },
        "McGroupSetupReq" => Mc::McGroupSetupReq(GroupSetup {
            mc_group_id,
            mc_addr: fields.dev_addr("mc_addr"),
            mc_key_encrypted: fields.array("mc_key_encrypted"),
            min_mc_f_cnt: fields.int("min_mc_f_cnt"),
            max_mc_f_cnt: fields.int("max_mc_f_cnt"),
        }),
        "McGroupStatusReq" => {
            Mc::McGroupStatusReq { req_group_mask: mask(fields, "req_group_mask") }
        }
        "PackageVersionReq" => Mc::PackageVersionReq,
        _ => panic!("{name} is not known"),
    }
}

fn session_req(fields: Fields<'_>, kind: SessionKind) -> Mc {
    Mc::McSessionReq(Session {
        mc_group_id: fields.int("mc_group_id"),
        kind,
        session_time: fields.int("session_time"),
        time_out: fields.int("time_out"),
        dl_frequency: Frequency::from_hz(fields.int("dl_frequency")),
        dr: fields.int("dr"),
    })
}

/// No case has these yet.
fn firmware_up(name: &str, fields: Fields<'_>) -> FirmwareUp {
    match name {
        "DevVersionAns" => FirmwareUp::DevVersionAns {
            fw_version: fields.int("fw_version"),
            hw_version: fields.int("hw_version"),
        },
        "PackageVersionAns" => FirmwareUp::PackageVersionAns {
            identifier: fields.int("package_identifier"),
            version: fields.int("package_version"),
        },
        _ => panic!("{name} is not known"),
    }
}

fn firmware_down(name: &str, fields: Fields<'_>) -> Firmware {
    match name {
        "DevDeleteImageReq" => Firmware::DevDeleteImageReq { version: fields.int("version") },
        "DevUpgradeImageReq" => Firmware::DevUpgradeImageReq,
        "DevVersionReq" => Firmware::DevVersionReq,
        "PackageVersionReq" => Firmware::PackageVersionReq,
        _ => panic!("{name} is not known"),
    }
}

fn dut_up(name: &str, fields: Fields<'_>) -> DutUp {
    let version = |member| {
        let parts: Vec<u8> = fields.text(member).split('.').map(|n| n.parse().unwrap()).collect();
        <[u8; 4]>::try_from(parts).unwrap()
    };
    match name {
        "DutVersionsAns" => DutUp::DutVersionsAns {
            firmware: version("fw"),
            lorawan: version("lorawan"),
            regional_parameters: version("regional_parameters"),
        },
        "EchoIncPayloadAns" | "EchoPayloadAns" => {
            DutUp::EchoIncPayloadAns { payload: fields.bytes("payload") }
        }
        "PackageVersionAns" => DutUp::PackageVersionAns {
            identifier: fields.int("package_identifier"),
            version: fields.int("package_version"),
        },
        "RxAppCntAns" => {
            // Its only member.
            let members = fields.0.as_object().unwrap();
            let count = members.values().find_map(serde_json::Value::as_u64).unwrap();
            DutUp::RxAppCntAns { count: count.try_into().unwrap() }
        }
        _ => panic!("{name} is not known"),
    }
}

fn dut(name: &str, fields: Fields<'_>) -> Dut {
    match name {
        "AdrBitChangeReq" => Dut::AdrBitChangeReq { adr_enable: fields.flag("adr_enable") },
        "DeviceTimeReq" => Dut::DeviceTimeReq,
        "DutFPort224DisableReq" => Dut::DutFPort224DisableReq,
        "DutJoinReq" => Dut::DutJoinReq,
        "DutResetReq" => Dut::DutResetReq,
        "DutVersionsReq" => Dut::DutVersionsReq,
        "EchoIncPayloadReq" | "EchoPayloadReq" => {
            Dut::EchoIncPayloadReq { payload: fields.bytes("payload") }
        }
        "LinkCheckReq" => Dut::LinkCheckReq,
        "PackageVersionReq" => Dut::PackageVersionReq,
        "PingSlotInfoReq" => Dut::PingSlotInfoReq { periodicity: fields.int("periodicity") },
        "RxAppCntReq" => Dut::RxAppCntReq,
        "RxAppCntResetReq" => Dut::RxAppCntResetReq,
        "RegionalDutyCycleCtrlReq" => {
            Dut::RegionalDutyCycleCtrlReq { enable: fields.flag("enable") }
        }
        "SwitchClassReq" => Dut::SwitchClassReq {
            class: match fields.value("class").as_str().unwrap_or_default() {
                "A" => DeviceClass::A,
                "B" => DeviceClass::B,
                "C" => DeviceClass::C,
                _ => match fields.number("class") {
                    0 => DeviceClass::A,
                    1 => DeviceClass::B,
                    2 => DeviceClass::C,
                    other => panic!("{other} is no class"),
                },
            },
        },
        "TxFramesCtrlReq" => Dut::TxFramesCtrlReq {
            frame_type: fields.int("frame_type"),
            rest: fields.bytes("rest"),
        },
        "TxPeriodicityChangeReq" => {
            let periodicity_index: u8 = fields.int("periodicity_index");
            let seconds = certification::PERIODICITIES[usize::from(periodicity_index)];
            let wanted = fields.has("seconds").then(|| fields.int::<u16>("seconds"));
            assert_eq!(seconds, wanted);
            Dut::TxPeriodicityChangeReq { periodicity_index }
        }
        _ => panic!("{name} is not known"),
    }
}

fn fragmentation_fec(case: &Case) {
    let input = case.input();
    let version = match input.text("document") {
        "TS004-1.0.0" => Version::V1,
        "TS004-2.0.0" => Version::V2,
        other => panic!("{other} is not known"),
    };
    let (data, size) = (input.bytes("data"), input.int("fragment_size"));
    let encoder = fragmentation::Encoder::new(version, data.clone(), size).unwrap();
    let wanted = case.expected().value("fragments").as_array().unwrap();
    let wanted: Vec<Vec<u8>> = wanted.iter().map(hex).collect();
    assert_eq!(wanted.len(), usize::from(encoder.nb_frag()) + input.int::<usize>("redundancy"));
    let fragments: Vec<_> = (1..).zip(&wanted).map(|(n, _)| encoder.fragment(n).unwrap()).collect();
    assert_eq!(fragments, wanted);
    decode_without_some(version, &encoder, &wanted, &data);
}

/// Without every seventh fragment the block comes back if the others tell enough, and nothing else comes.
fn decode_without_some(
    version: Version,
    encoder: &fragmentation::Encoder,
    fragments: &[Vec<u8>],
    data: &[u8],
) {
    let (nb_frag, size) = (encoder.nb_frag(), encoder.frag_size());
    let limits = fragmentation::Limits::default();
    let mut decoder = fragmentation::Decoder::new(version, nb_frag, size, limits).unwrap();
    for (n, fragment) in (1..).zip(fragments).filter(|(n, _)| n % 7 != 3) {
        decoder.insert(n, fragment).unwrap();
    }
    assert_eq!(decoder.data().is_some(), decoder.missing() == 0);
    assert!(decoder.data().is_none_or(|decoded| decoded == data));
    for (n, fragment) in (1..).zip(fragments) {
        decoder.insert(n, fragment).unwrap();
    }
    assert_eq!(decoder.data(), Some(data));
}

fn hex(text: &serde_json::Value) -> Vec<u8> {
    data_encoding::HEXLOWER.decode(text.as_str().unwrap().as_bytes()).unwrap()
}

fn fragmentation_fec_error(case: &Case) {
    let input = case.input();
    let (data, size) = (input.bytes("data"), input.int("fragment_size"));
    for version in [Version::V1, Version::V2] {
        fragmentation::Encoder::new(version, data.clone(), size).expect_err("must be refused");
    }
}
