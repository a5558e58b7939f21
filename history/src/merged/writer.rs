//! Writing a merged history: chunks as they come, then the directory, the facts and the trailer.
//!
//! Memory is one chunk and the directory. Where chunks lie in the file does not matter, so streams may be written in
//! any order.

use std::io::{self, Write};

use xxhash_rust::xxh3::xxh3_64;

use super::batches::BatchChunk;
use super::directory::{ENTRY_LEN, Entry, Kind};
use super::history::{Facts, MAGIC, TRAILER_LEN, VERSION};
use super::reads::ReadChunk;
use super::rows;
use super::sends::{SendChunk, small};
use super::transactions::TxnChunk;
use crate::ids::{LogId, Process};
use crate::op::{Event, Isolation};

/// Writes one history to `W`: a buffered file, or a `Vec<u8>`.
pub struct Writer<W> {
    out: W,
    position: u64,
    entries: Vec<Entry>,
    bytes: Vec<u8>,
}

impl<W: Write> Writer<W> {
    /// Begins a history.
    ///
    /// # Errors
    /// Whatever `out` refuses, here and below.
    pub fn new(mut out: W) -> io::Result<Self> {
        out.write_all(&MAGIC)?;
        out.write_all(&VERSION.to_le_bytes())?;
        out.write_all(&[0; 4])?;
        Ok(Self { out, position: 16, entries: Vec::new(), bytes: Vec::new() })
    }

    /// Writes a chunk of what `process` sent to `log`; `ordinal` is its place among the chunks of this stream.
    ///
    /// # Errors
    /// See [`Writer::new`].
    pub fn sends(&mut self, process: Process, log: LogId, ordinal: u32, chunk: &SendChunk) -> io::Result<()> {
        let entry = chunk.put(process, log, &mut self.bytes);
        self.chunk(Entry { ordinal, ..entry })
    }

    /// Writes a chunk of the final read of `log` by `process`.
    ///
    /// # Errors
    /// See [`Writer::new`].
    pub fn final_read(
        &mut self,
        stream: (Process, LogId, Isolation),
        ordinal: u32,
        chunk: &ReadChunk,
    ) -> io::Result<()> {
        let (process, log, isolation) = stream;
        let entry = chunk.put(Kind::FinalRead(isolation), process, log, &mut self.bytes);
        self.chunk(Entry { ordinal, ..entry })
    }

    /// Writes a chunk of what `process` polled from `log` in one segment.
    ///
    /// # Errors
    /// See [`Writer::new`].
    pub fn polls(
        &mut self,
        stream: (Process, LogId, u32),
        ordinal: u32,
        chunk: &ReadChunk,
    ) -> io::Result<()> {
        let (process, log, segment) = stream;
        let entry = chunk.put(Kind::Polls, process, log, &mut self.bytes);
        self.chunk(Entry { ordinal, segment, ..entry })
    }

    /// Writes a chunk of the record batches of `log`.
    ///
    /// # Errors
    /// See [`Writer::new`].
    pub fn batches(
        &mut self,
        process: Process,
        log: LogId,
        ordinal: u32,
        chunk: &BatchChunk,
    ) -> io::Result<()> {
        let entry = chunk.put(process, log, &mut self.bytes);
        self.chunk(Entry { ordinal, ..entry })
    }

    /// Writes a chunk of transactions of `process`.
    ///
    /// # Errors
    /// See [`Writer::new`].
    pub fn transactions(&mut self, process: Process, ordinal: u32, chunk: &TxnChunk) -> io::Result<()> {
        let entry = chunk.put(process, &mut self.bytes);
        self.chunk(Entry { ordinal, ..entry })
    }

    /// Writes a chunk of rows of `process`, which must be in order of time.
    ///
    /// # Errors
    /// See [`Writer::new`].
    pub fn rows(&mut self, process: Process, ordinal: u32, events: &[Event]) -> io::Result<()> {
        for event in events {
            rows::put(event, &mut self.bytes)?;
        }
        let mut entry = Entry::new(Kind::Rows, LogId(0), process);
        entry.records = small(events.len());
        entry.time = events.first().map_or(0, |event| event.time.0 / 1000);
        self.chunk(Entry { ordinal, ..entry })
    }

    fn chunk(&mut self, entry: Entry) -> io::Result<()> {
        let length = u32::try_from(self.bytes.len())
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "a chunk of 4 GiB"))?;
        self.out.write_all(&self.bytes)?;
        self.entries.push(Entry { position: self.position, length, hash: xxh3_64(&self.bytes), ..entry });
        self.position += u64::from(length);
        self.bytes.clear();
        Ok(())
    }

    /// Writes what makes it a history; returns `out`, flushed.
    ///
    /// # Errors
    /// See [`Writer::new`].
    pub fn finish(mut self, facts: &Facts) -> io::Result<W> {
        self.entries.sort_by_key(Entry::order);
        let mut directory = Vec::with_capacity(self.entries.len() * ENTRY_LEN);
        for entry in &self.entries {
            entry.put(&mut directory);
        }
        let facts = serde_json::to_vec(facts)?;
        self.out.write_all(&directory)?;
        self.out.write_all(&facts)?;
        let mut trailer = Vec::with_capacity(TRAILER_LEN);
        let facts_at = self.position + directory.len() as u64;
        for number in [
            self.position,
            directory.len() as u64,
            xxh3_64(&directory),
            facts_at,
            facts.len() as u64,
            xxh3_64(&facts),
        ] {
            trailer.extend_from_slice(&number.to_le_bytes());
        }
        trailer.extend_from_slice(&u64::from(VERSION).to_le_bytes());
        let hash = xxh3_64(&trailer);
        trailer.extend_from_slice(&hash.to_le_bytes());
        trailer.extend_from_slice(&MAGIC);
        self.out.write_all(&trailer)?;
        self.out.flush()?;
        Ok(self.out)
    }
}
