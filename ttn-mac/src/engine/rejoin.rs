//! Rejoins of LoRaWAN 1.1 (NS-57, TS001-1.1 §6.2.4): asked for by the network, and requested by the device.

use core::fmt;

use ttn_core::{
    addr::NetId,
    frame::{Form, PhyPayload, RejoinRequestForm},
    key::Aes128Key,
    radio::DataRateIndex,
    time::Timestamp,
};

use super::{
    Engine, JoinAccepted, NoDownlink, Reject, TxPlan, UplinkChannel, UplinkRadio, slot::Windows,
};
use crate::{
    command::Command,
    crypto::{
        join::{JoinReqType, rejoin_request_mic},
        mic_matches,
    },
    frame::{BuildError, DlSettings},
    state::{Candidate, ForceRejoin, JoinParameters, MacState},
    version::MacRules as _,
};

/// Why a device cannot be asked to rejoin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ForceRejoinError {
    /// The band has no such data rate.
    DataRate {
        /// Which.
        index: DataRateIndex,
    },
    /// A number is out of its range.
    Field(BuildError),
    /// The device has no session to ask in.
    NoSession,
    /// Its version of LoRaWAN has no rejoins.
    NotDefined,
}

impl fmt::Display for ForceRejoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DataRate { index } => write!(f, "the band has no data rate {}", index.get()),
            Self::Field(error) => error.fmt(f),
            Self::NoSession => f.write_str("the device has no session"),
            Self::NotDefined => f.write_str("rejoins come with LoRaWAN 1.1"),
        }
    }
}

impl core::error::Error for ForceRejoinError {}

/// A rejoin-request that may be answered. Made by [`Engine::on_rejoin`] only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rejoin {
    /// What the join-accept answers: part of its integrity code.
    pub answers: JoinReqType,
    /// RJcount0, or RJcount1 of type 1: it stands for DevNonce in the keys of the new session.
    pub rejoin_count: u16,
    /// The channel and data rate of the request.
    pub channel: UplinkChannel,
}

impl Rejoin {
    /// Whether the device keeps its radio parameters: it asks for new keys or another address only (type 2).
    #[must_use]
    pub const fn keeps_parameters(&self) -> bool {
        matches!(self.answers, JoinReqType::Rejoin2)
    }
}

