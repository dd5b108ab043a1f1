//! A virtual gateway: a Semtech packet forwarder (protocol version 2) as a value.

use std::time::Duration;

use data_encoding::BASE64;
use serde_json::Value;
use ttn_core::{
    eui::GatewayEui,
    radio::{CodingRate, DataRate, Frequency},
    time::Monotonic,
};

/// How a gateway behaves.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "built by tests")]
pub struct GatewayModel {
    /// Its EUI.
    pub eui: GatewayEui,
    /// The value of its microsecond counter at the start of time: near the end, it rolls over soon.
    pub counter_start: u32,
    /// How long datagrams travel, each way.
    pub backhaul: Duration,
}

/// A transmission that a server asked for.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "read by tests")]
pub struct Emission {
    /// The counter at the start of the transmission; `None` for “at once”.
    pub tmst: Option<u32>,
    /// Where.
    pub frequency: Frequency,
    /// How.
    pub data_rate: DataRate,
    /// The power as in the datagram: radiated power without the antenna.
    pub power: i64,
    /// Whether the polarisation is inverted, as devices expect.
    pub inverted: bool,
    /// The frame.
    pub phy: Vec<u8>,
}

/// The state of a virtual packet forwarder.
#[derive(Debug)]
pub struct Gateway {
    model: GatewayModel,
    token: u16,
    /// Acknowledgements that were received: PUSH_ACK and PULL_ACK.
    pub acks: u64,
}

impl Gateway {
    /// Makes a gateway.
    #[must_use]
    pub const fn new(model: GatewayModel) -> Self {
        Self { model, token: 0, acks: 0 }
    }

    /// How it behaves.
    #[must_use]
    pub const fn model(&self) -> &GatewayModel {
        &self.model
    }

    /// The counter at a point in time.
    #[must_use]
    pub const fn counter(&self, at: Monotonic) -> u32 {
        self.model.counter_start.wrapping_add((at.nanos() / 1000) as u32)
    }

    /// The next point in time at which the counter has a value.
    #[must_use]
    pub fn time_of(&self, counter: u32, now: Monotonic) -> Monotonic {
        let ahead = counter.wrapping_sub(self.counter(now));
        let now = Monotonic::from_nanos(now.nanos() / 1000 * 1000);
        now.plus(Duration::from_micros(u64::from(ahead)))
    }

    /// The datagram that opens and keeps the downlink path.
    pub fn pull_data(&mut self) -> Vec<u8> {
        self.header(2)
    }

    /// The datagram of a received frame.
    pub fn push_data(
        &mut self,
        received: Monotonic,
        frequency: Frequency,
        data_rate: &DataRate,
        rssi: f32,
        snr: f32,
        phy: &[u8],
    ) -> Vec<u8> {
        let (modu, rate) = match data_rate {
            DataRate::Fsk { bit_rate } => ("FSK", format!("{bit_rate}")),
            other => ("LORA", format!(r#""{other}","codr":"4/5""#)),
        };
        let rxpk = format!(
            r#"{{"rxpk":[{{"tmst":{},"chan":0,"rfch":0,"stat":1,"freq":{},"modu":"{modu}","datr":{rate},"rssi":{},"lsnr":{},"size":{},"data":"{}"}}]}}"#,
            self.counter(received),
            frequency.hz() as f64 / 1e6,
            rssi.round() as i64,
            (f64::from(snr) * 10.0).round() / 10.0,
            phy.len(),
            BASE64.encode(phy),
        );
        let mut datagram = self.header(0);
        datagram.extend(rxpk.into_bytes());
        datagram
    }

    /// Takes a datagram of the server: an emission and the datagram that accepts it, if it is a PULL_RESP.
    pub fn receive(&mut self, datagram: &[u8]) -> Option<(Emission, Vec<u8>)> {
        let (header, body) = datagram.split_at_checked(4)?;
        match header[3] {
            1 | 4 => {
                self.acks += 1;
                None
            }
            3 => {
                let body: Value = serde_json::from_slice(body).ok()?;
                let emission = emission(&body["txpk"])?;
                // Real forwarders accept with 12 octets and no JSON.
                let mut ack = vec![2, header[1], header[2], 5];
                ack.extend(self.model.eui.to_be_bytes());
                Some((emission, ack))
            }
            _ => None,
        }
    }

    fn header(&mut self, kind: u8) -> Vec<u8> {
        self.token = self.token.wrapping_add(1);
        let [high, low] = self.token.to_be_bytes();
        let mut datagram = vec![2, high, low, kind];
        datagram.extend(self.model.eui.to_be_bytes());
        datagram
    }
}

/// Reads a `txpk` as strictly as the forwarders do: numbers must be numbers.
fn emission(txpk: &Value) -> Option<Emission> {
    let data_rate = match txpk["modu"].as_str()? {
        "FSK" => DataRate::Fsk { bit_rate: u32::try_from(txpk["datr"].as_u64()?).ok()? },
        _ => lora(txpk["datr"].as_str()?, txpk["codr"].as_str()?)?,
    };
    let tmst = match txpk["imme"].as_bool() {
        Some(true) => None,
        _ => Some(u32::try_from(txpk["tmst"].as_u64()?).ok()?),
    };
    Some(Emission {
        tmst,
        frequency: Frequency::from_hz((txpk["freq"].as_f64()? * 1e6).round() as u64),
        data_rate,
        power: txpk["powe"].as_i64()?,
        inverted: txpk["ipol"].as_bool().unwrap_or_default(),
        phy: BASE64.decode(txpk["data"].as_str()?.as_bytes()).ok()?,
    })
}

fn lora(datr: &str, codr: &str) -> Option<DataRate> {
    let (spreading_factor, bandwidth) = datr.strip_prefix("SF")?.split_once("BW")?;
    let bandwidth: u32 = bandwidth.parse().ok()?;
    Some(DataRate::Lora {
        spreading_factor: spreading_factor.parse().ok()?,
        bandwidth: bandwidth.checked_mul(1000)?,
        coding_rate: codr.parse::<CodingRate>().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gateway() -> Gateway {
        Gateway::new(GatewayModel {
            eui: GatewayEui::from_u64(1),
            counter_start: 0xFFFF_FFF0,
            backhaul: Duration::from_millis(10),
        })
    }

    // GS-49
    #[test]
    fn the_counter_rolls_over() {
        let gateway = gateway();
        let later = Monotonic::from_nanos(32_000);
        assert_eq!(gateway.counter(later), 0x10);
        assert_eq!(gateway.time_of(0x10, Monotonic::from_nanos(0)), later);
    }

    // Real gateways, fact 1
    #[test]
    fn accepts_a_downlink_with_twelve_octets_and_no_json() {
        let txpk = r#"{"txpk":{"imme":false,"tmst":16,"freq":868.1,"rfch":0,"powe":14,"modu":"LORA",
            "datr":"SF7BW125","codr":"4/5","ipol":true,"size":2,"ncrc":true,"data":"AQI="}}"#;
        let mut datagram = vec![2, 7, 8, 3];
        datagram.extend(txpk.bytes());
        let (emission, ack) = gateway().receive(&datagram).unwrap();
        assert_eq!(ack, [2, 7, 8, 5, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(emission.frequency, Frequency::from_hz(868_100_000));
        assert_eq!(emission.phy, [1, 2]);
        assert!(emission.inverted);
    }
}
