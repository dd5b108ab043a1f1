//! Downlinks that the network begins, in class B and class C.

use core::time::Duration;

use ttn_core::time::{GpsTime, Timestamp};
use ttn_mac::{
    class_b,
    device::{PingSlot, Received, WindowClass},
    engine::{Classes, DataPlan, NetworkTiming, NoDownlink, QueueDrop, Slot},
    state::DeviceClass,
};

use super::pair::{Pair, queued_item};

const TIMING: NetworkTiming = NetworkTiming {
    interval: Duration::from_secs(1),
    class_b_timeout: Duration::from_secs(600),
    class_c_timeout: Duration::from_secs(300),
    lead: Duration::from_secs(1),
    ahead: Duration::from_secs(5),
};

impl Pair {
    /// A device that begins in class C, or says so as soon as it has joined (LoRaWAN 1.1).
    pub(super) fn listens_all_the_time(&mut self) {
        self.rules.classes = Classes { b: false, c: true, multicast: false };
        self.device.set_class_c(true);
    }

    /// The device tells its periodicity, finds the beacon and says so; whether the network can reach it then.
    pub(super) fn listens_in_ping_slots(&mut self, periodicity: u8) -> Result<bool, String> {
        self.device.stop_class_b();
        self.device.start_class_b(periodicity);
        ensure!(self.exchange(0)?, "PingSlotInfoReq is not answered");
        self.device.beacon_heard();
        ensure!(self.device.in_class_b(), "the device does not know that its slots are known");
        self.exchange(0)?;
        let known = self.st.slow.ping_slot_periodicity;
        ensure!(known == Some(periodicity), "the network knows of periodicity {known:?}");
        let reachable = self.st.slow.class == DeviceClass::B;
        let slot = self.device.next_ping_slot(GpsTime::from_utc(self.now));
        ensure!(slot.is_some() == reachable, "slot {slot:?}, class {:?}", self.st.slow.class);
        self.same_beacon()?;
        Ok(reachable)
    }

    /// The beacon is lost: the device is in class A until it hears it again.
    pub(super) fn loses_beacon(&mut self) -> Result<(), String> {
        self.device.beacon_lost();
        self.exchange(0)?;
        ensure!(self.st.slow.class == DeviceClass::A, "still {:?}", self.st.slow.class);
        ensure!(!self.begin(0)?, "a device of class A is reached");
        self.device.beacon_heard();
        self.exchange(0)?;
        ensure!(self.st.slow.class == DeviceClass::B, "still {:?}", self.st.slow.class);
        Ok(())
    }

    /// A downlink at the first time that the rules allow; whether there was one.
    pub(super) fn begin(&mut self, loss: u64) -> Result<bool, String> {
        let (session_key_id, f_cnt, frm_payload) = self.item();
        let item = queued_item(&session_key_id, f_cnt, &frm_payload, self.chance.percent(30));
        let before = self.st.clone();
        let plan = loop {
            let engine = self.rules.engine();
            let slot = Slot::Network(TIMING);
            let decision = engine.next_downlink(&mut self.st, &slot, &[item], self.now);
            for dropped in &decision.dropped {
                ensure!(matches!(dropped.reason, QueueDrop::TooLong { .. }), "{dropped:?}");
            }
            match decision.result {
                Ok(plan) => break plan,
                Err(NoDownlink::NotYet { at, .. }) if at > self.now => self.now = at,
                Err(NoDownlink::ClassA | NoDownlink::NothingToSend) => return Ok(false),
                Err(other) => return Err(format!("{other:?}")),
            }
        };
        ensure!(plan.tx.class == before.slow.class, "{plan:?} for {:?}", before.slow.class);
        let window = plan.tx.rx2.ok_or("no window")?;
        self.check_time(&before, &plan, window.opens_at)?;
        let size = plan.tx.bytes.len() - 5;
        let dwell = before.slow.current.downlink_dwell_time.unwrap_or(false);
        let band = self.rules.band;
        let max = band.max_mac_payload_of_downlink(window.data_rate_index, dwell).unwrap_or(0);
        ensure!(size <= usize::from(max), "{size} octets in {window:?}, which takes {max}");
        // What the network begins answers nothing and asks nothing (NS-66).
        ensure!(plan.commands.is_empty() && !plan.ack && plan.tx.rx1.is_none(), "{plan:?}");
        let heard_in = self.check_listens(&plan)?;
        self.now = window.opens_at.plus(Duration::from_millis(300));
        if self.chance.percent(loss) {
            return Ok(true);
        }
        match self.device.hear_in(&plan.tx.bytes, heard_in) {
            Ok(Received::Data(heard)) => self.took(&heard, &plan, false)?,
            other => return Err(format!("the downlink is not taken: {other:?}, {plan:?}")),
        }
        Ok(true)
    }

