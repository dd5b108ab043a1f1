//! Data messages: MHDR, FHDR, FPort, FRMPayload, MIC (TS001-1.0.4 §4.3.1, §4.3.2).

use alloc::vec::Vec;

use ttn_core::{
    addr::DevAddr,
    frame::{DataForm, FCtrl},
};

use super::{BuildError, FrameError, MType, PHY_PAYLOAD_LENGTH_MAX};
use crate::command::Direction;

/// The most octets that FOpts may have: FOptsLen has four bits.
pub const F_OPTS_LENGTH_MAX: usize = 15;

/// A data message to be sent. Its FOpts and FRMPayload are octets as they shall be on the air.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "built by other crates")]
pub struct DataFrame {
    /// From the device to the network.
    pub uplink: bool,
    /// Wants an acknowledgement.
    pub confirmed: bool,
    /// The address of the session.
    pub dev_addr: DevAddr,
    /// The frame control octet; bits of the other direction are not sent.
    pub f_ctrl: FCtrl,
    /// The low 16 bits of the frame counter.
    pub f_cnt: u16,
    /// MAC commands in the header, at most [`F_OPTS_LENGTH_MAX`] octets.
    pub f_opts: Vec<u8>,
    /// The port; `None` leaves the octet out.
    pub f_port: Option<u8>,
    /// The payload, which needs a port.
    pub frm_payload: Vec<u8>,
}

impl DataFrame {
    /// The octets that a data message has besides FOpts, FPort and FRMPayload: MHDR, FHDR and MIC.
    pub const OVERHEAD: usize = 12;

    /// Writes the message without its integrity code.
    ///
    /// # Errors
    ///
    /// [`BuildError::FOptsLength`], [`BuildError::MissingFPort`] and [`BuildError::TooLong`].
    pub fn encode(&self) -> Result<Vec<u8>, BuildError> {
        let f_opts_length = match u8::try_from(self.f_opts.len()) {
            Ok(length) if usize::from(length) <= F_OPTS_LENGTH_MAX => length,
            _ => return Err(BuildError::FOptsLength { got: self.f_opts.len() }),
        };
        if self.f_port.is_none() && !self.frm_payload.is_empty() {
            return Err(BuildError::MissingFPort);
        }
        let length = self.encoded_length();
        if length > PHY_PAYLOAD_LENGTH_MAX {
            return Err(BuildError::TooLong { got: length });
        }
        let direction = self.direction();
        let mut octets = Vec::with_capacity(length);
        octets.push(MType::Data { direction, confirmed: self.confirmed }.m_hdr());
        octets.extend_from_slice(&self.dev_addr.to_le_bytes());
        octets.push(encode_f_ctrl(direction, self.f_ctrl) | f_opts_length);
        octets.extend_from_slice(&self.f_cnt.to_le_bytes());
        octets.extend_from_slice(&self.f_opts);
        octets.extend(self.f_port);
        octets.extend_from_slice(&self.frm_payload);
        Ok(octets)
    }

    /// The octets of the PHYPayload, integrity code included.
    #[must_use]
    pub fn encoded_length(&self) -> usize {
        Self::OVERHEAD
            .saturating_add(self.f_opts.len())
            .saturating_add(usize::from(self.f_port.is_some()))
            .saturating_add(self.frm_payload.len())
    }

    /// Which way the message goes.
    #[must_use]
    pub const fn direction(&self) -> Direction {
        Direction::of_uplink(self.uplink)
    }
}

/// Reads a frame control octet; FOptsLen, its low four bits, is left aside, and so are reserved bits.
#[must_use]
pub const fn decode_f_ctrl(direction: Direction, octet: u8) -> FCtrl {
    let uplink = matches!(direction, Direction::Uplink);
    FCtrl {
        adr: octet & ADR != 0,
        adr_ack_req: uplink && octet & ADR_ACK_REQ != 0,
        ack: octet & ACK != 0,
        class_b: uplink && octet & CLASS_B_OR_F_PENDING != 0,
        f_pending: !uplink && octet & CLASS_B_OR_F_PENDING != 0,
    }
}

