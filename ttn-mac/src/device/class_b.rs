//! Listening besides RX1 and RX2: ping slots of class B, the continuous window of class C (TS001-1.0.4: classes B and C).

use alloc::vec::Vec;
use core::time::Duration;

use ttn_core::{
    addr::DevAddr,
    radio::{DataRateIndex, Frequency},
    time::GpsTime,
};

use super::{ContinuousWindow, Device, MulticastListening, PingSlot};
use crate::{
    class_b::{self, PingNb},
    command::{Command, DeviceModeClass},
    version::MacRules as _,
};

/// How long a device keeps its ping slots without a beacon; the driver then calls [`Device::beacon_lost`].
pub const BEACONLESS_MAX: Duration = Duration::from_secs(2 * 60 * 60);

/// What class B needs.
#[derive(Clone, Copy, Debug)]
pub(super) struct ClassB {
    ping_nb: PingNb,
    /// Whether the network knows how often the device listens.
    pub(super) is_known: bool,
    has_beacon: bool,
}

impl Device {
    /// Begins class B: tells the network how often the device listens (every 2 to the power of `periodicity` seconds, 0 to
    /// 7) until it knows. Ping slots open when it knows and a beacon was heard.
    pub fn start_class_b(&mut self, periodicity: u8) {
        let period = periodicity.min(7);
        let ping_nb = PingNb::of_periodicity(period);
        let has_beacon = self.class_b.is_some_and(|it| it.has_beacon);
        self.class_b = Some(ClassB { ping_nb, is_known: false, has_beacon });
        self.indicate(Command::PingSlotInfoReq { period });
    }

    /// Ends class B. The next uplink says so.
    pub fn stop_class_b(&mut self) {
        self.class_b = None;
        self.confirmed(0x10);
    }

    /// The driver heard a beacon, so that its time is that of the network.
    pub const fn beacon_heard(&mut self) {
        if let Some(class_b) = &mut self.class_b {
            class_b.has_beacon = true;
        }
    }

    /// The driver heard no beacon for [`BEACONLESS_MAX`]: the device is in class A until it hears one.
    pub const fn beacon_lost(&mut self) {
        if let Some(class_b) = &mut self.class_b {
            class_b.has_beacon = false;
        }
    }

    /// Whether its own ping slots are open; every uplink says so.
    #[must_use]
    pub fn in_class_b(&self) -> bool {
        self.class_b.is_some_and(|it| it.is_known && it.has_beacon)
    }

    /// The frequency of the next beacon; `None` where the band has none.
    #[must_use]
    pub fn beacon_frequency(&self, beacon: GpsTime) -> Option<Frequency> {
        let set = self.parameters.beacon_frequency.filter(|frequency| !frequency.is_zero());
        set.or_else(|| class_b::beacon_frequency(self.config.band, beacon))
    }

    /// The next ping slot behind `after`, the device's own or that of a multicast group; `None` if it has none.
    #[must_use]
    pub fn next_ping_slot(&self, after: GpsTime) -> Option<PingSlot> {
        let has_beacon = self.class_b.is_some_and(|it| it.has_beacon);
        let own = self.session.as_ref().zip(self.class_b).filter(|_| self.in_class_b());
        let own = own.and_then(|(session, it)| {
            let beacon_rate = self.config.band.beacon.data_rate;
            let set =
                self.parameters.ping_slot.unwrap_or_else(|| (Frequency::default(), beacon_rate));
            self.ping_slot(after, session.dev_addr, it.ping_nb, set)
        });
        let groups =
            self.multicast.iter().filter(|_| has_beacon).filter_map(|group| match group.listens {
                MulticastListening::ClassB { frequency, data_rate, ping_nb } => {
                    self.ping_slot(after, group.dev_addr, ping_nb, (frequency, data_rate))
                }
                MulticastListening::ClassC { .. } => None,
            });
        own.into_iter().chain(groups).min_by_key(|slot| slot.opens_at)
    }

    fn ping_slot(
        &self,
        after: GpsTime,
        dev_addr: DevAddr,
        ping_nb: PingNb,
        (frequency, data_rate): (Frequency, DataRateIndex),
    ) -> Option<PingSlot> {
        let band = self.config.band;
        let opens_at = class_b::next_ping_slot(after, dev_addr, ping_nb);
        let frequency = Some(frequency)
            .filter(|frequency| !frequency.is_zero())
            .or_else(|| class_b::ping_slot_frequency(band, opens_at, dev_addr))?;
        let data_rate = band.rate_of_downlink(data_rate)?.rate;
        Some(PingSlot { dev_addr, opens_at, frequency, data_rate })
    }

    /// Begins or ends class C. A session of LoRaWAN 1.1 tells the network until it confirms.
    pub fn set_class_c(&mut self, on: bool) {
        self.class_c = on;
        let speaks = self.session.as_ref().is_some_and(|it| it.version.uses_device_mode_ind());
        if speaks {
            let class = if on { DeviceModeClass::C } else { DeviceModeClass::A };
            self.indicate(Command::DeviceModeInd { class });
        }
    }

    /// Where it listens all the time, RX1 and transmissions apart: RX2 in class C, and multicast groups of class C. A real
    /// radio chooses one if they differ.
    #[must_use]
    pub fn continuous_windows(&self) -> Vec<ContinuousWindow> {
        let parameters = &self.parameters;
        let own =
            self.session.as_ref().filter(|_| self.class_c).map(|session| {
                (session.dev_addr, parameters.rx2_frequency, parameters.rx2_data_rate)
            });
        let groups = self.multicast.iter().filter_map(|group| match group.listens {
            MulticastListening::ClassC { frequency, data_rate } => {
                Some((group.dev_addr, frequency, data_rate))
            }
            MulticastListening::ClassB { .. } => None,
        });
        own.into_iter()
            .chain(groups)
            .filter_map(|(dev_addr, frequency, index)| {
                let data_rate = self.config.band.rate_of_downlink(index)?.rate;
                Some(ContinuousWindow { dev_addr, frequency, data_rate })
            })
            .collect()
    }

    /// PingSlotInfoAns.
    pub(super) fn ping_slots_known(&mut self) {
        self.confirmed(0x10);
        if let Some(class_b) = &mut self.class_b {
            class_b.is_known = true;
        }
    }

    /// Repeats an indication from now on, in place of an older one.
    fn indicate(&mut self, command: Command) {
        self.confirmed(command.cid());
        self.outgoing.indications.push(command);
    }

    /// An indication need not be repeated any more.
    pub(super) fn confirmed(&mut self, cid: u8) {
        self.outgoing.indications.retain(|command| command.cid() != cid);
    }
}
