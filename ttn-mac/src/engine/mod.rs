//! The MAC state machine of the network: functions over a [`crate::state::MacState`]. Time comes in as an argument; what should
//! happen comes out as a value. Nothing is stored, sent or published here.
//!
//! The life of an uplink:
//!
//! 1. [`Engine::try_match`] for each candidate session of the DevAddr: reads the state only, allocates nothing.
//! 2. At the end of the window, [`Engine::on_uplink`] with the match; the [`Outcome`] says what to deliver and publish.
//! 3. [`Engine::next_downlink`] with the outcome's [`Slot`] and the application's queue gives the answer, if any. The
//!    counters of the state have moved by then: store the state before the frame goes out.
//! 4. [`Engine::on_tx_report`] when it is known whether the frame was sent.
//!
//! A device of class B or C, or a multicast group, is reached at other times as well: [`Engine::next_downlink`] with
//! [`Slot::Network`] gives the frame and its time, or says when to ask again.
//!
//! The life of a join: [`Engine::join_channel`], [`Engine::join_parameters`], the Join Server, [`Engine::on_join`]. That
//! of a rejoin: [`Engine::on_rejoin`], [`Engine::rejoin_parameters`], the Join Server, [`Engine::on_rejoin_accept`].
//!
//! What a relay forwards comes out of its uplink as [`Outcome::relayed`]: match it with the device that sent it. The
//! answer is made for [`Slot::Relayed`] of [`Engine::relay_slot`] and put into [`crate::state::MacState::relayed`] of the
//! relay, whose own downlink takes it along.
//!
//! ```
//! use ttn_mac::{adr::DefaultAdr, band, engine::Engine, plan, state::MacSettings};
//! use ttn_mac::version::{MacVersion, PhyVersion};
//!
//! let plan = plan::get("EU_863_870_TTN").expect("built in");
//! let band = band::get(plan.band_id, PhyVersion::RP001_V1_0_3_REV_A)?;
//! let (settings, defaults) = (MacSettings::default(), MacSettings::default());
//! let engine = Engine::new(band, plan, &settings, &defaults, &DefaultAdr);
//! let st = engine.new_otaa(MacVersion::V1_0_3);
//! assert_eq!((st.slow.current.rx1_delay, st.slow.desired.rx1_delay), (1, 5));
//! # Ok::<(), band::UnknownBand>(())
//! ```

mod class;
mod downlink;
mod event;
mod handle;
mod join;
mod matching;
mod network;
mod reject;
mod rejoin;
mod relay;
mod requests;
mod setup;
mod slot;
mod tx_report;
mod types;
mod uplink;

#[cfg(test)]
mod tests;

pub use class::{Classes, NoClassB};
pub use event::MacEvent;
pub use network::{NetworkTiming, Wait};
pub use reject::Reject;
pub use rejoin::{ForceRejoinError, Rejoin, check_rejoin_1};
pub use relay::{RelayReject, RelayedUplink, ServedDevice};
pub use types::{
    DataPlan, DownlinkDecision, DownlinkReason, Dropped, JoinAccepted, MatchKind, MatchedUplink,
    NoDownlink, Outcome, Priority, QueueDrop, QueueResult, QueuedDownlink, RxInfo, RxWindow, Slot,
    TxOutcome, TxPlan, TxReport, UplinkChannel, UplinkFrame, UplinkKind, UplinkRadio,
};

use crate::{adr::AdrAlgorithm, band::Band, plan::FrequencyPlan, state::MacSettings};

/// The rules for one device: its band, plan and settings, the defaults of the network and the ADR policy, all borrowed.
///
/// It is a handful of references: make one whenever it is needed.
#[derive(Clone, Copy, Debug)]
pub struct Engine<'a> {
    band: &'a Band,
    plan: &'a FrequencyPlan,
    settings: &'a MacSettings,
    defaults: &'a MacSettings,
    adr: &'a dyn AdrAlgorithm,
    classes: Classes,
    served: &'a [ServedDevice],
}

impl<'a> Engine<'a> {
    /// Puts the rules together for a device of class A. `settings` are the device's, `defaults` the network's (NS-38).
    #[must_use]
    pub const fn new(
        band: &'a Band,
        plan: &'a FrequencyPlan,
        settings: &'a MacSettings,
        defaults: &'a MacSettings,
        adr: &'a dyn AdrAlgorithm,
    ) -> Self {
        let classes = Classes { b: false, c: false, multicast: false };
        Self { band, plan, settings, defaults, adr, classes, served: &[] }
    }

    /// The same for a device that can do more than class A.
    #[must_use]
    pub const fn with_classes(self, classes: Classes) -> Self {
        Self { classes, ..self }
    }

    /// The same for a relay that serves these devices (NS-111).
    #[must_use]
    pub const fn with_served(self, served: &'a [ServedDevice]) -> Self {
        Self { served, ..self }
    }

    /// The band.
    #[must_use]
    pub const fn band(&self) -> &'a Band {
        self.band
    }

    /// The plan.
    #[must_use]
    pub const fn plan(&self) -> &'a FrequencyPlan {
        self.plan
    }

    /// The first source that has a value: device, then network defaults (NS-38).
    fn setting<T>(&self, of: impl Fn(&MacSettings) -> Option<T>) -> Option<T> {
        of(self.settings).or_else(|| of(self.defaults))
    }
}
