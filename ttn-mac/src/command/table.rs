//! The table of commands: identifier, direction, length of the fields, name (TS001-1.0.4 §5, TS001-1.1 §5; relay
//! commands: TS011).

use super::{
    Command, Direction,
    relay::{FILTER_LIST_HEADER, filter_list_eui_length},
};

/// One command in one direction.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) cid: u8,
    pub(super) direction: Direction,
    /// The octets behind the command identifier.
    pub(super) length: u8,
    pub(super) name: &'static str,
}

/// The only command whose length depends on its fields.
const FILTER_LIST: u8 = 0x42;

impl Entry {
    /// The octets behind the command identifier, as the first of them says.
    pub(super) fn length_of(&self, rest: &[u8]) -> u8 {
        match (self.cid, self.direction, rest.first()) {
            (FILTER_LIST, Direction::Downlink, Some(first)) => {
                self.length.saturating_add(filter_list_eui_length(*first))
            }
            _ => self.length,
        }
    }
}

pub(super) fn find(direction: Direction, cid: u8) -> Option<&'static Entry> {
    TABLE.iter().find(|entry| entry.cid == cid && entry.direction == direction)
}

impl Command {
    /// The command identifier.
    #[must_use]
    pub const fn cid(&self) -> u8 {
        self.cid_and_direction().0
    }

    /// Which way it goes.
    #[must_use]
    pub const fn direction(&self) -> Direction {
        self.cid_and_direction().1
    }

    const fn cid_and_direction(&self) -> (u8, Direction) {
        match self {
            Self::ResetInd { .. } => (0x01, Direction::Uplink),
            Self::ResetConf { .. } => (0x01, Direction::Downlink),
            Self::LinkCheckReq => (0x02, Direction::Uplink),
            Self::LinkCheckAns { .. } => (0x02, Direction::Downlink),
            Self::LinkAdrReq { .. } => (0x03, Direction::Downlink),
            Self::LinkAdrAns { .. } => (0x03, Direction::Uplink),
            Self::DutyCycleReq { .. } => (0x04, Direction::Downlink),
            Self::DutyCycleAns => (0x04, Direction::Uplink),
            Self::RxParamSetupReq { .. } => (0x05, Direction::Downlink),
            Self::RxParamSetupAns { .. } => (0x05, Direction::Uplink),
            Self::DevStatusReq => (0x06, Direction::Downlink),
            Self::DevStatusAns { .. } => (0x06, Direction::Uplink),
            Self::NewChannelReq { .. } => (0x07, Direction::Downlink),
            Self::NewChannelAns { .. } => (0x07, Direction::Uplink),
            Self::RxTimingSetupReq { .. } => (0x08, Direction::Downlink),
            Self::RxTimingSetupAns => (0x08, Direction::Uplink),
            Self::TxParamSetupReq { .. } => (0x09, Direction::Downlink),
            Self::TxParamSetupAns => (0x09, Direction::Uplink),
            Self::DlChannelReq { .. } => (0x0A, Direction::Downlink),
            Self::DlChannelAns { .. } => (0x0A, Direction::Uplink),
            Self::RekeyInd { .. } => (0x0B, Direction::Uplink),
            Self::RekeyConf { .. } => (0x0B, Direction::Downlink),
            Self::AdrParamSetupReq { .. } => (0x0C, Direction::Downlink),
            Self::AdrParamSetupAns => (0x0C, Direction::Uplink),
            Self::DeviceTimeReq => (0x0D, Direction::Uplink),
            Self::DeviceTimeAns { .. } => (0x0D, Direction::Downlink),
            Self::ForceRejoinReq { .. } => (0x0E, Direction::Downlink),
            Self::RejoinParamSetupReq { .. } => (0x0F, Direction::Downlink),
            Self::RejoinParamSetupAns { .. } => (0x0F, Direction::Uplink),
            Self::PingSlotInfoReq { .. } => (0x10, Direction::Uplink),
            Self::PingSlotInfoAns => (0x10, Direction::Downlink),
            Self::PingSlotChannelReq { .. } => (0x11, Direction::Downlink),
            Self::PingSlotChannelAns { .. } => (0x11, Direction::Uplink),
            Self::BeaconTimingReq => (0x12, Direction::Uplink),
            Self::BeaconTimingAns { .. } => (0x12, Direction::Downlink),
            Self::BeaconFreqReq { .. } => (0x13, Direction::Downlink),
            Self::BeaconFreqAns { .. } => (0x13, Direction::Uplink),
            Self::DeviceModeInd { .. } => (0x20, Direction::Uplink),
            Self::DeviceModeConf { .. } => (0x20, Direction::Downlink),
            Self::RelayConfReq { .. } => (0x40, Direction::Downlink),
            Self::RelayConfAns { .. } => (0x40, Direction::Uplink),
            Self::RelayEndDeviceConfReq { .. } => (0x41, Direction::Downlink),
            Self::RelayEndDeviceConfAns { .. } => (0x41, Direction::Uplink),
            Self::RelayFilterListReq { .. } => (0x42, Direction::Downlink),
            Self::RelayFilterListAns { .. } => (0x42, Direction::Uplink),
            Self::RelayUpdateUplinkListReq { .. } => (0x43, Direction::Downlink),
            Self::RelayUpdateUplinkListAns => (0x43, Direction::Uplink),
            Self::RelayCtrlUplinkListReq { .. } => (0x44, Direction::Downlink),
            Self::RelayCtrlUplinkListAns { .. } => (0x44, Direction::Uplink),
            Self::RelayConfigureFwdLimitReq(_) => (0x45, Direction::Downlink),
            Self::RelayConfigureFwdLimitAns => (0x45, Direction::Uplink),
            Self::RelayNotifyNewEndDeviceReq { .. } => (0x46, Direction::Uplink),
        }
    }
}

