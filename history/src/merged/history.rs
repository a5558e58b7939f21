//! Reading a merged history: its facts and directory at once, its chunks one by one as they are asked for.
//!
//! Whatever the bytes are, the answer is the history that was written or an error that names the file and the place.
//! Nothing is allocated that the file's own length does not bound. A chunk is verified against its checksum when it
//! is read; [`History::verify`] reads them all.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::batches::BatchChunk;
use super::codec::{Input, Malformed};
use super::directory::{ENTRY_LEN, Entry, Kind};
use super::reads::ReadChunk;
use super::rows::{self, Events};
use super::sends::SendChunk;
use super::source::Source;
use super::transactions::TxnChunk;
use crate::ids::{LogId, Offset, Process, TopicPartition};
use crate::op::{Cause, Event, Identity, Isolation};

/// First and last bytes of a history.
pub(super) const MAGIC: [u8; 8] = *b"1proofH\n";
/// Version of the format; raised with every change.
pub const VERSION: u32 = 2;
pub(super) const TRAILER_LEN: usize = 8 * 9;
const HEADER_LEN: u64 = 16;
/// How much of a chunk is looked at to learn whose records it holds.
const HEAD_LEN: usize = 1024;

/// Why a history cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The system refused.
    #[error("{file}: cannot read the history: {source}")]
    Io {
        /// The file.
        file: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file does not begin as a history.
    #[error("{file}: not a history")]
    NotAHistory {
        /// The file.
        file: String,
    },
    /// Another version wrote it.
    #[error("{file}: the history has version {found}, this program reads version {VERSION}")]
    Version {
        /// The file.
        file: String,
        /// Its version.
        found: u32,
    },
    /// The end is missing: it was cut, or its writer did not finish.
    #[error("{file}: the history is incomplete: no trailer at byte {offset}; merge the journals again")]
    Truncated {
        /// The file.
        file: String,
        /// Where the trailer should be.
        offset: u64,
    },
    /// Bytes are not what was written.
    #[error("{file}: damaged at byte {offset}: {what}")]
    Damaged {
        /// The file.
        file: String,
        /// Where the damaged part begins.
        offset: u64,
        /// What is wrong with it.
        what: String,
    },
}

/// What is known about a run as a whole; small, read at once.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// The run's id, where the history comes from a run.
    pub run: Option<u64>,
    /// The logs; a [`LogId`] is an index into this table.
    pub logs: Vec<TopicPartition>,
    /// The processes by number.
    pub processes: BTreeMap<Process, ProcessFacts>,
    /// Causes of sends that failed or are unknown; index 0 is "none known".
    pub causes: Vec<Cause>,
    /// Transactional ids; [`super::TxnSpan::id`] is an index into this table.
    pub transactional_ids: Vec<String>,
    /// How far the independent reader came.
    pub final_reads: Vec<FinalReadEnd>,
}

/// What is known about one process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessFacts {
    /// Who it is, where it said so.
    pub identity: Identity,
    /// Records it sent.
    pub sent: u64,
    /// Records it polled.
    pub polled: u64,
    /// Polls that returned nothing.
    pub empty_polls: u64,
    /// Whether it recorded any hand-over to processing.
    pub hands_over: bool,
    /// Whether it began a transaction.
    pub transactional: bool,
    /// How its journal ended, in words, where it did not end in good order.
    pub torn: Option<String>,
    /// Whether its journal was cut, so that what it did may be missing.
    pub truncated: bool,
}

/// How far the independent reader came in one log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FinalReadEnd {
    /// The log.
    pub log: LogId,
    /// Which records it saw.
    pub isolation: Isolation,
    /// First offset that exists.
    pub start: Offset,
    /// Position that it reached.
    pub reached: Offset,
    /// End offset that was asked for before reading.
    pub end: Offset,
}

impl FinalReadEnd {
    /// Whether everything below the end offset was read.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.reached >= self.end
    }
}

/// Bytes of a chunk before they are decoded; reuse it.
#[derive(Clone, Debug, Default)]
pub struct Buffer(Vec<u8>);

