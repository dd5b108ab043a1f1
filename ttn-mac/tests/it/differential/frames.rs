//! Data messages.

use lorawan::{
    keys::AES128,
    parser::{DataHeader as _, DataPayload, FRMPayload, PhyPayload as TheirPhyPayload},
};
use lrwn::{Payload, PhyPayload};
use ttn_core::{
    addr::DevAddr, frame::FCtrl, key::Aes128Key, radio::DataRateIndex, version::MacVersion,
};
use ttn_mac::{
    command::Direction,
    crypto::payload::encrypt_frm_payload,
    frame::{DataFrame, parse},
    session::{
        DownlinkContext, NetworkKeys, UplinkContext, open_f_opts, open_frm_payload, seal_downlink,
        seal_uplink, verify_downlink, verify_uplink,
    },
};

use super::Tally;
use crate::{
    chance::Chance,
    frame::{check_rebuilt, rebuild},
    second_opinion::{is_valid, key},
};

fn draw(chance: &Chance) -> DataFrame {
    let uplink = chance.flip();
    let f_port = chance.percent(80).then(|| chance.octet());
    let longest = if chance.percent(10) { 227 } else { 40 };
    let payload = chance.octets(chance.length(longest));
    DataFrame {
        uplink,
        confirmed: chance.flip(),
        dev_addr: DevAddr::from_u32(chance.draw() as u32),
        f_ctrl: FCtrl {
            adr: chance.flip(),
            ack: chance.flip(),
            adr_ack_req: uplink && chance.flip(),
            class_b: uplink && chance.flip(),
            f_pending: !uplink && chance.flip(),
        },
        f_cnt: chance.draw() as u16,
        f_opts: chance.octets(chance.length(15)),
        f_port,
        frm_payload: if f_port.is_some() { payload } else { Vec::new() },
    }
}

/// Messages that were built.
pub(super) fn data(chance: &Chance, tally: &mut Tally, cases: u64) {
    for _ in 0..cases {
        let message = draw(chance);
        let mut octets = message.encode().unwrap();
        octets.extend(chance.octets(4));
        let phy = parse(octets.as_slice()).unwrap();
        assert_eq!(rebuild(&phy, phy.data().unwrap()), message);
        check_rebuilt(&phy);

        let theirs = PhyPayload::from_slice(&octets).and_then(|theirs| theirs.to_vec());
        let same = theirs.as_ref().is_ok_and(|theirs| *theirs == octets);
        tally.agrees("lrwn data messages", same, || format!("{octets:02X?}: {theirs:02X?}"));
        against_lorawan(tally, &message, octets);
    }
    tally.add("data messages", cases);
}

fn against_lorawan(tally: &mut Tally, ours: &DataFrame, octets: Vec<u8>) {
    let Ok(TheirPhyPayload::Data(DataPayload::Encrypted(theirs))) =
        lorawan::parser::parse(octets.clone())
    else {
        return tally.agrees("lorawan data messages", false, || format!("{octets:02X?}"));
    };
    let (header, f_ctrl) = (theirs.fhdr(), ours.f_ctrl);
    let control = header.fctrl();
    let bits = (control.adr(), control.adr_ack_req(), control.ack(), control.f_pending());
    let same = header.dev_addr().as_ref() == ours.dev_addr.to_le_bytes()
        && bits == (f_ctrl.adr, f_ctrl.adr_ack_req, f_ctrl.ack, f_ctrl.f_pending)
        && header.fcnt() == ours.f_cnt
        && header.data() == ours.f_opts
        && (theirs.is_uplink(), theirs.is_confirmed()) == (ours.uplink, ours.confirmed);
    tally.agrees("lorawan data messages", same, || format!("{octets:02X?}"));
    tally.agrees("lorawan FPort", theirs.f_port() == ours.f_port, || format!("{octets:02X?}"));
}

/// Octets that may be a frame: all agree whether they are.
pub(super) fn octets(chance: &Chance, tally: &mut Tally, cases: u64) {
    let mut whole = 0_u64;
    for _ in 0..cases {
        let length = chance.length(if chance.percent(5) { 300 } else { 32 });
        let mut octets = chance.octets(length);
        if let Some(m_hdr) = octets.first_mut().filter(|_| chance.percent(90)) {
            *m_hdr &= 0xE0;
        }
        let parsed = parse(octets.as_slice());
        whole += u64::from(parsed.is_ok());
        if let Ok(phy) = &parsed {
            check_rebuilt(phy);
        }
        let m_type = octets.first().map_or(7, |m_hdr| m_hdr >> 5);
        // They look at no join-accept before it is decrypted, and at no length above 255 octets.
        if m_type == 1 || m_type == 7 || octets.len() > 255 {
            continue;
        }
        let theirs = PhyPayload::from_slice(&octets);
        tally.agrees("lrwn octets", theirs.is_ok() == parsed.is_ok(), || {
            format!("{octets:02X?}: {theirs:?}, {parsed:?}")
        });
        // It knows no rejoin-request.
        if m_type != 6 {
            let theirs = lorawan::parser::parse(octets.clone());
            tally.agrees("lorawan octets", theirs.is_ok() == parsed.is_ok(), || {
                format!("{octets:02X?}: {parsed:?}")
            });
        }
    }
    assert!(whole > cases / 10, "{whole}");
    tally.add("strings of octets", cases);
}

