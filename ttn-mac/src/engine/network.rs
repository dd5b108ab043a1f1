//! Downlinks that the network begins: class B ping slots (TS001-1.0.4 §8.1, §9.3.1) and class C (NS-78, NS-84 to NS-86).

use core::time::Duration;

use ttn_core::time::{GpsTime, Timestamp};

use super::{
    Engine, NoDownlink, QueueDrop, QueuedDownlink,
    slot::{SizedWindow, Windows},
};
use crate::{
    class_b::{BEACON_PERIOD_NANOS, next_ping_slot, ping_slot_frequency},
    state::{DeviceClass, MacState, Session},
};

/// How the network times the downlinks that it begins by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "arguments are built by other crates")]
pub struct NetworkTiming {
    /// The least time after another downlink and after the receive windows of the last uplink (NS-85).
    pub interval: Duration,
    /// How long the acknowledgement of a confirmed downlink is waited for in class B (NS-86).
    pub class_b_timeout: Duration,
    /// The same for class C.
    pub class_c_timeout: Duration,
    /// What a frame needs from here to the antenna: a time that is nearer is not chosen.
    pub lead: Duration,
    /// How long before `lead` a frame for a certain time is made; before that its counter would be bound too early.
    pub ahead: Duration,
}

impl Default for NetworkTiming {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(1),
            class_b_timeout: Duration::from_secs(600),
            class_c_timeout: Duration::from_secs(300),
            lead: Duration::from_secs(1),
            ahead: Duration::from_secs(5),
        }
    }
}

/// What the network waits for before it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Wait {
    /// The last confirmed downlink is not acknowledged yet (NS-86).
    Acknowledgement,
    /// The last downlink was a moment ago (NS-85).
    Interval,
    /// The receive windows of the last uplink are not over (NS-85).
    ReceiveWindows,
    /// The ping slot, or the time that the application has chosen, is far away.
    Time,
}

impl Wait {
    /// A name that never changes.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Acknowledgement => "awaiting_acknowledgement",
            Self::Interval => "downlink_interval",
            Self::ReceiveWindows => "receive_windows_open",
            Self::Time => "too_early",
        }
    }
}

/// From beacon to beacon.
const PERIOD: Duration = Duration::from_nanos(BEACON_PERIOD_NANOS.unsigned_abs());

impl Engine<'_> {
    /// Where a device of class B or C listens at a time; with any time, how much it takes.
    pub(super) fn network_window(
        &self,
        st: &MacState,
        session: &Session,
        at: Timestamp,
    ) -> Result<SizedWindow, NoDownlink> {
        let current = &st.slow.current;
        let (frequency, data_rate) = match st.slow.class {
            DeviceClass::A => return Err(NoDownlink::ClassA),
            DeviceClass::B => {
                let slots = self.ping_slots(st).map_err(NoDownlink::NoClassB)?;
                let hopping =
                    || ping_slot_frequency(self.band, GpsTime::from_utc(at), session.dev_addr);
                let frequency = slots.frequency.or_else(hopping).ok_or(NoDownlink::NoWindow)?;
                (frequency, slots.data_rate)
            }
            DeviceClass::C => (current.rx2_frequency, current.rx2_data_rate),
        };
        self.sized(current, frequency, data_rate, at).ok_or(NoDownlink::NoWindow)
    }

    /// An item whose time is over, or too near. In class B it waits for a ping slot, which every beacon period has.
    pub(super) fn missed(
        class: DeviceClass,
        item: &QueuedDownlink<'_>,
        timing: &NetworkTiming,
        now: Timestamp,
    ) -> Option<QueueDrop> {
        let (at, earliest) = (item.absolute_time?, now.plus(timing.lead));
        let patience = if class == DeviceClass::B { PERIOD } else { Duration::ZERO };
        (at.plus(patience) < earliest).then_some(QueueDrop::AbsoluteTimeMissed { at, earliest })
    }

    /// When `item` is sent.
    pub(super) fn network_windows(
        &self,
        st: &MacState,
        session: &Session,
        item: &QueuedDownlink<'_>,
        timing: &NetworkTiming,
        now: Timestamp,
    ) -> Result<Windows, NoDownlink> {
        let class = st.slow.class;
        let (earliest, wait) = not_before(st, item, timing);
        let wanted = item.absolute_time.unwrap_or(now).max(earliest);
        let certain = match class {
            DeviceClass::B => {
                let slots = self.ping_slots(st).map_err(NoDownlink::NoClassB)?;
                // A slot that begins at this very moment is one as well.
                let after = GpsTime::from_utc(wanted.max(now.plus(timing.lead)));
                let after = GpsTime::from_nanos(after.nanos().saturating_sub(1));
                Some(next_ping_slot(after, session.dev_addr, slots.number).to_utc())
            }
            _ => item.absolute_time.map(|_| wanted),
        };
        if earliest > now && certain.is_none() {
            return Err(NoDownlink::NotYet { at: earliest, wait });
        }
        if let Some(at) = item.absolute_time
            && class == DeviceClass::C
            && at < earliest
        {
            // Unless an acknowledgement comes before, the time will be missed.
            return Err(NoDownlink::NotYet { at, wait });
        }
        if let Some(certain) = certain {
            let made_at = certain.minus(timing.lead.saturating_add(timing.ahead));
            if made_at > now {
                return Err(NoDownlink::NotYet { at: made_at, wait: Wait::Time });
            }
        }
        let at = certain.unwrap_or(now);
        let window = self.network_window(st, session, at)?;
        Ok(Windows::network(class, window, certain))
    }
}

/// The earliest moment that the rules allow, and the rule.
fn not_before(
    st: &MacState,
    item: &QueuedDownlink<'_>,
    timing: &NetworkTiming,
) -> (Timestamp, Wait) {
    let hot = &st.hot;
    let after_last = |wait: Duration| hot.last_downlink_at.map(|at| at.plus(wait));
    let rx2 = u64::from(st.slow.current.rx1_delay.max(1)).saturating_add(1);
    let windows = hot.last_uplink_at.map(|at| at.plus(Duration::from_secs(rx2)));
    let timeout = match st.slow.class {
        DeviceClass::B => timing.class_b_timeout,
        _ => timing.class_c_timeout,
    };
    let unacknowledged = item.confirmed && hot.ack_pending;
    [
        (after_last(timing.interval), Wait::Interval),
        (windows.map(|at| at.plus(timing.interval)), Wait::ReceiveWindows),
        (after_last(timeout).filter(|_| unacknowledged), Wait::Acknowledgement),
    ]
    .into_iter()
    .filter_map(|(at, wait)| at.map(|at| (at, wait)))
    .max_by_key(|(at, _)| *at)
    .unwrap_or((Timestamp::UNIX_EPOCH, Wait::Interval))
}