const fn up(cid: u8, length: u8, name: &'static str) -> Entry {
    Entry { cid, direction: Direction::Uplink, length, name }
}

const fn down(cid: u8, length: u8, name: &'static str) -> Entry {
    Entry { cid, direction: Direction::Downlink, length, name }
}

static TABLE: [Entry; 52] = [
    up(0x01, 1, "ResetInd"),
    down(0x01, 1, "ResetConf"),
    up(0x02, 0, "LinkCheckReq"),
    down(0x02, 2, "LinkCheckAns"),
    up(0x03, 1, "LinkADRAns"),
    down(0x03, 4, "LinkADRReq"),
    up(0x04, 0, "DutyCycleAns"),
    down(0x04, 1, "DutyCycleReq"),
    up(0x05, 1, "RxParamSetupAns"),
    down(0x05, 4, "RxParamSetupReq"),
    up(0x06, 2, "DevStatusAns"),
    down(0x06, 0, "DevStatusReq"),
    up(0x07, 1, "NewChannelAns"),
    down(0x07, 5, "NewChannelReq"),
    up(0x08, 0, "RxTimingSetupAns"),
    down(0x08, 1, "RxTimingSetupReq"),
    up(0x09, 0, "TxParamSetupAns"),
    down(0x09, 1, "TxParamSetupReq"),
    up(0x0A, 1, "DLChannelAns"),
    down(0x0A, 4, "DLChannelReq"),
    up(0x0B, 1, "RekeyInd"),
    down(0x0B, 1, "RekeyConf"),
    up(0x0C, 0, "ADRParamSetupAns"),
    down(0x0C, 1, "ADRParamSetupReq"),
    up(0x0D, 0, "DeviceTimeReq"),
    down(0x0D, 5, "DeviceTimeAns"),
    down(0x0E, 2, "ForceRejoinReq"),
    up(0x0F, 1, "RejoinParamSetupAns"),
    down(0x0F, 1, "RejoinParamSetupReq"),
    up(0x10, 1, "PingSlotInfoReq"),
    down(0x10, 0, "PingSlotInfoAns"),
    up(0x11, 1, "PingSlotChannelAns"),
    down(0x11, 4, "PingSlotChannelReq"),
    up(0x12, 0, "BeaconTimingReq"),
    down(0x12, 3, "BeaconTimingAns"),
    up(0x13, 1, "BeaconFreqAns"),
    down(0x13, 3, "BeaconFreqReq"),
    up(0x20, 1, "DeviceModeInd"),
    down(0x20, 1, "DeviceModeConf"),
    up(0x40, 1, "RelayConfAns"),
    down(0x40, 5, "RelayConfReq"),
    up(0x41, 1, "RelayEndDeviceConfAns"),
    down(0x41, 6, "RelayEndDeviceConfReq"),
    up(0x42, 1, "RelayFilterListAns"),
    down(FILTER_LIST, FILTER_LIST_HEADER, "RelayFilterListReq"),
    up(0x43, 0, "RelayUpdateUplinkListAns"),
    down(0x43, 26, "RelayUpdateUplinkListReq"),
    up(0x44, 5, "RelayCtrlUplinkListAns"),
    down(0x44, 1, "RelayCtrlUplinkListReq"),
    up(0x45, 0, "RelayConfigureFwdLimitAns"),
    down(0x45, 5, "RelayConfigureFwdLimitReq"),
    up(0x46, 6, "RelayNotifyNewEndDeviceReq"),
];

#[cfg(test)]
mod tests {
    use alloc::{vec, vec::Vec};

    use super::*;
    use crate::{command::decode, frame::FrequencyStep};

    #[test]
    fn every_entry_has_a_decoder_and_an_encoder_of_its_length() {
        for entry in &TABLE {
            let fields = vec![0; usize::from(entry.length)];
            let read = decode(entry.direction, entry.cid, &fields, FrequencyStep::Hz100);
            let command = read.unwrap_or_else(|| panic!("{} is not decoded", entry.name));
            assert_eq!(command.cid_and_direction(), (entry.cid, entry.direction));
            assert_eq!(command.name(), entry.name);

            let mut octets = Vec::new();
            if command.encode(FrequencyStep::Hz100, &mut octets).is_ok() {
                assert_eq!(octets.len(), command.encoded_length(), "{}", entry.name);
                assert_eq!(octets.get(1..), Some(&*fields), "{}", entry.name);
            }
        }
    }
}
