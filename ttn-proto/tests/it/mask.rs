//! What field masks select.

use ttn_proto::{mask, v3};
use v3::application_up::Up;

fn device() -> v3::EndDevice {
    v3::EndDevice {
        ids: Some(v3::EndDeviceIdentifiers { device_id: "d".into(), ..Default::default() }),
        name: "name".into(),
        description: "text".into(),
        mac_settings: Some(v3::MacSettings {
            rx1_delay: Some(v3::RxDelayValue { value: 5 }),
            adr: Some(v3::AdrSettings {
                mode: Some(v3::adr_settings::Mode::Dynamic(v3::adr_settings::DynamicMode {
                    margin: Some(7.0),
                    ..Default::default()
                })),
            }),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn uplink(f_port: u32, f_cnt: u32) -> v3::ApplicationUp {
    let uplink = v3::ApplicationUplink { f_port, f_cnt, ..Default::default() };
    v3::ApplicationUp { up: Some(Up::UplinkMessage(uplink)), ..Default::default() }
}

#[test]
fn a_path_selects_what_is_below_it() {
    let filtered = mask::filter(&device(), ["mac_settings"]).unwrap();
    assert_eq!(filtered.mac_settings, device().mac_settings);
    assert_eq!((filtered.name.as_str(), filtered.ids), ("", None));
}

#[test]
fn a_path_selects_one_field_of_a_message() {
    let filtered = mask::filter(&device(), ["mac_settings.rx1_delay.value"]).unwrap();
    let settings = filtered.mac_settings.unwrap();
    assert_eq!((settings.rx1_delay.unwrap().value, settings.adr), (5, None));
}

#[test]
fn oneofs_are_segments_of_a_path() {
    let filtered = mask::filter(&device(), ["mac_settings.adr.mode.dynamic.margin"]).unwrap();
    assert_eq!(filtered.mac_settings.unwrap().adr, device().mac_settings.unwrap().adr);
    let filtered = mask::filter(&uplink(1, 2), ["up.uplink_message.f_port"]).unwrap();
    assert_eq!(filtered, uplink(1, 0));
    assert_eq!(mask::filter(&uplink(1, 2), ["up"]).unwrap(), uplink(1, 2));
    assert_eq!(mask::filter(&uplink(1, 2), ["up.join_accept"]).unwrap().up, None);
}

#[test]
fn an_unset_source_clears_the_field() {
    let mut changed = device();
    mask::apply(&mut changed, &v3::EndDevice::default(), ["name", "mac_settings.adr"]).unwrap();
    assert_eq!((changed.name.as_str(), changed.description.as_str()), ("", "text"));
    let settings = changed.mac_settings.unwrap();
    assert_eq!(settings.adr, None);
    assert!(settings.rx1_delay.is_some());
}

#[test]
fn another_member_of_a_oneof_takes_the_place_of_the_first() {
    let mut message = uplink(1, 2);
    let join = v3::ApplicationUp {
        up: Some(Up::JoinAccept(v3::ApplicationJoinAccept::default())),
        ..Default::default()
    };
    mask::apply(&mut message, &join, ["up.join_accept"]).unwrap();
    assert_eq!(message, join);
    mask::apply(&mut message, &v3::ApplicationUp::default(), ["up.uplink_message"]).unwrap();
    assert_eq!(message, join, "a member that is not set clears only itself");
    mask::clear(&mut message, ["up.join_accept"]).unwrap();
    assert_eq!(message.up, None);
}

#[test]
fn unknown_paths_are_named() {
    for path in ["nothing", "name.x", "mac_settings.nothing", "ids..x", "", "attributes.a"] {
        assert_eq!(mask::filter(&device(), [path]).unwrap_err().path, path);
    }
}

#[test]
fn set_and_selected_paths_are_told() {
    assert!(mask::is_set(&device(), "mac_settings.rx1_delay"));
    assert!(!mask::is_set(&device(), "mac_settings.rx2_frequency"));
    assert!(mask::selects(&["ids"], "ids.device_id"));
    assert!(!mask::selects(&["ids.device_id"], "ids"));
    assert!(mask::touches(&["ids.device_id"], "ids"));
    assert!(!mask::touches(&["id"], "ids"));
}
