//! The sessions of one address. Many of them stand one behind the other, with what tells quickly whose a frame is.

use hashbrown::hash_map::Entry as MapEntry;
use ttn_core::{
    addr::DevAddr,
    frame::{DataForm, PhyPayload},
    key::Aes128Key,
};
use ttn_mac::{
    session::{full_f_cnt, may_be_sealed_with},
    state::Candidate,
    version::MacRules as _,
};

use super::{
    Handle,
    entry::{Defaults, Entry},
};

/// The sessions of one address.
pub(super) enum Sessions {
    /// The only one, as it is nearly always.
    One(Handle, Candidate),
    /// In the order of the handles.
    Many(Vec<Known>),
}

/// What must be known of a session to rule it out.
#[derive(Clone)]
pub(super) struct Known {
    pub(super) handle: Handle,
    pub(super) candidate: Candidate,
    /// The counter of the last uplink; `None` before the first.
    pub(super) f_cnt_up: Option<u32>,
    /// FNwkSIntKey, which every integrity code depends on.
    key: Aes128Key,
    is_1_1: bool,
    /// Whether its counter may begin again (NS-10).
    resets: bool,
    /// By how much its counter may jump (NS-09).
    gap_max: u32,
}

impl Known {
    pub(super) fn new(
        handle: Handle,
        candidate: Candidate,
        entry: &Entry,
        defaults: &Defaults,
    ) -> Self {
        let slow = &entry.mac.slow;
        let key = entry.mac.session(candidate).map(|it| it.keys.f_nwk_s_int_key.clone());
        let resets = entry.device.settings.resets_f_cnt.or(defaults.settings.resets_f_cnt);
        let has_gap = slow.version.has_max_f_cnt_gap();
        Self {
            handle,
            candidate,
            f_cnt_up: entry.mac.hot.f_cnt_up.filter(|_| candidate == Candidate::Current),
            key: key.unwrap_or_else(|| Aes128Key::new([0; 16])),
            is_1_1: slow.version.is_1_1(),
            resets: !slow.supports_join && resets.unwrap_or_default(),
            gap_max: if has_gap { entry.band.max_f_cnt_gap } else { u32::MAX },
        }
    }

    const fn place(&self) -> (Handle, Candidate) {
        (self.handle, self.candidate)
    }

    /// Whether a frame may be of this session: `false` is certain.
    pub(super) fn may_have_sent(&self, phy: &PhyPayload, data: &DataForm) -> bool {
        let low = u32::from(data.f_cnt);
        let full = match self.candidate {
            Candidate::Current => full_f_cnt(self.f_cnt_up, data.f_cnt, true),
            Candidate::Pending => Some(low),
        };
        let last = self.f_cnt_up.unwrap_or_default();
        let full = full.filter(|full| full.saturating_sub(last) <= self.gap_max);
        let again = Some(low).filter(|low| self.resets && full != Some(*low));
        let seals = |f_cnt| may_be_sealed_with(&self.key, self.is_1_1, phy, f_cnt);
        full.is_some_and(seals) || again.is_some_and(seals)
    }
}

impl Sessions {
    /// Adds a session to those of an address; `first` is the one that is there, if it is the only one.
    pub(super) fn add<S: std::hash::BuildHasher>(
        sessions: MapEntry<'_, DevAddr, Self, S>,
        first: Option<Known>,
        known: Known,
    ) {
        match sessions {
            MapEntry::Vacant(vacant) => {
                vacant.insert(Self::One(known.handle, known.candidate));
            }
            MapEntry::Occupied(mut occupied) => {
                if let Self::One(..) = occupied.get() {
                    occupied.insert(Self::Many(first.into_iter().collect()));
                }
                if let Self::Many(many) = occupied.get_mut() {
                    match many.binary_search_by_key(&known.place(), Known::place) {
                        Ok(at) => many.splice(at..=at, [known]).for_each(drop),
                        Err(at) => many.insert(at, known),
                    }
                }
            }
        }
    }

    /// Removes the sessions of a device; gives whether none is left.
    pub(super) fn forget(&mut self, of: Handle) -> bool {
        match self {
            Self::One(handle, _) => *handle == of,
            Self::Many(many) => {
                let from = many.partition_point(|known| known.handle < of);
                let to = many.partition_point(|known| known.handle <= of);
                many.drain(from..to);
                if let [last] = many.as_slice() {
                    *self = Self::One(last.handle, last.candidate);
                    return false;
                }
                many.is_empty()
            }
        }
    }

    /// Notes the counter of a session.
    pub(super) fn counted(
        many: &mut [Known],
        handle: Handle,
        candidate: Candidate,
        f_cnt_up: Option<u32>,
    ) {
        let at = many.binary_search_by_key(&(handle, candidate), Known::place);
        if let Some(known) = at.ok().and_then(|at| many.get_mut(at)) {
            known.f_cnt_up = f_cnt_up;
        }
    }
}
