//! One device on both sides of the air.

use core::time::Duration;

use ttn_core::{
    addr::NetId,
    eui::{DevEui, JoinEui},
    frame::PhyPayload,
    key::{Aes128Key, SessionKeyId},
    rand::Entropy as _,
    time::Timestamp,
    version::MacVersion,
};
use ttn_mac::{
    adr::DefaultAdr,
    band::{Band, ChannelMask, index_of_eirp},
    command::{Command, Direction},
    crypto::payload::encrypt_frm_payload,
    device::{
        DevNonces, Device, DeviceConfig, DeviceError, DeviceTx, Received, ReceivedData, RootKeys,
    },
    engine::{
        Classes, DataPlan, Engine, MacEvent, Outcome, Priority, QueueDrop, QueuedDownlink, Reject,
        RxInfo, TxPlan, TxReport, UplinkFrame, UplinkKind, UplinkRadio,
    },
    frame,
    plan::FrequencyPlan,
    state::{Candidate, Channel, Channels, DeviceClass, MacSettings, MacState, Parameters},
    version::MacRules as _,
};

use crate::chance::Chance;

pub(super) const JOIN_EUI: JoinEui = JoinEui::from_u64(1);
pub(super) const DEV_EUI: DevEui = DevEui::from_u64(2);
pub(super) const NET_ID: NetId = NetId::from_be_bytes([0, 0, 0x13]);
const PAYLOAD: &[u8] = b"from the application";

/// What the network goes by.
pub(super) struct Rules {
    pub(super) band: &'static Band,
    plan: &'static FrequencyPlan,
    settings: MacSettings,
    defaults: MacSettings,
    pub(super) classes: Classes,
}

impl Rules {
    pub(super) fn engine(&self) -> Engine<'_> {
        Engine::new(self.band, self.plan, &self.settings, &self.defaults, &DefaultAdr)
            .with_classes(self.classes)
    }
}

pub(super) struct Pair {
    pub(super) rules: Rules,
    pub(super) version: MacVersion,
    pub(super) st: MacState,
    pub(super) app_s_key: Aes128Key,
    pub(super) device: Device,
    pub(super) now: Timestamp,
    pub(super) chance: Chance,
    pub(super) joins: u32,
    /// The nonces of the join-requests: none comes twice where they count.
    pub(super) dev_nonces: Vec<u16>,
    /// RJcount1 of the last rejoin-request of type 1.
    pub(super) rejoin_count_1: Option<u16>,
    /// The confirmed downlink that the device heard since its last uplink, and before that one.
    pub(super) heard_confirmed: Option<u32>,
    owes_acknowledgement: Option<u32>,
    /// A bad link whose quality never changes, so that ADR wants nothing new.
    steady: bool,
    pub(super) uplinks: usize,
    pub(super) downlinks: usize,
}

impl Pair {
    pub(super) fn new(
        band: &'static Band,
        plan: &'static FrequencyPlan,
        version: MacVersion,
        settings: MacSettings,
        seed: u64,
    ) -> Self {
        // In a fixed channel plan devices come with the channels of their network.
        let in_plan = |frequency| plan.uplink_channels.iter().any(|it| it.frequency == frequency);
        let indexes = (0_u8..).zip(band.uplink_channels);
        let known = indexes.filter(|(_, channel)| in_plan(channel.frequency));
        let channels: ChannelMask = known.map(|(index, _)| index).collect();
        // Every fifth comes with all channels of its region.
        let preset = band.has_fixed_channels() && !seed.is_multiple_of(5);
        let first = channels.iter().next().filter(|_| preset).unwrap_or(0);
        let usable = (!channels.is_empty() && preset).then_some(channels);
        let config = DeviceConfig {
            band,
            version,
            channels: usable,
            data_rate: band.uplink_channels[usize::from(first)].max_data_rate,
            adr: true,
            dev_nonces: if version.dev_nonce_is_counter() {
                DevNonces::Counter(1)
            } else {
                DevNonces::Random
            },
            first_f_cnt_up: 0,
        };
        // Asked for its status only where the settings want it.
        let defaults = MacSettings {
            status_count_periodicity: Some(0),
            status_time_periodicity: Some(Duration::ZERO),
            ..MacSettings::default()
        };
        let classes = Classes { b: true, c: false, multicast: false };
        let rules = Rules { band, plan, settings, defaults, classes };
        let st = rules.engine().new_otaa(version);
        let mut pair = Self {
            rules,
            version,
            st,
            app_s_key: Aes128Key::new([0; 16]),
            device: Device::otaa(config, root(version)),
            now: Timestamp::from_unix_secs(1_790_000_000),
            chance: Chance::new(seed),
            joins: 0,
            dev_nonces: Vec::new(),
            rejoin_count_1: None,
            heard_confirmed: None,
            owes_acknowledgement: None,
            steady: false,
            uplinks: 0,
            downlinks: 0,
        };
        // A device that is told the time can measure it.
        pair.due();
        pair
    }

