//! The EIRP table of TxParamSetupReq (TS001-1.0.4 §5.8).

/// The EIRP in dBm of each index.
const EIRP: [u8; 16] = [8, 10, 12, 13, 14, 16, 18, 20, 21, 24, 26, 27, 29, 30, 33, 36];

/// The EIRP in dBm of an index of TxParamSetupReq; `None` above 15.
#[must_use]
pub fn eirp_of_index(index: u8) -> Option<f32> {
    EIRP.get(usize::from(index)).copied().map(f32::from)
}

/// The highest index whose EIRP is not above `eirp` in dBm; 0 below the table.
#[must_use]
pub fn index_of_eirp(eirp: f32) -> u8 {
    let reached = EIRP.iter().take_while(|dbm| f32::from(**dbm) <= eirp).count();
    u8::try_from(reached.saturating_sub(1)).unwrap_or(0)
}
