//! Peers of one process.

use std::{
    fmt,
    sync::{Arc, Weak},
};

use parking_lot::RwLock;

use super::{Access, AsJs, AsNs, Directory, GsNs, NsAs, NsGs, NsJs, PeerError, Peers};
use crate::{eui::JoinEui, id::GatewayId};

/// Late-bound slots: components refer to each other in a circle, so the slots are filled after all are built.
///
/// Slots hold `Weak`: whoever composed the components owns them, and dropping that frees everything.
#[derive(Default)]
pub struct Local {
    gs_ns: Slot<dyn GsNs>,
    ns_gs: Slot<dyn NsGs>,
    ns_as: Slot<dyn NsAs>,
    as_ns: Slot<dyn AsNs>,
    ns_js: Slot<dyn NsJs>,
    as_js: Slot<dyn AsJs>,
    directory: Slot<dyn Directory>,
    access: Slot<dyn Access>,
}

struct Slot<T: ?Sized>(RwLock<Option<Weak<T>>>);

impl<T: ?Sized> Default for Slot<T> {
    fn default() -> Self {
        Self(RwLock::new(None))
    }
}

impl<T: ?Sized> Slot<T> {
    fn get(&self, relation: &'static str) -> Result<Arc<T>, PeerError> {
        let peer = self.0.read().as_ref().and_then(Weak::upgrade);
        peer.ok_or(PeerError::Unavailable { relation })
    }

    fn set(&self, peer: &Arc<T>) {
        *self.0.write() = Some(Arc::downgrade(peer));
    }
}

macro_rules! setters {
    ($($set:ident, $slot:ident, $peer:ident;)*) => {
        impl Local {
            $(
                /// Fills a slot. The peer is not kept alive by it.
                pub fn $set<T: $peer>(&self, peer: &Arc<T>) -> &Self {
                    let peer: Arc<dyn $peer> = peer.clone();
                    self.$slot.set(&peer);
                    self
                }
            )*
        }
    };
}

setters! {
    set_gs_ns, gs_ns, GsNs;
    set_ns_gs, ns_gs, NsGs;
    set_ns_as, ns_as, NsAs;
    set_as_ns, as_ns, AsNs;
    set_ns_js, ns_js, NsJs;
    set_as_js, as_js, AsJs;
    set_directory, directory, Directory;
    set_access, access, Access;
}

impl Peers for Local {
    fn gs_ns(&self) -> Result<Arc<dyn GsNs>, PeerError> {
        self.gs_ns.get("GsNs")
    }

    fn ns_gs(&self, _gateway: &GatewayId) -> Result<Arc<dyn NsGs>, PeerError> {
        self.ns_gs.get("NsGs")
    }

    fn ns_as(&self) -> Result<Arc<dyn NsAs>, PeerError> {
        self.ns_as.get("NsAs")
    }

    fn as_ns(&self) -> Result<Arc<dyn AsNs>, PeerError> {
        self.as_ns.get("AsNs")
    }

    fn ns_js(&self, _join_eui: JoinEui) -> Result<Arc<dyn NsJs>, PeerError> {
        self.ns_js.get("NsJs")
    }

    fn as_js(&self, _join_eui: JoinEui) -> Result<Arc<dyn AsJs>, PeerError> {
        self.as_js.get("AsJs")
    }

    fn directory(&self) -> Result<Arc<dyn Directory>, PeerError> {
        self.directory.get("Directory")
    }

    fn access(&self) -> Result<Arc<dyn Access>, PeerError> {
        self.access.get("Access")
    }
}

impl fmt::Debug for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Local").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::msg::{TxAck, UplinkBatch};
    use crate::store::Refused;

    #[derive(Debug)]
    struct Taker;

    impl GsNs for Taker {
        fn uplinks(&self, _batch: UplinkBatch) -> Result<(), Refused<UplinkBatch>> {
            Ok(())
        }

        fn tx_acks(&self, _acks: Vec<TxAck>) -> Result<(), Refused<Vec<TxAck>>> {
            Ok(())
        }
    }

    #[test]
    fn an_empty_or_dead_slot_is_unavailable() {
        let peers = Local::default();
        assert!(matches!(peers.gs_ns(), Err(PeerError::Unavailable { relation: "GsNs" })));
        let taker = Arc::new(Taker);
        peers.set_gs_ns(&taker);
        assert!(peers.gs_ns().is_ok());
        drop(taker);
        assert!(peers.gs_ns().is_err());
    }
}
