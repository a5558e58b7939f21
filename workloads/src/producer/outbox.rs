//! The outbox of a client: which records it has undertaken to send and has no acknowledgement of.
//!
//! It stands for the table that an application keeps in its database. Each incarnation has a file of its own in the
//! client's folder, `PROCESS.outbox`: 4 bytes for each sequence number, the log's index plus 1 and whether it is settled,
//! both u16 little-endian; zeros where nothing was sent. The Java worker reads and writes the same. It survives the end of
//! its process, which is what it is tested for, and not a power cut.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use history::ids::{LogId, Process, Seq, Value};

const ENTRY: usize = 4;
const END: &str = ".outbox";

/// Why an outbox cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: cannot use the outbox: {source}", path.display())]
pub(crate) struct OutboxError {
    path: PathBuf,
    source: io::Error,
}

/// One incarnation's file.
#[derive(Debug)]
pub(super) struct Outbox {
    path: PathBuf,
    file: File,
}

/// A record that an earlier incarnation left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Left {
    pub(super) value: Value,
    pub(super) log: LogId,
}

impl Outbox {
    /// The outbox of a new incarnation.
    pub(super) fn create(folder: &Path, process: Process) -> Result<Self, OutboxError> {
        let path = folder.join(format!("{process}{END}"));
        let created = File::options().read(true).write(true).create_new(true).open(&path);
        Self::at(path, created)
    }

    /// The outbox of an earlier incarnation.
    pub(super) fn open(folder: &Path, process: Process) -> Result<Self, OutboxError> {
        let path = folder.join(format!("{process}{END}"));
        let opened = File::options().read(true).write(true).open(&path);
        Self::at(path, opened)
    }

    fn at(path: PathBuf, file: io::Result<File>) -> Result<Self, OutboxError> {
        match file {
            Ok(file) => Ok(Self { path, file }),
            Err(source) => Err(OutboxError { path, source }),
        }
    }

    /// Everything that other incarnations left, oldest first.
    pub(super) fn left(folder: &Path, process: Process) -> Result<Vec<Left>, OutboxError> {
        let failed = |source| OutboxError { path: folder.to_owned(), source };
        let mut others = Vec::new();
        for entry in fs::read_dir(folder).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
            others.extend(name.strip_suffix(END).and_then(|number| number.parse().ok()).map(Process));
        }
        others.retain(|other| *other != process);
        others.sort_unstable();
        let mut left = Vec::new();
        for other in others {
            let path = folder.join(format!("{other}{END}"));
            let bytes = fs::read(&path).map_err(|source| OutboxError { path, source })?;
            for (entry, seq) in bytes.chunks_exact(ENTRY).zip(0..) {
                let log = u16::from_le_bytes([entry[0], entry[1]]);
                if let (Some(log), [0, 0]) = (log.checked_sub(1), [entry[2], entry[3]]) {
                    left.push(Left { value: Value { process: other, seq: Seq(seq) }, log: LogId(log) });
                }
            }
        }
        Ok(left)
    }

    /// Records are undertaken.
    pub(super) fn put(&self, first: Seq, count: u32, log: LogId) -> Result<(), OutboxError> {
        let [low, high] = log.0.saturating_add(1).to_le_bytes();
        let entries = [low, high, 0, 0].repeat(usize::try_from(count).unwrap_or_default());
        self.write(&entries, place(first))
    }

    /// Records are acknowledged, or known never to be.
    pub(super) fn settle(&self, first: Seq, count: u32) -> Result<(), OutboxError> {
        (first.0..first.0 + count).try_for_each(|seq| self.write(&[1, 0], place(Seq(seq)) + 2))
    }

    fn write(&self, bytes: &[u8], at: u64) -> Result<(), OutboxError> {
        self.file.write_all_at(bytes, at).map_err(|source| OutboxError { path: self.path.clone(), source })
    }
}

fn place(seq: Seq) -> u64 {
    u64::from(seq.0) * ENTRY as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_settled_is_found_by_the_next_incarnation() {
        let folder = tempfile::tempdir().unwrap();
        let old = Outbox::create(folder.path(), Process(10)).unwrap();
        old.put(Seq(0), 3, LogId(0)).unwrap();
        old.put(Seq(3), 2, LogId(1)).unwrap();
        old.settle(Seq(0), 2).unwrap();
        old.settle(Seq(4), 1).unwrap();
        let older = Outbox::create(folder.path(), Process(9)).unwrap();
        older.put(Seq(1), 1, LogId(0)).unwrap();
        Outbox::create(folder.path(), Process(11)).unwrap().put(Seq(0), 1, LogId(0)).unwrap();
        let left = |process| {
            let left = Outbox::left(folder.path(), Process(process)).unwrap();
            left.iter().map(|left| (left.value.process.0, left.value.seq.0, left.log.0)).collect::<Vec<_>>()
        };
        assert_eq!(left(11), [(9, 1, 0), (10, 2, 0), (10, 3, 1)]);
        Outbox::open(folder.path(), Process(9)).unwrap().settle(Seq(1), 1).unwrap();
        assert_eq!(left(11), [(10, 2, 0), (10, 3, 1)]);
    }
}
