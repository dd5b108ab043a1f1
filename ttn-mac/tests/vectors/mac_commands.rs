//! mac_commands.json

use ttn_mac::{
    command::{self, CommandError},
    frame::FrequencyStep,
};

use crate::{
    command_json::{NoCommand, command, is_later, step},
    support::{Case, Kind, Outcome, checked, later},
};

pub(crate) const KINDS: &[Kind] = &[
    later("app_package"),
    later("fragmentation_fec"),
    later("fragmentation_fec_error"),
    checked("mac_command", mac_command),
    checked("mac_command_decode", mac_command_decode),
    checked("mac_command_encode_error", mac_command_encode_error),
    checked("mac_stream", mac_stream),
    later("relay_forward_downlink_req"),
    later("relay_forward_uplink_req"),
    later("relay_forward_uplink_req_error"),
];

fn mac_command(case: &Case) -> Outcome {
    let (input, bytes) = (case.input(), case.expected().bytes("bytes"));
    let name = input.text("name");
    let wanted = match command(name, input.object("fields")) {
        Ok(wanted) => wanted,
        Err(NoCommand::Later) => return Outcome::Later(name.to_owned()),
        Err(NoCommand::Refused) => panic!("{name} cannot be made"),
    };
    let mut encoded = Vec::new();
    wanted.encode(step(input), &mut encoded).unwrap();
    assert_eq!(encoded, bytes);
    assert_eq!(wanted.encoded_length(), bytes.len());
    assert_eq!(wanted.name(), name);
    assert_eq!(wanted.cid(), input.int::<u8>("cid"));
    let decoded: Vec<_> = command::parse(input.direction(), step(input), &bytes).collect();
    assert_eq!(decoded, [Ok(wanted)]);
    Outcome::Checked
}

fn mac_command_decode(case: &Case) -> Outcome {
    let (input, bytes) = (case.input(), case.input().bytes("bytes"));
    let name = input.text("name");
    let wanted = match command(name, case.expected().object("fields")) {
        Ok(wanted) => wanted,
        Err(NoCommand::Later) => return Outcome::Later(name.to_owned()),
        Err(NoCommand::Refused) => panic!("{name} cannot be made"),
    };
    let decoded: Vec<_> = command::parse(input.direction(), step(input), &bytes).collect();
    assert_eq!(decoded, [Ok(wanted)]);
    Outcome::Checked
}

fn mac_command_encode_error(case: &Case) -> Outcome {
    let input = case.input();
    let name = input.text("name");
    match command(name, input.object("fields")) {
        Ok(wanted) => {
            let mut out = vec![1, 2, 3];
            wanted.encode(step(input), &mut out).expect_err("must be refused");
            assert_eq!(out, [1, 2, 3], "what was there stays");
            Outcome::Checked
        }
        Err(NoCommand::Later) => Outcome::Later(name.to_owned()),
        Err(NoCommand::Refused) => Outcome::Checked,
    }
}

fn mac_stream(case: &Case) -> Outcome {
    let (input, bytes) = (case.input(), case.input().bytes("bytes"));
    let wanted: Vec<&str> = case
        .expected()
        .value("commands")
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap())
        .collect();
    let mut commands = command::parse(input.direction(), FrequencyStep::Hz100, &bytes);
    for name in &wanted {
        let next = commands.next().unwrap_or_else(|| panic!("{name} is missing"));
        if is_later(name) {
            assert!(matches!(next, Err(CommandError::Unknown { .. })), "{next:?}");
            assert_eq!(commands.next(), None);
            return Outcome::Later((*name).to_owned());
        }
        assert_eq!(next.unwrap().name(), *name);
    }
    if case.expected().has("error") {
        commands.next().unwrap().expect_err("must be refused");
    }
    assert_eq!(commands.next(), None);
    Outcome::Checked
}