    /// Uplinks without losses until the network wants nothing more; how many it took.
    pub(super) fn settle(&mut self, most: usize) -> Result<usize, String> {
        self.steady = true;
        for exchanges in 0..=most {
            // Requests that got lost several times are made with some uplinks only.
            if !self.exchange(0)? && self.st.hot.unanswered == 0 {
                self.steady = false;
                return Ok(exchanges);
            }
        }
        let differs = difference(&self.st.slow.current, &self.st.slow.desired);
        Err(format!("after {most} exchanges the network still wants something: {differs}"))
    }

    /// An uplink with its repetitions and their answers; whether the network sent anything.
    pub(super) fn exchange(&mut self, loss: u64) -> Result<bool, String> {
        self.wait(20 + self.chance.below(600));
        let confirmed = loss > 0 && self.chance.percent(20);
        let mut tx = self.send(confirmed)?;
        let mut wanted = false;
        loop {
            let mut heard = false;
            if !self.chance.percent(loss)
                && let Some(outcome) = self.receive(&tx)?
                && let Some(plan) = self.answer(&tx, &outcome, loss > 0)?
            {
                wanted = true;
                heard = self.hear(&plan, confirmed, loss)?;
            }
            let last = tx.windows.last().map(|window| window.opens_after).unwrap_or_default();
            self.now = self.now.plus(last.saturating_add(Duration::from_secs(1)));
            match self.device.windows_closed(heard, &self.chance) {
                Some(again) => tx = again,
                None => return Ok(wanted),
            }
        }
    }

    fn send(&mut self, confirmed: bool) -> Result<DeviceTx, String> {
        self.owes_acknowledgement = self.heard_confirmed.take();
        let payload = self.chance.octets(self.chance.length(30));
        let tx = match self.device.uplink(7, &payload, confirmed, &self.chance) {
            Err(DeviceError::TooLong { size, max }) => {
                ensure!(size > max && max >= 8, "{size} octets do not fit {max}");
                self.device.uplink(
                    7,
                    &payload[..payload.len() - (size - max)],
                    confirmed,
                    &self.chance,
                )
            }
            sent => sent,
        };
        tx.map_err(|error| format!("uplink: {error}"))
    }

    /// What the network makes of a transmission; `None` for a repetition that it need not take.
    fn receive(&mut self, tx: &DeviceTx) -> Result<Option<Outcome>, String> {
        let phy = frame::parse(tx.bytes.clone()).unwrap();
        let engine = self.rules.engine();
        let matching =
            |candidate| engine.try_match(&self.st, candidate, &phy, &radio(tx), self.now);
        let matched = matching(Candidate::Current).or_else(|refused| {
            matching(Candidate::Pending).map_err(|pending| match pending {
                Reject::NoSession { .. } | Reject::DevAddrMismatch => refused,
                pending => pending,
            })
        });
        let matched = match matched {
            // NS-12: the network tires before the device does.
            Err(Reject::TooManyRepeats { .. } | Reject::RetransmissionTooLate { .. }) => {
                return Ok(None);
            }
            matched => matched.map_err(|it| format!("{it}: {tx:?}"))?,
        };
        ensure!(matched.channel.channel_index == tx.channel, "channel: {matched:?}, {tx:?}");
        let rate = matched.channel.data_rate_index;
        ensure!(rate == tx.data_rate_index, "data rate: {matched:?}, {tx:?}");
        self.check_length(&phy, rate)?;
        let snr = if self.steady { -30.0 } else { self.chance.below(40) as f32 - 28.0 };
        let rx =
            RxInfo { received_at: self.now, max_snr: Some(snr), gateway_count: 2, gps_time: None };
        let uplink = UplinkFrame { phy: &phy, matched };
        let outcome = engine
            .on_uplink(&mut self.st, &uplink, &rx, self.now)
            .map_err(|it| format!("{it}: {tx:?}"))?;
        self.uplinks += 1;
        for event in &outcome.events {
            let wrong = match event {
                MacEvent::Answered { accepted, .. } => !accepted,
                MacEvent::AnswerUnexpected(_)
                | MacEvent::Unreadable(_)
                | MacEvent::Unsupported(_) => true,
                _ => false,
            };
            ensure!(!wrong, "{event:?}");
        }
        self.check_uplink(tx, &phy, &outcome)?;
        Ok(Some(outcome))
    }

