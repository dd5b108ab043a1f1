//! A whole network as rows, in one form for every store: for moving it from one store to another without loss.

use async_trait::async_trait;
use futures::stream::BoxStream;

use super::{StoreError, StoreErrorKind};

/// The table of a row. Its number never changes, nor does the form of its rows: integers are big-endian, `uid` is the
/// application's id, a zero octet and the device's id, `euis` are JoinEUI and DevEUI, records are what the components
/// encode. Tables come in the order of their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum DumpTable {
    /// `partition u16` → `epoch u64`.
    Epoch = 0x02,
    /// `partition u16, device u64` → `revision u64, record`.
    NetworkDevice = 0x10,
    /// `partition u16, device u64` → session record.
    NetworkHot = 0x11,
    /// `partition u16, device u64, place u64` → queue item.
    NetworkItem = 0x12,
    /// Nothing → `forgotten u64, last u64`: the numbers of the application log.
    LogState = 0x20,
    /// `number u64` → `time i64, length u8, application, record`: the application log.
    Log = 0x21,
    /// Key of a registry record → `revision u64, record`.
    ApplicationRegistry = 0x22,
    /// `uid` → session record.
    ApplicationSession = 0x23,
    /// Key of an integration → its place in the log.
    ApplicationReader = 0x24,
    /// `uid` → `revision u64, record`.
    JoinDevice = 0x30,
    /// `euis` → `revision u64, JoinNonce u32`, and for each root key `tag [8], DevNonce u16`.
    JoinNonces = 0x31,
    /// `euis, tag [8], DevNonce u16` → nothing.
    JoinUsedDevNonce = 0x32,
    /// `euis, age u32` (0: the newest) → record.
    JoinSessionKeys = 0x33,
    /// Application's id → `revision u64, record`.
    JoinActivationSettings = 0x34,
    /// `table u8, key` → `revision u64, value`.
    Identity = 0x40,
    /// Nothing → `revision u64`: the last one that a row of the Identity Server got.
    IdentityRevision = 0x41,
}

impl DumpTable {
    /// Every table, in the order of a dump.
    pub const ALL: [Self; 16] = [
        Self::Epoch,
        Self::NetworkDevice,
        Self::NetworkHot,
        Self::NetworkItem,
        Self::LogState,
        Self::Log,
        Self::ApplicationRegistry,
        Self::ApplicationSession,
        Self::ApplicationReader,
        Self::JoinDevice,
        Self::JoinNonces,
        Self::JoinUsedDevNonce,
        Self::JoinSessionKeys,
        Self::JoinActivationSettings,
        Self::Identity,
        Self::IdentityRevision,
    ];

    /// The number of the table.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The table of a number.
    #[must_use]
    pub fn of_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.number() == number)
    }
}

/// A row of a dump.
#[derive(Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "built by stores")]
pub struct DumpRow {
    /// The table.
    pub table: DumpTable,
    /// The key.
    pub key: Vec<u8>,
    /// The value.
    pub value: Vec<u8>,
}

impl DumpRow {
    /// The error for a row that is none.
    #[must_use]
    pub fn corrupt(&self) -> StoreError {
        StoreError::new(StoreErrorKind::Corrupt, format!("a row of {:?} in a dump", self.table))
    }
}

impl std::fmt::Debug for DumpRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Values hold wrapped keys and hashes of passwords.
        write!(f, "{:?} {:02X?}: {} octets", self.table, self.key, self.value.len())
    }
}

/// A store that can be moved. Nothing else may write to it meanwhile.
#[async_trait]
pub trait Dump: Send + Sync {
    /// Reads everything that is durable, table by table, each in the order of its keys.
    fn dump(&self) -> BoxStream<'_, Result<DumpRow, StoreError>>;

    /// Takes everything that another store had. Gives the number of rows. The store has to be opened again before
    /// anything else uses it.
    ///
    /// # Errors
    ///
    /// `AlreadyExists` if there is something already; `Corrupt` for rows that are none. After an error the store is
    /// either empty or refuses to be opened.
    async fn fill(
        &self,
        rows: BoxStream<'_, Result<DumpRow, StoreError>>,
    ) -> Result<u64, StoreError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_known_by_number_and_in_order() {
        for table in DumpTable::ALL {
            assert_eq!(DumpTable::of_number(table.number()), Some(table));
        }
        assert!(DumpTable::ALL.is_sorted());
        assert_eq!(DumpTable::of_number(0), None);
    }
}
