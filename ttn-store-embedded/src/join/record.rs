//! What is stored of a device's joins: protobuf messages of the package `ttn.store.v1`.

use prost::Message as _;
use ttn_core::{key::SessionKeyId, store::StoreError};
use ttn_js::store::{RootKeyTag, SessionKeySet};

use crate::table::corrupt;

/// `JoinNonces`
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Nonces {
    #[prost(uint64, tag = "1")]
    pub(crate) revision: u64,
    #[prost(uint32, tag = "2")]
    pub(crate) join_nonce: u32,
    #[prost(message, repeated, tag = "3")]
    pub(crate) counters: Vec<Counter>,
}

/// `JoinCounter`
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Counter {
    #[prost(fixed64, tag = "1")]
    root_key: u64,
    #[prost(uint32, tag = "2")]
    last: u32,
}

/// `JoinSessionKeySets`, the newest first
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct SessionKeySets {
    /// Octets of `ttn_js::store::SessionKeySet`.
    #[prost(bytes = "vec", repeated, tag = "1")]
    pub(crate) sets: Vec<Vec<u8>>,
}

impl Nonces {
    pub(crate) fn parse(row: Option<&[u8]>) -> Result<Self, StoreError> {
        // Without a row the device never joined.
        Self::decode(row.unwrap_or_default()).map_err(|_| corrupt("the nonces of a device"))
    }

    /// The form of a dump.
    #[cfg(feature = "dump")]
    pub(crate) fn dump(&self) -> Vec<u8> {
        let mut octets = self.revision.to_be_bytes().to_vec();
        octets.extend(self.join_nonce.to_be_bytes());
        let mut counters = self.counters.clone();
        counters.sort_by_key(|counter| counter.root_key);
        for Counter { root_key, last } in counters {
            octets.extend(root_key.to_be_bytes());
            octets.extend(u16::try_from(last).unwrap_or(u16::MAX).to_be_bytes());
        }
        octets
    }

    /// Reads what [`Self::dump`] made.
    #[cfg(feature = "dump")]
    pub(crate) fn filled(octets: &[u8]) -> Option<Self> {
        let (revision, rest) = octets.split_first_chunk()?;
        let (join_nonce, mut rest) = rest.split_first_chunk()?;
        let mut counters = Vec::new();
        while !rest.is_empty() {
            let (root_key, last) = rest.split_first_chunk()?;
            let (last, behind) = last.split_first_chunk()?;
            let (root_key, last) = (u64::from_be_bytes(*root_key), u16::from_be_bytes(*last));
            counters.push(Counter { root_key, last: last.into() });
            rest = behind;
        }
        let (revision, join_nonce) =
            (u64::from_be_bytes(*revision), u32::from_be_bytes(*join_nonce));
        Some(Self { revision, join_nonce, counters })
    }

    pub(crate) fn last(&self, RootKeyTag(tag): RootKeyTag) -> Option<u16> {
        let tag = u64::from_be_bytes(tag);
        let counter = self.counters.iter().find(|counter| counter.root_key == tag)?;
        Some(u16::try_from(counter.last).unwrap_or(u16::MAX))
    }

    pub(crate) fn raise_last(&mut self, RootKeyTag(tag): RootKeyTag, dev_nonce: u16) {
        let root_key = u64::from_be_bytes(tag);
        let last = u32::from(dev_nonce);
        match self.counters.iter_mut().find(|counter| counter.root_key == root_key) {
            Some(counter) => counter.last = counter.last.max(last),
            None => self.counters.push(Counter { root_key, last }),
        }
    }
}

impl SessionKeySets {
    pub(crate) fn parse(row: Option<&[u8]>) -> Result<Self, StoreError> {
        Self::decode(row.unwrap_or_default()).map_err(|_| corrupt("the session keys of a device"))
    }

    pub(crate) fn find(&self, id: &SessionKeyId) -> Result<Option<SessionKeySet>, StoreError> {
        for octets in &self.sets {
            let set = SessionKeySet::decode(octets)?;
            if set.keys.id == *id {
                return Ok(Some(set));
            }
        }
        Ok(None)
    }
}