impl Engine<'_> {
    /// Asks the device to rejoin, with the next downlink after an uplink (NS-57). The device may try for as long as the
    /// numbers say; the network asks once, unless the downlink was not sent.
    ///
    /// # Errors
    ///
    /// The device cannot be asked; nothing has changed.
    pub fn force_rejoin(
        &self,
        st: &mut MacState,
        wanted: ForceRejoin,
    ) -> Result<(), ForceRejoinError> {
        if !st.slow.version.rejoins() {
            return Err(ForceRejoinError::NotDefined);
        }
        if st.slow.session.is_none() {
            return Err(ForceRejoinError::NoSession);
        }
        let index = wanted.data_rate;
        if self.band.data_rate(index).is_none() {
            return Err(ForceRejoinError::DataRate { index });
        }
        let command = Command::ForceRejoinReq {
            period_exponent: wanted.period_exponent,
            max_retries: wanted.max_retries,
            rejoin_type: wanted.rejoin_type,
            data_rate_index: index,
        };
        command
            .encode(self.band.frequency_step, &mut alloc::vec::Vec::new())
            .map_err(ForceRejoinError::Field)?;
        st.slow.force_rejoin = Some(wanted);
        Ok(())
    }

    /// Checks a rejoin-request, and notes its counter: the slow part of the state has changed. Type 0 and 2 are proven
    /// here, by the keys of the session in use; type 1 is proven by the Join Server, with [`check_rejoin_1`].
    ///
    /// # Errors
    ///
    /// The rule that speaks against it; nothing has changed.
    pub fn on_rejoin(
        &self,
        st: &mut MacState,
        phy: &PhyPayload,
        radio: &UplinkRadio,
        net_id: NetId,
    ) -> Result<Rejoin, Reject> {
        let Form::RejoinRequest(request) = phy.form else {
            return Err(Reject::NotARejoinRequest);
        };
        if !st.slow.version.rejoins() {
            return Err(Reject::RejoinNotDefined);
        }
        match request {
            RejoinRequestForm::HomeNetwork { rejoin_type, net_id: to, rejoin_count, .. } => {
                if to != net_id {
                    return Err(Reject::NetIdMismatch { got: to });
                }
                let candidate = Candidate::Current;
                let session = st.session(candidate).ok_or(Reject::NoSession { candidate })?;
                let channel = self.uplink_channel(&st.slow.current.channels, radio)?;
                verify(&session.keys.s_nwk_s_int_key, phy)?;
                check_count(st.slow.rejoin_count_0, rejoin_count)?;
                st.slow.rejoin_count_0 = Some(rejoin_count);
                let second = rejoin_type == 2;
                let answers = if second { JoinReqType::Rejoin2 } else { JoinReqType::Rejoin0 };
                Ok(Rejoin { answers, rejoin_count, channel })
            }
            // Sent as a join-request is: the device may have lost everything.
            RejoinRequestForm::JoinServer { rejoin_count, .. } => {
                let channel = self.join_channel(radio)?;
                Ok(Rejoin { answers: JoinReqType::Rejoin1, rejoin_count, channel })
            }
        }
    }

    /// What the join-accept says. A device that keeps its parameters is told the ones that it has.
    #[must_use]
    pub fn rejoin_parameters(&self, st: &MacState, rejoin: &Rejoin) -> JoinParameters {
        if !rejoin.keeps_parameters() {
            return self.join_parameters(st, rejoin.channel);
        }
        let current = &st.slow.current;
        JoinParameters {
            rx_delay: current.rx1_delay.clamp(1, 15),
            dl_settings: DlSettings {
                opt_neg: true,
                rx1_dr_offset: current.rx1_dr_offset.min(7),
                rx2_dr: current.rx2_data_rate,
            },
            cf_list: None,
        }
    }

    /// Notes the new session as pending and plans its join-accept, as [`Self::on_join`] does for a join. The session in
    /// use lives on until the device uses the new one.
    ///
    /// # Errors
    ///
    /// As [`Self::on_join`]; the state is changed in any case.
    pub fn on_rejoin_accept(
        &self,
        st: &mut MacState,
        accepted: JoinAccepted,
        rejoin: &Rejoin,
        now: Timestamp,
    ) -> Result<TxPlan, NoDownlink> {
        st.slow.force_rejoin = None;
        let keeps = rejoin.keeps_parameters();
        let channels = if keeps {
            st.slow.current.channels.clone()
        } else {
            self.channels_after_join(&accepted.parameters)
        };
        let windows = self.rejoin_windows(st, rejoin, accepted.received_at);
        self.pend(st, accepted, channels, keeps, windows, now)
    }

    /// A device with a session listens with the parameters of that session, one without as after a join-request.
    fn rejoin_windows(&self, st: &MacState, rejoin: &Rejoin, received_at: Timestamp) -> Windows {
        if rejoin.answers == JoinReqType::Rejoin1 {
            return self.join_windows(rejoin.channel, received_at);
        }
        self.accept_windows(&st.slow.current, rejoin.channel, received_at)
    }
}

/// Checks a rejoin-request of type 1, as a Join Server does: integrity code, and RJcount1 above all that came before.
///
/// # Errors
///
/// The rule that speaks against it.
pub fn check_rejoin_1(
    js_int_key: &Aes128Key,
    phy: &PhyPayload,
    last: Option<u16>,
) -> Result<u16, Reject> {
    let Form::RejoinRequest(RejoinRequestForm::JoinServer { rejoin_count, .. }) = phy.form else {
        return Err(Reject::NotARejoinRequest);
    };
    verify(js_int_key, phy)?;
    check_count(last, rejoin_count)?;
    Ok(rejoin_count)
}

fn verify(key: &Aes128Key, phy: &PhyPayload) -> Result<(), Reject> {
    let mic = rejoin_request_mic(key, phy.without_mic());
    match mic {
        Ok(mic) if mic_matches(&mic, &phy.mic()) => Ok(()),
        _ => Err(Reject::RejoinMicMismatch),
    }
}

const fn check_count(last: Option<u16>, got: u16) -> Result<(), Reject> {
    match last {
        Some(last) if got <= last => Err(Reject::RejoinCountReplayed { last, got }),
        _ => Ok(()),
    }
}
