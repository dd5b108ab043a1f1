//! MAC commands.

use lorawan::maccommands::{
    DownlinkMacCommand, SerializableMacCommand, parse_downlink_mac_commands,
    parse_uplink_mac_commands,
};
use lrwn::{MACCommand, MACCommandSet};
use ttn_mac::{
    command::{Command, CommandError, Direction, RelaySecondChannel, parse},
    frame::FrequencyStep,
};

use super::Tally;
use crate::chance::Chance;

const STEP: FrequencyStep = FrequencyStep::Hz100;

/// Identifier, direction, and the bits of each octet that mean something.
const COMMANDS: [(u8, Direction, &[u8]); 51] = {
    use Direction::{Downlink, Uplink};
    [
        (0x01, Uplink, &[0x0F]),
        (0x01, Downlink, &[0x0F]),
        (0x02, Uplink, &[]),
        (0x02, Downlink, &[0xFF; 2]),
        (0x03, Uplink, &[0x07]),
        (0x03, Downlink, &[0xFF, 0xFF, 0xFF, 0x7F]),
        (0x04, Uplink, &[]),
        (0x04, Downlink, &[0x0F]),
        (0x05, Uplink, &[0x07]),
        (0x05, Downlink, &[0x7F, 0xFF, 0xFF, 0xFF]),
        (0x06, Uplink, &[0xFF, 0x3F]),
        (0x06, Downlink, &[]),
        (0x07, Uplink, &[0x03]),
        (0x07, Downlink, &[0xFF; 5]),
        (0x08, Uplink, &[]),
        (0x08, Downlink, &[0x0F]),
        (0x09, Uplink, &[]),
        (0x09, Downlink, &[0x3F]),
        (0x0A, Uplink, &[0x03]),
        (0x0A, Downlink, &[0xFF; 4]),
        (0x0B, Uplink, &[0x0F]),
        (0x0B, Downlink, &[0x0F]),
        (0x0C, Uplink, &[]),
        (0x0C, Downlink, &[0xFF]),
        (0x0D, Uplink, &[]),
        (0x0D, Downlink, &[0xFF; 5]),
        (0x0E, Downlink, &[0x7F, 0x3F]),
        (0x0F, Uplink, &[0x01]),
        (0x0F, Downlink, &[0xFF]),
        (0x10, Uplink, &[0x07]),
        (0x10, Downlink, &[]),
        (0x11, Uplink, &[0x03]),
        (0x11, Downlink, &[0xFF, 0xFF, 0xFF, 0x0F]),
        (0x12, Uplink, &[]),
        (0x12, Downlink, &[0xFF; 3]),
        (0x13, Uplink, &[0x01]),
        (0x13, Downlink, &[0xFF; 3]),
        (0x20, Uplink, &[0xFF]),
        (0x20, Downlink, &[0xFF]),
        (0x40, Uplink, &[0x3F]),
        (0x40, Downlink, &[0xFF, 0x3F, 0xFF, 0xFF, 0xFF]),
        (0x41, Uplink, &[0x0F]),
        (0x41, Downlink, &[0x0F, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF]),
        (0x42, Uplink, &[0x07]),
        (0x43, Uplink, &[]),
        (
            0x43,
            Downlink,
            &[
                0x0F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
                0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
            ],
        ),
        (0x44, Uplink, &[0x01, 0xFF, 0xFF, 0xFF, 0xFF]),
        (0x44, Downlink, &[0x1F]),
        (0x45, Uplink, &[]),
        (0x45, Downlink, &[0xFF, 0xFF, 0xFF, 0x3F, 0xFF]),
        (0x46, Uplink, &[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F]),
    ]
};

/// The command whose length depends on its first octet.
const FILTER_LIST: u8 = 0x42;

/// Random octets of a command, and the same without reserved bits.
fn draw(chance: &Chance) -> (Direction, Vec<u8>, Vec<u8>) {
    let at = chance.length(COMMANDS.len());
    let Some((cid, direction, meaning)) = COMMANDS.get(at).copied() else {
        // The length of the EUI, up to 16 octets, stands in the first octet.
        let length = chance.length(16);
        let settings = [(chance.octet() & 0xE0) | length as u8, chance.octet()];
        let eui = chance.octets(length);
        let octets = [&[FILTER_LIST][..], &settings, &eui].concat();
        let mut plain = octets.clone();
        plain[2] &= 0x07;
        return (Direction::Downlink, octets, plain);
    };
    let fields = chance.octets(meaning.len());
    let plain: Vec<u8> = fields.iter().zip(meaning).map(|(field, mask)| field & mask).collect();
    // Small numbers, too: many fields have few values that may be sent.
    let fields = if chance.percent(30) { plain.clone() } else { fields };
    let mut octets = vec![cid];
    octets.extend(fields);
    let mut expected = vec![cid];
    expected.extend(plain);
    (direction, octets, expected)
}

