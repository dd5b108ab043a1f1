//! Joining: channel, parameters, join-accept (NS-24 to NS-27).

use alloc::vec::Vec;
use core::time::Duration;

use ttn_core::{radio::Frequency, time::Timestamp};

use super::{
    Engine, JoinAccepted, NoDownlink, Priority, Reject, TxPlan, UplinkChannel, UplinkRadio,
    slot::{WindowParameters, Windows},
};
use crate::{
    band::{Band, CfListType, ChannelMask},
    frame::{CfList, DlSettings},
    state::{Channel, Channels, JoinParameters, MacState, Parameters, PendingSession},
};

/// The MACPayload of a join-accept with CFList, in octets.
const JOIN_ACCEPT_CF_LIST_LENGTH: u8 = 28;

impl Engine<'_> {
    /// Channel and data rate of a join-request. A device that joins uses the channels that it has at boot.
    ///
    /// # Errors
    ///
    /// [`Reject::UnknownChannel`] and [`Reject::UnknownDataRate`] (NS-27).
    pub fn join_channel(&self, radio: &UplinkRadio) -> Result<UplinkChannel, Reject> {
        self.uplink_channel(&self.boot_parameters().channels, radio)
    }

    /// What the join-accept says (NS-24, NS-25). The channel list is left out where no receive window can carry it.
    #[must_use]
    pub fn join_parameters(&self, st: &MacState, channel: UplinkChannel) -> JoinParameters {
        let desired = &st.slow.desired;
        let windows = self.join_windows(channel, Timestamp::UNIX_EPOCH);
        let cf_list = cf_list(self.band, &desired.channels)
            .filter(|_| windows.max_mac_payload() >= JOIN_ACCEPT_CF_LIST_LENGTH.into());
        JoinParameters {
            rx_delay: desired.rx1_delay.clamp(1, 15),
            dl_settings: DlSettings {
                opt_neg: st.slow.version.is_1_1(),
                rx1_dr_offset: desired.rx1_dr_offset.min(7),
                rx2_dr: desired.rx2_data_rate,
            },
            cf_list,
        }
    }

    /// Notes the new session as pending, in place of an earlier one, and plans its join-accept (NS-26).
    ///
    /// The state is changed in any case: the Join Server has accepted.
    ///
    /// # Errors
    ///
    /// Why the join-accept cannot be sent: both windows over, or downlinks switched off.
    pub fn on_join(
        &self,
        st: &mut MacState,
        join: JoinAccepted,
        now: Timestamp,
    ) -> Result<TxPlan, NoDownlink> {
        let channels = self.channels_after_join(&join.parameters);
        let windows = self.join_windows(join.channel, join.received_at);
        self.pend(st, join, channels, false, windows, now)
    }

    /// Notes the pending session of an accepted join or rejoin.
    pub(super) fn pend(
        &self,
        st: &mut MacState,
        join: JoinAccepted,
        channels: Channels,
        keeps_parameters: bool,
        windows: Windows,
        now: Timestamp,
    ) -> Result<TxPlan, NoDownlink> {
        let JoinAccepted { session, parameters, phy, .. } = join;
        let pending = PendingSession { session, parameters, channels, keeps_parameters };
        st.slow.pending_session = Some(pending);
        if !self.schedules_downlinks() {
            return Err(NoDownlink::Disabled);
        }
        // Without MHDR and MIC.
        let size = phy.len().saturating_sub(5);
        let (rx1, rx2) = windows.open(now, size)?;
        Ok(TxPlan {
            bytes: phy,
            class: windows.class,
            rx1_delay: windows.rx1_delay,
            rx1,
            rx2,
            absolute_time: None,
            priority: Priority::Highest,
        })
    }

    pub(super) fn schedules_downlinks(&self) -> bool {
        self.setting(|set| set.schedule_downlinks).unwrap_or(true)
    }

    pub(super) fn join_windows(&self, channel: UplinkChannel, received_at: Timestamp) -> Windows {
        self.accept_windows(&self.boot_parameters(), channel, received_at)
    }

    /// The windows for a join-accept of a device with these parameters.
    pub(super) fn accept_windows(
        &self,
        parameters: &Parameters,
        channel: UplinkChannel,
        received_at: Timestamp,
    ) -> Windows {
        self.windows(
            parameters,
            channel,
            WindowParameters {
                received_at,
                rx1_delay: self.band.join_accept_delay_1,
                rx2_after_rx1: self
                    .band
                    .join_accept_delay_2
                    .checked_sub(self.band.join_accept_delay_1)
                    .unwrap_or(Duration::from_secs(1)),
            },
        )
    }

    /// The channels of a device that has read the join-accept.
    pub(super) fn channels_after_join(&self, parameters: &JoinParameters) -> Channels {
        let mut channels = self.boot_parameters().channels;
        apply_cf_list(self.band, &mut channels, parameters.cf_list.as_ref());
        channels
    }
}

/// The channel list of a join-accept: the enabled channels behind those of the band, or all that are enabled.
pub(crate) fn cf_list(band: &Band, desired: &Channels) -> Option<CfList> {
    if !band.implements_cf_list {
        return None;
    }
    match band.cf_list_type {
        CfListType::Frequencies => {
            let extra: Vec<Frequency> = extra_channels(band, desired).collect();
            let mut frequencies = [Frequency::default(); 5];
            for (to, from) in frequencies.iter_mut().zip(&extra) {
                *to = *from;
            }
            (!extra.is_empty()).then_some(CfList::Frequencies(frequencies))
        }
        CfListType::ChannelMasks => {
            let bits = desired.enabled.bits();
            let mut masks = [0; 6];
            for (group, mask) in (0_u32..).zip(&mut masks) {
                *mask = (bits >> group.saturating_mul(16)) as u16;
            }
            Some(CfList::ChannelMasks(masks))
        }
    }
}

fn extra_channels<'a>(
    band: &'a Band,
    desired: &'a Channels,
) -> impl Iterator<Item = Frequency> + 'a {
    desired
        .iter(band)
        .skip(band.uplink_channels.len())
        .filter(|(index, _)| desired.enabled.contains(*index))
        .map(|(_, channel)| channel.uplink_frequency)
}

/// What a device makes of a channel list.
pub(crate) fn apply_cf_list(band: &Band, channels: &mut Channels, cf_list: Option<&CfList>) {
    match cf_list {
        Some(CfList::Frequencies(frequencies)) if !band.has_fixed_channels() => {
            let Some(model) = band.uplink_channels.first() else { return };
            let first = u8::try_from(band.uplink_channels.len()).unwrap_or(u8::MAX);
            for (index, frequency) in (first..).zip(frequencies) {
                let channel = (!frequency.is_zero()).then_some(Channel {
                    uplink_frequency: *frequency,
                    downlink_frequency: *frequency,
                    min_data_rate: model.min_data_rate,
                    max_data_rate: model.max_data_rate,
                });
                channels.set(band, index, channel);
            }
        }
        Some(CfList::ChannelMasks(masks)) if band.has_fixed_channels() => {
            let bits =
                masks.iter().rev().fold(0_u128, |bits, mask| (bits << 16) | u128::from(*mask));
            let known = ChannelMask::first(band.uplink_channels.len()).bits();
            channels.enabled = ChannelMask::from_bits(bits & known);
        }
        _ => {}
    }
}
