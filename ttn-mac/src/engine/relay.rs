//! Relays (TS011): what they and the devices behind them are asked, what they forward, and the way back (NS-108 to
//! NS-114).

use alloc::vec::Vec;
use core::{fmt, time::Duration};

use ttn_core::{
    addr::DevAddr,
    frame::{Form, PhyPayload},
    id::DeviceId,
    key::SessionKeyId,
    radio::{DataRateIndex, time_on_air},
    time::Timestamp,
};

use super::{Engine, NoDownlink, Slot, UplinkFrame, UplinkRadio};
use crate::{
    command::{Command, RelayActivation, RelayLimit, RelaySecondChannel, RootWorSKey},
    crypto::derive::root_wor_s_key,
    frame::{self, FrameError, RELAY_F_PORT, RelayForwardUplink},
    session::open_frm_payload,
    state::{
        MacState, RELAY_RULES_MAX, Relay, RelayRule, RuleSession, ServedRelay, ServingRelay,
        Session,
    },
};

/// MHDR and MIC.
const PHY_OVERHEAD: usize = 5;
/// The octets of FHDR without FOpts, and of FPort.
const HEADER_LENGTH: usize = 8;
/// A rule without limit.
const NO_LIMIT: RelayLimit = RelayLimit { reload_rate: 63, bucket_size: 0 };

/// A device behind a relay: what the relay needs to know it (NS-111).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServedDevice {
    /// The device.
    pub device_id: DeviceId,
    /// The address of its session.
    pub dev_addr: DevAddr,
    /// The id of its key set: with another one the wake-on-radio counter starts again.
    pub session_key_id: SessionKeyId,
    /// The root of its wake-on-radio keys.
    pub root_wor_s_key: RootWorSKey,
}

impl ServedDevice {
    /// A device with its session in use.
    #[must_use]
    pub fn new(device_id: DeviceId, session: &Session) -> Self {
        let root = root_wor_s_key(&session.keys.nwk_s_enc_key);
        Self {
            device_id,
            dev_addr: session.dev_addr,
            session_key_id: session.session_key_id.clone(),
            root_wor_s_key: RootWorSKey::new(*root.expose()),
        }
    }
}

/// An uplink that a relay has forwarded.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RelayedUplink {
    /// The frame: a join-request or a data uplink.
    pub phy: PhyPayload,
    /// How it was sent to the relay.
    pub radio: UplinkRadio,
    /// The index of its data rate.
    pub data_rate_index: DataRateIndex,
    /// The wake-on-radio channel: 0 the default, 1 the second.
    pub wor_channel: u8,
    /// The level at the relay, in dBm.
    pub rssi: i16,
    /// The SNR at the relay, in dB.
    pub snr: i8,
    /// When the relay had received it.
    pub received_at: Timestamp,
    /// How much earlier that is than the uplink of the relay: its time on air, and what the relay waits. Times of
    /// gateways move by as much.
    pub earlier_by: Duration,
}

/// Why what a relay forwards is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RelayReject {
    /// The forwarded octets are no frame.
    Frame(FrameError),
    /// The payload has no header of a forwarded uplink.
    Header,
    /// Neither a join-request nor a data uplink.
    MessageType,
    /// The band has no such data rate.
    UnknownDataRate {
        /// Which.
        index: DataRateIndex,
    },
}

impl RelayReject {
    /// A name that never changes.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Frame(_) => "relay_frame",
            Self::Header => "relay_header",
            Self::MessageType => "relay_m_type",
            Self::UnknownDataRate { .. } => "relay_data_rate",
        }
    }
}

impl fmt::Display for RelayReject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frame(error) => write!(f, "the relay forwards no frame: {error}"),
            Self::Header => f.write_str("the payload has no header of a forwarded uplink"),
            Self::MessageType => {
                f.write_str("the relay forwards neither a join-request nor a data uplink")
            }
            Self::UnknownDataRate { index } => {
                write!(f, "the relay received with data rate {}, unknown here", index.get())
            }
        }
    }
}

impl core::error::Error for RelayReject {}

