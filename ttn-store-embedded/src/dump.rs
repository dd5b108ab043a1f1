//! Moving a whole store: its rows in the form of `ttn_core::store::dump`, without what follows from them.

use async_trait::async_trait;
use futures::{StreamExt as _, TryStreamExt as _, stream, stream::BoxStream};
use prost::Message as _;
use ttn_core::store::{
    Epoch, PartitionId, StoreError, StoreErrorKind,
    dump::{Dump, DumpRow, DumpTable},
};

#[cfg(test)]
#[path = "../../ttn-store-postgres/tests/server/everything.rs"]
mod everything;

use crate::{
    EmbeddedStore, application,
    base::{Row, Space},
    join,
    lane::Change,
    network,
    table::{FILLING, IDENTITY_REVISION, LOG_COUNTER, Table, after_prefix, split_u64},
    write::Denied,
};

/// How many rows are written at a time.
const FILL_PAGE: usize = 512;

#[async_trait]
impl Dump for EmbeddedStore {
    fn dump(&self) -> BoxStream<'_, Result<DumpRow, StoreError>> {
        let rows = DumpTable::ALL.into_iter().flat_map(move |table| self.rows_of(table));
        stream::iter(rows).boxed()
    }

    async fn fill(
        &self,
        rows: BoxStream<'_, Result<DumpRow, StoreError>>,
    ) -> Result<u64, StoreError> {
        self.lanes
            .write(|change| {
                // Behind the rows of mark and lanes, which every opened store may have.
                let (from, to) = (vec![Table::Epoch as u8], vec![u8::MAX]);
                let mut there = change.range(Space::State, from, to, 1);
                if there.next().transpose()?.is_some() {
                    let context = "what is in this store";
                    return Err(StoreError::new(StoreErrorKind::AlreadyExists, context).into());
                }
                change.put(Space::State, FILLING.to_vec(), Vec::new());
                Ok(())
            })
            .await?;
        let mut pages = rows.try_chunks(FILL_PAGE);
        let mut count = 0;
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| error.1)?;
            self.lanes.write(|change| page.iter().try_for_each(|row| fill(change, row))).await?;
            count += page.len() as u64;
        }
        let done = self.lanes.write(|change| {
            change.delete(Space::State, FILLING.to_vec());
            Ok(())
        });
        done.await?;
        Ok(count)
    }
}

/// The rows of a dump.
type Rows = Box<dyn Iterator<Item = Result<DumpRow, StoreError>> + Send>;