/// Writes a frame control octet with FOptsLen 0.
#[must_use]
pub const fn encode_f_ctrl(direction: Direction, f_ctrl: FCtrl) -> u8 {
    let (bit_6, bit_4) = match direction {
        Direction::Uplink => (f_ctrl.adr_ack_req, f_ctrl.class_b),
        Direction::Downlink => (false, f_ctrl.f_pending),
    };
    let mut octet = 0;
    if f_ctrl.adr {
        octet |= ADR;
    }
    if bit_6 {
        octet |= ADR_ACK_REQ;
    }
    if f_ctrl.ack {
        octet |= ACK;
    }
    if bit_4 {
        octet |= CLASS_B_OR_F_PENDING;
    }
    octet
}

/// Reads a whole PHYPayload that the MAC header calls a data message.
pub(super) fn parse(
    direction: Direction,
    confirmed: bool,
    octets: &[u8],
) -> Result<DataForm, FrameError> {
    let too_short = FrameError::TooShort { got: octets.len() };
    let (without_mic, _) = octets.split_last_chunk::<4>().ok_or(too_short)?;
    let (header, behind) = without_mic.split_first_chunk::<8>().ok_or(too_short)?;
    let &[_, a, b, c, d, f_ctrl, f_cnt_low, f_cnt_high] = header;

    let announced = f_ctrl & F_OPTS_LENGTH_MASK;
    let port_and_payload = behind
        .get(usize::from(announced)..)
        .ok_or(FrameError::CutOffFOpts { announced, got: behind.len() })?;
    let end = position(without_mic.len())?;
    let f_opts_start = position(header.len())?;
    let f_opts_end = f_opts_start.saturating_add(announced);
    let (f_port, frm_payload) = match port_and_payload.split_first() {
        None => (None, end..end),
        Some((port, _)) => (Some(*port), f_opts_end.saturating_add(1)..end),
    };
    Ok(DataForm {
        uplink: matches!(direction, Direction::Uplink),
        confirmed,
        dev_addr: DevAddr::from_le_bytes([a, b, c, d]),
        f_ctrl: decode_f_ctrl(direction, f_ctrl),
        f_cnt: u16::from_le_bytes([f_cnt_low, f_cnt_high]),
        f_opts: f_opts_start..f_opts_end,
        f_port,
        frm_payload,
    })
}

fn position(at: usize) -> Result<u8, FrameError> {
    u8::try_from(at).map_err(|_| FrameError::TooLong { got: at })
}

const ADR: u8 = 0x80;
const ADR_ACK_REQ: u8 = 0x40;
const ACK: u8 = 0x20;
const CLASS_B_OR_F_PENDING: u8 = 0x10;
const F_OPTS_LENGTH_MASK: u8 = 0x0F;

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    fn frame() -> DataFrame {
        DataFrame {
            uplink: true,
            confirmed: false,
            dev_addr: DevAddr::from_u32(0x0102_0304),
            f_ctrl: FCtrl::default(),
            f_cnt: 7,
            f_opts: vec![],
            f_port: None,
            frm_payload: vec![],
        }
    }

    // TS001-1.0.4 §4.3.2
    #[test]
    fn an_absent_port_is_not_port_zero() {
        let without = frame().encode().unwrap();
        let with_port_0 = DataFrame { f_port: Some(0), ..frame() }.encode().unwrap();
        assert_eq!(without.len() + 1, with_port_0.len());
    }

    #[test]
    fn refuses_what_does_not_fit() {
        let long_options = DataFrame { f_opts: vec![2; 16], ..frame() };
        assert_eq!(long_options.encode(), Err(BuildError::FOptsLength { got: 16 }));
        let no_port = DataFrame { frm_payload: vec![1], ..frame() };
        assert_eq!(no_port.encode(), Err(BuildError::MissingFPort));
        let fits = DataFrame { f_port: Some(1), frm_payload: vec![0; 242], ..frame() };
        assert_eq!(fits.encode().map(|octets| octets.len()), Ok(251));
        let too_long = DataFrame { f_port: Some(1), frm_payload: vec![0; 243], ..frame() };
        assert_eq!(too_long.encode(), Err(BuildError::TooLong { got: 256 }));
    }

    // TS001-1.0.4 §4.3.1
    #[test]
    fn bits_of_the_other_direction_are_not_sent() {
        let all =
            FCtrl { adr: true, adr_ack_req: true, ack: true, class_b: true, f_pending: false };
        assert_eq!(encode_f_ctrl(Direction::Uplink, all), 0xF0);
        assert_eq!(encode_f_ctrl(Direction::Downlink, all), 0xA0);
    }
}
