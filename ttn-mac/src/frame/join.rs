//! Join-requests and join-accepts.

use alloc::vec::Vec;

use ttn_core::{
    addr::{DevAddr, NetId},
    eui::{DevEui, JoinEui},
    frame::JoinRequestForm,
    radio::{DataRateIndex, Frequency},
};

use super::{BuildError, FrameError, FrequencyStep, MType};

/// Writes a join-request without its integrity code (TS001-1.0.4 §6.2.5).
#[must_use]
pub fn encode_join_request(request: &JoinRequestForm) -> [u8; 19] {
    let [a, b, c, d, e, f, g, h] = request.join_eui.to_le_bytes();
    let [i, j, k, l, m, n, o, p] = request.dev_eui.to_le_bytes();
    let [q, r] = request.dev_nonce.to_le_bytes();
    [MType::JoinRequest.m_hdr(), a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r]
}

/// Reads what stands behind the MAC header of a join-request.
pub(super) fn parse_request(rest: &[u8]) -> Result<JoinRequestForm, FrameError> {
    let refused = FrameError::JoinRequestLength { got: rest.len().saturating_add(1) };
    let (join_eui, rest) = rest.split_first_chunk::<8>().ok_or(refused)?;
    let (dev_eui, rest) = rest.split_first_chunk::<8>().ok_or(refused)?;
    let &[low, high, _, _, _, _] = rest else { return Err(refused) };
    Ok(JoinRequestForm {
        join_eui: JoinEui::from_le_bytes(*join_eui),
        dev_eui: DevEui::from_le_bytes(*dev_eui),
        dev_nonce: u16::from_le_bytes([low, high]),
    })
}

/// The plaintext of a join-accept (TS001-1.0.4 §6.2.6, TS001-1.1 §6.2.3).
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "built by other crates")]
pub struct JoinAccept {
    /// The nonce of this answer (AppNonce up to LoRaWAN 1.0.3), 24 bits.
    pub join_nonce: u32,
    /// The home network.
    pub net_id: NetId,
    /// The address of the new session.
    pub dev_addr: DevAddr,
    /// Options and receive windows of the new session.
    pub dl_settings: DlSettings,
    /// The delay of the first receive window as on the wire; see [`Self::rx1_delay_seconds`].
    pub rx_delay: u8,
    /// The channels that the device adds or uses.
    pub cf_list: Option<CfList>,
}

impl JoinAccept {
    /// Writes the payload between MHDR and MIC, 12 or 28 octets, unencrypted.
    ///
    /// # Errors
    ///
    /// [`BuildError::OutOfRange`] for a JoinNonce above 24 bits or an RX1DROffset above 7, and
    /// [`BuildError::Frequency`].
    pub fn encode(&self, step: FrequencyStep) -> Result<Vec<u8>, BuildError> {
        let [n0, n1, n2, 0] = self.join_nonce.to_le_bytes() else {
            return Err(out_of_range("JoinNonce", self.join_nonce, 0xFF_FFFF));
        };
        let mut octets = Vec::with_capacity(28);
        octets.extend_from_slice(&[n0, n1, n2]);
        octets.extend_from_slice(&self.net_id.to_le_bytes());
        octets.extend_from_slice(&self.dev_addr.to_le_bytes());
        octets.push(self.dl_settings.encode()?);
        octets.push(self.rx_delay);
        if let Some(cf_list) = &self.cf_list {
            octets.extend_from_slice(&cf_list.encode(step)?);
        }
        Ok(octets)
    }

    /// Reads a decrypted payload without MHDR and MIC.
    ///
    /// # Errors
    ///
    /// [`FrameError::JoinAcceptLength`] for other lengths than 12 and 28, and [`FrameError::CfListType`].
    pub fn decode(octets: &[u8], step: FrequencyStep) -> Result<Self, FrameError> {
        // MHDR and MIC count: the error speaks of the PHYPayload.
        let refused = FrameError::JoinAcceptLength { got: octets.len().saturating_add(5) };
        let (&[n0, n1, n2, i0, i1, i2, a, b, c, d, settings, rx_delay], rest) =
            octets.split_first_chunk::<12>().ok_or(refused)?;
        let cf_list = match rest {
            [] => None,
            _ => Some(CfList::decode(rest.try_into().map_err(|_| refused)?, step)?),
        };
        Ok(Self {
            join_nonce: u32::from_le_bytes([n0, n1, n2, 0]),
            net_id: NetId::from_be_bytes([i2, i1, i0]),
            dev_addr: DevAddr::from_le_bytes([a, b, c, d]),
            dl_settings: DlSettings::decode(settings),
            rx_delay,
            cf_list,
        })
    }

