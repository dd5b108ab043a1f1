//! The disk as the log sees it, so that a test can let it fail at every point.

use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use parking_lot::Mutex;

use crate::directory::private;

/// Files that only grow.
///
/// A crash keeps of every file what was there at its last [`Self::sync`], and any part of what came later. A file that
/// was never synced may be gone, and one that was removed may be there again.
pub(crate) trait Disk: fmt::Debug + Send + Sync {
    /// Writes at the end of a file, which is made if it is not there.
    fn append(&self, name: &str, octets: &[u8]) -> io::Result<()>;

    /// Makes a file durable, its name included. After an error nobody knows what is.
    fn sync(&self, name: &str) -> io::Result<()>;

    /// Gives the names of all files.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Removes a file.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Reads a file from the front, at most so many octets.
    fn read(&self, name: &str, octets_max: u64) -> io::Result<Vec<u8>>;

    /// Says where a file is, for people.
    fn describe(&self, name: &str) -> String;
}

/// A directory of the file system.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    /// The file that was written last.
    open: Mutex<Option<Open>>,
}

#[derive(Debug)]
struct Open {
    name: String,
    file: File,
    /// Whether its name may not be durable yet.
    is_new: bool,
}

impl Directory {
    /// Opens a directory, which is made if it is not there.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        if !path.is_dir() {
            fs::create_dir(path)?;
            path.parent().map_or(Ok(()), sync_directory)?;
        }
        Ok(Self { path: path.to_owned(), open: Mutex::new(None) })
    }

    fn opened(&self, name: &str) -> io::Result<Open> {
        let mut options = OpenOptions::new();
        options.append(true).create(true);
        private(&mut options);
        let file = options.open(self.path.join(name))?;
        Ok(Open { name: name.to_owned(), file, is_new: true })
    }
}

impl Disk for Directory {
    fn append(&self, name: &str, octets: &[u8]) -> io::Result<()> {
        let mut open = self.open.lock();
        let open = match &mut *open {
            Some(open) if open.name == name => open,
            other => other.insert(self.opened(name)?),
        };
        open.file.write_all(octets)
    }

    fn sync(&self, name: &str) -> io::Result<()> {
        let mut open = self.open.lock();
        match &mut *open {
            Some(open) if open.name == name => {
                open.file.sync_data()?;
                if open.is_new {
                    sync_directory(&self.path)?;
                    open.is_new = false;
                }
                Ok(())
            }
            _ => Err(io::Error::other("only the file that was written last is synced")),
        }
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let names = fs::read_dir(&self.path)?.map(|entry| Ok(entry?.file_name()));
        // Whatever has another name is not ours.
        let names =
            names.filter_map(|name: io::Result<_>| name.map(|n| n.into_string().ok()).transpose());
        names.collect()
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path.join(name))
    }

    fn read(&self, name: &str, octets_max: u64) -> io::Result<Vec<u8>> {
        let mut octets = Vec::new();
        File::open(self.path.join(name))?.take(octets_max).read_to_end(&mut octets)?;
        Ok(octets)
    }

    fn describe(&self, name: &str) -> String {
        self.path.join(name).display().to_string()
    }
}

fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
