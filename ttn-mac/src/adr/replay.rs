//! Dry runs: what a policy would have asked of a device, had it been in charge when recorded uplinks were sent.
//!
//! A recorded SNR is moved to the parameters that the device would have used: less power lowers it decibel by decibel,
//! and a frame below the demodulation floor of its data rate is lost. Every command is assumed to be heard and followed
//! with the next uplink.
//!
//! What cannot be known: a frame that was lost when it was recorded is lost in the dry run too, whatever its data rate
//! would have been, and repetitions are paid for in airtime but save no frame. So the losses of a policy that lowers
//! data rates are overstated, those of one that raises them are not.
//!
//! ```
//! use ttn_core::radio::DataRateIndex;
//! use ttn_mac::{
//!     adr::{AdrParameters, SteadyAdr, replay::{Replay, ReplayUplink}},
//!     band::{self, BandId},
//!     version::PhyVersion,
//! };
//!
//! let band = band::get(BandId::EU_863_870, PhyVersion::RP001_V1_0_3_REV_A)?;
//! let sent_with = AdrParameters { data_rate: DataRateIndex::ZERO, tx_power_index: 0, nb_trans: 1 };
//! let recorded: Vec<_> = (0..40)
//!     .map(|f_cnt| ReplayUplink { f_cnt, max_snr: 5.0, sent_with, length: 23 })
//!     .collect();
//!
//! let report = Replay::new(band, &SteadyAdr).run(&recorded);
//! let first = report.commands.first().expect("at SF12 this link is far too good");
//! println!("after FCnt {}: {}", first.f_cnt, first.decision);
//! println!("then {:.1} dB are left and an uplink takes {:?}", first.margin, first.airtime);
//! assert!(report.airtime < report.airtime_recorded / 4);
//! assert_eq!(report.lost, 0);
//! # Ok::<(), band::UnknownBand>(())
//! ```

use alloc::vec::Vec;
use core::time::Duration;

use ttn_core::radio::time_on_air;

use super::{
    AdrAlgorithm, AdrDecision, AdrInput, AdrParameters, AdrUplink, DataRateSet, demodulation_floor,
    rules::{loss_rate, offset},
};
use crate::{
    band::Band,
    state::{ADR_RING_LENGTH, AdrDynamic, Rejected},
};

/// An uplink as it was recorded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReplayUplink {
    /// The full frame counter. Counters rise; those that are missing were lost.
    pub f_cnt: u32,
    /// The best SNR over all gateways, in dB.
    pub max_snr: f32,
    /// What the device used; power index 0 if it is not known.
    pub sent_with: AdrParameters,
    /// The octets of the PHYPayload.
    pub length: usize,
}

/// A device and the policy that is tried on it.
#[derive(Clone, Debug)]
pub struct Replay<'a> {
    /// The band.
    pub band: &'a Band,
    /// The policy.
    pub policy: &'a dyn AdrAlgorithm,
    /// The data rates of the channels; those of the band's own unless set.
    pub channel_data_rates: DataRateSet,
    /// The limits of the device's settings.
    pub limits: AdrDynamic,
    /// What the device refuses.
    pub rejected: Rejected,
}

/// What would have happened.
#[derive(Clone, Debug, PartialEq)]
pub struct ReplayReport {
    /// The commands, in order.
    pub commands: Vec<ReplayCommand>,
    /// What the device uses in the end; `None` if there was no uplink.
    pub last: Option<AdrParameters>,
    /// How many uplinks the device sent, received or not.
    pub sent: u32,
    /// How many of them would have been lost: those that were, and those below the demodulation floor.
    pub lost: u32,
    /// How many were lost when they were recorded.
    pub lost_recorded: u32,
    /// The time on air of the recorded uplinks with the parameters of the dry run, repetitions included.
    pub airtime: Duration,
    /// The same with the parameters that they were sent with.
    pub airtime_recorded: Duration,
}

/// A command, and what the policy could expect of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReplayCommand {
    /// The uplink that it answers.
    pub f_cnt: u32,
    /// What the device used.
    pub from: AdrParameters,
    /// What it should use.
    pub to: AdrParameters,
    /// The decision with its reason.
    pub decision: AdrDecision,
    /// How far the mean SNR of the last uplinks is above the floor with the new parameters, in dB.
    pub margin: f32,
    /// The part of the last uplinks that would have been lost with the new parameters, 0 to 1.
    pub loss: f32,
    /// The time on air of this uplink with the new parameters, repetitions included.
    pub airtime: Duration,
}

impl<'a> Replay<'a> {
    /// A device without settings on the channels that the band itself has.
    #[must_use]
    pub fn new(band: &'a Band, policy: &'a dyn AdrAlgorithm) -> Self {
        let channels = band.uplink_channels.iter();
        Self {
            band,
            policy,
            channel_data_rates: channels
                .map(|channel| DataRateSet::range(channel.min_data_rate, channel.max_data_rate))
                .fold(DataRateSet::default(), DataRateSet::or),
            limits: AdrDynamic::default(),
            rejected: Rejected::default(),
        }
    }

