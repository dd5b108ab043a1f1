//! Whether an uplink belongs to a session (NS-07 to NS-13, NS-16).

use core::time::Duration;

use ttn_core::{
    frame::{DataForm, PhyPayload},
    time::Timestamp,
};

use super::{Engine, MatchKind, MatchedUplink, Reject, UplinkChannel, UplinkRadio};
use crate::{
    command::Command,
    session::{UplinkContext, full_f_cnt, verify_uplink},
    state::{Candidate, Channels, MacState, Session},
    version::MacRules as _,
};

/// How long after RX2 the last uplink may be sent again (NS-12).
const RETRANSMISSION_TIME: Duration = Duration::from_secs(10);
/// How often a confirmed uplink may be sent before LoRaWAN 1.0.4 (NS-12).
const CONFIRMED_TRANSMISSIONS_MAX: u8 = 5;
/// How far the downlink that a device acknowledges may lie behind the last confirmed one: answers to copies of one uplink, and
/// what the network began in class B or C, may have followed it.
const EARLIER_MAX: u32 = 32;

impl Engine<'_> {
    /// Whether an uplink belongs to one of the sessions of a device. Reads the state only and allocates nothing.
    ///
    /// # Errors
    ///
    /// The rule that speaks against it.
    pub fn try_match(
        &self,
        st: &MacState,
        candidate: Candidate,
        phy: &PhyPayload,
        radio: &UplinkRadio,
        received_at: Timestamp,
    ) -> Result<MatchedUplink, Reject> {
        let data = phy.data().filter(|data| data.uplink).ok_or(Reject::NotADataUplink)?;
        let session = st.session(candidate).ok_or(Reject::NoSession { candidate })?;
        if session.dev_addr != data.dev_addr {
            return Err(Reject::DevAddrMismatch);
        }
        if self.classes.multicast {
            return Err(Reject::MulticastUplink);
        }
        let channels = match (candidate, &st.slow.pending_session) {
            (Candidate::Pending, Some(pending)) => &pending.channels,
            _ => &st.slow.current.channels,
        };
        let channel = match self.uplink_channel(channels, radio) {
            Err(Reject::UnknownChannel { .. }) if candidate == Candidate::Current => {
                self.requested_channel(st, radio)?
            }
            found => found?,
        };
        self.check_length(st, phy, channel)?;
        let attempt = Attempt { engine: self, st, phy, data, session, channel };
        let (kind, f_cnt, bound_to) = match candidate {
            Candidate::Pending => attempt.pending()?,
            Candidate::Current => attempt.current(received_at)?,
        };
        let acknowledges = Some(bound_to).filter(|_| data.f_ctrl.ack);
        Ok(MatchedUplink { candidate, kind, f_cnt, channel, acknowledges })
    }

    /// Channel and data rate of an uplink. A channel that is off counts as well: the device may not have heard yet.
    pub(super) fn uplink_channel(
        &self,
        channels: &Channels,
        radio: &UplinkRadio,
    ) -> Result<UplinkChannel, Reject> {
        let &UplinkRadio { frequency, data_rate } = radio;
        let channel_index =
            channels.index_of(self.band, frequency).ok_or(Reject::UnknownChannel { frequency })?;
        let data_rate_index =
            self.band.uplink_data_rate(&data_rate).ok_or(Reject::UnknownDataRate { data_rate })?;
        Ok(UplinkChannel { channel_index, data_rate_index })
    }

    /// A channel that the device was told of: it may send there at once, its answer comes with that uplink. If that was lost,
    /// the channel is still one that the device shall have.
    fn requested_channel(
        &self,
        st: &MacState,
        radio: &UplinkRadio,
    ) -> Result<UplinkChannel, Reject> {
        let &UplinkRadio { frequency, data_rate } = radio;
        let mut requests = st.slow.pending_requests.iter();
        let requested = requests.find_map(|request| match request {
            Command::NewChannelReq { channel_index, frequency: wanted, .. }
                if *wanted == frequency =>
            {
                Some(*channel_index)
            }
            _ => None,
        });
        let told = requested.or_else(|| st.slow.desired.channels.index_of(self.band, frequency));
        let channel_index = told.ok_or(Reject::UnknownChannel { frequency })?;
        let data_rate_index =
            self.band.uplink_data_rate(&data_rate).ok_or(Reject::UnknownDataRate { data_rate })?;
        Ok(UplinkChannel { channel_index, data_rate_index })
    }

    /// NS-13, TS001-1.0.4 §4.1.
    fn check_length(
        &self,
        st: &MacState,
        phy: &PhyPayload,
        channel: UplinkChannel,
    ) -> Result<(), Reject> {
        if !st.slow.version.ignores_uplinks_exceeding_length_limit() {
            return Ok(());
        }
        let dwell_time = st.slow.current.uplink_dwell_time.unwrap_or(false);
        let max = self.band.max_mac_payload(channel.data_rate_index, dwell_time).unwrap_or(u8::MAX);
        // Without MHDR and MIC.
        let size = phy.bytes.len().saturating_sub(5);
        if size > usize::from(max) {
            return Err(Reject::TooLong { size, max: max.into() });
        }
        Ok(())
    }
}