/// A merged history, open for reading. Cheap to clone; may be read by several threads.
#[derive(Clone, Debug)]
pub struct History {
    source: Source,
    facts: Arc<Facts>,
    entries: Arc<[Entry]>,
}

impl History {
    /// Opens a history file.
    ///
    /// # Errors
    /// [`HistoryError`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, HistoryError> {
        let path = path.as_ref();
        let source = Source::open(path)
            .map_err(|source| HistoryError::Io { file: path.display().to_string(), source })?;
        Self::of(source)
    }

    /// Reads a history in memory.
    ///
    /// # Errors
    /// [`HistoryError`].
    pub fn from_bytes(bytes: impl Into<Arc<[u8]>>) -> Result<Self, HistoryError> {
        Self::of(Source::Memory(bytes.into()))
    }

    /// Whether a file begins as a history does. Eight bytes suffice.
    #[must_use]
    pub fn is_history(first_bytes: &[u8]) -> bool {
        first_bytes.starts_with(&MAGIC)
    }

    fn of(source: Source) -> Result<Self, HistoryError> {
        let file = source.name();
        let io = |source| HistoryError::Io { file: file.clone(), source };
        let damaged =
            |offset, what: &str| HistoryError::Damaged { file: file.clone(), offset, what: what.to_owned() };
        let length = source.len().map_err(io)?;
        let mut buffer = Vec::new();
        if length < HEADER_LEN {
            return Err(HistoryError::NotAHistory { file });
        }
        let header = source.read(0, 16, &mut buffer).map_err(io)?;
        if !Self::is_history(header) {
            return Err(HistoryError::NotAHistory { file });
        }
        let found = u32::from_le_bytes([header[8], header[9], header[10], header[11]]);
        if found != VERSION {
            return Err(HistoryError::Version { file, found });
        }
        if header[12..] != [0; 4] {
            return Err(damaged(12, "the header's spare bytes are in use"));
        }
        let trailer_at = length.saturating_sub(TRAILER_LEN as u64).max(HEADER_LEN);
        let truncated = || HistoryError::Truncated { file: file.clone(), offset: trailer_at };
        if length < HEADER_LEN + TRAILER_LEN as u64 {
            return Err(truncated());
        }
        let trailer = source.read(trailer_at, TRAILER_LEN, &mut buffer).map_err(io)?;
        let trailer = Trailer::take(trailer).ok_or_else(truncated)?.within(trailer_at);
        let trailer =
            trailer.ok_or_else(|| damaged(trailer_at, "the trailer contradicts the file's length"))?;
        let directory = source.read(trailer.directory_at, trailer.directory_len, &mut buffer).map_err(io)?;
        if xxh3_64(directory) != trailer.directory_hash {
            return Err(damaged(trailer.directory_at, "the directory's checksum does not match"));
        }
        let entries = take_entries(directory, trailer.directory_at)
            .map_err(|what| damaged(trailer.directory_at, &format!("the directory: {what}")))?;
        let facts = source.read(trailer.facts_at, trailer.facts_len, &mut buffer).map_err(io)?;
        if xxh3_64(facts) != trailer.facts_hash {
            return Err(damaged(trailer.facts_at, "the checksum of the facts does not match"));
        }
        let facts: Facts = serde_json::from_slice(facts)
            .map_err(|error| damaged(trailer.facts_at, &format!("the facts: {error}")))?;
        let logs = facts.logs.len();
        let of_log = |entry: &&Entry| !matches!(entry.kind, Kind::Rows | Kind::Transactions);
        if entries.iter().filter(of_log).any(|entry| usize::from(entry.log.0) >= logs) {
            return Err(damaged(trailer.directory_at, "a chunk of a log that is not in the table"));
        }
        Ok(Self { source, facts: Arc::new(facts), entries: entries.into() })
    }

    /// What is known about the run as a whole.
    #[must_use]
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The name of a log.
    #[must_use]
    pub fn log(&self, log: LogId) -> Option<&TopicPartition> {
        self.facts.logs.get(usize::from(log.0))
    }

    /// The whole directory, sorted by kind, log, process, segment and place.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The chunks of one kind for one log.
    #[must_use]
    pub fn chunks(&self, kind: Kind, log: LogId) -> &[Entry] {
        let start = self.entries.partition_point(|entry| (entry.kind, entry.log) < (kind, log));
        let rest = &self.entries[start..];
        &rest[..rest.partition_point(|entry| (entry.kind, entry.log) == (kind, log))]
    }

    /// The chunks of rows.
    #[must_use]
    pub fn row_chunks(&self) -> &[Entry] {
        let start = self.entries.partition_point(|entry| entry.kind < Kind::Rows);
        &self.entries[start..]
    }

    /// How far the independent reader came in a log.
    #[must_use]
    pub fn final_read(&self, log: LogId, isolation: Isolation) -> Option<&FinalReadEnd> {
        self.facts.final_reads.iter().find(|end| end.log == log && end.isolation == isolation)
    }

    /// All rows in order of time.
    ///
    /// # Errors
    /// [`HistoryError`], here and from the iterator.
    pub fn events(&self) -> Result<Events<'_>, HistoryError> {
        Events::new(self)
    }

    /// Decodes a chunk of sends into `chunk`.
    ///
    /// # Errors
    /// [`HistoryError::Damaged`], and whatever the system refuses.
    pub fn sends(
        &self,
        entry: &Entry,
        buffer: &mut Buffer,
        chunk: &mut SendChunk,
    ) -> Result<(), HistoryError> {
        self.decode(entry, buffer, |bytes| chunk.take(entry, bytes))
    }

    /// Decodes a chunk of a final read or of polls into `chunk`.
    ///
    /// # Errors
    /// As [`History::sends`].
    pub fn reads(
        &self,
        entry: &Entry,
        buffer: &mut Buffer,
        chunk: &mut ReadChunk,
    ) -> Result<(), HistoryError> {
        self.decode(entry, buffer, |bytes| chunk.take(entry, bytes))
    }

    /// The processes whose records a chunk of reads holds, where its first bytes tell. They are not verified: only the
    /// whole chunk has a checksum.
    ///
    /// # Errors
    /// Whatever the system refuses.
    pub fn senders_in(&self, entry: &Entry, buffer: &mut Buffer) -> Result<Option<Vec<u32>>, HistoryError> {
        let length = (entry.length as usize).min(HEAD_LEN);
        let io = |source| HistoryError::Io { file: self.source.name(), source };
        let head = self.source.read(entry.position, length, &mut buffer.0).map_err(io)?;
        Ok(ReadChunk::senders(head))
    }

    /// Decodes a chunk of record batches into `chunk`.
    ///
    /// # Errors
    /// As [`History::sends`].
    pub fn batches(
        &self,
        entry: &Entry,
        buffer: &mut Buffer,
        chunk: &mut BatchChunk,
    ) -> Result<(), HistoryError> {
        self.decode(entry, buffer, |bytes| chunk.take(entry, bytes))
    }

    /// The chunks of transactions, by process.
    #[must_use]
    pub fn transaction_chunks(&self) -> &[Entry] {
        let start = self.entries.partition_point(|entry| entry.kind < Kind::Transactions);
        let rest = &self.entries[start..];
        &rest[..rest.partition_point(|entry| entry.kind == Kind::Transactions)]
    }

    /// Decodes a chunk of transactions into `chunk`.
    ///
    /// # Errors
    /// As [`History::sends`].
    pub fn transactions(
        &self,
        entry: &Entry,
        buffer: &mut Buffer,
        chunk: &mut TxnChunk,
    ) -> Result<(), HistoryError> {
        self.decode(entry, buffer, |bytes| chunk.take(entry, bytes))
    }

    /// Decodes a chunk of rows.
    ///
    /// # Errors
    /// As [`History::sends`].
    pub fn rows(&self, entry: &Entry, buffer: &mut Buffer) -> Result<Vec<Event>, HistoryError> {
        self.decode(entry, buffer, |bytes| rows::take(entry, bytes))
    }

    /// Reads and decodes every chunk.
    ///
    /// # Errors
    /// The first damage, as [`History::sends`].
    pub fn verify(&self) -> Result<(), HistoryError> {
        let (mut buffer, mut sends) = (Buffer::default(), SendChunk::default());
        let (mut reads, mut batches) = (ReadChunk::default(), BatchChunk::default());
        let mut txns = TxnChunk::default();
        for entry in self.entries.iter() {
            match entry.kind {
                Kind::Sends => self.sends(entry, &mut buffer, &mut sends)?,
                Kind::FinalRead(_) | Kind::Polls => self.reads(entry, &mut buffer, &mut reads)?,
                Kind::Batches => self.batches(entry, &mut buffer, &mut batches)?,
                Kind::Transactions => self.transactions(entry, &mut buffer, &mut txns)?,
                Kind::Rows => drop(self.rows(entry, &mut buffer)?),
            }
        }
        Ok(())
    }

    fn decode<T>(
        &self,
        entry: &Entry,
        buffer: &mut Buffer,
        take: impl FnOnce(&[u8]) -> Result<T, Malformed>,
    ) -> Result<T, HistoryError> {
        let bytes = self
            .source
            .read(entry.position, entry.length as usize, &mut buffer.0)
            .map_err(|source| HistoryError::Io { file: self.source.name(), source })?;
        let damaged = |what| HistoryError::Damaged { file: self.source.name(), offset: entry.position, what };
        if xxh3_64(bytes) != entry.hash {
            return Err(damaged("the chunk's checksum does not match".to_owned()));
        }
        take(bytes).map_err(|what| damaged(format!("the chunk: {what}")))
    }
}

