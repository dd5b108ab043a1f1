//! Whether a MIC is right, and if not, why that may be: the usual mistakes are tried.

use ttn_core::{
    frame::{DataForm, Form, PhyPayload},
    key::Aes128Key,
    radio::DataRateIndex,
    version::MacVersion,
};
use ttn_mac::{
    crypto,
    session::{DownlinkContext, NetworkKeys, UplinkContext, verify_downlink, verify_uplink},
};

use super::Decode;

/// How many times a counter may have passed 65,535 for us to find it.
const EPOCHS: u32 = 256;
/// How many channels a band can have.
const CHANNELS: u8 = 96;

pub(super) fn version(with: &Decode) -> MacVersion {
    if with.s_nwk_s_int_key.is_some() { MacVersion::V1_1 } else { MacVersion::V1_0_3 }
}

pub(super) fn keys(with: &Decode) -> Option<NetworkKeys> {
    with.network_keys().map(|(keys, _)| keys)
}

/// The whole counter: the given one, else the low half.
pub(super) fn f_cnt(data: &DataForm, with: &Decode) -> u32 {
    with.f_cnt.unwrap_or_else(|| u32::from(data.f_cnt))
}

/// `right`, `wrong: …`, or which key is missing.
pub(super) fn verdict(phy: &PhyPayload, with: &Decode) -> String {
    match &phy.form {
        Form::Data(data) => of_data(phy, data, with),
        Form::JoinRequest(_) => of_join_request(phy, with),
        Form::RejoinRequest(_) => "not checked: it takes the session's keys of a rejoin".to_owned(),
        _ => "not checked".to_owned(),
    }
}

fn of_data(phy: &PhyPayload, data: &DataForm, with: &Decode) -> String {
    let Some((keys, version)) = with.network_keys() else {
        return "not checked: give --nwk-s-key".to_owned();
    };
    let low = f_cnt(data, with);
    if is_right(&keys, version, phy, low, None) {
        return format!("right for FCnt {low}");
    }
    if version.is_1_1() && data.uplink {
        for data_rate in 0..16 {
            for channel in 0..CHANNELS {
                let radio = Some((data_rate, channel));
                if is_right(&keys, version, phy, low, radio) {
                    return format!("right for FCnt {low}, DR{data_rate}, channel {channel}");
                }
            }
        }
    }
    let epochs = (0..EPOCHS).map(|epoch| epoch << 16 | u32::from(data.f_cnt));
    if let Some(found) = epochs.into_iter().find(|it| is_right(&keys, version, phy, *it, None)) {
        return format!("right for FCnt {found}: the counter has passed 65,535; give --f-cnt {found}");
    }
    format!("wrong: {}", mistake(phy, data, with, version, low))
}

/// The first of the usual mistakes with which the MIC would be right.
fn mistake(
    phy: &PhyPayload,
    data: &DataForm,
    with: &Decode,
    version: MacVersion,
    f_cnt: u32,
) -> String {
    let fits = |key: &Aes128Key| {
        let keys = NetworkKeys::v1_0(key.clone());
        is_right(&keys, MacVersion::V1_0_3, phy, f_cnt, None)
    };
    let first = with.nwk_s_key.as_ref().map(|key| &key.0);
    if version.is_1_1() && first.is_some_and(fits) {
        return "it is right for LoRaWAN 1.0: leave out --s-nwk-s-int-key".to_owned();
    }
    if first.is_some_and(|key| fits(&reversed(key))) {
        return "the NwkSKey is written backwards".to_owned();
    }
    if with.app_s_key.as_ref().is_some_and(|key| fits(&key.0)) {
        return "NwkSKey and AppSKey are exchanged".to_owned();
    }
    let confirms = if data.f_ctrl.ack && version.is_1_1() {
        ", a counter of a confirmed frame that is not known here"
    } else {
        ""
    };
    format!("another key, another session of this DevAddr, octets that changed on the way{confirms}")
}

fn is_right(
    keys: &NetworkKeys,
    version: MacVersion,
    phy: &PhyPayload,
    f_cnt: u32,
    radio: Option<(u8, u8)>,
) -> bool {
    let (data_rate, channel) = radio.unwrap_or_default();
    let data_rate = DataRateIndex::from_low_bits(data_rate);
    let up = UplinkContext { f_cnt, conf_f_cnt: 0, data_rate, channel };
    verify_uplink(keys, version, phy, &up)
        || verify_downlink(keys, version, phy, &DownlinkContext { f_cnt, conf_f_cnt: 0 })
}

fn of_join_request(phy: &PhyPayload, with: &Decode) -> String {
    let given = [("AppKey", &with.app_key), ("NwkKey", &with.nwk_key)];
    let given: Vec<_> =
        given.into_iter().filter_map(|(name, key)| Some((name, &key.as_ref()?.0))).collect();
    if given.is_empty() {
        return "not checked: give --app-key (--nwk-key in 1.1)".to_owned();
    }
    let fits = |key: &Aes128Key| {
        let mic = crypto::join::join_request_mic(key, phy.without_mic());
        mic.is_ok_and(|mic| crypto::mic_matches(&mic, &phy.mic()))
    };
    if let Some((name, _)) = given.iter().find(|(_, key)| fits(key)) {
        return format!("right with the {name}");
    }
    match given.iter().find(|(_, key)| fits(&reversed(key))) {
        Some((name, _)) => format!("wrong: the {name} is written backwards"),
        None => "wrong: another key, or octets that changed on the way".to_owned(),
    }
}

fn reversed(key: &Aes128Key) -> Aes128Key {
    let mut octets = *key.expose();
    octets.reverse();
    Aes128Key::new(octets)
}
