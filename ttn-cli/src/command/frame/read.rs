//! A frame as a person wants to read it.

use data_encoding::HEXUPPER;
use ttn_core::{
    frame::{DataForm, Form, PhyPayload, RejoinRequestForm},
    version::MacVersion,
};
use ttn_mac::{
    command::{self, Direction},
    crypto::join,
    frame::{FrequencyStep, JOIN_ACCEPT_M_HDR},
    session::{self, CommandPlace, NetworkKeys},
};

use super::{Decode, verify};

/// A name and what is said of it.
pub(super) type Line = (&'static str, String);

/// Everything that can be said of a frame with the keys that are there.
pub(super) fn lines(phy: &PhyPayload, with: &Decode) -> Vec<Line> {
    let mut lines = match &phy.form {
        Form::Data(data) => of_data(phy, data, with),
        Form::JoinRequest(request) => vec![
            ("type", "join-request".to_owned()),
            ("JoinEUI", request.join_eui.to_string()),
            ("DevEUI", request.dev_eui.to_string()),
            ("DevNonce", format!("{} ({:04X})", request.dev_nonce, request.dev_nonce)),
        ],
        Form::RejoinRequest(request) => of_rejoin(request),
        Form::JoinAccept => of_join_accept(phy, with),
        _ => vec![("type", "proprietary".to_owned())],
    };
    if !matches!(phy.form, Form::JoinAccept) {
        let mic = HEXUPPER.encode(&phy.mic());
        let verdict = verify::verdict(phy, with);
        lines.push(("MIC", format!("{mic}, {verdict}")));
    }
    lines.push(("octets", phy.bytes.len().to_string()));
    lines
}

fn of_data(phy: &PhyPayload, data: &DataForm, with: &Decode) -> Vec<Line> {
    let confirmed = if data.confirmed { "confirmed" } else { "unconfirmed" };
    let way = if data.uplink { "up" } else { "down" };
    let f_cnt = verify::f_cnt(data, with);
    let mut flags = Vec::new();
    for (is_set, name) in [
        (data.f_ctrl.adr, "ADR"),
        (data.f_ctrl.adr_ack_req, "ADRACKReq"),
        (data.f_ctrl.ack, "ACK"),
        (data.f_ctrl.class_b, "ClassB"),
        (data.f_ctrl.f_pending, "FPending"),
    ] {
        if is_set {
            flags.push(name);
        }
    }
    let mut lines = vec![
        ("type", format!("{confirmed} data {way}")),
        ("DevAddr", data.dev_addr.to_string()),
        ("FCnt", data.f_cnt.to_string()),
        ("flags", if flags.is_empty() { "none".to_owned() } else { flags.join(" ") }),
        ("FPort", data.f_port.map_or_else(|| "none".to_owned(), |port| port.to_string())),
    ];
    if let Some(text) = commands(phy, data, with, f_cnt) {
        lines.push(("commands", text));
    }
    let payload = phy.slice(&data.frm_payload);
    if !payload.is_empty() && data.f_port != Some(0) {
        lines.push(("FRMPayload", format!("{} (encrypted)", HEXUPPER.encode(payload))));
        if let Some(key) = &with.app_s_key {
            let open = session::open_frm_payload(&key.0, phy, f_cnt);
            lines.push(("payload", format!("{}{}", HEXUPPER.encode(&open), printable(&open))));
        }
    }
    lines
}

/// The MAC commands: their names and fields, or their octets if they are encrypted under a key that is not there.
fn commands(phy: &PhyPayload, data: &DataForm, with: &Decode, f_cnt: u32) -> Option<String> {
    let place = CommandPlace::of(data);
    if place == CommandPlace::None {
        return None;
    }
    let version = verify::version(with);
    let is_clear = place == CommandPlace::FOpts && !version.is_1_1();
    let octets = match verify::keys(with) {
        Some(keys) => session::open_commands(&keys, version, phy, f_cnt),
        None if is_clear => phy.slice(&data.f_opts).to_vec(),
        None => return Some("encrypted: give --nwk-s-key (--nwk-s-enc-key in 1.1)".to_owned()),
    };
    let direction = Direction::of_uplink(data.uplink);
    // The unit of frequencies is that of all bands below 1 GHz.
    let parsed = command::parse(direction, FrequencyStep::Hz100, &octets);
    let text: Vec<_> = parsed
        .map(|command| match command {
            Ok(command) => format!("{} {command:?}", command.name()),
            Err(error) => format!("({error})"),
        })
        .collect();
    Some(text.join("; "))
}

fn of_rejoin(request: &RejoinRequestForm) -> Vec<Line> {
    match request {
        RejoinRequestForm::HomeNetwork { rejoin_type, net_id, dev_eui, rejoin_count } => vec![
            ("type", format!("rejoin-request type {rejoin_type}")),
            ("NetID", net_id.to_string()),
            ("DevEUI", dev_eui.to_string()),
            ("RJcount0", rejoin_count.to_string()),
        ],
        RejoinRequestForm::JoinServer { join_eui, dev_eui, rejoin_count } => vec![
            ("type", "rejoin-request type 1".to_owned()),
            ("JoinEUI", join_eui.to_string()),
            ("DevEUI", dev_eui.to_string()),
            ("RJcount1", rejoin_count.to_string()),
        ],
    }
}

fn of_join_accept(phy: &PhyPayload, with: &Decode) -> Vec<Line> {
    let mut lines = vec![("type", "join-accept".to_owned())];
    let Some(key) = with.nwk_key.as_ref().or(with.app_key.as_ref()) else {
        lines.push(("content", "encrypted: give --app-key (--nwk-key in 1.1)".to_owned()));
        return lines;
    };
    let mic = |_: &_| join::JoinAcceptMic::V1_0(&key.0);
    match join::open_join_accept(&phy.bytes, FrequencyStep::Hz100, &key.0, mic) {
        Ok(accept) => lines.extend([
            ("JoinNonce", accept.join_nonce.to_string()),
            ("NetID", accept.net_id.to_string()),
            ("DevAddr", accept.dev_addr.to_string()),
            ("RX1 delay", format!("{} s", accept.rx1_delay_seconds())),
            ("DLSettings", format!("{:?}", accept.dl_settings)),
            ("CFList", accept.cf_list.map_or_else(|| "none".to_owned(), |it| format!("{it:?}"))),
            ("MIC", "right".to_owned()),
        ]),
        Err(error) => {
            let m_hdr = phy.bytes.first() == Some(&JOIN_ACCEPT_M_HDR);
            let why = "another key, or LoRaWAN 1.1, whose MIC needs the join-request too";
            let what = if m_hdr { why } else { "MHDR has bits that join-accepts do not have" };
            lines.push(("MIC", format!("wrong ({error}): {what}")));
        }
    }
    lines
}

/// What a payload says as text, if it is text.
fn printable(octets: &[u8]) -> String {
    let is_text = octets.len() > 2 && octets.iter().all(|it| (0x20..0x7F).contains(it));
    if is_text { format!(" {:?}", String::from_utf8_lossy(octets)) } else { String::new() }
}

impl Decode {
    pub(super) fn network_keys(&self) -> Option<(NetworkKeys, MacVersion)> {
        let first = self.nwk_s_key.as_ref()?;
        let Some(second) = &self.s_nwk_s_int_key else {
            return Some((NetworkKeys::v1_0(first.0.clone()), MacVersion::V1_0_3));
        };
        let third = self.nwk_s_enc_key.as_ref().unwrap_or(second);
        let keys = NetworkKeys {
            f_nwk_s_int_key: first.0.clone(),
            s_nwk_s_int_key: second.0.clone(),
            nwk_s_enc_key: third.0.clone(),
        };
        Some((keys, MacVersion::V1_1))
    }
}
