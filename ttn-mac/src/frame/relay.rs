//! What a relay forwards on FPort 226 (TS011).

use alloc::vec::Vec;

use ttn_core::radio::{DataRateIndex, Frequency};

use super::{BuildError, FrequencyStep};
use crate::command::relay::{decode_rssi, decode_snr, encode_rssi, encode_snr};

/// The port of relayed frames.
pub const RELAY_F_PORT: u8 = 226;

/// An uplink that a relay received and forwards. A downlink has no such header: its payload is the frame itself.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "complete by definition: the fields of TS011")]
pub struct RelayForwardUplink {
    /// The wake-on-radio channel: 0 the default, 1 the second.
    pub wor_channel: u8,
    /// The level in dBm, -142 to -15.
    pub rssi: i16,
    /// The SNR in dB, -20 to 11.
    pub snr: i8,
    /// The data rate.
    pub data_rate_index: DataRateIndex,
    /// The frequency.
    pub frequency: Frequency,
    /// The PHYPayload as received.
    pub phy_payload: Vec<u8>,
}

impl RelayForwardUplink {
    /// Writes the payload.
    ///
    /// # Errors
    ///
    /// [`BuildError::OutOfRange`] and [`BuildError::Frequency`].
    pub fn encode(&self, step: FrequencyStep) -> Result<Vec<u8>, BuildError> {
        if self.wor_channel > 1 {
            let got = u32::from(self.wor_channel);
            return Err(BuildError::OutOfRange { field: "WORChannel", got, max: 1 });
        }
        let metadata = u32::from(self.data_rate_index.get())
            | (u32::from(encode_snr(self.snr)?) << 4)
            | (u32::from(encode_rssi(self.rssi)?) << 9)
            | (u32::from(self.wor_channel) << 16);
        let [a, b, c, _] = metadata.to_le_bytes();
        let mut octets = Vec::from([a, b, c]);
        octets.extend_from_slice(&step.encode(self.frequency)?);
        octets.extend_from_slice(&self.phy_payload);
        Ok(octets)
    }

    /// Reads the payload; `None` if it is shorter than the header or the wake-on-radio channel is reserved.
    #[must_use]
    pub fn decode(step: FrequencyStep, octets: &[u8]) -> Option<Self> {
        let (&[a, b, c, d, e, f], phy_payload) = octets.split_first_chunk::<6>()?;
        let metadata = u32::from_le_bytes([a, b, c, 0]);
        let wor_channel = ((metadata >> 16) & 0x03) as u8;
        (wor_channel <= 1).then(|| Self {
            wor_channel,
            rssi: decode_rssi((metadata >> 9) as u8),
            snr: decode_snr((metadata >> 4) as u8),
            data_rate_index: DataRateIndex::from_low_bits(metadata as u8),
            frequency: step.decode([d, e, f]),
            phy_payload: phy_payload.to_vec(),
        })
    }
}