impl EmbeddedStore {
    fn rows_of(&self, table: DumpTable) -> Rows {
        // Behind the number of the table.
        let plain = move |(key, value): Row| {
            let key = key.get(1..).unwrap_or_default().to_vec();
            vec![DumpRow { table, key, value }]
        };
        let state = |of: Table| {
            let (from, to) = of.prefix(&[]);
            self.lanes.range(Space::State, from, to, usize::MAX)
        };
        let single = |key: &[u8], zero: &[u8]| -> Rows {
            let value = self.lanes.get(Space::State, key).map(|value| {
                let value = value.unwrap_or_else(|| zero.to_vec());
                DumpRow { table, key: Vec::new(), value }
            });
            Box::new(std::iter::once(value))
        };
        let of = match table {
            DumpTable::NetworkHot | DumpTable::NetworkItem => {
                let rows = self.lanes.range(Space::Hot, Vec::new(), vec![u8::MAX], usize::MAX);
                return Box::new(rows.filter_map(move |row| match row {
                    Ok(row) => network::dump_part(table, row).map(Ok),
                    Err(error) => Some(Err(error)),
                }));
            }
            DumpTable::LogState => {
                let row = single(&LOG_COUNTER, &[0; 16]);
                return Box::new(row.map(|row| {
                    let row = row?;
                    Ok(DumpRow { value: application::dump_counter(&row.value), ..row })
                }));
            }
            DumpTable::IdentityRevision => return single(&IDENTITY_REVISION, &[0; 8]),
            DumpTable::Log => {
                let records = vec![application::RECORD];
                let to = after_prefix(&records);
                let rows = self.lanes.range(Space::Log, records, to, usize::MAX);
                return several(rows, move |row| Ok(plain(row)));
            }
            DumpTable::JoinNonces => {
                return several(state(Table::JoinNonces), move |(key, value)| {
                    let value = join::record::Nonces::parse(Some(&value))?.dump();
                    Ok(plain((key, value)))
                });
            }
            DumpTable::JoinSessionKeys => {
                return several(state(Table::JoinSessionKeys), move |(key, value)| {
                    let sets = join::record::SessionKeySets::parse(Some(&value))?.sets;
                    let aged = (0_u32..).zip(sets).map(|(age, value)| {
                        let key = [key.get(1..).unwrap_or_default(), &age.to_be_bytes()].concat();
                        DumpRow { table, key, value }
                    });
                    Ok(aged.collect())
                });
            }
            DumpTable::Epoch => Table::Epoch,
            DumpTable::NetworkDevice => Table::NetworkDevice,
            DumpTable::ApplicationRegistry => Table::ApplicationRegistry,
            DumpTable::ApplicationSession => Table::ApplicationSession,
            DumpTable::ApplicationReader => Table::ApplicationReader,
            DumpTable::JoinDevice => Table::JoinDevice,
            DumpTable::JoinUsedDevNonce => Table::JoinUsedDevNonce,
            DumpTable::JoinActivationSettings => Table::JoinActivationSettings,
            DumpTable::Identity => Table::Identity,
        };
        several(state(of), move |row| Ok(plain(row)))
    }
}

/// Makes rows of a dump from rows of the engine.
fn several(
    rows: impl Iterator<Item = Result<Row, StoreError>> + Send + 'static,
    dump: impl Fn(Row) -> Result<Vec<DumpRow>, StoreError> + Send + 'static,
) -> Rows {
    Box::new(rows.flat_map(move |row| match row.and_then(&dump) {
        Ok(rows) => rows.into_iter().map(Ok).collect(),
        Err(error) => vec![Err(error)],
    }))
}

