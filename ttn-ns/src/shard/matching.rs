//! Which session a data uplink belongs to.

use std::cmp::Reverse;

use ttn_core::{frame::DataForm, msg::Uplink};
use ttn_mac::{
    engine::{MatchedUplink, Reject, UplinkRadio},
    state::Candidate,
};

use super::{Handle, Shard, entry::engine, window::Drop};
use crate::stats;

impl Shard {
    /// Finds the session of an uplink among all that have its address, in the order of NS-07. Reads only.
    pub(super) fn find(&self, uplink: &Uplink) -> Result<(Handle, MatchedUplink), Drop> {
        let Some(data) = uplink.phy.data() else {
            return Err(Drop::new("not_a_data_uplink", "no data uplink"));
        };
        let candidates = match self.by_addr.get(&data.dev_addr).map(Vec::as_slice) {
            None | Some([]) => {
                let detail = format!("no session has the address {}", data.dev_addr);
                return Err(Drop::new("device_not_found", detail));
            }
            Some([only]) => vec![*only],
            Some(several) => self.in_order(data, several),
        };
        stats::add(&self.stats.match_candidates, candidates.len());
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
        data: &DataForm,
        candidates: &[(Handle, Candidate)],
    ) -> Vec<(Handle, Candidate)> {
        let mut ordered: Vec<_> = candidates
            .iter()
            .filter(|(_, candidate)| *candidate == Candidate::Current || !data.f_ctrl.ack)
            .map(|(handle, candidate)| {
                let last =
                    self.devices.get(handle).and_then(|entry| entry.mac.hot.f_cnt_up).unwrap_or(0);
                let above = last & 0xFFFF > u32::from(data.f_cnt);
                ((*candidate == Candidate::Pending, above, Reverse(last)), (*handle, *candidate))
            })
            .collect();
        ordered.sort_by_key(|(order, _)| *order);
        ordered.into_iter().map(|(_, candidate)| candidate).collect()
    }
}

pub(super) const fn radio(uplink: &Uplink) -> UplinkRadio {
    UplinkRadio { frequency: uplink.settings.frequency, data_rate: uplink.settings.data_rate }
}
