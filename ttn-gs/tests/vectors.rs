//! Known answers: the vector files that `TTN_VECTORS` (a directory) points to.
//!
//! One test per kind of `gateway_protocols` (GS-21 to GS-25). Kinds of other protocols are counted by name; unknown kinds fail.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may panic"
)]

use std::{collections::BTreeMap, env, fs, path::PathBuf, process::ExitCode};

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::{Value, json};
use ttn_core::{
    msg::{LocationSource, TxResult},
    radio::{CodingRate, DataRate},
    time::Timestamp,
};
use ttn_gs::frontend::{
    GatewayStatus, RawUplink, Reception,
    udp::{
        self, TxFrame, TxTime,
        codec::{self, Header, PacketType},
    },
};

type Check = fn(&Value) -> Result<(), String>;

const KINDS: &[(&str, Check)] = &[
    ("udp_data_rate", data_rate),
    ("udp_datagram", datagram),
    ("udp_datagram_invalid", datagram_invalid),
    ("udp_down", down),
    ("udp_down_invalid", down_invalid),
    ("udp_up", up),
    ("udp_up_invalid", up_invalid),
];

/// Kinds of protocols that are not built yet, by the begin of their names.
const LATER: &[&str] = &["id6_", "lbs_"];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let required =
        env::var("TTN_REQUIRE").is_ok_and(|list| list.split(',').any(|r| r == "vectors"));
    let trials = match env::var_os("TTN_VECTORS") {
        Some(directory) => trials(&PathBuf::from(directory).join("gateway_protocols.json")),
        None => {
            let reason = "TTN_VECTORS is not set";
            let absent = move || Err(Failed::from(reason));
            vec![
                Trial::test(format!("gateway_protocols: {reason}"), absent)
                    .with_ignored_flag(!required),
            ]
        }
    };
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trials(path: &PathBuf) -> Vec<Trial> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()));
    let file: Value = match text {
        Ok(text) => serde_json::from_str(&text).unwrap(),
        Err(error) => {
            return vec![Trial::test("gateway_protocols: can be read", || Err(error.into()))];
        }
    };
    let mut by_kind: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for case in file["cases"].as_array().unwrap() {
        by_kind.entry(case["kind"].as_str().unwrap().to_owned()).or_default().push(case.clone());
    }
    by_kind.into_iter().map(|(kind, cases)| trial(&kind, cases)).collect()
}

fn trial(kind: &str, cases: Vec<Value>) -> Trial {
    let title = format!("gateway_protocols: {kind} ({} cases)", cases.len());
    if let Some((_, check)) = KINDS.iter().find(|(name, _)| *name == kind) {
        return Trial::test(title, move || run(*check, &cases));
    }
    if LATER.iter().any(|begin| kind.starts_with(begin)) {
        return Trial::test(format!("{title}, counted for a later issue"), || Ok(()));
    }
    Trial::test(title, || Err("this kind is not known".into()))
}

fn run(check: Check, cases: &[Value]) -> Result<(), Failed> {
    let failures: Vec<_> = cases
        .iter()
        .filter_map(|case| Some(format!("{}: {}", case["id"], check(case).err()?)))
        .collect();
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n").into()) }
}

fn same(what: &str, got: &Value, expected: &Value) -> Result<(), String> {
    if equal(got, expected) {
        Ok(())
    } else {
        Err(format!("{what}: got {got}, expected {expected}"))
    }
}

/// Numbers are compared as numbers, to the precision of `f32`.
fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => {
            a == b
                || (a.as_f64().unwrap() as f32).to_bits() == (b.as_f64().unwrap() as f32).to_bits()
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| equal(a, b)))
        }
        _ => a == b,
    }
}

fn octets(text: &Value) -> Vec<u8> {
    HEXLOWER_PERMISSIVE.decode(text.as_str().unwrap().as_bytes()).unwrap()
}

fn type_name(packet_type: PacketType) -> &'static str {
    match packet_type {
        PacketType::PushData => "PUSH_DATA",
        PacketType::PushAck => "PUSH_ACK",
        PacketType::PullData => "PULL_DATA",
        PacketType::PullResp => "PULL_RESP",
        PacketType::PullAck => "PULL_ACK",
        PacketType::TxAck => "TX_ACK",
    }
}

