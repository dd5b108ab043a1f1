//! Where a server under test keeps everything.

use std::path::Path;

use futures::TryStreamExt as _;
use ttn_as::log::{ApplicationLog, Cursor, LogEntry, LogFilter, Retention};
use ttn_core::msg::Up;
use ttn_store_embedded::EmbeddedStore;
use ttn_store_postgres::{Options, PostgresStore};

use crate::{cluster::Cluster, network::APPLICATION};

/// A directory, or a database on a server of its own.
pub(crate) enum Home {
    Database { cluster: Cluster, url: String },
    Directory,
}

impl Home {
    /// An empty database.
    pub(crate) fn database() -> Self {
        let cluster = Cluster::start();
        let url = cluster.database("ttn");
        Self::Database { cluster, url }
    }

    /// The lines of a configuration that name it.
    pub(crate) fn config(&self) -> String {
        match self {
            Self::Database { url, .. } => format!("store: \"{url}\"\n"),
            Self::Directory => String::new(),
        }
    }

    /// The server of the database.
    pub(crate) fn cluster(&mut self) -> &mut Cluster {
        match self {
            Self::Database { cluster, .. } => cluster,
            Self::Directory => panic!("a directory has no server"),
        }
    }

    /// The counters of all uplinks in the log, in its order. A directory can be read only when the server has ended.
    pub(crate) fn logged(&self, data: &Path) -> Vec<u32> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            match self {
                Self::Database { url, .. } => {
                    let options = Options { migrate: false, ..Options::default() };
                    let store = PostgresStore::open(url, options).await.unwrap();
                    // It waits for the transaction that a killed server was just committing.
                    let nothing = Retention { before: None, bytes_max: None };
                    store.truncate(&nothing).await.unwrap();
                    f_cnts(&*store).await
                }
                Self::Directory => {
                    f_cnts(&*EmbeddedStore::open(data, Default::default()).unwrap()).await
                }
            }
        })
    }
}

async fn f_cnts(log: &dyn ApplicationLog) -> Vec<u32> {
    let filter = LogFilter::application(APPLICATION.parse().unwrap());
    let entries: Vec<_> = log.read(&Cursor::start(), &filter).try_collect().await.unwrap();
    let f_cnt = |entry: &LogEntry| match entry {
        LogEntry::Record(record) => match &record.up.up {
            Up::Uplink(up) if record.completes.is_none() => Some(up.f_cnt),
            _ => None,
        },
        LogEntry::Gap { .. } => None,
    };
    entries.iter().filter_map(|found| f_cnt(&found.entry)).collect()
}
