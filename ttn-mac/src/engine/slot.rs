//! The windows in which a device listens (NS-26, NS-79, TS001-1.0.4 §3.3.2, §3.3.3).

use core::time::Duration;

use ttn_core::{
    radio::{DataRateIndex, Frequency},
    time::Timestamp,
};

use super::{Engine, NoDownlink, RxWindow, UplinkChannel};
use crate::state::{DeviceClass, Parameters};

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
    pub(super) max_mac_payload: u8,
}

/// Both windows after an uplink, whether they are over or not; for a downlink that the network begins, RX2 alone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Windows {
    pub(super) rx1_delay: Duration,
    rx1: Option<SizedWindow>,
    rx2: Option<SizedWindow>,
    pub(super) class: DeviceClass,
    /// The only time at which the device listens, or that the application wants; `None` for class A and for class C,
    /// where the frame goes as soon as it can.
    pub(super) absolute_time: Option<Timestamp>,
    /// The way leads through a relay, which takes MACPayloads of this size until then.
    relay: Option<(Timestamp, usize)>,
}

impl Windows {
    pub(super) const fn network(
        class: DeviceClass,
        window: SizedWindow,
        absolute_time: Option<Timestamp>,
    ) -> Self {
        let rx2 = Some(window);
        Self { rx1_delay: Duration::ZERO, rx1: None, rx2, class, absolute_time, relay: None }
    }

    pub(super) const fn relay(until: Timestamp, max_mac_payload: usize) -> Self {
        Self {
            rx1_delay: Duration::ZERO,
            rx1: None,
            rx2: None,
            class: DeviceClass::A,
            absolute_time: None,
            relay: Some((until, max_mac_payload)),
        }
    }

    /// When the last of the windows opens; `now` if there is none on air.
    pub(super) fn last_opens_at(&self, now: Timestamp) -> Timestamp {
        self.both().last().map_or(now, |last| last.window.opens_at)
    }

    /// The largest MACPayload that one of the windows carries; 0 if there is none.
    pub(super) fn max_mac_payload(&self) -> usize {
        let on_air = self.both().map(|sized| usize::from(sized.max_mac_payload));
        on_air.chain(self.relay.map(|(_, max)| max)).max().unwrap_or(0)
    }

    /// The largest MACPayload that can still be sent.
    pub(super) fn max_mac_payload_open(&self, now: Timestamp) -> Result<usize, NoDownlink> {
        let on_air = self.both().filter(|sized| self.is_open(sized, now));
        let on_air = on_air.map(|sized| usize::from(sized.max_mac_payload));
        let relay = self.relay.filter(|(until, _)| now < *until).map(|(_, max)| max);
        on_air.chain(relay).max().ok_or_else(|| self.closed())
    }

    /// The windows that a MACPayload of `size` octets can still use; none on air if a relay takes it.
    pub(super) fn open(
        &self,
        now: Timestamp,
        size: usize,
    ) -> Result<(Option<RxWindow>, Option<RxWindow>), NoDownlink> {
        if self.relay.is_some_and(|(until, max)| now < until && size <= max) {
            return Ok((None, None));
        }
        let usable = |sized: Option<SizedWindow>| {
            sized
                .filter(|sized| self.is_open(sized, now) && size <= sized.max_mac_payload.into())
                .map(|sized| sized.window)
        };
        match (usable(self.rx1), usable(self.rx2)) {
            (None, None) => Err(self.closed()),
            windows => Ok(windows),
        }
    }

    /// A device of class C listens until it sends.
    fn is_open(&self, sized: &SizedWindow, now: Timestamp) -> bool {
        let always = self.class == DeviceClass::C && self.absolute_time.is_none();
        always || now < sized.window.opens_at
    }

    fn closed(&self) -> NoDownlink {
        let relay = self.relay.map(|(until, _)| until);
        let last = self.both().last().map(|last| last.window.opens_at).or(relay);
        last.map_or(NoDownlink::NoWindow, |opened_at| NoDownlink::WindowsClosed { opened_at })
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
        Windows {
            rx1_delay: when.rx1_delay,
            rx1,
            rx2,
            class: DeviceClass::A,
            absolute_time: None,
            relay: None,
        }
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

    pub(super) fn sized(
        &self,
        parameters: &Parameters,
        frequency: Frequency,
        data_rate_index: DataRateIndex,
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
