//! Uplink tokens: what the server needs to answer an uplink, opaque to everybody else (GS-51).

use std::sync::Arc;

use ttn_core::{id::GatewayId, time::Timestamp};

use crate::error::Error;

/// The content of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "complete by definition")]
pub struct UplinkToken {
    /// The antenna that received the uplink.
    pub antenna_index: u32,
    /// The concentrator's counter at the end of the uplink, in microseconds.
    pub timestamp: u32,
    /// When the server received it.
    pub server_time: Timestamp,
}

impl UplinkToken {
    /// Writes the token. It is good for one gateway only.
    #[must_use]
    pub fn encode(&self, gateway: &GatewayId) -> Arc<[u8]> {
        let mut octets = [0; LENGTH];
        let fields = [VERSION]
            .into_iter()
            .chain(fingerprint(gateway).to_be_bytes())
            .chain(self.antenna_index.to_be_bytes())
            .chain(self.timestamp.to_be_bytes())
            .chain(self.server_time.unix_nanos().to_be_bytes());
        octets.iter_mut().zip(fields).for_each(|(to, from)| *to = from);
        Arc::from(octets)
    }

    /// Reads a token of a gateway.
    ///
    /// # Errors
    ///
    /// [`Error::UplinkToken`]: we did not write it, or not for this gateway.
    pub fn decode(octets: &[u8], gateway: &GatewayId) -> Result<Self, Error> {
        let octets: &[u8; LENGTH] = octets.try_into().map_err(|_| Error::UplinkToken)?;
        let [version, rest @ ..] = octets;
        let mut rest = rest.as_slice();
        let mut next = || take::<4>(&mut rest).map(u32::from_be_bytes);
        let (Some(of), Some(antenna_index), Some(timestamp), Some(high), Some(low)) =
            (next(), next(), next(), next(), next())
        else {
            return Err(Error::UplinkToken);
        };
        if *version != VERSION || of != fingerprint(gateway) {
            return Err(Error::UplinkToken);
        }
        let nanos = ((u64::from(high) << 32) | u64::from(low)) as i64;
        Ok(Self { antenna_index, timestamp, server_time: Timestamp::from_unix_nanos(nanos) })
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*head)
}

/// Tells tokens of different gateways apart; no protection against forgery.
fn fingerprint(gateway: &GatewayId) -> u32 {
    gateway
        .as_str()
        .bytes()
        .fold(0x811C_9DC5, |hash, octet| (hash ^ u32::from(octet)).wrapping_mul(0x0100_0193))
}

const VERSION: u8 = 1;
const LENGTH: usize = 1 + 4 + 4 + 4 + 8;

#[cfg(test)]
mod tests {
    use super::*;

    // GS-51
    #[test]
    fn a_token_comes_back_for_its_own_gateway_only() {
        let token = UplinkToken {
            antenna_index: 1,
            timestamp: 0xFFFF_FFF0,
            server_time: Timestamp::from_unix_nanos(-5),
        };
        let (one, other) = (GatewayId::new("gtw-1").unwrap(), GatewayId::new("gtw-2").unwrap());
        let octets = token.encode(&one);
        assert_eq!(UplinkToken::decode(&octets, &one).unwrap(), token);
        assert!(UplinkToken::decode(&octets, &other).is_err());
        for length in 0..octets.len() {
            assert!(UplinkToken::decode(&octets[..length], &one).is_err());
        }
    }
}
