//! The ways back to a device, the best first (NS-80).

use ttn_core::{
    msg::{DownlinkPath, PathConstraint, RxMetadata},
    radio::DataRate,
};

/// How many paths a downlink names; the worst are left out.
const PATHS_MAX: usize = 16;

/// Ranks the antennas that received an uplink: unconstrained gateways first, each group by the strength of the signal.
/// Gateways that may never send are left out.
pub(super) fn rank(metadata: &[RxMetadata], data_rate: &DataRate) -> Vec<DownlinkPath> {
    let lora = matches!(data_rate, DataRate::Lora { .. });
    let mut ranked: Vec<(bool, f32, &RxMetadata)> = metadata
        .iter()
        .filter(|metadata| metadata.path_constraint != PathConstraint::Never)
        .map(|metadata| {
            let last = metadata.path_constraint == PathConstraint::PreferOther;
            (last, signal_rssi(metadata, lora), metadata)
        })
        .collect();
    // The sort is stable: of equals, the first copy comes first.
    ranked.sort_by(|(last_a, rssi_a, _), (last_b, rssi_b, _)| {
        last_a.cmp(last_b).then(rssi_b.total_cmp(rssi_a))
    });
    ranked
        .into_iter()
        .take(PATHS_MAX)
        .map(|(_, _, metadata)| DownlinkPath::Uplink {
            gateway_id: metadata.gateway_id.clone(),
            token: metadata.uplink_token.clone(),
        })
        .collect()
}

/// The strength of the signal without the noise.
fn signal_rssi(metadata: &RxMetadata, lora: bool) -> f32 {
    match metadata.signal_rssi {
        Some(rssi) => rssi,
        None if lora => metadata.rssi - 10.0 * (1.0 + 10_f32.powf(-metadata.snr / 10.0)).log10(),
        None => metadata.rssi,
    }
}
