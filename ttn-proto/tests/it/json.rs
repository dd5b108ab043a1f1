//! One test per JSON rule.

use std::collections::BTreeMap;

use prost::Message as _;
use prost_types::{Any, Duration, FieldMask, Timestamp};
use ttn_proto::json::{from_slice, to_string};
use ttn_proto::{ApiMessage, v3};

fn read<T: ApiMessage>(text: &str) -> T {
    from_slice(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refuse<T: ApiMessage>(text: &str) -> String {
    from_slice::<T>(text.as_bytes()).err().unwrap().to_string()
}

#[test]
fn unset_fields_are_left_out_and_names_are_snake_case() {
    assert_eq!(to_string(&v3::Application::default()), "{}");
    let application =
        v3::Application { name: "A".into(), dev_eui_counter: 3, ..Default::default() };
    assert_eq!(to_string(&application), r#"{"name":"A","dev_eui_counter":3}"#);
}

#[test]
fn fields_are_written_in_the_order_of_their_declaration() {
    let at = Some(Timestamp::default());
    let application = v3::Application { deleted_at: at, name: "A".into(), ..Default::default() };
    assert_eq!(to_string(&application), r#"{"deleted_at":"1970-01-01T00:00:00Z","name":"A"}"#);
}

// DESIGN promise 7
#[test]
fn secrets_are_not_shown() {
    let envelope =
        v3::KeyEnvelope { key: vec![77; 16], kek_label: "k".into(), ..Default::default() };
    let text = format!("{envelope:?}");
    assert!(text.contains("kek_label") && !text.contains("77"), "{text}");
}

#[test]
fn a_set_empty_message_is_an_empty_object() {
    let application = v3::Application { ids: Some(Default::default()), ..Default::default() };
    assert_eq!(to_string(&application), r#"{"ids":{}}"#);
}

#[test]
fn oneof_members_are_written_even_when_zero() {
    let request = v3::DownlinkPath { path: Some(v3::downlink_path::Path::UplinkToken(Vec::new())) };
    assert_eq!(to_string(&request), r#"{"uplink_token":""}"#);
}

#[test]
fn wide_integers_are_strings_and_narrow_ones_are_numbers() {
    let settings = v3::TxSettings { frequency: 868_100_000, timestamp: 7, ..Default::default() };
    assert_eq!(to_string(&settings), r#"{"frequency":"868100000","timestamp":7}"#);
    assert_eq!(read::<v3::TxSettings>(r#"{"frequency":868100000,"timestamp":"7"}"#), settings);
    assert!(refuse::<v3::TxSettings>(r#"{"timestamp":-1}"#).contains("timestamp"));
    assert!(refuse::<v3::TxSettings>(r#"{"timestamp":4294967296}"#).contains("range"));
}

#[test]
fn floats_are_numbers_in_their_shortest_form() {
    let metadata = |snr| v3::RxMetadata { snr, ..Default::default() };
    assert_eq!(to_string(&metadata(7.2)), r#"{"snr":7.2}"#);
    assert_eq!(to_string(&metadata(-120.0)), r#"{"snr":-120}"#);
    assert_eq!(to_string(&metadata(1e21)), r#"{"snr":1e+21}"#);
    assert_eq!(to_string(&metadata(1.5e-7)), r#"{"snr":1.5e-7}"#);
    assert_eq!(to_string(&metadata(f32::INFINITY)), r#"{"snr":"Infinity"}"#);
    assert_eq!(to_string(&metadata(f32::NAN)), r#"{"snr":"NaN"}"#);
    assert_eq!(read::<v3::RxMetadata>(r#"{"snr":"-Infinity"}"#), metadata(f32::NEG_INFINITY));
}

#[test]
fn strings_are_escaped_without_html_rules() {
    let application = v3::Application { name: "<a&\"\\\n\u{1}é>".into(), ..Default::default() };
    assert_eq!(to_string(&application), "{\"name\":\"<a&\\\"\\\\\\n\\u0001é>\"}");
    assert_eq!(read::<v3::Application>(&to_string(&application)), application);
}

#[test]
fn bytes_without_codec_are_padded_base64_and_read_in_all_forms() {
    let downlink = v3::ApplicationDownlink { frm_payload: vec![0xfb, 0xff], ..Default::default() };
    assert_eq!(to_string(&downlink), r#"{"frm_payload":"+/8="}"#);
    for text in ["+/8=", "+/8", "-_8", "-_8="] {
        let text = format!(r#"{{"frm_payload":"{text}"}}"#);
        assert_eq!(read::<v3::ApplicationDownlink>(&text), downlink);
    }
}

#[test]
fn codec_bytes_are_upper_case_hexadecimal_and_told_from_base64_by_length() {
    let ids =
        v3::GatewayIdentifiers { eui: vec![0xb8, 0x27, 0xeb, 1, 2, 3, 4, 5], ..Default::default() };
    assert_eq!(to_string(&ids), r#"{"eui":"B827EB0102030405"}"#);
    for text in ["B827EB0102030405", "b827eb0102030405", "uCfrAQIDBAU=", "uCfrAQIDBAU"] {
        assert_eq!(read::<v3::GatewayIdentifiers>(&format!(r#"{{"eui":"{text}"}}"#)), ids);
    }
    assert_eq!(read::<v3::GatewayIdentifiers>(r#"{"eui":""}"#), Default::default());
    assert!(refuse::<v3::GatewayIdentifiers>(r#"{"eui":"B827EB"}"#).contains("8 are needed"));
}

#[test]
fn dev_addr_prefixes_are_written_with_their_length() {
    let answer =
        v3::GetDeviceAdressPrefixesResponse { dev_addr_prefixes: vec![vec![0x26, 0, 0, 0, 7]] };
    let text = r#"{"dev_addr_prefixes":["26000000/7"]}"#;
    assert_eq!(to_string(&answer), text);
    assert_eq!(read::<v3::GetDeviceAdressPrefixesResponse>(text), answer);
}

#[test]
fn timestamps_have_as_many_digits_as_they_need() {
    let at = |nanos| v3::Application {
        created_at: Some(Timestamp { seconds: 1_700_000_000, nanos }),
        ..Default::default()
    };
    for (nanos, text) in [(0, ""), (120_000_000, ".120"), (1_000, ".000001"), (1, ".000000001")] {
        let text = format!(r#"{{"created_at":"2023-11-14T22:13:20{text}Z"}}"#);
        assert_eq!(to_string(&at(nanos)), text);
        assert_eq!(read::<v3::Application>(&text), at(nanos));
    }
}

#[test]
fn timestamps_of_plugin_messages_must_end_in_z() {
    let text = r#"{"created_at":"2023-11-14T23:13:20+01:00"}"#;
    assert!(refuse::<v3::Application>(text).starts_with("created_at"));
    let read: v3::alc_sync_command::AppTimeReq =
        read(r#"{"DeviceTime":"2023-11-14T23:13:20+01:00"}"#);
    assert_eq!(read.device_time.unwrap().seconds, 1_700_000_000);
}

#[test]
fn durations_are_seconds_and_plugin_messages_read_go_syntax() {
    let settings = |seconds, nanos| v3::MacSettings {
        class_b_timeout: Some(Duration { seconds, nanos }),
        ..Default::default()
    };
    assert_eq!(to_string(&settings(90, 0)), r#"{"class_b_timeout":"90s"}"#);
    assert_eq!(to_string(&settings(0, 250_000_000)), r#"{"class_b_timeout":"0.250s"}"#);
    assert_eq!(to_string(&settings(-1, -500_000_000)), r#"{"class_b_timeout":"-1.500s"}"#);
    let cases =
        [("1h30m", 5400, 0), ("200ms", 0, 200_000_000), ("1.5s", 1, 500_000_000), ("-2s", -2, 0)];
    for (text, seconds, nanos) in cases {
        let text = format!(r#"{{"class_b_timeout":"{text}"}}"#);
        assert_eq!(read::<v3::MacSettings>(&text), settings(seconds, nanos));
    }
    refuse::<v3::MacSettings>(r#"{"class_b_timeout":"5"}"#);
    refuse::<v3::gateway_connection_stats::RoundTripTimes>(r#"{"min":"200ms"}"#);
    read::<v3::gateway_connection_stats::RoundTripTimes>(r#"{"min":"0.2s"}"#);
}

#[test]
fn field_masks_are_objects_and_read_as_text_too() {
    let mask = FieldMask { paths: vec!["name".into(), "ids.application_id".into()] };
    let request = v3::GetApplicationRequest { field_mask: Some(mask), ..Default::default() };
    let text = r#"{"field_mask":{"paths":["name","ids.application_id"]}}"#;
    assert_eq!(to_string(&request), text);
    assert_eq!(read::<v3::GetApplicationRequest>(text), request);
    let short = r#"{"fieldMask":"name,ids.application_id"}"#;
    assert_eq!(read::<v3::GetApplicationRequest>(short), request);
}

#[test]
fn wrappers_are_bare_values() {
    let settings = v3::MacSettings {
        rx1_delay: Some(v3::RxDelayValue { value: 5 }),
        rx2_frequency: Some(v3::FrequencyValue { value: 869_525_000 }),
        supports_32_bit_f_cnt: Some(v3::BoolValue { value: false }),
        ..Default::default()
    };
    let text = to_string(&settings);
    assert!(text.contains(r#""rx1_delay":5"#), "{text}");
    assert!(text.contains(r#""rx2_frequency":"869525000""#), "{text}");
    assert!(text.contains(r#""supports_32_bit_f_cnt":false"#), "{text}");
    assert_eq!(read::<v3::MacSettings>(&text), settings);
    let old = r#"{"rx1_delay":{"value":"RX_DELAY_5"},"rx2_frequency":{"value":"869525000"},
        "supports_32_bit_f_cnt":{"value":false}}"#;
    assert_eq!(read::<v3::MacSettings>(old), settings);
    refuse::<v3::MacSettings>(r#"{"rx1_delay":{"delay":5}}"#);
}

#[test]
fn enums_are_names_or_numbers_as_annotated() {
    let rights = v3::Rights { rights: vec![v3::Right::ApplicationInfo.into(), 9999] };
    assert_eq!(to_string(&rights), r#"{"rights":["RIGHT_APPLICATION_INFO",9999]}"#);
    let peer = v3::PeerInfo { roles: vec![3], ..Default::default() };
    assert_eq!(to_string(&peer), r#"{"roles":[3]}"#);
    assert_eq!(read::<v3::PeerInfo>(r#"{"roles":["GATEWAY_SERVER"]}"#), peer);
}

#[test]
fn enums_are_read_in_every_form() {
    let device =
        |version: i32| v3::EndDevice { lorawan_phy_version: version, ..Default::default() };
    for text in
        ["\"PHY_V1_0_2_REV_A\"", "\"RP001_V1_0_2\"", "\"1.0.2\"", "\"1.0.2-a\"", "3", "\"3\""]
    {
        let text = format!(r#"{{"lorawan_phy_version":{text}}}"#);
        assert_eq!(read::<v3::EndDevice>(&text), device(3), "{text}");
    }
    let right: v3::Rights = read(r#"{"rights":["APPLICATION_INFO"]}"#);
    assert_eq!(right.rights, [i32::from(v3::Right::ApplicationInfo)]);
    let error = refuse::<v3::Rights>(r#"{"rights":["RIGHT_TO_PARTY"]}"#);
    assert!(error.contains("rights.0") && error.contains("RIGHT_TO_PARTY"), "{error}");
}

#[test]
fn of_aliases_the_first_name_is_written() {
    let device = v3::EndDevice { lorawan_phy_version: 1, ..Default::default() };
    assert_eq!(to_string(&device), r#"{"lorawan_phy_version":"PHY_V1_0"}"#);
    assert_eq!(to_string(&v3::Rights { rights: vec![0] }), r#"{"rights":["right_invalid"]}"#);
}

#[test]
fn enums_with_a_text_are_written_with_it() {
    let model =
        v3::EndDeviceModel { key_provisioning: vec![2], key_security: 2, ..Default::default() };
    let text = to_string(&model);
    assert!(text.contains("read protected"), "{text}");
    assert_eq!(read::<v3::EndDeviceModel>(&text), model);
}

#[test]
fn both_name_forms_are_read_and_unknown_ones_ignored() {
    let text = r#"{"devEui":"0102030405060708","device_id":"d","future":{"x":[1]},"joinEui":null}"#;
    let ids: v3::EndDeviceIdentifiers = read(text);
    assert_eq!((ids.dev_eui.len(), ids.device_id.as_str()), (8, "d"));
}

#[test]
fn maps_are_objects_in_the_order_of_their_keys() {
    let attributes = BTreeMap::from([("b".to_owned(), "2".to_owned()), ("a".into(), "1".into())]);
    let application = v3::Application { attributes, ..Default::default() };
    let text = r#"{"attributes":{"a":"1","b":"2"}}"#;
    assert_eq!(to_string(&application), text);
    assert_eq!(read::<v3::Application>(text), application);
}

#[test]
fn structs_keep_any_json() {
    let text = r#"{"decoded_payload":{"a":[1,2.5,null,true],"b":{"c":"x"}}}"#;
    let uplink: v3::ApplicationUplink = read(text);
    assert_eq!(to_string(&uplink), text);
}

#[test]
fn any_holds_messages_with_their_type() {
    let ids = v3::ApplicationIdentifiers { application_id: "a".into() };
    let event = v3::Event {
        data: Some(Any {
            type_url: "type.googleapis.com/ttn.lorawan.v3.ApplicationIdentifiers".into(),
            value: ids.encode_to_vec(),
        }),
        ..Default::default()
    };
    let text = r#"{"data":{"@type":"type.googleapis.com/ttn.lorawan.v3.ApplicationIdentifiers","application_id":"a"}}"#;
    assert_eq!(to_string(&event), text);
    assert_eq!(read::<v3::Event>(text), event);
    let text = r#"{"data":{"@type":"type.googleapis.com/google.protobuf.Value","value":[1,"x"]}}"#;
    assert_eq!(to_string(&read::<v3::Event>(text)), text);
}

#[test]
fn any_in_any_ends_somewhere() {
    let type_url = "type.googleapis.com/ttn.lorawan.v3.ErrorDetails";
    let mut details = v3::ErrorDetails { name: "innermost".into(), ..Default::default() };
    for _ in 0..2000 {
        let any = Any { type_url: type_url.into(), value: details.encode_to_vec() };
        details = v3::ErrorDetails { details: vec![any], ..Default::default() };
    }
    let text = to_string(&details);
    assert_eq!(text.matches("ErrorDetails").count(), 17);
}

#[test]
fn malformed_input_names_its_place() {
    assert!(refuse::<v3::Application>("{").contains("not JSON"));
    assert!(refuse::<v3::Application>("[]").contains("an object"));
    let error = refuse::<v3::Application>(r#"{"ids":{"application_id":5}}"#);
    assert_eq!(error, "ids.application_id: not a string");
    let deep = "[".repeat(10_000);
    assert!(from_slice::<v3::Application>(deep.as_bytes()).is_err());
}