    /// The device sends what it owes, and nothing that the network has not allowed it.
    fn check_uplink(
        &self,
        tx: &DeviceTx,
        phy: &PhyPayload,
        outcome: &Outcome,
    ) -> Result<(), String> {
        let f_ctrl = phy.data().unwrap().f_ctrl;
        let owes = self.owes_acknowledgement;
        ensure!(f_ctrl.ack == owes.is_some(), "ACK is {}, it owes {owes:?}", f_ctrl.ack);
        if let Some(result) = outcome.queue_result {
            // Before LoRaWAN 1.1 nothing tells which downlink is meant.
            let meant = if self.version.is_1_1() { owes } else { owes.map(|_| result.f_cnt) };
            let acknowledged = meant == Some(result.f_cnt);
            ensure!(result.acknowledged == acknowledged, "{result:?}, the device heard {owes:?}");
        }
        let allowed = self.st.slow.current.channels.enabled.contains(tx.channel);
        ensure!(allowed || !self.steady, "channel {} is off: {:?}", tx.channel, self.st.slow);
        if outcome.kind == UplinkKind::Retransmission {
            return Ok(());
        }
        let listens = self.device.in_class_b();
        ensure!(f_ctrl.class_b == listens, "class B bit {}, listens {listens}", f_ctrl.class_b);
        if self.st.slow.class == DeviceClass::B {
            ensure!(listens, "the network takes it for a device of class B");
        }
        Ok(())
    }

    fn check_length(
        &self,
        phy: &PhyPayload,
        rate: ttn_core::radio::DataRateIndex,
    ) -> Result<(), String> {
        let dwell = self.st.slow.current.uplink_dwell_time.unwrap_or(false);
        let max = usize::from(self.rules.band.max_mac_payload(rate, dwell).unwrap_or_default());
        let size = phy.bytes.len() - 5;
        ensure!(size <= max, "{size} octets of MACPayload, the network knows of {max}");
        Ok(())
    }

    /// The answer, if there is one; it fits the windows that the device has open.
    fn answer(
        &mut self,
        tx: &DeviceTx,
        outcome: &Outcome,
        queued: bool,
    ) -> Result<Option<DataPlan>, String> {
        let now = self.now.plus(Duration::from_millis(200));
        let (session_key_id, f_cnt, frm_payload) = self.item();
        let item = queued_item(&session_key_id, f_cnt, &frm_payload, self.chance.flip());
        let engine = self.rules.engine();
        let queue = if queued && self.chance.percent(40) { &[item][..] } else { &[] };
        let decision = engine.next_downlink(&mut self.st, &outcome.slot, queue, now);
        for dropped in &decision.dropped {
            ensure!(matches!(dropped.reason, QueueDrop::TooLong { .. }), "{dropped:?}");
        }
        let Ok(plan) = decision.result else { return Ok(None) };
        if queued && self.chance.percent(3) {
            let report = TxReport::NotSent { f_cnt: plan.f_cnt };
            ensure!(engine.on_tx_report(&mut self.st, report).known, "{report:?} is not known");
            return Ok(None);
        }
        self.check_windows(tx, &plan.tx)?;
        for command in &plan.commands {
            let since = since(command);
            ensure!(self.version >= since, "{command:?} is of LoRaWAN {since}");
        }
        Ok(Some(plan))
    }

    /// Whether the device heard a downlink.
    fn hear(&mut self, plan: &DataPlan, confirmed: bool, loss: u64) -> Result<bool, String> {
        if self.chance.percent(loss) {
            return Ok(false);
        }
        let heard = match self.device.hear(&plan.tx.bytes) {
            Ok(Received::Data(heard)) => heard,
            other => return Err(format!("the downlink is not taken: {other:?}, {plan:?}")),
        };
        self.took(&heard, plan, confirmed)?;
        Ok(true)
    }

