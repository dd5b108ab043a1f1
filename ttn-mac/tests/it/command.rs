//! MAC commands: round trips and random octets.

use proptest::{collection::vec, prelude::*};
use ttn_mac::{
    command::{Command, CommandError, Direction, parse},
    frame::FrequencyStep,
};

use crate::strategy;

const STEP: FrequencyStep = FrequencyStep::Hz100;

fn encode(commands: &[Command]) -> Vec<u8> {
    let mut octets = Vec::new();
    for command in commands {
        command.encode(STEP, &mut octets).unwrap();
    }
    octets
}

/// Parses octets, builds the commands that come out and parses again.
pub(crate) fn check_stream(direction: Direction, octets: &[u8]) {
    let mut commands = Vec::new();
    let mut last = None;
    for command in parse(direction, STEP, octets) {
        assert!(
            !matches!(last, Some(Err(CommandError::Unknown { .. } | CommandError::CutOff { .. }))),
            "nothing follows {last:?}"
        );
        last = Some(command);
        // Not everything that can be received may be sent.
        commands
            .extend(command.ok().filter(|command| command.encode(STEP, &mut Vec::new()).is_ok()));
    }
    let built = encode(&commands);
    assert!(built.len() <= octets.len());
    let parsed: Result<Vec<_>, _> = parse(direction, STEP, &built).collect();
    assert_eq!(parsed, Ok(commands));
}

proptest! {
    #[test]
    fn uplink_commands_are_parsed_as_they_were_built(
        commands in vec(strategy::uplink_command(), 0..10),
    ) {
        let octets = encode(&commands);
        let length: usize = commands.iter().map(Command::encoded_length).sum();
        prop_assert_eq!(octets.len(), length);
        let parsed: Result<Vec<_>, _> = parse(Direction::Uplink, STEP, &octets).collect();
        prop_assert_eq!(parsed, Ok(commands));
    }

    #[test]
    fn downlink_commands_are_parsed_as_they_were_built(
        commands in vec(strategy::downlink_command(), 0..10),
    ) {
        let octets = encode(&commands);
        let parsed: Result<Vec<_>, _> = parse(Direction::Downlink, STEP, &octets).collect();
        prop_assert_eq!(parsed, Ok(commands));
    }

    #[test]
    fn a_stream_that_was_cut_off_gives_what_is_whole_and_one_error(
        commands in vec(strategy::downlink_command(), 1..5),
        cut in 1_usize..30,
    ) {
        let octets = encode(&commands);
        let cut = octets.len().saturating_sub(cut);
        let parsed: Vec<_> = parse(Direction::Downlink, STEP, &octets[..cut]).collect();
        let whole = parsed.iter().take_while(|command| command.is_ok()).count();
        prop_assert!(parsed.len() <= whole + 1);
        for (parsed, command) in parsed.iter().zip(&commands).take(whole) {
            prop_assert_eq!(parsed.as_ref(), Ok(command));
        }
    }

    #[test]
    fn random_octets_never_panic(uplink in any::<bool>(), octets in vec(any::<u8>(), 0..250)) {
        check_stream(Direction::of_uplink(uplink), &octets);
    }

    #[test]
    fn random_octets_with_known_identifiers_never_panic(
        uplink in any::<bool>(),
        octets in vec(prop_oneof![0_u8..0x21, 0x40_u8..0x47, any::<u8>()], 0..16),
    ) {
        check_stream(Direction::of_uplink(uplink), &octets);
    }
}

// NS-14, TS001-1.0.4 §5: commands in front of one that is not known count.
#[test]
fn commands_in_front_of_an_unknown_one_are_kept() {
    let parsed: Vec<_> = parse(Direction::Uplink, STEP, &[0x02, 0x80, 1, 2]).collect();
    let unknown = CommandError::Unknown { cid: 0x80, skipped: 2 };
    assert_eq!(parsed, [Ok(Command::LinkCheckReq), Err(unknown)]);
}