    /// Plays the uplinks to the policy. It begins with the parameters that the first one was sent with.
    ///
    /// Uplinks at a data rate without demodulation floor (FSK, LR-FHSS) count as received and tell nothing.
    #[must_use]
    pub fn run(&self, uplinks: &[ReplayUplink]) -> ReplayReport {
        let first = uplinks.first();
        let mut run = Run {
            replay: self,
            current: first.map(|up| up.sent_with),
            last_change_f_cnt: None,
            changed: false,
            history: Vec::new(),
            report: ReplayReport {
                commands: Vec::new(),
                last: None,
                sent: 0,
                lost: 0,
                lost_recorded: 0,
                airtime: Duration::ZERO,
                airtime_recorded: Duration::ZERO,
            },
        };
        let mut next = first.map_or(0, |up| up.f_cnt);
        for uplink in uplinks {
            let missing = uplink.f_cnt.saturating_sub(next);
            next = uplink.f_cnt.saturating_add(1);
            run.uplink(uplink, missing);
        }
        ReplayReport { last: run.current, ..run.report }
    }

    /// Decibels above the floor, with parameters other than those it was sent with.
    fn margin(&self, uplink: &ReplayUplink, with: AdrParameters) -> Option<f32> {
        let (sent, power) =
            (uplink.sent_with, |of: AdrParameters| offset(self.band, of.tx_power_index));
        let moved = uplink.max_snr + power(with) - power(sent);
        Some(moved - self.floor(with)?)
    }

    fn floor(&self, of: AdrParameters) -> Option<f32> {
        self.band.data_rate(of.data_rate).and_then(|entry| demodulation_floor(&entry.rate))
    }

    fn airtime(&self, uplink: &ReplayUplink, with: AdrParameters) -> Duration {
        let frequency = self.band.uplink_channels.first().map(|channel| channel.frequency);
        let rate = self.band.data_rate(with.data_rate).map(|entry| entry.rate);
        let once = frequency
            .zip(rate)
            .and_then(|(frequency, rate)| time_on_air(uplink.length, frequency, &rate).ok());
        once.unwrap_or_default().saturating_mul(with.nb_trans.max(1).into())
    }
}

struct Run<'a> {
    replay: &'a Replay<'a>,
    current: Option<AdrParameters>,
    last_change_f_cnt: Option<u32>,
    /// Whether the next uplink is the first with new parameters.
    changed: bool,
    history: Vec<(ReplayUplink, AdrUplink)>,
    report: ReplayReport,
}

impl Run<'_> {
    fn uplink(&mut self, uplink: &ReplayUplink, missing: u32) {
        let (replay, report) = (self.replay, &mut self.report);
        let current = self.current.unwrap_or(uplink.sent_with);
        report.sent = report.sent.saturating_add(missing).saturating_add(1);
        report.lost = report.lost.saturating_add(missing);
        report.lost_recorded = report.lost_recorded.saturating_add(missing);
        report.airtime = report.airtime.saturating_add(replay.airtime(uplink, current));
        let recorded = replay.airtime(uplink, uplink.sent_with);
        report.airtime_recorded = report.airtime_recorded.saturating_add(recorded);
        let margin = replay.margin(uplink, current);
        if margin.is_some_and(|margin| margin < 0.0) {
            report.lost = report.lost.saturating_add(1);
            return;
        }
        if core::mem::take(&mut self.changed) {
            self.last_change_f_cnt = Some(uplink.f_cnt);
        }
        let max_snr = margin.zip(replay.floor(current)).map_or(uplink.max_snr, |(m, f)| m + f);
        if self.history.len() >= ADR_RING_LENGTH {
            self.history.remove(0);
        }
        let seen = AdrUplink { f_cnt: uplink.f_cnt, max_snr, data_rate: current.data_rate };
        self.history.push((*uplink, seen));
        self.decide(uplink, current);
    }

    fn decide(&mut self, uplink: &ReplayUplink, current: AdrParameters) {
        let replay = self.replay;
        let seen: Vec<AdrUplink> = self.history.iter().map(|(_, seen)| *seen).collect();
        let decision = replay.policy.decide(&AdrInput {
            band: replay.band,
            current,
            channel_data_rates: replay.channel_data_rates,
            rejected: &replay.rejected,
            limits: replay.limits,
            last_change_f_cnt: self.last_change_f_cnt,
            uplinks: &seen,
        });
        let AdrDecision::Use { parameters: to, .. } = decision else { return };
        if to == current {
            return;
        }
        let (margin, below) = self.expect(to);
        let gaps = loss_rate(seen.iter().map(|seen| seen.f_cnt));
        self.report.commands.push(ReplayCommand {
            f_cnt: uplink.f_cnt,
            from: current,
            to,
            decision,
            margin,
            loss: gaps + (1.0 - gaps) * below,
            airtime: replay.airtime(uplink, to),
        });
        self.current = Some(to);
        self.changed = true;
    }

    /// The mean margin of the history with other parameters, and the part of it that is below the floor then.
    fn expect(&self, with: AdrParameters) -> (f32, f32) {
        let margins = || self.history.iter().filter_map(|(up, _)| self.replay.margin(up, with));
        let count = margins().count().max(1) as f32;
        let below = margins().filter(|margin| *margin < 0.0).count() as f32;
        (margins().sum::<f32>() / count, below / count)
    }
}