fn datagram(case: &Value) -> Result<(), String> {
    let (octets, expected) = (octets(&case["input"]["datagram"]), &case["expected"]);
    let datagram = codec::split(&octets).map_err(|error| error.to_string())?;
    let header = datagram.header;
    let got = json!({
        "protocol_version": header.version.octet(),
        "token": HEXLOWER.encode(&header.token.to_be_bytes()),
        "type": type_name(header.packet_type),
        "gateway_eui": datagram.gateway_eui.map(|eui| HEXLOWER.encode(&eui.to_be_bytes())),
        "json": serde_json::from_slice::<Value>(datagram.json).ok(),
        "ack": header.ack().map(|ack| HEXLOWER.encode(&ack.encode())),
    });
    let mut expected = expected.clone();
    if let Some(text) = expected["json"].as_str() {
        expected["json"] = serde_json::from_str(text).unwrap();
    }
    same("datagram", &got, &expected)?;
    if datagram.gateway_eui.is_some() {
        codec::decode_up(&octets).map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn datagram_invalid(case: &Value) -> Result<(), String> {
    refuse_push(codec::decode_up(&octets(&case["input"]["datagram"])).map(|datagram| datagram.body))
}

fn refuse_push<E>(body: Result<codec::UpBody, E>) -> Result<(), String> {
    match body {
        Err(_) => Ok(()),
        Ok(codec::UpBody::PushData(push))
            if !push.rejected.is_empty() || push.status_rejected.is_some() =>
        {
            Ok(())
        }
        Ok(body) => Err(format!("accepted as {body:?}")),
    }
}

fn data_rate(case: &Value) -> Result<(), String> {
    let (input, expected) = (&case["input"]["datr"], &case["expected"]);
    let entry = json!({ "tmst": 1, "freq": 868.1, "datr": input, "data": "" });
    match udp::decode_rxpk(&entry.to_string()) {
        Err(_) if expected.get("error").is_some() => Ok(()),
        Err(error) => Err(error.to_string()),
        Ok(uplink) => {
            let mut got = data_rate_json(&uplink.data_rate);
            for modulation in got.as_object_mut().unwrap().values_mut() {
                modulation.as_object_mut().unwrap().remove("coding_rate");
            }
            same("data rate", &got, expected)
        }
    }
}

fn up(case: &Value) -> Result<(), String> {
    let (text, expected) = (case["input"]["json"].as_str().unwrap(), &case["expected"]);
    if !expected["tx_ack"].is_null() {
        let result = udp::decode_tx_ack(text.as_bytes()).map_err(|error| error.to_string())?;
        return same("tx_ack", &tx_result(result).into(), &expected["tx_ack"]);
    }
    let push = codec::decode_push_data(text.as_bytes()).map_err(|error| error.to_string())?;
    if !push.rejected.is_empty() || push.status_rejected.is_some() {
        return Err(format!("rejected: {:?} {:?}", push.rejected, push.status_rejected));
    }
    let uplinks: Value = push.uplinks.iter().map(uplink_json).collect();
    same("uplinks", &uplinks, &expected["uplinks"])?;
    let status = push.status.as_ref().map_or(Value::Null, status_json);
    same("status", &status, &expected["status"])
}

fn up_invalid(case: &Value) -> Result<(), String> {
    let text = case["input"]["json"].as_str().unwrap();
    refuse_push(codec::decode_push_data(text.as_bytes()).map(codec::UpBody::PushData))
}

fn down(case: &Value) -> Result<(), String> {
    let text = encode(&case["input"])?;
    let got: Value = serde_json::from_str(&text).unwrap();
    let (got, expected) = (got["txpk"].as_object().unwrap(), &case["expected"]["txpk"]);
    for (key, value) in expected.as_object().unwrap() {
        same(key, got.get(key).unwrap_or(&Value::Null), value)?;
    }
    // What the case leaves out is absent or at its default.
    let default = |key: &str, value: &Value| match key {
        "codr" => value == "4/5",
        "rfch" => value == 0,
        _ => false,
    };
    let extra =
        got.iter().find(|(key, value)| expected.get(*key).is_none() && !default(key, value));
    extra.map_or(Ok(()), |extra| Err(format!("unexpected {extra:?}")))
}

fn down_invalid(case: &Value) -> Result<(), String> {
    encode(&case["input"]).map_or(Ok(()), |text| Err(format!("accepted as {text}")))
}

fn encode(input: &Value) -> Result<String, String> {
    let raw_payload = octets(&input["raw_payload"]);
    let at = match input["time"].as_str() {
        Some(time) => TxTime::Time(timestamp(time)),
        None => TxTime::Counter(u32::try_from(input["timestamp"].as_u64().unwrap()).unwrap()),
    };
    let frame = TxFrame {
        raw_payload: &raw_payload,
        frequency_hz: input["frequency"].as_u64().unwrap(),
        data_rate: parse_data_rate(&input["data_rate"]),
        tx_power: input["tx_power"].as_f64().unwrap() as f32,
        invert_polarization: input["invert_polarization"].as_bool().unwrap(),
        enable_crc: input["enable_crc"].as_bool().unwrap(),
        at,
    };
    let _ = Header { version: codec::Version::V2, token: 0, packet_type: PacketType::PullResp };
    udp::encode_txpk(&frame).map_err(|error| error.to_string())
}

fn parse_data_rate(value: &Value) -> DataRate {
    let int = |value: &Value| u32::try_from(value.as_u64().unwrap()).unwrap();
    let coding_rate = |value: &Value, default: CodingRate| {
        value["coding_rate"].as_str().map_or(default, |text| text.parse().unwrap())
    };
    if let Some(fsk) = value.get("fsk") {
        return DataRate::Fsk { bit_rate: int(&fsk["bit_rate"]) };
    }
    if let Some(lora) = value.get("lora") {
        return DataRate::Lora {
            spreading_factor: u8::try_from(int(&lora["spreading_factor"])).unwrap(),
            bandwidth: int(&lora["bandwidth"]),
            coding_rate: coding_rate(lora, CodingRate::R4_5),
        };
    }
    let lr_fhss = &value["lrfhss"];
    DataRate::LrFhss {
        modulation_type: int(&lr_fhss["modulation_type"]),
        operating_channel_width: int(&lr_fhss["operating_channel_width"]),
        coding_rate: coding_rate(lr_fhss, CodingRate::R1_3),
    }
}

fn data_rate_json(rate: &DataRate) -> Value {
    match rate {
        DataRate::Fsk { bit_rate } => json!({ "fsk": { "bit_rate": bit_rate } }),
        DataRate::Lora { spreading_factor, bandwidth, coding_rate } => json!({ "lora": {
            "spreading_factor": spreading_factor,
            "bandwidth": bandwidth,
            "coding_rate": coding_rate.as_str(),
        } }),
        DataRate::LrFhss { modulation_type, operating_channel_width, coding_rate } => {
            json!({ "lrfhss": {
                "modulation_type": modulation_type,
                "operating_channel_width": operating_channel_width,
                "coding_rate": coding_rate.as_str(),
            } })
        }
        other => panic!("unknown modulation {other:?}"),
    }
}

fn uplink_json(uplink: &RawUplink) -> Value {
    json!({
        "raw_payload": HEXLOWER.encode(&uplink.raw_payload),
        "frequency": uplink.frequency.hz(),
        "data_rate": data_rate_json(&uplink.data_rate),
        "timestamp": uplink.timestamp,
        "crc_status": uplink.crc_status,
        "time": uplink.time.map(time_text),
        "gps_time": uplink.gps_time.map(time_text),
        "rx_metadata": uplink.antennas.iter().map(|one| reception_json(uplink, one)).collect::<Value>(),
    })
}

fn reception_json(uplink: &RawUplink, antenna: &Reception) -> Value {
    let mut json = json!({
        "antenna_index": antenna.antenna_index,
        "channel_index": antenna.channel_index,
        "timestamp": uplink.timestamp,
        "rssi": antenna.rssi,
        "channel_rssi": antenna.channel_rssi,
        "signal_rssi": antenna.signal_rssi,
        "snr": antenna.snr,
        "frequency_offset": antenna.frequency_offset,
    });
    let encrypted = antenna.encrypted_fine_timestamp.as_ref().map(|octets| HEXLOWER.encode(octets));
    let optional = [
        ("rssi_standard_deviation", antenna.rssi_standard_deviation.map(Value::from)),
        ("frequency_drift", antenna.frequency_drift.map(Value::from)),
        ("fine_timestamp", antenna.fine_timestamp.map(Value::from)),
        ("encrypted_fine_timestamp", encrypted.map(Value::from)),
        (
            "encrypted_fine_timestamp_key_id",
            antenna.encrypted_fine_timestamp_key_id.clone().map(Value::from),
        ),
        ("hopping_width", uplink.hopping_width.map(Value::from)),
    ];
    for (name, value) in optional.into_iter().filter_map(|(name, value)| Some((name, value?))) {
        json[name] = value;
    }
    json
}

fn status_json(status: &GatewayStatus) -> Value {
    json!({
        "time": status.time.map(time_text),
        "boot_time": status.boot_time.map(time_text),
        "antenna_location": status.antenna_location.map(|location| json!({
            "latitude": location.latitude,
            "longitude": location.longitude,
            "altitude": location.altitude,
            "source": match location.source { LocationSource::Gps => "GPS", _ => "OTHER" },
        })),
        "versions": status.versions,
        "metrics": status.metrics,
    })
}

fn tx_result(result: TxResult) -> &'static str {
    match result {
        TxResult::Success => "SUCCESS",
        TxResult::UnknownError => "UNKNOWN_ERROR",
        TxResult::TooLate => "TOO_LATE",
        TxResult::TooEarly => "TOO_EARLY",
        TxResult::CollisionPacket => "COLLISION_PACKET",
        TxResult::CollisionBeacon => "COLLISION_BEACON",
        TxResult::TxFreq => "TX_FREQ",
        TxResult::TxPower => "TX_POWER",
        TxResult::GpsUnlocked => "GPS_UNLOCKED",
    }
}

fn timestamp(text: &str) -> Timestamp {
    let time: jiff::Timestamp = text.parse().unwrap();
    Timestamp::from_unix_nanos(i64::try_from(time.as_nanosecond()).unwrap())
}

fn time_text(time: Timestamp) -> String {
    jiff::Timestamp::from_nanosecond(i128::from(time.unix_nanos())).unwrap().to_string()
}