    /// The delay of the first receive window: the low four bits of `rx_delay`, where 0 means 1.
    #[must_use]
    pub const fn rx1_delay_seconds(&self) -> u8 {
        match self.rx_delay & 0x0F {
            0 => 1,
            seconds => seconds,
        }
    }
}

/// The DLSettings octet of a join-accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_structs, reason = "complete by definition")]
pub struct DlSettings {
    /// The network speaks LoRaWAN 1.1 with this device.
    pub opt_neg: bool,
    /// The offset between uplink data rate and that of the first receive window, 0 to 7.
    pub rx1_dr_offset: u8,
    /// The data rate of the second receive window.
    pub rx2_dr: DataRateIndex,
}

impl DlSettings {
    /// Writes the octet.
    ///
    /// # Errors
    ///
    /// [`BuildError::OutOfRange`] for an RX1DROffset above 7.
    pub const fn encode(self) -> Result<u8, BuildError> {
        if self.rx1_dr_offset > 7 {
            return Err(out_of_range("RX1DROffset", self.rx1_dr_offset as u32, 7));
        }
        let opt_neg = if self.opt_neg { 0x80 } else { 0 };
        Ok(opt_neg | (self.rx1_dr_offset << 4) | self.rx2_dr.get())
    }

    /// Reads the octet.
    #[must_use]
    pub const fn decode(octet: u8) -> Self {
        Self {
            opt_neg: octet & 0x80 != 0,
            rx1_dr_offset: (octet >> 4) & 0x07,
            rx2_dr: DataRateIndex::from_low_bits(octet),
        }
    }
}

/// The CFList of a join-accept: 16 octets, the last of which is its type (RP002-1.0.5 §3.3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "both types that are defined")]
pub enum CfList {
    /// Type 1: a mask of 16 channels each, channel 0 in the lowest bit of the first mask.
    ChannelMasks([u16; 6]),
    /// Type 0: the frequencies of the channels behind the default ones; zero for none.
    Frequencies([Frequency; 5]),
}

impl CfList {
    /// Writes the 16 octets.
    ///
    /// # Errors
    ///
    /// [`BuildError::Frequency`].
    pub fn encode(&self, step: FrequencyStep) -> Result<[u8; 16], BuildError> {
        let mut octets = Vec::with_capacity(16);
        match self {
            Self::Frequencies(frequencies) => {
                for frequency in frequencies {
                    // Anything that fits is sent as it is: a received list passes through unchanged.
                    octets.extend_from_slice(&step.encode_any(*frequency)?);
                }
                octets.push(0);
            }
            Self::ChannelMasks(masks) => {
                octets.extend(masks.iter().flat_map(|mask| mask.to_le_bytes()));
                octets.extend_from_slice(&[0, 0, 0, 1]);
            }
        }
        Ok(octets.first_chunk().copied().unwrap_or_default())
    }

    /// Reads the 16 octets; reserved ones are ignored.
    ///
    /// # Errors
    ///
    /// [`FrameError::CfListType`] for other types than 0 and 1.
    pub fn decode(octets: &[u8; 16], step: FrequencyStep) -> Result<Self, FrameError> {
        let &[a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, cf_list_type] = octets;
        match cf_list_type {
            0 => Ok(Self::Frequencies(
                [[a, b, c], [d, e, f], [g, h, i], [j, k, l], [m, n, o]]
                    .map(|units| step.decode(units)),
            )),
            1 => Ok(Self::ChannelMasks(
                [[a, b], [c, d], [e, f], [g, h], [i, j], [k, l]].map(u16::from_le_bytes),
            )),
            got => Err(FrameError::CfListType { got }),
        }
    }
}

const fn out_of_range(field: &'static str, got: u32, max: u32) -> BuildError {
    BuildError::OutOfRange { field, got, max }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_a_cf_list_of_an_unknown_type() {
        let mut octets = [0; 16];
        octets[15] = 2;
        assert_eq!(
            CfList::decode(&octets, FrequencyStep::Hz100),
            Err(FrameError::CfListType { got: 2 })
        );
    }

    #[test]
    fn refuses_numbers_that_do_not_fit() {
        let settings = DlSettings { rx1_dr_offset: 8, ..DlSettings::default() };
        assert_eq!(settings.encode(), Err(out_of_range("RX1DROffset", 8, 7)));
        let accept = JoinAccept {
            join_nonce: 0x100_0000,
            net_id: NetId::default(),
            dev_addr: DevAddr::default(),
            dl_settings: DlSettings::default(),
            rx_delay: 0,
            cf_list: None,
        };
        assert!(accept.encode(FrequencyStep::Hz100).is_err());
        assert_eq!(accept.rx1_delay_seconds(), 1);
    }
}