    /// The device has understood what the network meant.
    pub(super) fn took(
        &mut self,
        heard: &ReceivedData,
        plan: &DataPlan,
        ack: bool,
    ) -> Result<(), String> {
        self.downlinks += 1;
        self.heard_confirmed = heard.confirmed.then_some(heard.f_cnt).or(self.heard_confirmed);
        ensure!(heard.ack == ack, "acknowledgement {} instead of {ack}", heard.ack);
        ensure!(heard.commands == plan.commands, "{heard:?} of {:?}", plan.commands);
        ensure!(heard.confirmed == plan.confirmed, "{heard:?} of {plan:?}");
        let sent = PAYLOAD.starts_with(&heard.payload);
        ensure!(sent, "{:?} was not sent", heard.payload);
        Ok(())
    }

    /// The next item of the application's queue.
    pub(super) fn item(&self) -> (SessionKeyId, u32, Vec<u8>) {
        let session = self.st.slow.session.clone().unwrap();
        let f_cnt = self.rules.engine().next_app_f_cnt(&self.st);
        let mut payload = PAYLOAD[..self.chance.length(20)].to_vec();
        let (key, addr) = (&self.app_s_key, session.dev_addr);
        encrypt_frm_payload(key, Direction::Downlink, addr, f_cnt, &mut payload);
        (session.session_key_id, f_cnt, payload)
    }

    /// Nothing is sent outside a window that the device has open, or longer than the data rate allows there.
    pub(super) fn check_windows(&self, tx: &DeviceTx, plan: &TxPlan) -> Result<(), String> {
        let ours = [plan.rx1, plan.rx2];
        ensure!(ours.iter().any(Option::is_some), "no window");
        for window in ours.into_iter().flatten() {
            let open = tx.windows.iter().any(|open| {
                open.frequency == window.frequency
                    && open.data_rate == window.data_rate
                    && self.now.plus(open.opens_after) == window.opens_at
            });
            ensure!(open, "{window:?} is not among {:?}", tx.windows);
            let dwell = self.device.parameters().downlink_dwell_time;
            let max = self.rules.band.max_mac_payload(window.data_rate_index, dwell).unwrap_or(0);
            let size = plan.bytes.len() - 5;
            ensure!(size <= usize::from(max), "{size} octets in {window:?}, which takes {max}");
        }
        Ok(())
    }

    /// Both sides know the same of each other, and the network has what it wants.
    pub(super) fn together(&self) -> Result<(), String> {
        let (device, slow) = (self.device.parameters(), &self.st.slow);
        let current = &slow.current;
        let here = (
            device.data_rate,
            device.tx_power_index,
            device.nb_trans,
            known_channels(&device.channels),
            (device.rx1_delay, device.rx1_dr_offset, device.rx2_data_rate, device.rx2_frequency),
            (device.max_duty_cycle, device.beacon_frequency.unwrap_or_default()),
        );
        let there = (
            current.adr_data_rate,
            current.adr_tx_power_index,
            current.adr_nb_trans,
            known_channels(&current.channels),
            (
                current.rx1_delay,
                current.rx1_dr_offset,
                current.rx2_data_rate,
                current.rx2_frequency,
            ),
            (current.max_duty_cycle, current.beacon_frequency),
        );
        ensure!(here == there, "the device has {here:?}, the network knows of {there:?}");
        let limits = (device.adr_ack_limit, device.adr_ack_delay);
        let known =
            (1_u16 << current.adr_ack_limit_exponent, 1_u16 << current.adr_ack_delay_exponent);
        ensure!(limits == known, "ADR limits {limits:?}, the network knows of {known:?}");
        let dwell = (device.uplink_dwell_time, device.downlink_dwell_time);
        let known = (current.uplink_dwell_time, current.downlink_dwell_time);
        let known = (known.0.unwrap_or(false), known.1.unwrap_or(false));
        ensure!(dwell == known, "dwell times {dwell:?}, the network knows of {known:?}");
        let beacon_rate = self.rules.band.beacon.data_rate;
        let slots = device.ping_slot.unwrap_or_else(|| (Default::default(), beacon_rate));
        let rate = current.ping_slot_data_rate.unwrap_or(beacon_rate);
        let known = (current.ping_slot_frequency, rate);
        ensure!(slots == known, "ping slots {slots:?}, the network knows of {known:?}");
        let times = device
            .rejoin
            .map_or((0, 0), |it| (it.time_exponent.unwrap_or_default(), it.count_exponent));
        let known = (current.rejoin_time_exponent, current.rejoin_count_exponent);
        ensure!(times == known, "rejoins after {times:?}, the network knows of {known:?}");
        let mut desired = slow.desired.clone();
        if !slow.version.uses_rejoin_param_setup_req() {
            desired.rejoin_time_exponent = current.rejoin_time_exponent;
            desired.rejoin_count_exponent = current.rejoin_count_exponent;
        }
        if !self.rules.band.supports_tx_param_setup || !slow.version.uses_tx_param_setup_req() {
            // No command says so.
            desired.max_eirp = current.max_eirp;
            desired.uplink_dwell_time = current.uplink_dwell_time;
            desired.downlink_dwell_time = current.downlink_dwell_time;
        }
        let differs = difference(current, &desired);
        ensure!(differs.is_empty(), "the network has not got: {differs}");
        Ok(())
    }

