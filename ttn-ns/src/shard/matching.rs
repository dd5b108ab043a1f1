//! Which session a data uplink belongs to.

use std::cmp::Reverse;

use ttn_core::{frame::DataForm, msg::Uplink};
use ttn_mac::{
    engine::{MatchedUplink, Reject, UplinkRadio},
    state::Candidate,
};

use super::{
    Handle, Shard,
    entry::engine,
    sessions::{Known, Sessions},
    window::Drop,
};
use crate::stats;

/// Up to so many sessions of an address are all tried, so that whoever is told of a refusal learns the best reason. Among more
/// of them those are tried that the integrity code does not rule out.
const TRIED_MAX: usize = 16;

impl Shard {
    /// Finds the session of an uplink among all that have its address, in the order of NS-07, those of the device `first`
    /// before. Reads only.
    pub(super) fn find(
        &self,
        uplink: &Uplink,
        first: Option<Handle>,
    ) -> Result<(Handle, MatchedUplink), Drop> {
        let Some(data) = uplink.phy.data() else {
            return Err(Drop::new("not_a_data_uplink", "no data uplink"));
        };
        let candidates = match self.devices.sessions(data.dev_addr) {
            None => {
                let detail = format!("no session has the address {}", data.dev_addr);
                return Err(Drop::new("device_not_found", detail));
            }
            Some(Sessions::One(handle, candidate)) => {
                stats::add(&self.stats.match_candidates, 1);
                vec![(*handle, *candidate)]
            }
            Some(Sessions::Many(many)) => {
                if let Some(found) = first.and_then(|handle| self.again(handle, uplink)) {
                    return Ok(found);
                }
                stats::add(&self.stats.match_candidates, many.len());
                self.in_order(uplink, data, many)?
            }
        };
        let mut best: Option<(Handle, Reject)> = None;
        for (handle, candidate) in candidates {
            match self.try_candidate(handle, candidate, uplink) {
                Ok(matched) => return Ok((handle, matched)),
                // Anything says more than a code that is another device's.
                Err(reject) => {
                    let says_less = best.as_ref().is_none_or(|(_, best)| {
                        matches!(best, Reject::MicMismatch { .. } | Reject::NoSession { .. })
                    });
                    if says_less {
                        best = Some((handle, reject));
                    }
                }
            }
        }
        Err(match best {
            Some((handle, reject @ Reject::MicMismatch { .. })) => {
                let drop = Drop::new(reject.name(), reject.to_string());
                // The address alone does not prove that the frame is this device's, but an operator wants to see it.
                drop.of(handle)
            }
            Some((handle, reject)) => Drop::new(reject.name(), reject.to_string()).of(handle),
            None => Drop::new("no_session", "no session could be tried"),
        })
    }

    /// The device that the first copy was of, once more.
    fn again(&self, handle: Handle, uplink: &Uplink) -> Option<(Handle, MatchedUplink)> {
        [Candidate::Current, Candidate::Pending].into_iter().find_map(|candidate| {
            let matched = self.try_candidate(handle, candidate, uplink).ok()?;
            Some((handle, matched))
        })
    }

    fn try_candidate(
        &self,
        handle: Handle,
        candidate: Candidate,
        uplink: &Uplink,
    ) -> Result<MatchedUplink, Reject> {
        let entry = self.devices.get(&handle).ok_or(Reject::NoSession { candidate })?;
        let defaults = &self.defaults;
        let result = engine(entry.band, &entry.plan, &entry.device, defaults).try_match(
            &entry.mac,
            candidate,
            &uplink.phy,
            &radio(uplink),
            uplink.received_at,
        );
        if matches!(result, Ok(_) | Err(Reject::MicMismatch { .. })) {
            stats::add(&self.stats.mic_computations, 1);
        }
        result
    }

    /// NS-07: current sessions with a last counter up to the frame's, highest first; then the others, highest first;
    /// then pending sessions, unless the frame acknowledges.
    fn in_order(
        &self,
        uplink: &Uplink,
        data: &DataForm,
        sessions: &[Known],
    ) -> Result<Vec<(Handle, Candidate)>, Drop> {
        let all = sessions.len() <= TRIED_MAX;
        let mut ordered: Vec<_> = sessions
            .iter()
            .filter(|known| known.candidate == Candidate::Current || !data.f_ctrl.ack)
            .filter(|known| all || known.may_have_sent(&uplink.phy, data))
            .map(|known| {
                let last = known.f_cnt_up.unwrap_or(0);
                let above = last & 0xFFFF > u32::from(data.f_cnt);
                let pending = known.candidate == Candidate::Pending;
                ((pending, above, Reverse(last)), (known.handle, known.candidate))
            })
            .collect();
        if !all {
            stats::add(&self.stats.mic_computations, sessions.len());
            if ordered.is_empty() {
                let (count, dev_addr) = (sessions.len(), data.dev_addr);
                let detail = format!("it is of none of the {count} sessions with {dev_addr}");
                return Err(Drop::new("mic_mismatch", detail));
            }
        }
        ordered.sort_by_key(|(order, _)| *order);
        Ok(ordered.into_iter().map(|(_, candidate)| candidate).collect())
    }
}

pub(super) const fn radio(uplink: &Uplink) -> UplinkRadio {
    UplinkRadio { frequency: uplink.settings.frequency, data_rate: uplink.settings.data_rate }
}