struct Trailer {
    directory_at: u64,
    directory_len: usize,
    directory_hash: u64,
    facts_at: u64,
    facts_len: usize,
    facts_hash: u64,
}

impl Trailer {
    fn take(bytes: &[u8]) -> Option<Self> {
        let (body, rest) = bytes.split_at_checked(TRAILER_LEN - 16)?;
        let mut rest = Input(rest);
        let hash = u64::from_le_bytes(rest.array().ok()?);
        if rest.0 != MAGIC || hash != xxh3_64(body) {
            return None;
        }
        let mut body = Input(body);
        let mut number = || body.array().map(u64::from_le_bytes).ok();
        Some(Self {
            directory_at: number()?,
            directory_len: usize::try_from(number()?).ok()?,
            directory_hash: number()?,
            facts_at: number()?,
            facts_len: usize::try_from(number()?).ok()?,
            facts_hash: number()?,
        })
    }

    /// Itself, where its parts fill the file exactly up to the trailer.
    fn within(self, trailer_at: u64) -> Option<Self> {
        let directory_end = self.directory_at.checked_add(self.directory_len as u64)?;
        let facts_end = self.facts_at.checked_add(self.facts_len as u64)?;
        let fits =
            self.directory_at >= HEADER_LEN && directory_end == self.facts_at && facts_end == trailer_at;
        fits.then_some(self)
    }
}

fn take_entries(bytes: &[u8], chunks_end: u64) -> Result<Vec<Entry>, Malformed> {
    let mut input = Input(bytes);
    let mut entries: Vec<Entry> = Vec::with_capacity(bytes.len() / ENTRY_LEN);
    while !input.0.is_empty() {
        let entry = Entry::take(&mut input)?;
        let end = entry.position.checked_add(entry.length.into());
        if entry.position < HEADER_LEN || end.is_none_or(|end| end > chunks_end) {
            return Err(Malformed::Range("position of a chunk"));
        }
        if entries.last().is_some_and(|before| before.order() >= entry.order()) {
            return Err(Malformed::Sum("order of the chunks"));
        }
        entries.push(entry);
    }
    Ok(entries)
}