    /// NS-85, NS-86: not too soon after anything else.
    fn check_time(
        &self,
        before: &ttn_mac::state::MacState,
        plan: &DataPlan,
        at: Timestamp,
    ) -> Result<(), String> {
        let hot = &before.hot;
        let not_before = |since: Option<Timestamp>, wait: Duration, what: &str| {
            let allowed = since.is_none_or(|since| since.plus(wait) <= at);
            if allowed { Ok(()) } else { Err(format!("{at:?} is too soon after {what} {since:?}")) }
        };
        not_before(hot.last_downlink_at, TIMING.interval, "the last downlink")?;
        let delay = Duration::from_secs(u64::from(before.slow.current.rx1_delay) + 1);
        not_before(hot.last_uplink_at, delay + TIMING.interval, "the last uplink")?;
        if plan.confirmed && hot.ack_pending {
            let timeout = match before.slow.class {
                DeviceClass::B => TIMING.class_b_timeout,
                _ => TIMING.class_c_timeout,
            };
            not_before(hot.last_downlink_at, timeout, "an unacknowledged one")?;
            ensure!(plan.queue_result.is_some(), "nobody is told of the last one: {plan:?}");
        }
        if before.slow.class == DeviceClass::B {
            ensure!(at >= self.now.plus(TIMING.lead), "{at:?} is too near");
        }
        Ok(())
    }

    /// Whether the device listens there and then.
    fn check_listens(&self, plan: &DataPlan) -> Result<WindowClass, String> {
        let window = plan.tx.rx2.ok_or("no window")?;
        let dev_addr = self.device.session().ok_or("no session")?.dev_addr;
        if plan.tx.class == DeviceClass::C {
            let open = self.device.continuous_windows();
            let listens = open.iter().any(|open| {
                (open.dev_addr, open.frequency, open.data_rate)
                    == (dev_addr, window.frequency, window.data_rate)
            });
            ensure!(listens, "{window:?} is not among {open:?}");
            return Ok(WindowClass::C);
        }
        let opens_at = GpsTime::from_utc(window.opens_at);
        let just_before = GpsTime::from_nanos(opens_at.nanos() - 1);
        let slot = self.device.next_ping_slot(just_before);
        let (frequency, data_rate) = (window.frequency, window.data_rate);
        let wanted = PingSlot { dev_addr, opens_at, frequency, data_rate };
        ensure!(slot == Some(wanted), "{wanted:?}, but the device listens in {slot:?}");
        ensure!(plan.tx.absolute_time == Some(window.opens_at), "{plan:?}");
        Ok(WindowClass::B)
    }

    /// Both sides look for the beacon in the same place.
    fn same_beacon(&self) -> Result<(), String> {
        let now = GpsTime::from_utc(self.now);
        let set = Some(self.st.slow.current.beacon_frequency).filter(|hertz| !hertz.is_zero());
        let network = set.or_else(|| class_b::beacon_frequency(self.rules.band, now));
        let device = self.device.beacon_frequency(now);
        ensure!(device == network, "a beacon on {device:?}, the network says {network:?}");
        Ok(())
    }
}
