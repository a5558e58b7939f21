//! The crash-safe journal: what one process did, written by that process while it does it.
//!
//! An event is in the file (the kernel's page cache) before the call that it announces is made, with no
//! system call per event: the file is mapped in windows that `fallocate` reserved, and a frame of 32 bytes is
//! published by storing its first word last. So a journal survives SIGKILL of its writer at any instruction,
//! and a full disk is an error when a window is reserved, never a SIGBUS later. It does not survive a power
//! cut of the machine that runs the harness, and does not try to.
//!
//! | what happened to the file | what the reader says |
//! |---|---|
//! | closed by its writer | every entry, then [`Tail::Closed`] |
//! | writer killed between two frames (or still writing) | every entry, then [`Tail::Open`] |
//! | writer killed within a frame or group of frames | every published entry, then [`Tail::Torn`] with the bytes cut |
//! | cut short, at any byte after the header | the entries before the cut, then [`Tail::Truncated`]; [`Tail::Open`] where the cut was in space never used, so that nothing is missing |
//! | cut short within the header | [`JournalError::NotAJournal`] or [`JournalError::Damaged`] |
//! | any bit flipped in a published frame or in unused space | [`JournalError::Damaged`] with the byte offset; [`Tail::Torn`] where it is in the two frames after the last, which a killed writer may have begun |
//! | any bit flipped in the header | [`JournalError::Damaged`], or [`JournalError::NotAJournal`] in its first 8 bytes |
//! | zeroed from some frame to the end of the file | not distinguishable from a writer killed there |
//!
//! Truncation shows because a writer never uses its last free frame before it has reserved another window,
//! save for the end mark: a journal that ends with a frame in use and not with the mark was cut. Zeroing in the
//! middle shows because frames follow it. Checksums are salted with the header and the place of the frame, so a
//! frame of another journal, or of another place, is damage too.

mod entry;
mod frame;
mod header;
mod reader;
mod space;
mod window;
mod writer;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use entry::{Entry, Tail};
pub use reader::Reader;
pub use writer::Writer;

use crate::ids::{LogId, Process, Seq};
use crate::op::Identity;

/// Whether a file that begins with these bytes is a journal.
pub fn is_journal(first_bytes: &[u8]) -> bool {
    first_bytes.starts_with(&header::MAGIC)
}

/// Whose journal it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The run's id, as in every record's payload.
    pub run: u64,
    /// The process that writes.
    pub process: Process,
    /// Who that process is.
    pub identity: Identity,
}

/// Consecutive sequence numbers that the journal's process sent to one log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendRun {
    /// The log they are meant for.
    pub log: LogId,
    /// Sequence number of the first record.
    pub first: Seq,
    /// Number of records.
    pub count: u32,
}

/// How sends ended that were not acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unresolved {
    /// They did not happen and never will.
    Fail,
    /// Unknown.
    Info,
}

/// Why a journal cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// There is one already: a journal is never overwritten.
    #[error("{}: the journal exists already", path.display())]
    Exists {
        /// The journal.
        path: PathBuf,
    },
    /// No space for another window. What was written stays readable, and the journal can still be closed.
    #[error("{}: no space left for the journal after {bytes} bytes: {source}; free space on that file system", path.display())]
    Full {
        /// The journal.
        path: PathBuf,
        /// Its size so far.
        bytes: u64,
        /// What the system said.
        source: std::io::Error,
    },
    /// The system refused.
    #[error("{}: cannot {doing} the journal: {source}", path.display())]
    Io {
        /// The journal.
        path: PathBuf,
        /// What was attempted, as a verb.
        doing: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// A journal refers to at most 65,536 logs.
    #[error("{}: a journal holds at most 65536 logs", path.display())]
    TooManyLogs {
        /// The journal.
        path: PathBuf,
    },
    /// The file does not begin with a whole header.
    #[error("{}: not a journal: {why}", path.display())]
    NotAJournal {
        /// The file.
        path: PathBuf,
        /// What is missing.
        why: String,
    },
    /// The journal was written in a form that this program does not know.
    #[error("{}: the journal has version {found}, this program reads version {known}", path.display())]
    Version {
        /// The journal.
        path: PathBuf,
        /// Version of the file.
        found: u32,
        /// Version of this program.
        known: u32,
    },
    /// Bytes that the writer published are not what it published.
    #[error("{}: damaged at byte {offset}: {what}", path.display())]
    Damaged {
        /// The journal.
        path: PathBuf,
        /// Where the damaged frame begins.
        offset: u64,
        /// What is wrong with it.
        what: String,
    },
}