impl Engine<'_> {
    /// The frame that a relay has forwarded in an uplink (NS-109); `None` if the device is no relay, or it is another
    /// uplink.
    pub(super) fn relayed_uplink(
        &self,
        st: &MacState,
        uplink: &UplinkFrame<'_>,
        received_at: Timestamp,
    ) -> Option<Result<RelayedUplink, RelayReject>> {
        uplink.phy.data().filter(|data| data.f_port == Some(RELAY_F_PORT))?;
        let slow = &st.slow;
        let relays = [&slow.current.relay, &slow.desired.relay];
        relays.into_iter().flatten().find_map(Relay::serving)?;
        let session = slow.session.as_ref()?;
        let key = &session.keys.nwk_s_enc_key;
        let octets = open_frm_payload(key, uplink.phy, uplink.matched.f_cnt);
        Some(self.forwarded(&octets).map(|(forward, phy, radio)| {
            let earlier_by = self.relay_delay(st, uplink);
            RelayedUplink {
                phy,
                radio,
                data_rate_index: forward.data_rate_index,
                wor_channel: forward.wor_channel,
                rssi: forward.rssi,
                snr: forward.snr,
                received_at: received_at.minus(earlier_by),
                earlier_by,
            }
        }))
    }

    fn forwarded(
        &self,
        octets: &[u8],
    ) -> Result<(RelayForwardUplink, PhyPayload, UplinkRadio), RelayReject> {
        let step = self.band.frequency_step;
        let mut forward = RelayForwardUplink::decode(step, octets).ok_or(RelayReject::Header)?;
        let octets = core::mem::take(&mut forward.phy_payload);
        let phy = frame::parse(octets).map_err(RelayReject::Frame)?;
        match &phy.form {
            Form::JoinRequest(_) => {}
            Form::Data(data) if data.uplink => {}
            _ => return Err(RelayReject::MessageType),
        }
        let index = forward.data_rate_index;
        let rate = self.band.data_rate(index).ok_or(RelayReject::UnknownDataRate { index })?;
        let radio = UplinkRadio { frequency: forward.frequency, data_rate: rate.rate };
        Ok((forward, phy, radio))
    }

    /// From the end of what the relay received to the end of its uplink.
    fn relay_delay(&self, st: &MacState, uplink: &UplinkFrame<'_>) -> Duration {
        let channel = uplink.matched.channel;
        let frequency = st.slow.current.channels.channel(self.band, channel.channel_index);
        let rate = self.band.data_rate(channel.data_rate_index);
        let on_air = frequency.zip(rate).and_then(|(channel, rate)| {
            time_on_air(uplink.phy.bytes.len(), channel.uplink_frequency, &rate.rate).ok()
        });
        on_air.unwrap_or_default().saturating_add(self.band.relay_forward_delay)
    }

    /// What a relay can take for a device behind it, in the windows after its own uplink (NS-110).
    ///
    /// # Errors
    ///
    /// The device is no relay, or its windows are over.
    pub fn relay_slot(
        &self,
        st: &MacState,
        slot: &Slot,
        now: Timestamp,
    ) -> Result<Slot, NoDownlink> {
        let Slot::ClassA { received_at, channel } = *slot else { return Err(NoDownlink::NoWindow) };
        let windows = self.data_windows(&st.slow.current, channel, received_at);
        let room = windows.max_mac_payload_open(now)?.saturating_sub(HEADER_LENGTH);
        Ok(Slot::Relayed { phy_payload_max: room, until: windows.last_opens_at(now) })
    }

    /// What relays and the devices behind them are asked, in the order of NS-66.
    pub(super) fn relay_requests(&self, st: &MacState) -> Vec<Command> {
        let (current, desired) = (&st.slow.current.relay, &st.slow.desired.relay);
        if self.band.relay_wor_channels.is_empty() || (current.is_none() && desired.is_none()) {
            return Vec::new();
        }
        let (is, shall) = (serving(current), serving(desired));
        let mut requests = Vec::new();
        requests.extend(change(is.map(conf), shall.map(conf), STOP_RELAYING));
        let (is_served, shall_be) = (served(current), served(desired));
        requests.extend(change(
            is_served.map(end_device_conf),
            shall_be.map(end_device_conf),
            STOP_USING_RELAYS,
        ));
        requests.retain(|request| !st.slow.rejected.requests.contains(request));
        if let (Some(is), Some(shall)) = (is, shall) {
            requests.extend((0..INDEXES).filter_map(|index| self.update_rule(index, is, shall)));
            requests.extend((0..INDEXES).filter_map(|index| remove_rule(index, is, shall)));
            let limits = shall.limits.filter(|limits| is.limits != Some(*limits));
            requests.extend(limits.map(Command::RelayConfigureFwdLimitReq));
        }
        requests
    }

    /// NS-111: the rule is new or another one, or the device behind it has a new session.
    fn update_rule(&self, index: u8, is: &ServingRelay, shall: &ServingRelay) -> Option<Command> {
        let wanted = shall.rule(index)?;
        let device = self.served.iter().find(|device| device.device_id == wanted.device_id)?;
        let known = is.rule(index).filter(|rule| rule.device_id == wanted.device_id);
        let session = known.and_then(|rule| rule.session.as_ref()).filter(|session| {
            session.dev_addr == device.dev_addr && session.session_key_id == device.session_key_id
        });
        let limit = wanted.limit.unwrap_or(NO_LIMIT);
        let same_limit = known.is_some_and(|rule| rule.limit.unwrap_or(NO_LIMIT) == limit);
        if session.is_some() && same_limit {
            return None;
        }
        Some(Command::RelayUpdateUplinkListReq {
            rule_index: index,
            limit,
            dev_addr: device.dev_addr,
            w_f_cnt: session.map_or(0, |session| session.w_f_cnt),
            root_wor_s_key: device.root_wor_s_key,
        })
    }

    /// The rule that a relay has after it has taken an update; `None` if the device is not served any more.
    pub(super) fn updated_rule(
        &self,
        limit: RelayLimit,
        dev_addr: DevAddr,
        w_f_cnt: u32,
    ) -> Option<RelayRule> {
        let device = self.served.iter().find(|device| device.dev_addr == dev_addr)?;
        let session_key_id = device.session_key_id.clone();
        Some(RelayRule {
            device_id: device.device_id.clone(),
            limit: Some(limit).filter(|limit| *limit != NO_LIMIT),
            session: Some(RuleSession { dev_addr, session_key_id, w_f_cnt }),
        })
    }
}