/// An uplink and a session with its address.
struct Attempt<'a> {
    engine: &'a Engine<'a>,
    st: &'a MacState,
    phy: &'a PhyPayload,
    data: &'a DataForm,
    session: &'a Session,
    channel: UplinkChannel,
}

/// How an uplink relates to what came before, its full counter, and the downlink that its integrity code is bound to.
type Found = (MatchKind, u32, u32);

impl Attempt<'_> {
    fn pending(&self) -> Result<Found, Reject> {
        let f_cnt = u32::from(self.data.f_cnt);
        if self.data.f_ctrl.ack {
            return Err(Reject::AckWithoutDownlink { f_cnt });
        }
        self.check_gap(0, f_cnt)?;
        let bound_to = self.verify(f_cnt).ok_or(Reject::MicMismatch { f_cnt })?;
        Ok((MatchKind::New, f_cnt, bound_to))
    }

    fn current(&self, received_at: Timestamp) -> Result<Found, Reject> {
        let last = self.st.hot.f_cnt_up;
        let supports_32_bit = self.engine.setting(|set| set.supports_32_bit_f_cnt).unwrap_or(true);
        let full = full_f_cnt(last, self.data.f_cnt, supports_32_bit);
        let refused = match full {
            Some(f_cnt) if last == Some(f_cnt) => match self.retransmission(f_cnt, received_at) {
                Ok(bound_to) => return Ok((MatchKind::Retransmission, f_cnt, bound_to)),
                Err(refused) => refused,
            },
            Some(f_cnt) => match self.next(last.unwrap_or(0), f_cnt) {
                Ok(bound_to) => return Ok((MatchKind::New, f_cnt, bound_to)),
                Err(refused) => refused,
            },
            None => Reject::FCntExhausted { last: last.unwrap_or(0), got: self.data.f_cnt },
        };
        self.reset(full)?.map_or_else(
            || Err(self.replayed(last, full).unwrap_or(refused)),
            |f_cnt| Ok((MatchKind::Reset, f_cnt, 0)),
        )
    }

    fn next(&self, last: u32, f_cnt: u32) -> Result<u32, Reject> {
        self.check_gap(last, f_cnt)?;
        self.verify(f_cnt).ok_or(Reject::MicMismatch { f_cnt })
    }

    /// NS-09.
    fn check_gap(&self, last: u32, got: u32) -> Result<(), Reject> {
        let max = self.engine.band.max_f_cnt_gap;
        if self.st.slow.version.has_max_f_cnt_gap() && got.saturating_sub(last) > max {
            return Err(Reject::FCntGapTooLarge { last, got, max });
        }
        Ok(())
    }

    /// NS-12.
    fn retransmission(&self, f_cnt: u32, received_at: Timestamp) -> Result<u32, Reject> {
        let hot = &self.st.hot;
        let bound_to = self.verify(f_cnt).ok_or(Reject::MicMismatch { f_cnt })?;
        // In LoRaWAN 1.1 the first half of the code depends on the channel, which changes between repetitions.
        let ([_, _, a, b], [_, _, c, d]) = (self.phy.mic(), hot.last_mic);
        let same_half = a == c && b == d;
        if !same_half || (!self.st.slow.version.is_1_1() && self.phy.mic() != hot.last_mic) {
            return Err(Reject::RetransmissionDiffers { f_cnt });
        }
        let sent = hot.repeats.saturating_add(2);
        let max = self.transmissions_max();
        if sent > max {
            return Err(Reject::TooManyRepeats { f_cnt, sent, max });
        }
        let current = &self.st.slow.current;
        let max = Duration::from_secs(u64::from(current.rx1_delay).saturating_add(1))
            .saturating_add(RETRANSMISSION_TIME);
        let after = received_at.since(hot.last_uplink_at.unwrap_or(received_at));
        if after > max {
            return Err(Reject::RetransmissionTooLate { f_cnt, after, max });
        }
        Ok(bound_to)
    }

    fn transmissions_max(&self) -> u8 {
        let nb_trans = self.st.slow.current.adr_nb_trans.max(1);
        if self.data.confirmed && self.st.slow.version.limits_confirmed_transmissions() {
            nb_trans.max(CONFIRMED_TRANSMISSIONS_MAX)
        } else {
            nb_trans
        }
    }

    /// NS-10: the counter of the frame if the device may have started again.
    fn reset(&self, full: Option<u32>) -> Result<Option<u32>, Reject> {
        let allowed = !self.st.slow.supports_join
            && self.engine.setting(|set| set.resets_f_cnt).unwrap_or(false);
        let f_cnt = u32::from(self.data.f_cnt);
        // The same counter was tried already, unless it is a repeated one with another content.
        let untried = full != Some(f_cnt) || self.st.hot.f_cnt_up == Some(f_cnt) && self.differs();
        if !allowed || !untried || self.verify(f_cnt).is_none() {
            return Ok(None);
        }
        if self.data.f_ctrl.ack {
            return Err(Reject::AckWithoutDownlink { f_cnt });
        }
        Ok(Some(f_cnt))
    }

    fn differs(&self) -> bool {
        self.phy.mic() != self.st.hot.last_mic
    }

    /// Whether the frame is an old one of this session, which is a better reason than a wrong integrity code.
    fn replayed(&self, last: Option<u32>, full: Option<u32>) -> Option<Reject> {
        let last = last?;
        let got = (last & 0xFFFF_0000) | u32::from(self.data.f_cnt);
        (got < last && full != Some(got) && self.verify(got).is_some())
            .then_some(Reject::FCntReplayed { last, got })
    }

    /// NS-11. The confirmed downlink that the integrity code is bound to, if it is right. In LoRaWAN 1.1 an uplink with ACK is
    /// bound to the downlink that it acknowledges: the last one, unless the device has not heard that. Only 16 bits of the
    /// code tell, so that one code in 65,536 fits a later downlink, too; then the later one counts as acknowledged.
    fn verify(&self, f_cnt: u32) -> Option<u32> {
        let last = self.st.hot.conf_f_cnt_down.unwrap_or(0);
        let bound = self.data.f_ctrl.ack && self.st.slow.version.is_1_1();
        let earlier = if bound { EARLIER_MAX } else { 0 };
        (0..=earlier)
            .filter_map(|earlier| last.checked_sub(earlier))
            .find(|conf_f_cnt| self.verify_bound(f_cnt, *conf_f_cnt))
    }

    fn verify_bound(&self, f_cnt: u32, conf_f_cnt: u32) -> bool {
        let context = UplinkContext {
            f_cnt,
            conf_f_cnt: low_bits(conf_f_cnt),
            data_rate: self.channel.data_rate_index,
            channel: self.channel.channel_index,
        };
        verify_uplink(&self.session.keys, self.st.slow.version, self.phy, &context)
    }
}

/// The 16 bits of a counter that go on the air.
pub(super) const fn low_bits(f_cnt: u32) -> u16 {
    (f_cnt & 0xFFFF) as u16
}
