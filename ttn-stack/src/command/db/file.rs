//! The file of a dump: rows with their lengths, and at the end their number and a digest of everything before it.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufReader, BufWriter, Read, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use sha2::{Digest as _, Sha256};
use ttn_core::store::{
    StoreError, StoreErrorKind,
    dump::{DumpRow, DumpTable},
};

/// What a file begins with; the number is the version of its form.
const HEAD: &[u8] = b"ttn-dump 1\n";
/// In place of the number of a table: the end.
const END: u8 = 0;
/// The longest key or value. Records of the log are the largest.
const LENGTH_MAX: u32 = 64 << 20;

/// Writes a file. Unless it is finished it is removed.
pub(super) struct Writer {
    path: PathBuf,
    out: Option<BufWriter<File>>,
    digest: Sha256,
    count: u64,
}

impl Writer {
    /// Makes a new file that only its owner may read.
    pub(super) fn create(path: &Path) -> anyhow::Result<Self> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let out = options.open(path).with_context(|| format!("the new file {}", path.display()))?;
        let out = Some(BufWriter::new(out));
        let mut writer = Self { path: path.to_owned(), out, digest: Sha256::new(), count: 0 };
        writer.put(HEAD)?;
        Ok(writer)
    }

    pub(super) fn row(&mut self, row: &DumpRow) -> anyhow::Result<()> {
        self.count += 1;
        self.put(&[row.table.number()])?;
        for part in [&row.key, &row.value] {
            let length = u32::try_from(part.len()).ok().filter(|length| *length <= LENGTH_MAX);
            self.put(&length.context("a row is too long")?.to_be_bytes())?;
        }
        self.put(&row.key)?;
        self.put(&row.value)
    }

    /// Ends the file and gives the number of rows.
    pub(super) fn finish(mut self) -> anyhow::Result<u64> {
        self.put(&[END])?;
        self.put(&self.count.to_be_bytes())?;
        let digest = std::mem::take(&mut self.digest).finalize();
        if let Some(mut out) = self.out.take() {
            let written = out.write_all(&digest).and_then(|()| out.flush());
            let synced = written.and_then(|()| out.get_ref().sync_all());
            synced.with_context(|| self.path.display().to_string())?;
        }
        Ok(self.count)
    }

    fn put(&mut self, octets: &[u8]) -> anyhow::Result<()> {
        self.digest.update(octets);
        let Some(out) = &mut self.out else { return Ok(()) };
        out.write_all(octets).with_context(|| self.path.display().to_string())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if self.out.take().is_some() {
            // A file without an end is refused in any case.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Reads the whole file and gives the number of its rows.
pub(super) fn check(path: &Path) -> anyhow::Result<u64> {
    let mut reader = Reader::open(path)?;
    let mut count = 0;
    while let Some(row) = reader.row().with_context(|| path.display().to_string())? {
        drop(row);
        count += 1;
    }
    Ok(count)
}

/// The rows of a file that was checked.
pub(super) fn rows(
    path: &Path,
) -> anyhow::Result<impl Iterator<Item = Result<DumpRow, StoreError>> + use<>> {
    let mut reader = Reader::open(path)?;
    let context = path.display().to_string();
    Ok(std::iter::from_fn(move || {
        let row = reader
            .row()
            .map_err(|error| StoreError::new(StoreErrorKind::Io, context.clone()).caused_by(error));
        row.transpose()
    }))
}

struct Reader {
    file: BufReader<File>,
    digest: Sha256,
    count: u64,
}

impl Reader {
    fn open(path: &Path) -> anyhow::Result<Self> {
        let file = File::open(path).with_context(|| path.display().to_string())?;
        let mut reader = Self { file: BufReader::new(file), digest: Sha256::new(), count: 0 };
        let head = reader.take(HEAD.len()).unwrap_or_default();
        if head != HEAD {
            bail!("{} is no dump of this version", path.display());
        }
        Ok(reader)
    }

    /// Reads a row; `None` at the end, which is checked.
    fn row(&mut self) -> io::Result<Option<DumpRow>> {
        let number = self.number()?;
        if number == END {
            self.end()?;
            return Ok(None);
        }
        let Some(table) = DumpTable::of_number(number) else {
            return Err(damaged("it has a table that is not known"));
        };
        let (key, value) = (self.length()?, self.length()?);
        self.count += 1;
        Ok(Some(DumpRow { table, key: self.take(key)?, value: self.take(value)? }))
    }

    fn end(&mut self) -> io::Result<()> {
        let mut count = [0; 8];
        count.copy_from_slice(&self.take(8)?);
        let digest = std::mem::take(&mut self.digest).finalize();
        let mut found = Vec::new();
        self.file.read_to_end(&mut found)?;
        if u64::from_be_bytes(count) != self.count || found != digest.as_slice() {
            return Err(damaged("its digest is another one"));
        }
        Ok(())
    }

    fn number(&mut self) -> io::Result<u8> {
        Ok(self.take(1)?.first().copied().unwrap_or_default())
    }

    fn length(&mut self) -> io::Result<usize> {
        let mut length = [0; 4];
        length.copy_from_slice(&self.take(4)?);
        match u32::from_be_bytes(length) {
            length if length <= LENGTH_MAX => Ok(length as usize),
            _ => Err(damaged("it has a row that is too long")),
        }
    }

    fn take(&mut self, length: usize) -> io::Result<Vec<u8>> {
        // Memory is taken for what is there, not for what a damaged length says.
        let mut octets = Vec::new();
        let read = (&mut self.file).take(length as u64).read_to_end(&mut octets)?;
        if read < length {
            return Err(damaged("it is cut off"));
        }
        self.digest.update(&octets);
        Ok(octets)
    }
}

fn damaged(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the dump is damaged: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dumped() -> (tempfile::TempDir, PathBuf, Vec<DumpRow>) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("dump");
        let rows: Vec<_> = DumpTable::ALL
            .into_iter()
            .map(|table| DumpRow { table, key: vec![table.number(); 3], value: vec![7; 40] })
            .collect();
        let mut writer = Writer::create(&path).unwrap();
        rows.iter().for_each(|row| writer.row(row).unwrap());
        assert_eq!(writer.finish().unwrap(), 16);
        (directory, path, rows)
    }

    #[test]
    fn a_file_gives_the_rows_that_were_written() {
        let (_directory, path, written) = dumped();
        assert_eq!(check(&path).unwrap(), 16);
        let read: Vec<_> = rows(&path).unwrap().map(Result::unwrap).collect();
        assert_eq!(read, written);
        Writer::create(&path).err().expect("nothing is overwritten");
    }

    #[test]
    fn a_file_that_was_cut_or_changed_is_refused() {
        let (_directory, path, _) = dumped();
        let whole = std::fs::read(&path).unwrap();
        for at in 0..whole.len() {
            std::fs::write(&path, &whole[..at]).unwrap();
            check(&path).expect_err("it is cut off");
            let mut changed = whole.clone();
            changed[at] ^= 1;
            std::fs::write(&path, &changed).unwrap();
            check(&path).expect_err("it was changed");
        }
        std::fs::write(&path, [&whole[..], &[0]].concat()).unwrap();
        check(&path).expect_err("something follows");
    }

    #[test]
    fn a_dump_that_was_not_finished_leaves_no_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("dump");
        drop(Writer::create(&path).unwrap());
        assert!(!path.exists());
    }
}
