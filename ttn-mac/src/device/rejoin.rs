//! When a device of LoRaWAN 1.1 rejoins by itself: RejoinParamSetupReq and ForceRejoinReq (TS001-1.1 §5.13, §5.14).

use core::time::Duration;

use ttn_core::{radio::DataRateIndex, rand::Entropy, time::Monotonic};

use super::{Device, RejoinTimes};
use crate::crypto::join::JoinReqType;

/// The time between forced rejoins is this, times 2 to the power of Period, and up to as much again by chance.
const FORCED_PERIOD: Duration = Duration::from_secs(32);

/// The state of rejoins.
#[derive(Clone, Debug, Default)]
pub(super) struct Rejoins {
    /// The time as the driver tells it; `None` if it never did.
    now: Option<Monotonic>,
    /// When the last request of type 0 was sent, or the session began.
    last: Option<Monotonic>,
    /// Uplinks since then.
    uplinks: u32,
    forced: Option<Forced>,
}

/// A ForceRejoinReq.
#[derive(Clone, Copy, Debug)]
struct Forced {
    request: JoinReqType,
    data_rate: DataRateIndex,
    period: Duration,
    left: u8,
    next: Option<Monotonic>,
}

impl Device {
    /// Tells the time, and which rejoin-request is due: give it to [`Device::rejoin`]. A device that was never asked cannot
    /// measure the time and says so in RejoinParamSetupAns.
    pub fn rejoin_due(&mut self, now: Monotonic, entropy: &dyn Entropy) -> Option<JoinReqType> {
        let times = self.parameters.rejoin;
        let rejoins = &mut self.rejoins;
        rejoins.now = Some(now);
        let last = *rejoins.last.get_or_insert(now);
        if let Some(forced) = &mut rejoins.forced
            && forced.next.is_none_or(|next| next <= now)
        {
            let Some(left) = forced.left.checked_sub(1) else {
                rejoins.forced = None;
                return None;
            };
            forced.left = left;
            let chance = Duration::from_millis(entropy.below(32_000));
            forced.next = Some(now.plus(forced.period.saturating_add(chance)));
            return Some(forced.request);
        }
        let RejoinTimes { time_exponent, count_exponent } = times?;
        let power = |exponent: u8, more: u32| {
            1_u64.checked_shl(u32::from(exponent & 15).saturating_add(more)).unwrap_or(u64::MAX)
        };
        let is_due = u64::from(rejoins.uplinks) >= power(count_exponent, 4)
            || time_exponent.is_some_and(|it| now.since(last).as_secs() >= power(it, 10));
        is_due.then_some(JoinReqType::Rejoin0)
    }

    /// ForceRejoinReq: from the next [`Device::rejoin_due`] on.
    pub(super) fn force_rejoin(
        &mut self,
        period_exponent: u8,
        max_retries: u8,
        rejoin_type: u8,
        data_rate: DataRateIndex,
    ) {
        let request = match rejoin_type {
            0 | 1 => JoinReqType::Rejoin0,
            2 => JoinReqType::Rejoin2,
            _ => return,
        };
        let factor = 1_u32.wrapping_shl(u32::from(period_exponent & 7));
        self.rejoins.forced = Some(Forced {
            request,
            data_rate,
            period: FORCED_PERIOD.saturating_mul(factor),
            left: max_retries.saturating_add(1),
            next: None,
        });
    }

    /// RejoinParamSetupReq; whether the device can measure the time.
    pub(super) fn set_rejoin_times(&mut self, time_exponent: u8, count_exponent: u8) -> bool {
        let measures = self.rejoins.now.is_some();
        let time_exponent = measures.then_some(time_exponent);
        self.parameters.rejoin = Some(RejoinTimes { time_exponent, count_exponent });
        measures
    }
}

impl Rejoins {
    /// A request is sent; the data rate that the network wants for it.
    pub(super) fn sent(&mut self, request: JoinReqType) -> Option<DataRateIndex> {
        if request == JoinReqType::Rejoin0 {
            self.uplinks = 0;
            self.last = self.now;
        }
        self.forced.filter(|forced| forced.request == request).map(|forced| forced.data_rate)
    }

    pub(super) const fn count_uplink(&mut self) {
        self.uplinks = self.uplinks.saturating_add(1);
    }

    /// A session has begun.
    pub(super) const fn accepted(&mut self) {
        self.uplinks = 0;
        self.last = self.now;
        self.forced = None;
    }
}
