//! Gateways in memory: connections and rejoining gateways ask for them all the time.

use parking_lot::Mutex;
use ttn_core::{eui::GatewayEui, id::GatewayId, map::Map, peer::GatewayInfo};

/// Gateways by id and EUI. Every write of a gateway clears its entry.
#[derive(Debug, Default)]
pub(crate) struct GatewayCache(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    by_id: Map<GatewayId, GatewayInfo>,
    by_eui: Map<GatewayEui, GatewayId>,
    generation: u64,
}

impl GatewayCache {
    pub(crate) fn get(&self, id: &GatewayId) -> Option<GatewayInfo> {
        self.0.lock().by_id.get(id).cloned()
    }

    pub(crate) fn id_of(&self, eui: GatewayEui) -> Option<GatewayId> {
        self.0.lock().by_eui.get(&eui).cloned()
    }

    /// To be read before the store: what was read while a write happened is not kept.
    pub(crate) fn generation(&self) -> u64 {
        self.0.lock().generation
    }

    pub(crate) fn insert(&self, generation: u64, info: GatewayInfo) {
        let mut inner = self.0.lock();
        if inner.generation != generation {
            return;
        }
        if inner.by_id.len() >= GATEWAYS_MAX {
            inner.by_id.clear();
            inner.by_eui.clear();
        }
        if let Some(eui) = info.ids.eui {
            inner.by_eui.insert(eui, info.ids.gateway_id.clone());
        }
        inner.by_id.insert(info.ids.gateway_id.clone(), info);
    }

    pub(crate) fn forget(&self, id: &GatewayId) {
        let mut inner = self.0.lock();
        inner.generation += 1;
        if let Some(GatewayInfo { ids, .. }) = inner.by_id.remove(id)
            && let Some(eui) = ids.eui
        {
            inner.by_eui.remove(&eui);
        }
    }
}

/// How many gateways are kept; one more, and all are forgotten and read anew.
const GATEWAYS_MAX: usize = 65_536;
