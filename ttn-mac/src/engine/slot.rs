//! The receive windows of a class A device (NS-26, NS-79).

use core::time::Duration;

use ttn_core::time::Timestamp;

use super::{Engine, NoDownlink, RxWindow, UplinkChannel};
use crate::state::Parameters;

/// When windows open.
#[derive(Clone, Copy, Debug)]
pub(super) struct WindowParameters {
    pub(super) received_at: Timestamp,
    pub(super) rx1_delay: Duration,
    pub(super) rx2_after_rx1: Duration,
}

/// A window and the largest MACPayload that it carries.
#[derive(Clone, Copy, Debug)]
pub(super) struct SizedWindow {
    window: RxWindow,
    max_mac_payload: u8,
}

/// Both windows after an uplink, whether they are over or not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Windows {
    pub(super) rx1_delay: Duration,
    rx1: Option<SizedWindow>,
    rx2: Option<SizedWindow>,
}

impl Windows {
    /// The largest MACPayload that one of the windows carries; 0 if there is none.
    pub(super) fn max_mac_payload(&self) -> u8 {
        self.both().map(|sized| sized.max_mac_payload).max().unwrap_or(0)
    }

    /// The largest MACPayload that can still be sent.
    pub(super) fn max_mac_payload_open(&self, now: Timestamp) -> Result<u8, NoDownlink> {
        let open = self.both().filter(|sized| now < sized.window.opens_at);
        open.map(|sized| sized.max_mac_payload).max().ok_or_else(|| self.closed())
    }

    /// The windows that a MACPayload of `size` octets can still use.
    pub(super) fn open(
        &self,
        now: Timestamp,
        size: usize,
    ) -> Result<(Option<RxWindow>, Option<RxWindow>), NoDownlink> {
        let usable = |sized: Option<SizedWindow>| {
            sized
                .filter(|sized| now < sized.window.opens_at && size <= sized.max_mac_payload.into())
                .map(|sized| sized.window)
        };
        match (usable(self.rx1), usable(self.rx2)) {
            (None, None) => Err(self.closed()),
            windows => Ok(windows),
        }
    }

    fn closed(&self) -> NoDownlink {
        self.both().last().map_or(NoDownlink::NoWindow, |last| NoDownlink::WindowsClosed {
            opened_at: last.window.opens_at,
        })
    }

    fn both(&self) -> impl Iterator<Item = SizedWindow> {
        self.rx1.into_iter().chain(self.rx2)
    }
}

impl Engine<'_> {
    /// The windows that a device with these parameters opens.
    pub(super) fn windows(
        &self,
        parameters: &Parameters,
        channel: UplinkChannel,
        when: WindowParameters,
    ) -> Windows {
        let opens_at = when.received_at.plus(when.rx1_delay);
        let rx1 = self.rx1(parameters, channel, opens_at);
        let rx2 = self.sized(
            parameters,
            parameters.rx2_frequency,
            parameters.rx2_data_rate,
            opens_at.plus(when.rx2_after_rx1),
        );
        Windows { rx1_delay: when.rx1_delay, rx1, rx2 }
    }

    /// RX1 and RX2 after a data uplink.
    pub(super) fn data_windows(
        &self,
        parameters: &Parameters,
        channel: UplinkChannel,
        received_at: Timestamp,
    ) -> Windows {
        let second = Duration::from_secs(1);
        let band = self.band;
        let when = WindowParameters {
            received_at,
            rx1_delay: Duration::from_secs(u64::from(parameters.rx1_delay.max(1))),
            rx2_after_rx1: band.receive_delay_2.checked_sub(band.receive_delay_1).unwrap_or(second),
        };
        self.windows(parameters, channel, when)
    }

    fn rx1(
        &self,
        parameters: &Parameters,
        channel: UplinkChannel,
        opens_at: Timestamp,
    ) -> Option<SizedWindow> {
        let data_rate = |dwell_time| {
            let offset = parameters.rx1_dr_offset;
            self.band.rx1_data_rate(channel.data_rate_index, offset, dwell_time).ok()
        };
        let index = match parameters.downlink_dwell_time {
            Some(dwell_time) => data_rate(dwell_time)?,
            // Whether the device keeps a dwell time is unknown: RX1 only if it makes no difference.
            None => data_rate(false).filter(|index| data_rate(true) == Some(*index))?,
        };
        let frequency =
            parameters.channels.channel(self.band, channel.channel_index)?.downlink_frequency;
        self.sized(parameters, frequency, index, opens_at)
    }

    fn sized(
        &self,
        parameters: &Parameters,
        frequency: ttn_core::radio::Frequency,
        data_rate_index: ttn_core::radio::DataRateIndex,
        opens_at: Timestamp,
    ) -> Option<SizedWindow> {
        let dwell_time = parameters.downlink_dwell_time.unwrap_or(false);
        let max_mac_payload = self.band.max_mac_payload_of_downlink(data_rate_index, dwell_time)?;
        let data_rate = self.band.rate_of_downlink(data_rate_index)?.rate;
        Some(SizedWindow {
            window: RxWindow { frequency, data_rate, data_rate_index, opens_at },
            max_mac_payload,
        })
    }
}
