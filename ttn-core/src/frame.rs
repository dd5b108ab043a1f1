//! A PHYPayload whose form has been checked. `ttn-mac` is the parser; everybody else reads fields.

use alloc::sync::Arc;
use core::ops::Range;

use crate::{
    addr::{DevAddr, NetId},
    eui::{DevEui, JoinEui},
};

/// A PHYPayload and the fields that its form gives. Made by `ttn_mac::frame::parse`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "built by ttn-mac")]
pub struct PhyPayload {
    /// The octets as received, MIC included.
    pub bytes: Arc<[u8]>,
    /// What they are.
    pub form: Form,
}

/// The message types of LoRaWAN, with their unencrypted fields.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum Form {
    /// A data message, up or down.
    Data(DataForm),
    /// A join-accept: encrypted, so nothing is known but its length (17 or 33 octets).
    JoinAccept,
    /// A join-request.
    JoinRequest(JoinRequestForm),
    /// A proprietary message.
    Proprietary,
    /// A rejoin-request.
    RejoinRequest(RejoinRequestForm),
}

/// The header of a data message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "complete by definition")]
pub struct DataForm {
    /// From the device to the network.
    pub uplink: bool,
    /// Wants an acknowledgement.
    pub confirmed: bool,
    /// The address of the session.
    pub dev_addr: DevAddr,
    /// The frame control octet.
    pub f_ctrl: FCtrl,
    /// The low 16 bits of the frame counter.
    pub f_cnt: u16,
    /// Where FOpts lie in the octets (encrypted in LoRaWAN 1.1).
    pub f_opts: Range<u8>,
    /// The port; `None` if the octet is absent, which is not the same as port 0.
    pub f_port: Option<u8>,
    /// Where the encrypted FRMPayload lies in the octets; 0 to 255 octets.
    pub frm_payload: Range<u8>,
}

/// The frame control octet, FOptsLen left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_structs, reason = "complete by definition")]
pub struct FCtrl {
    /// The device lets the network control its data rate; downlink: the network may.
    pub adr: bool,
    /// Uplink: the device asks for a sign of life.
    pub adr_ack_req: bool,
    /// Acknowledges the last confirmed message.
    pub ack: bool,
    /// Uplink: the device has ping slots open.
    pub class_b: bool,
    /// Downlink: more is waiting.
    pub f_pending: bool,
}

/// The fields of a join-request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "complete by definition")]
pub struct JoinRequestForm {
    /// The Join Server's EUI.
    pub join_eui: JoinEui,
    /// The device's EUI.
    pub dev_eui: DevEui,
    /// The nonce of this join.
    pub dev_nonce: u16,
}

/// The fields of a rejoin-request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum RejoinRequestForm {
    /// Type 0 or 2: to the home network.
    HomeNetwork {
        /// 0 or 2.
        rejoin_type: u8,
        /// The home network.
        net_id: NetId,
        /// The device's EUI.
        dev_eui: DevEui,
        /// RJcount0.
        rejoin_count: u16,
    },
    /// Type 1: to the Join Server.
    JoinServer {
        /// The Join Server's EUI.
        join_eui: JoinEui,
        /// The device's EUI.
        dev_eui: DevEui,
        /// RJcount1.
        rejoin_count: u16,
    },
}

impl PhyPayload {
    /// The octets of a range that the parser gave; empty if it lies outside.
    #[must_use]
    pub fn slice(&self, range: &Range<u8>) -> &[u8] {
        self.bytes.get(usize::from(range.start)..usize::from(range.end)).unwrap_or_default()
    }

    /// The message integrity code: the last four octets.
    #[must_use]
    pub fn mic(&self) -> [u8; 4] {
        self.bytes.last_chunk().copied().unwrap_or_default()
    }

    /// Everything before the message integrity code.
    #[must_use]
    pub fn without_mic(&self) -> &[u8] {
        self.bytes.split_last_chunk::<4>().map_or(&[], |(rest, _)| rest)
    }

    /// The header, if it is a data message.
    #[must_use]
    pub const fn data(&self) -> Option<&DataForm> {
        match &self.form {
            Form::Data(data) => Some(data),
            _ => None,
        }
    }
}