/// One command at a time.
pub(super) fn single(chance: &Chance, tally: &mut Tally, cases: u64) {
    let mut sendable = 0_u64;
    for _ in 0..cases {
        let (direction, octets, plain) = draw(chance);
        let read: Vec<_> = parse(direction, STEP, &octets).collect();
        let [read] = read.as_slice() else { panic!("{octets:02X?}: {read:?}") };
        let Ok(command) = read else {
            // Only a class that is reserved.
            let refused = matches!(read, Err(CommandError::InvalidFields { .. }));
            assert!(refused && octets[0] == 0x20, "{octets:02X?}: {read:?}");
            let mut theirs = MACCommandSet::from_slice(&octets);
            let name = if direction == Direction::Uplink { "Ind" } else { "Conf" };
            let refuses = theirs.decode_from_raw(direction == Direction::Uplink).is_err();
            tally.agrees(&format!("lrwn DeviceMode{name}"), refuses, || format!("{octets:02X?}"));
            continue;
        };
        let mut built = Vec::new();
        if command.encode(STEP, &mut built).is_err() {
            assert!(may_not_be_sent(command), "{command:?} is not written");
            continue;
        }
        sendable += 1;
        assert_eq!(built, plain, "{command:?}");
        assert_eq!(built.len(), command.encoded_length(), "{command:?}");
        let again: Vec<_> = parse(direction, STEP, &built).collect();
        assert_eq!(again, [Ok(*command)]);
        against_lrwn(tally, direction, command, &built);
        against_lorawan(tally, direction, &built, 1);
    }
    assert!(sendable > cases / 2, "{sendable}");
    tally.add("commands", cases);
}

/// Values that can be received and must not be sent.
fn may_not_be_sent(command: &Command) -> bool {
    let low = |hz: u64| hz < 100_000;
    match command {
        Command::LinkCheckAns { margin, .. } => *margin == 255,
        Command::ForceRejoinReq { rejoin_type, .. } => *rejoin_type > 2,
        Command::RelayConfReq { cad_periodicity, second_channel, .. } => {
            *cad_periodicity > 5 || reserved(second_channel) || low(second_channel.frequency.hz())
        }
        Command::RelayEndDeviceConfReq { second_channel, .. } => {
            reserved(second_channel) || low(second_channel.frequency.hz())
        }
        Command::RelayFilterListReq { action, .. } => *action > 2,
        Command::RelayNotifyNewEndDeviceReq { .. } => true,
        Command::RxParamSetupReq { rx2_frequency, .. } => low(rx2_frequency.hz()),
        Command::NewChannelReq { frequency, .. }
        | Command::DlChannelReq { frequency, .. }
        | Command::PingSlotChannelReq { frequency, .. }
        | Command::BeaconFreqReq { frequency } => low(frequency.hz()),
        _ => false,
    }
}

const fn reserved(second_channel: &RelaySecondChannel) -> bool {
    second_channel.ack_offset > 5 || second_channel.index > 1
}

fn against_lrwn(tally: &mut Tally, direction: Direction, command: &Command, octets: &[u8]) {
    let mut theirs = MACCommandSet::from_slice(octets);
    let read = theirs.decode_from_raw(direction == Direction::Uplink);
    let written = read.and_then(|()| theirs.to_vec());
    let same = written.as_ref().is_ok_and(|written| written == octets)
        && theirs.first().is_some_and(|theirs| same_values(theirs, command));
    tally.agrees(&format!("lrwn {}", command.name()), same, || {
        format!("{octets:02X?}: {written:02X?}, {theirs:?}")
    });
}

