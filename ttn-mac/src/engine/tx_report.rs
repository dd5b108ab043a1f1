//! What became of a downlink.

use super::{Engine, TxOutcome, TxReport};
use crate::state::MacState;

impl Engine<'_> {
    /// Takes note of what became of the downlink in flight (NS-82, NS-93).
    pub fn on_tx_report(&self, st: &mut MacState, report: TxReport) -> TxOutcome {
        let (TxReport::NotSent { f_cnt } | TxReport::Sent { f_cnt } | TxReport::Unknown { f_cnt }) =
            report;
        let Some(flight) = st.hot.in_flight.filter(|flight| flight.f_cnt == f_cnt) else {
            return TxOutcome { known: false, queue_item: false, slow_changed: false };
        };
        st.hot.in_flight = None;
        let mut slow_changed = false;
        if matches!(report, TxReport::NotSent { .. }) {
            // Nothing was on air under this counter, so that it is not used twice.
            let last = if flight.application_counter {
                &mut st.hot.a_f_cnt_down
            } else {
                &mut st.hot.n_f_cnt_down
            };
            *last = f_cnt.checked_sub(1);
            if flight.confirmed {
                st.hot.ack_pending = false;
            }
            if flight.requests {
                // They are asked again as long as current and desired parameters differ.
                st.slow.pending_requests.clear();
                slow_changed = true;
            }
        }
        TxOutcome { known: true, queue_item: flight.queue_item, slow_changed }
    }
}
