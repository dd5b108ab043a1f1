//! Reads an uplink as it came from a gateway: form, integrity, MAC commands, payload.
//!
//! ```text
//! cargo run --example parse_frame --no-default-features
//! cargo run --example parse_frame --no-default-features -- 40F17DBE4900020001954378762B11FF0D
//! ```
//!
//! Without an argument it shows a frame whose keys it knows; of any other it shows what is not encrypted.

#![allow(clippy::print_stdout, reason = "an example talks")]

use std::{env, error::Error, num::ParseIntError};

use ttn::{
    core::{
        frame::{DataForm, Form, PhyPayload},
        key::Aes128Key,
        radio::DataRateIndex,
        version::MacVersion,
    },
    mac::{
        command::{self, Direction},
        frame::{self, FrequencyStep},
        session::{
            NetworkKeys, UplinkContext, full_f_cnt, open_commands, open_frm_payload, verify_uplink,
        },
    },
};

/// A confirmed uplink of a LoRaWAN 1.0 device: a DevStatusAns in FOpts, four octets on port 10.
const FRAME: &str = "80040302010300000673070AE264D4F7E117D2C0";
const NWK_S_KEY: &str = "0102030405060708090A0B0C0D0E0F10";
const APP_S_KEY: &str = "100F0E0D0C0B0A090807060504030201";

fn main() -> Result<(), Box<dyn Error>> {
    let argument = env::args().nth(1);
    let phy = frame::parse(decode_hex(argument.as_deref().unwrap_or(FRAME))?)?;
    match &phy.form {
        Form::Data(data) => {
            println!("{data:#?}");
            if argument.is_none() {
                open(&phy, data)?;
            }
        }
        other => println!("{other:#?}"),
    }
    Ok(())
}

fn open(phy: &PhyPayload, data: &DataForm) -> Result<(), Box<dyn Error>> {
    let keys = NetworkKeys::v1_0(NWK_S_KEY.parse()?);
    let app_s_key: Aes128Key = APP_S_KEY.parse()?;
    let version = MacVersion::V1_0_3;

    // A Network Server knows the last counter of the session and completes the 16 bits of the frame.
    let last = None;
    let f_cnt = full_f_cnt(last, data.f_cnt, true).ok_or("the counter is used up")?;
    let context =
        UplinkContext { f_cnt, conf_f_cnt: 0, data_rate: DataRateIndex::ZERO, channel: 0 };
    if !verify_uplink(&keys, version, phy, &context) {
        return Err("the integrity code is wrong: another device or other keys".into());
    }
    println!("the integrity code is right");

    let octets = open_commands(&keys, version, phy, f_cnt);
    for command in command::parse(Direction::Uplink, FrequencyStep::Hz100, &octets) {
        println!("MAC command: {:?}", command?);
    }
    println!("payload: {:02X?}", open_frm_payload(&app_s_key, phy, f_cnt));
    Ok(())
}

fn decode_hex(text: &str) -> Result<Vec<u8>, ParseIntError> {
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(&String::from_utf8_lossy(pair), 16)).collect()
}