/// The fields of commands in which octets could be right for the wrong reason.
fn same_values(theirs: &MACCommand, ours: &Command) -> bool {
    match (theirs, *ours) {
        (
            MACCommand::LinkADRReq(it),
            Command::LinkAdrReq {
                data_rate_index,
                tx_power_index,
                channel_mask,
                channel_mask_control,
                nb_trans,
            },
        ) => {
            let theirs = (it.dr, it.tx_power, it.ch_mask.to_bytes());
            let redundancy = (it.redundancy.ch_mask_cntl, it.redundancy.nb_rep);
            theirs == (data_rate_index.get(), tx_power_index, channel_mask.to_le_bytes())
                && redundancy == (channel_mask_control, nb_trans)
        }
        (MACCommand::DevStatusAns(it), Command::DevStatusAns { battery, margin }) => {
            (it.battery, it.margin) == (battery, margin)
        }
        (
            MACCommand::NewChannelReq(it),
            Command::NewChannelReq {
                channel_index,
                frequency,
                min_data_rate_index,
                max_data_rate_index,
            },
        ) => {
            let ours = (channel_index, min_data_rate_index.get(), max_data_rate_index.get());
            (it.ch_index, it.min_dr, it.max_dr) == ours && same_frequency(it.freq, frequency.hz())
        }
        (
            MACCommand::RxParamSetupReq(it),
            Command::RxParamSetupReq { rx1_data_rate_offset, rx2_frequency, .. },
        ) => {
            it.dl_settings.rx1_dr_offset == rx1_data_rate_offset
                && same_frequency(it.frequency, rx2_frequency.hz())
        }
        _ => true,
    }
}

/// It takes high frequencies for those of 2.4 GHz, in steps of 200 Hz.
fn same_frequency(theirs: u32, ours: u64) -> bool {
    u64::from(theirs) == ours || (ours >= 1_200_000_000 && u64::from(theirs) == 2 * ours)
}

/// The commands of LoRaWAN 1.0.x. Octets that end within a command are kept from it: it panics on them.
fn against_lorawan(tally: &mut Tally, direction: Direction, octets: &[u8], commands: usize) {
    if octets.iter().take(1).any(|cid| !matches!(cid, 0x02..=0x0A | 0x0D)) {
        return;
    }
    let mut written = Vec::new();
    let mut count = 0;
    let mut write = |cid: u8, fields: &[u8]| {
        written.push(cid);
        written.extend_from_slice(fields);
        count += 1;
    };
    match direction {
        Direction::Uplink => {
            parse_uplink_mac_commands(octets).for_each(|it| write(it.cid(), it.payload_bytes()));
        }
        Direction::Downlink => {
            for command in parse_downlink_mac_commands(octets) {
                write(command.cid(), command.payload_bytes());
                if let DownlinkMacCommand::LinkADRReq(it) = command {
                    let fields = it.bytes();
                    assert_eq!((it.data_rate() << 4) | it.tx_power(), fields[0]);
                    let redundancy = it.redundancy();
                    let control = redundancy.channel_mask_control() << 4;
                    assert_eq!(control | redundancy.number_of_transmissions(), fields[3]);
                }
            }
        }
    }
    let same = written == octets && count == commands;
    tally.agrees("lorawan commands", same, || format!("{octets:02X?}: {written:02X?}"));
}

/// Several commands, with reserved bits, unknown identifiers and ends within a command.
pub(super) fn streams(chance: &Chance, tally: &mut Tally, cases: u64) {
    for _ in 0..cases {
        let direction = Direction::of_uplink(chance.flip());
        let (mut octets, mut whole, mut old) = (Vec::new(), Vec::new(), 0);
        for _ in 0..chance.length(4) {
            let (of, _, plain) = draw(chance);
            let [Ok(command)] = parse(of, STEP, &plain).collect::<Vec<_>>()[..] else { continue };
            if of == direction && command.encode(STEP, &mut Vec::new()).is_ok() {
                octets.extend(&plain);
                whole.push(command);
                old += usize::from(matches!(plain[0], 0x02..=0x0A | 0x0D));
            }
        }
        if old == whole.len() {
            against_lorawan(tally, direction, &octets, whole.len());
        }
        let mut theirs = MACCommandSet::from_slice(&octets);
        let read = theirs.decode_from_raw(direction == Direction::Uplink);
        let plain = |command: &Command| {
            !matches!(command.cid(), 0x01 | 0x0B | 0x0E | 0x12) && command.cid() < 0x20
        };
        if whole.iter().all(plain) && !whole.is_empty() {
            let same = read.is_ok() && theirs.len() == whole.len();
            tally.agrees("lrwn streams", same, || format!("{octets:02X?}: {theirs:?}"));
        }
        let parsed: Result<Vec<_>, _> = parse(direction, STEP, &octets).collect();
        assert_eq!(parsed.as_ref(), Ok(&whole), "{octets:02X?}");
        // Anything behind it changes nothing in front.
        octets.extend(chance.octets(chance.length(6)));
        crate::command::check_stream(direction, &octets);
        let parsed: Vec<_> = parse(direction, STEP, &octets).take(whole.len()).collect();
        assert!(parsed.iter().zip(&whole).all(|(read, command)| read.as_ref() == Ok(command)));
    }
    tally.add("streams of commands", cases);
}
