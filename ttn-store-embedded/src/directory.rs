//! The directory of a store: one process at a time, one format, nobody else's eyes.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use ttn_core::store::{StoreError, StoreErrorKind};

/// A directory that this process holds. Dropping it lets go.
#[derive(Debug)]
pub(crate) struct Held {
    path: PathBuf,
    // The lock ends with the file.
    _lock: File,
}

/// The version of everything in a store's directory. A newer one is not touched. 1 had no log: it becomes 2 before there
/// is one, so that no program that knows nothing of the log opens the engine alone.
pub(crate) const FORMAT: u32 = 2;
/// A format without a log.
const WITHOUT_LOG: u32 = 1;

impl Held {
    /// Takes a directory, which it makes if it is not there.
    pub(crate) fn take(path: &Path) -> Result<Self, StoreError> {
        let failed = |error| failed(path, error);
        make_private(path).map_err(failed)?;
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true);
        private(&mut options);
        let lock = options.open(path.join(LOCK)).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let context = format!(
                    "the store in {} (stop the other process, or name another directory)",
                    path.display()
                );
                return Err(StoreError::new(StoreErrorKind::Locked, context));
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        check_format(path)?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// Where the engine lives.
    pub(crate) fn engine(&self) -> PathBuf {
        self.path.join("engine")
    }

    /// Where the log lives.
    pub(crate) fn log(&self) -> PathBuf {
        self.path.join("log")
    }
}

fn check_format(path: &Path) -> Result<(), StoreError> {
    let file = path.join("FORMAT");
    match fs::read_to_string(&file) {
        Ok(text) => {
            let number = text.strip_prefix(FORMAT_PREFIX).and_then(|rest| rest.trim().parse().ok());
            match number {
                Some(FORMAT) => Ok(()),
                Some(WITHOUT_LOG) => write_format(path, &file).map_err(|error| failed(path, error)),
                Some(newer @ FORMAT..) => {
                    let context = format!(
                        "the store in {} has format {newer:?}, this program knows up to {FORMAT}; it",
                        path.display()
                    );
                    Err(StoreError::new(StoreErrorKind::Schema, context))
                }
                _ => {
                    let context = format!("the file {}", file.display());
                    Err(StoreError::new(StoreErrorKind::Corrupt, context))
                }
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if path.join("engine").exists() {
                // An engine without the file: a first start that was cut off before it could be written cannot leave
                // one, because the file comes first.
                let context = format!("the file {} of an existing store", file.display());
                return Err(StoreError::new(StoreErrorKind::Corrupt, context));
            }
            write_format(path, &file).map_err(|error| failed(path, error))
        }
        Err(error) => Err(failed(path, error)),
    }
}

fn write_format(path: &Path, file: &Path) -> io::Result<()> {
    let new = path.join("FORMAT.new");
    let mut options = OpenOptions::new();
    options.create(true).truncate(true).write(true);
    private(&mut options);
    let mut out = options.open(&new)?;
    writeln!(out, "{FORMAT_PREFIX}{FORMAT}")?;
    out.sync_all()?;
    fs::rename(&new, file)?;
    File::open(path)?.sync_all()
}

#[cfg(unix)]
fn make_private(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700).create(path)?;
    let mode = fs::metadata(path)?.permissions().mode();
    if mode & 0o077 != 0 {
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn make_private(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).create(path)
}

/// Only the owner may read what is made.
pub(crate) fn private(options: &mut OpenOptions) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    #[cfg(not(unix))]
    let _ = options;
}

fn failed(path: &Path, error: io::Error) -> StoreError {
    StoreError::new(StoreErrorKind::Io, format!("the store in {}", path.display())).caused_by(error)
}

const LOCK: &str = "LOCK";
const FORMAT_PREFIX: &str = "ttn-store-embedded ";

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        EmbeddedStore, Options,
        base::{Base as _, Key, Space, Value},
        engine::Engine,
    };

    #[test]
    fn a_directory_of_before_the_log_opens_with_what_its_engine_has() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store");
        let held = Held::take(&path).unwrap();
        let engine = Engine::open(&held.engine(), &Options::default()).unwrap();
        let row: (Key, Value) = ((Space::Hot, vec![1]), Some(Arc::from([2])));
        engine.write(&[(&row.0, &row.1)]).unwrap();
        engine.sync().unwrap();
        drop((engine, held));
        let format = path.join("FORMAT");
        fs::write(&format, "ttn-store-embedded 1\n").unwrap();
        for _ in 0..2 {
            let store = EmbeddedStore::open(&path, Options::default()).unwrap();
            assert_eq!(store.lanes.get(Space::Hot, &[1]).unwrap(), Some(vec![2]));
            // What knows nothing of the log must not open it from now on.
            assert_eq!(fs::read_to_string(&format).unwrap(), "ttn-store-embedded 2\n");
        }
    }
}