/// The indexes of rules.
const INDEXES: u8 = RELAY_RULES_MAX as u8;

const NO_SECOND_CHANNEL: RelaySecondChannel = RelaySecondChannel {
    index: 0,
    data_rate_index: DataRateIndex::ZERO,
    ack_offset: 0,
    frequency: ttn_core::radio::Frequency::from_hz(0),
};

const STOP_RELAYING: Command = Command::RelayConfReq {
    start: false,
    cad_periodicity: 0,
    default_channel_index: 0,
    second_channel: NO_SECOND_CHANNEL,
};

const STOP_USING_RELAYS: Command = Command::RelayEndDeviceConfReq {
    activation: RelayActivation::Disabled,
    smart_enable_level: 0,
    backoff: 0,
    second_channel: NO_SECOND_CHANNEL,
};

fn serving(relay: &Option<Relay>) -> Option<&ServingRelay> {
    relay.as_ref().and_then(Relay::serving)
}

fn served(relay: &Option<Relay>) -> Option<&ServedRelay> {
    relay.as_ref().and_then(Relay::served)
}

fn conf(of: &ServingRelay) -> Command {
    Command::RelayConfReq {
        start: true,
        cad_periodicity: of.cad_periodicity.min(5),
        default_channel_index: of.default_channel_index.min(1),
        second_channel: second_channel(of.second_channel),
    }
}

fn end_device_conf(of: &ServedRelay) -> Command {
    Command::RelayEndDeviceConfReq {
        activation: of.activation,
        smart_enable_level: of.smart_enable_level.min(3),
        backoff: of.backoff.min(63),
        second_channel: second_channel(of.second_channel),
    }
}

/// Nothing reserved is sent.
fn second_channel(wanted: Option<RelaySecondChannel>) -> RelaySecondChannel {
    let wanted = wanted.filter(|channel| channel.index > 0).unwrap_or(NO_SECOND_CHANNEL);
    let (index, ack_offset) = (wanted.index.min(1), wanted.ack_offset.min(5));
    RelaySecondChannel { index, ack_offset, ..wanted }
}

/// The request that leads from one to the other; `stop` leads to nothing.
fn change(is: Option<Command>, shall: Option<Command>, stop: Command) -> Option<Command> {
    if is == shall {
        return None;
    }
    Some(shall.unwrap_or(stop))
}

fn remove_rule(index: u8, is: &ServingRelay, shall: &ServingRelay) -> Option<Command> {
    (is.rule(index).is_some() && shall.rule(index).is_none())
        .then_some(Command::RelayCtrlUplinkListReq { rule_index: index, remove: true })
}

/// The MACPayload of the largest PHYPayload that a relay takes.
pub(super) const fn mac_payload_of(phy_payload_max: usize) -> usize {
    phy_payload_max.saturating_sub(PHY_OVERHEAD)
}
