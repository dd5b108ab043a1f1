//! What is stored of a device's joins: protobuf messages of the package `ttn.store.v1`.

use prost::Message as _;
use ttn_core::{key::SessionKeyId, store::StoreError};
use ttn_js::store::{RootKeyTag, SessionKeySet};

use crate::table::corrupt;

/// `JoinNonces`
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Nonces {
    #[prost(uint64, tag = "1")]
    pub(super) revision: u64,
    #[prost(uint32, tag = "2")]
    pub(super) join_nonce: u32,
    #[prost(message, repeated, tag = "3")]
    pub(super) counters: Vec<Counter>,
}

/// `JoinCounter`
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Counter {
    #[prost(fixed64, tag = "1")]
    root_key: u64,
    #[prost(uint32, tag = "2")]
    last: u32,
}

/// `JoinSessionKeySets`, the newest first
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct SessionKeySets {
    /// Octets of `ttn_js::store::SessionKeySet`.
    #[prost(bytes = "vec", repeated, tag = "1")]
    pub(super) sets: Vec<Vec<u8>>,
}

impl Nonces {
    pub(super) fn parse(row: Option<&[u8]>) -> Result<Self, StoreError> {
        // Without a row the device never joined.
        Self::decode(row.unwrap_or_default()).map_err(|_| corrupt("the nonces of a device"))
    }

    pub(super) fn last(&self, RootKeyTag(tag): RootKeyTag) -> Option<u16> {
        let tag = u64::from_be_bytes(tag);
        let counter = self.counters.iter().find(|counter| counter.root_key == tag)?;
        Some(u16::try_from(counter.last).unwrap_or(u16::MAX))
    }

    pub(super) fn raise_last(&mut self, RootKeyTag(tag): RootKeyTag, dev_nonce: u16) {
        let root_key = u64::from_be_bytes(tag);
        let last = u32::from(dev_nonce);
        match self.counters.iter_mut().find(|counter| counter.root_key == root_key) {
            Some(counter) => counter.last = counter.last.max(last),
            None => self.counters.push(Counter { root_key, last }),
        }
    }
}

impl SessionKeySets {
    pub(super) fn parse(row: Option<&[u8]>) -> Result<Self, StoreError> {
        Self::decode(row.unwrap_or_default()).map_err(|_| corrupt("the session keys of a device"))
    }

    pub(super) fn find(&self, id: &SessionKeyId) -> Result<Option<SessionKeySet>, StoreError> {
        for octets in &self.sets {
            let set = SessionKeySet::decode(octets)?;
            if set.keys.id == *id {
                return Ok(Some(set));
            }
        }
        Ok(None)
    }
}
