//! mac_commands.json

use ttn_core::radio::{DataRateIndex, Frequency};
use ttn_mac::{
    command as mac,
    frame::{FrequencyStep, RelayForwardUplink},
};

use crate::{
    command_json::{command, step},
    support::{Case, Kind, checked},
};

pub(crate) const KINDS: &[Kind] = &[
    checked("mac_command", mac_command),
    checked("mac_command_decode", mac_command_decode),
    checked("mac_command_encode_error", mac_command_encode_error),
    checked("mac_stream", mac_stream),
    checked("relay_forward_downlink_req", relay_forward_downlink_req),
    checked("relay_forward_uplink_req", relay_forward_uplink_req),
    checked("relay_forward_uplink_req_error", relay_forward_uplink_req_error),
];

// TS001-1.0.4 §5.1, §5.2, §5.3, §5.4, §5.5, §5.6, §5.7, §5.8, §5.9, §12.1, §12.2, §12.3
// TS001-1.1 §5.1, §5.10, §5.11, §5.13, §5.14, §18.1
fn mac_command(case: &Case) {
    let (input, bytes) = (case.input(), case.expected().bytes("bytes"));
    let name = input.text("name");
    let wanted = command(name, input.object("fields")).unwrap();
    let mut encoded = Vec::new();
    wanted.encode(step(input), &mut encoded).unwrap();
    assert_eq!(encoded, bytes);
    assert_eq!(wanted.encoded_length(), bytes.len());
    assert_eq!(wanted.name(), name);
    assert_eq!(wanted.cid(), input.int::<u8>("cid"));
    let decoded: Vec<_> = mac::parse(input.direction(), step(input), &bytes).collect();
    assert_eq!(decoded, [Ok(wanted)]);
}

fn mac_command_decode(case: &Case) {
    let (input, bytes) = (case.input(), case.input().bytes("bytes"));
    let name = input.text("name");
    let wanted = command(name, case.expected().object("fields")).unwrap();
    let decoded: Vec<_> = mac::parse(input.direction(), step(input), &bytes).collect();
    assert_eq!(decoded, [Ok(wanted)]);
}

fn mac_command_encode_error(case: &Case) {
    let input = case.input();
    let name = input.text("name");
    if let Ok(wanted) = command(name, input.object("fields")) {
        let mut out = vec![1, 2, 3];
        wanted.encode(step(input), &mut out).expect_err("must be refused");
        assert_eq!(out, [1, 2, 3], "what was there stays");
    }
}

fn mac_stream(case: &Case) {
    let (input, bytes) = (case.input(), case.input().bytes("bytes"));
    let wanted: Vec<&str> = case
        .expected()
        .value("commands")
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap())
        .collect();
    let mut commands = mac::parse(input.direction(), FrequencyStep::Hz100, &bytes);
    for name in &wanted {
        let next = commands.next().unwrap_or_else(|| panic!("{name} is missing"));
        assert_eq!(next.unwrap().name(), *name);
    }
    if case.expected().has("error") {
        commands.next().unwrap().expect_err("must be refused");
    }
    assert_eq!(commands.next(), None);
}

/// `None` for a data rate that the type does not have.
fn forwarded(case: &Case) -> Option<RelayForwardUplink> {
    let input = case.input();
    Some(RelayForwardUplink {
        wor_channel: input.int("wor_channel"),
        rssi: input.int("rssi"),
        snr: input.int("snr"),
        data_rate_index: DataRateIndex::new(
            input.has("data_rate_index").then(|| input.int("data_rate_index"))?,
        )?,
        frequency: Frequency::from_hz(input.int("frequency")),
        phy_payload: input.bytes("raw_payload"),
    })
}

fn relay_forward_uplink_req(case: &Case) {
    let (forwarded, bytes) = (forwarded(case).unwrap(), case.expected().bytes("bytes"));
    assert_eq!(forwarded.encode(FrequencyStep::Hz100).unwrap(), bytes);
    assert_eq!(RelayForwardUplink::decode(FrequencyStep::Hz100, &bytes), Some(forwarded));
}

fn relay_forward_uplink_req_error(case: &Case) {
    if let Some(forwarded) = forwarded(case) {
        forwarded.encode(FrequencyStep::Hz100).expect_err("must be refused");
    }
}

/// The frame itself, without a header.
fn relay_forward_downlink_req(case: &Case) {
    assert_eq!(case.input().bytes("raw_payload"), case.expected().bytes("bytes"));
}
