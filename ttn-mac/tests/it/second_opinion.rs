//! Data messages as an independent codec reads them.

use lrwn::{
    AES128Key, MACCommandSet, MACVersion, Payload, PhyPayload, encrypt_f_opts, encrypt_frm_payload,
};
use proptest::prelude::*;
use ttn_core::{key::Aes128Key, version::MacVersion};
use ttn_mac::{
    command::Command,
    frame::{DataFrame, FrequencyStep},
    session::{DownlinkContext, NetworkKeys, UplinkContext, seal_downlink, seal_uplink},
};

use crate::strategy;

proptest! {
    // NS-11
    #[test]
    fn an_independent_codec_verifies_and_decrypts_what_was_sealed(
        (version, keys) in strategy::session(),
        message in strategy::data_frame(),
        f_cnt in any::<u32>(),
        bound in (any::<u16>(), strategy::data_rate(), any::<u8>()),
    ) {
        let (conf_f_cnt, data_rate, channel) = bound;
        let context = UplinkContext { f_cnt, conf_f_cnt, data_rate, channel };
        let sealed = if message.uplink {
            seal_uplink(&keys, version, message.clone(), &context)
        } else {
            let context = DownlinkContext { f_cnt, conf_f_cnt };
            seal_downlink(&keys, version, message.clone(), &context)
        };
        let sealed = sealed.unwrap();

        let mut theirs = PhyPayload::from_slice(&sealed).unwrap();
        let Payload::MACPayload(payload) = &mut theirs.payload else { panic!("no data message") };
        payload.fhdr.f_cnt = f_cnt;
        let (dev_addr, f_opts) = (payload.fhdr.devaddr, payload.fhdr.f_opts.to_vec().unwrap());
        let frm_payload =
            payload.frm_payload.as_ref().map(|octets| octets.to_vec().unwrap()).unwrap_or_default();
        prop_assert_eq!(payload.f_port, message.f_port);
        prop_assert_eq!(dev_addr.to_be_bytes(), message.dev_addr.to_be_bytes());
        prop_assert!(is_valid(&mut theirs, version, &keys, &message, &context));

        let encryption = key(&keys.nwk_s_enc_key);
        let port_0 = message.f_port == Some(0);
        let application = !message.uplink && message.f_port.is_some() && !port_0;
        if version.is_1_1() && !f_opts.is_empty() {
            let f_opts =
                encrypt_f_opts(&encryption, application, message.uplink, &dev_addr, f_cnt, &f_opts);
            prop_assert_eq!(f_opts.unwrap(), message.f_opts);
        }
        if port_0 {
            let opened =
                encrypt_frm_payload(&encryption, message.uplink, &dev_addr, f_cnt, &frm_payload);
            prop_assert_eq!(opened.unwrap(), message.frm_payload);
        }
    }
}

proptest! {
    // NS-44 to NS-64
    #[test]
    fn an_independent_codec_reads_and_writes_the_same_commands(
        uplink in strategy::uplink_command(),
        downlink in strategy::downlink_command(),
    ) {
        for (is_uplink, command) in [(true, uplink), (false, downlink)] {
            let mut ours = Vec::new();
            command.encode(FrequencyStep::Hz100, &mut ours).unwrap();
            let mut theirs = MACCommandSet::from_slice(&ours);
            if theirs.decode_from_raw(is_uplink).is_err() || differs(&command) {
                continue;
            }
            prop_assert_eq!(theirs.to_vec().unwrap(), ours, "{:?}", command);
        }
    }
}

/// Where the other codec is known to go its own way.
const fn differs(command: &Command) -> bool {
    // It loses a bit of the length; it does not write a rejoin type that means the same as 0.
    matches!(
        command,
        Command::RelayFilterListReq { .. } | Command::ForceRejoinReq { rejoin_type: 1, .. }
    )
}

pub(crate) fn is_valid(
    theirs: &mut PhyPayload,
    version: MacVersion,
    keys: &NetworkKeys,
    message: &DataFrame,
    context: &UplinkContext,
) -> bool {
    let mac_version =
        if version.is_1_1() { MACVersion::LoRaWAN1_1 } else { MACVersion::LoRaWAN1_0 };
    let conf_f_cnt = if message.f_ctrl.ack { u32::from(context.conf_f_cnt) } else { 0 };
    let (f_key, s_key) = (key(&keys.f_nwk_s_int_key), key(&keys.s_nwk_s_int_key));
    let valid = if message.uplink {
        let (dr, channel) = (context.data_rate.get(), context.channel);
        theirs.validate_uplink_data_mic(mac_version, conf_f_cnt, dr, channel, &f_key, &s_key)
    } else {
        theirs.validate_downlink_data_mic(mac_version, conf_f_cnt, &s_key)
    };
    valid.unwrap()
}

pub(crate) fn key(key: &Aes128Key) -> AES128Key {
    AES128Key::from_bytes(*key.expose())
}