/// Writes a row of a dump, with what follows from it.
fn fill(change: &mut Change<'_>, row: &DumpRow) -> Result<(), Denied> {
    let DumpRow { table, key, value } = row;
    let of = match table {
        DumpTable::Epoch => {
            let partition = key.as_slice().try_into().ok().map(u16::from_be_bytes);
            let partition = partition.and_then(PartitionId::new).ok_or_else(|| row.corrupt())?;
            let (epoch, _) = split_u64(value)?;
            change.state.epochs.insert(partition, Epoch(epoch));
            Table::Epoch
        }
        DumpTable::NetworkDevice => {
            network::fill_place(change, key, value)?;
            Table::NetworkDevice
        }
        DumpTable::NetworkHot | DumpTable::NetworkItem => {
            let key = network::part_key(*table, key).ok_or_else(|| row.corrupt())?;
            change.put(Space::Hot, key, value.clone());
            return Ok(());
        }
        DumpTable::LogState => {
            application::fill_counter(change, value)?;
            return Ok(());
        }
        DumpTable::Log => return Ok(application::fill_record(change, key, value)?),
        DumpTable::ApplicationRegistry => Table::ApplicationRegistry,
        DumpTable::ApplicationSession => Table::ApplicationSession,
        DumpTable::ApplicationReader => Table::ApplicationReader,
        DumpTable::JoinDevice => {
            join::fill_euis(change, key, value)?;
            Table::JoinDevice
        }
        DumpTable::JoinNonces => {
            let nonces = join::record::Nonces::filled(value).ok_or_else(|| row.corrupt())?;
            change.put(Space::State, Table::JoinNonces.key(&[key]), nonces.encode_to_vec());
            return Ok(());
        }
        DumpTable::JoinUsedDevNonce => Table::JoinUsedDevNonce,
        DumpTable::JoinSessionKeys => {
            let (euis, _) = key.split_last_chunk::<4>().ok_or_else(|| row.corrupt())?;
            let key = Table::JoinSessionKeys.key(&[euis]);
            let sets = change.get(Space::State, &key)?;
            let mut sets = join::record::SessionKeySets::parse(sets.as_deref())?;
            // They come in the order of their age.
            sets.sets.push(value.clone());
            change.put(Space::State, key, sets.encode_to_vec());
            return Ok(());
        }
        DumpTable::JoinActivationSettings => Table::JoinActivationSettings,
        DumpTable::Identity => Table::Identity,
        DumpTable::IdentityRevision => {
            change.state.counters.identity_revision = split_u64(value)?.0;
            change.put(Space::State, IDENTITY_REVISION.to_vec(), value.clone());
            return Ok(());
        }
    };
    change.put(Space::State, of.key(&[key]), value.clone());
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use ttn_as::log::{ApplicationLog as _, Cursor, Retention};

    use super::*;
    use crate::Options;

    fn open(directory: &tempfile::TempDir) -> std::sync::Arc<EmbeddedStore> {
        EmbeddedStore::open(directory.path(), Options::default()).unwrap()
    }

    async fn dump(store: &EmbeddedStore) -> Vec<DumpRow> {
        store.dump().try_collect().await.unwrap()
    }

    fn all(rows: &[DumpRow]) -> BoxStream<'static, Result<DumpRow, StoreError>> {
        stream::iter(rows.to_vec()).map(Ok).boxed()
    }

    /// The keys of everything that is stored, but those of mark and lanes: they belong to the directory.
    fn keys(store: &EmbeddedStore) -> BTreeSet<(Space, Vec<u8>)> {
        let mut keys = BTreeSet::new();
        for space in [Space::Hot, Space::Log, Space::State] {
            let rows = store.lanes.range(space, Vec::new(), vec![u8::MAX], usize::MAX);
            keys.extend(rows.map(|row| (space, row.unwrap().0)));
        }
        keys.retain(|(space, key)| *space != Space::State || key[0] > Table::Lane as u8);
        keys
    }

    #[tokio::test]
    async fn a_directory_moves_with_everything_in_it() {
        let directories = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let (from, to) = (open(&directories[0]), open(&directories[1]));
        everything::write(&*from).await;
        let rows = dump(&from).await;
        for table in DumpTable::ALL {
            assert!(rows.iter().any(|row| row.table == table), "{table:?}");
        }
        assert_eq!(to.fill(all(&rows)).await.unwrap(), rows.len() as u64);
        assert_eq!(dump(&to).await, rows);
        // What is found by another key, too: a table that no dump has would be missing.
        assert_eq!(keys(&to), keys(&from));
        drop(to);
        let to = open(&directories[1]);
        assert_eq!(to.end(), Cursor::behind(everything::LOGGED + 1));
        let counters = |store: &EmbeddedStore| {
            store.lanes.with_state(|state| (state.counters.identity_revision, state.counters.log))
        };
        assert_eq!(counters(&to), counters(&from));
        let refused = to.fill(all(&rows)).await.unwrap_err();
        assert_eq!(refused.kind, StoreErrorKind::AlreadyExists);
        let retention = Retention { before: None, bytes_max: Some(0) };
        assert_eq!(to.truncate(&retention).await.unwrap(), everything::LOGGED);
    }

    #[tokio::test]
    async fn a_directory_that_was_filled_in_part_is_refused() {
        let directories = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let (from, to) = (open(&directories[0]), open(&directories[1]));
        everything::write(&*from).await;
        let broken = StoreError::new(StoreErrorKind::Io, "the file");
        let rows = all(&dump(&from).await[..9]).chain(stream::iter([Err(broken)])).boxed();
        assert_eq!(to.fill(rows).await.unwrap_err().kind, StoreErrorKind::Io);
        drop(to);
        let refused = EmbeddedStore::open(directories[1].path(), Options::default()).unwrap_err();
        assert!(refused.to_string().contains("was cut off"), "{refused}");
    }
}