    pub(super) fn wait(&mut self, seconds: u64) {
        self.now = self.now.plus(Duration::from_secs(seconds));
    }
}

pub(super) const fn queued_item<'a>(
    session_key_id: &'a SessionKeyId,
    f_cnt: u32,
    frm_payload: &'a [u8],
    confirmed: bool,
) -> QueuedDownlink<'a> {
    QueuedDownlink {
        session_key_id,
        f_cnt,
        f_port: 9,
        frm_payload,
        confirmed,
        priority: Priority::Normal,
        expires_at: None,
        absolute_time: None,
    }
}

/// The version that defines a command; before, a device stops reading there.
const fn since(command: &Command) -> MacVersion {
    match command.cid() {
        0x01 | 0x0B | 0x0C | 0x0E | 0x0F | 0x20 => MacVersion::V1_1,
        0x0D => MacVersion::V1_0_3,
        0x09 | 0x0A => MacVersion::V1_0_2,
        _ => MacVersion::V1_0,
    }
}

/// Channels and mask, without empty places at the end.
fn known_channels(channels: &Channels) -> (Vec<Option<Channel>>, ChannelMask) {
    let mut list = channels.list.clone();
    while list.pop_if(|channel| channel.is_none()).is_some() {}
    (list, channels.enabled)
}

/// The fields in which two sets of parameters differ, as far as commands of the version can change them.
fn difference(current: &Parameters, desired: &Parameters) -> String {
    let eirp = |of: &Parameters| index_of_eirp(of.max_eirp);
    let mut differs = String::new();
    let mut field = |name: &str, current: String, desired: String| {
        if current != desired {
            differs.push_str(&format!("{name} {current} -> {desired}; "));
        }
    };
    macro_rules! fields {
        ($($name:ident),* $(,)?) => {
            $(field(
                stringify!($name),
                format!("{:?}", current.$name),
                format!("{:?}", desired.$name),
            );)*
        };
    }
    fields!(
        adr_data_rate,
        adr_tx_power_index,
        adr_nb_trans,
        rx1_delay,
        rx1_dr_offset,
        rx2_data_rate,
        rx2_frequency,
        max_duty_cycle,
        uplink_dwell_time,
        downlink_dwell_time,
        ping_slot_frequency,
        beacon_frequency,
        rejoin_time_exponent,
        rejoin_count_exponent,
    );
    let channels = |of: &Parameters| format!("{:?}", known_channels(&of.channels));
    field("channels", channels(current), channels(desired));
    field("max_eirp", eirp(current).to_string(), eirp(desired).to_string());
    differs
}

pub(super) const fn radio(tx: &DeviceTx) -> UplinkRadio {
    UplinkRadio { frequency: tx.frequency, data_rate: tx.data_rate }
}

pub(super) fn root(version: MacVersion) -> RootKeys {
    RootKeys {
        join_eui: JOIN_EUI,
        dev_eui: DEV_EUI,
        app_key: Aes128Key::new([7; 16]),
        nwk_key: version.is_1_1().then(|| Aes128Key::new([8; 16])),
    }
}