/// Messages with integrity codes and encryption.
pub(super) fn sealed(chance: &Chance, tally: &mut Tally, cases: u64) {
    for _ in 0..cases {
        let draw_key = || Aes128Key::new(chance.array());
        let version = if chance.flip() { MacVersion::V1_1 } else { MacVersion::V1_0_3 };
        let keys = if version.is_1_1() {
            NetworkKeys {
                f_nwk_s_int_key: draw_key(),
                s_nwk_s_int_key: draw_key(),
                nwk_s_enc_key: draw_key(),
            }
        } else {
            NetworkKeys::v1_0(draw_key())
        };
        let app_s_key = draw_key();
        let plain = draw(chance);
        let context = UplinkContext {
            f_cnt: chance.draw() as u32,
            conf_f_cnt: chance.draw() as u16,
            data_rate: DataRateIndex::from_low_bits(chance.octet()),
            channel: chance.octet(),
        };
        let mut message = plain.clone();
        let direction = Direction::of_uplink(plain.uplink);
        if plain.f_port.is_some_and(|port| port > 0) {
            let (payload, f_cnt) = (&mut message.frm_payload, context.f_cnt);
            encrypt_frm_payload(&app_s_key, direction, plain.dev_addr, f_cnt, payload);
        }
        let down = DownlinkContext { f_cnt: context.f_cnt, conf_f_cnt: context.conf_f_cnt };
        let sealed = if plain.uplink {
            seal_uplink(&keys, version, message, &context)
        } else {
            seal_downlink(&keys, version, message, &down)
        };
        let sealed = sealed.unwrap();
        let phy = parse(sealed.as_slice()).unwrap();
        let verified = if plain.uplink {
            verify_uplink(&keys, version, &phy, &context)
        } else {
            verify_downlink(&keys, version, &phy, &down)
        };
        assert!(verified);
        assert_eq!(open_f_opts(&keys, version, &phy, context.f_cnt), plain.f_opts);
        let own = if plain.f_port == Some(0) { &keys.nwk_s_enc_key } else { &app_s_key };
        assert_eq!(open_frm_payload(own, &phy, context.f_cnt), plain.frm_payload);

        lrwn_opens(tally, &sealed, &plain, (version, &keys, own), &context);
        if !version.is_1_1() && !plain.frm_payload.is_empty() {
            lorawan_opens(tally, sealed, &plain, (&keys, &app_s_key), context.f_cnt);
        }
    }
    tally.add("sealed data messages", cases);
}

fn lrwn_opens(
    tally: &mut Tally,
    sealed: &[u8],
    plain: &DataFrame,
    (version, keys, own): (MacVersion, &NetworkKeys, &Aes128Key),
    context: &UplinkContext,
) {
    let mut theirs = PhyPayload::from_slice(sealed).unwrap();
    let Payload::MACPayload(payload) = &mut theirs.payload else { panic!("no data message") };
    payload.fhdr.f_cnt = context.f_cnt;
    let dev_addr = payload.fhdr.devaddr;
    let octets = payload.frm_payload.as_ref().map(|it| it.to_vec().unwrap()).unwrap_or_default();
    let opened =
        lrwn::encrypt_frm_payload(&key(own), plain.uplink, &dev_addr, context.f_cnt, &octets);
    let same = opened.is_ok_and(|opened| opened == plain.frm_payload);
    let valid = is_valid(&mut theirs, version, keys, plain, context);
    tally.agrees("lrwn sealed messages", same && valid, || format!("{sealed:02X?}: {plain:?}"));
}

fn lorawan_opens(
    tally: &mut Tally,
    sealed: Vec<u8>,
    plain: &DataFrame,
    (keys, app_s_key): (&NetworkKeys, &Aes128Key),
    f_cnt: u32,
) {
    let Ok(TheirPhyPayload::Data(DataPayload::Encrypted(theirs))) = lorawan::parser::parse(sealed)
    else {
        panic!("no data message")
    };
    let (nwk, app) = (AES128(*keys.nwk_s_enc_key.expose()), AES128(*app_s_key.expose()));
    let valid = theirs.validate_mic(&nwk, f_cnt);
    let opened = theirs.decrypt(Some(&nwk), Some(&app), f_cnt).unwrap();
    let payload = match opened.frm_payload() {
        FRMPayload::Data(octets) => octets.to_vec(),
        FRMPayload::MACCommands(commands) => commands.data().to_vec(),
        FRMPayload::None => Vec::new(),
    };
    let same = payload == plain.frm_payload;
    tally.agrees("lorawan sealed messages", valid && same, || format!("{plain:?}: {payload:02X?}"));
}
