//! mac_commands.json: rules per version, EIRP table, ADR exponents.

use ttn_mac::{
    adr::ack_exponent,
    band::{eirp_of_index, index_of_eirp},
    version::{MacRules as _, MacVersion},
};

use crate::support::{Case, Kind, checked};

pub(crate) const KINDS: &[Kind] = &[
    checked("adr_ack_exponent", adr_ack_exponent),
    checked("eirp_index", eirp_index),
    checked("eirp_to_index", eirp_to_index),
    checked("mac_version_rules", mac_version_rules),
];

fn adr_ack_exponent(case: &Case) {
    // Above all that the type has, the highest exponent stays.
    let number = u16::try_from(case.input().number("value")).unwrap_or(u16::MAX);
    assert_eq!(i64::from(ack_exponent(number)), case.expected().number("exponent"));
}

fn eirp_index(case: &Case) {
    let index = case.input().int("index");
    let eirp: i16 = case.expected().int("eirp_dbm");
    assert_eq!(eirp_of_index(index), Some(f32::from(eirp)));
}

fn eirp_to_index(case: &Case) {
    let eirp = case.input().value("eirp_dbm").as_f64().unwrap() as f32;
    assert_eq!(i64::from(index_of_eirp(eirp)), case.expected().number("index"));
}

fn mac_version_rules(case: &Case) {
    let name = case.input().text("lorawan_version");
    let version = MacVersion::ALL.into_iter().find(|version| version.to_string() == name).unwrap();
    let rules = [
        ("encrypt_f_opts", version.encrypts_f_opts()),
        ("has_max_f_cnt_gap", version.has_max_f_cnt_gap()),
        ("has_no_change_adr_indices", version.has_no_change_adr_indices()),
        ("ignore_uplinks_exceeding_length_limit", version.ignores_uplinks_exceeding_length_limit()),
        ("dev_nonce_is_counter", version.dev_nonce_is_counter()),
        ("use_nwk_key", version.uses_nwk_key()),
        ("use_legacy_mic", version.uses_legacy_mic()),
        ("shared_f_cnt_down", version.shares_f_cnt_down()),
        ("use_dl_channel_req", version.uses_dl_channel_req()),
        ("use_tx_param_setup_req", version.uses_tx_param_setup_req()),
        ("use_adr_param_setup_req", version.uses_adr_param_setup_req()),
        ("use_rejoin_param_setup_req", version.uses_rejoin_param_setup_req()),
        ("use_device_mode_ind", version.uses_device_mode_ind()),
        ("use_rekey_ind", version.uses_rekey_ind()),
        ("allow_duplicate_link_adr_ans", version.allows_duplicate_link_adr_ans()),
        ("singular_link_adr_ans", version.has_singular_link_adr_ans()),
        ("limit_confirmed_transmissions", version.limits_confirmed_transmissions()),
        ("require_dev_eui_for_abp", version.requires_dev_eui_for_abp()),
        (
            "validate_uplink_payload_size_for_mac_answers",
            version.validates_uplink_size_for_answers(),
        ),
    ];
    let expected = case.expected();
    assert_eq!(expected.0.as_object().unwrap().len(), rules.len(), "a rule that is not known");
    for (rule, got) in rules {
        assert_eq!(got, expected.flag(rule), "{rule} of {name}");
    }
}
