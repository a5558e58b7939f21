//! Writing a journal: a few stores into mapped memory per event.
//!
//! One writer belongs to one thread and one file. Order of stores: words 1 to 3, then the first word with
//! release ordering; of a group, the followers first. The file is created under another name and renamed when
//! its header is whole, so that a journal by its final name always has one.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use super::frame::{self, BLOB, FRAME, Frame, Kind, Raw, Salt};
use super::space::{self, Space};
use super::{Header, JournalError, SendRun, Unresolved, header};
use crate::ids::{LogId, Nanos, Offset, Seq, TopicPartition};
use crate::op::{Event, Isolation, Run, Span};

/// Writes one process's journal.
///
/// A writer that is dropped without [`Writer::close`] leaves the journal as a killed process would. Its methods
/// panic on what is a mistake of the caller: an empty run, a negative offset.
pub struct Writer {
    space: Space,
    salt: Salt,
    /// Index of the next frame, counted from the start of the file.
    next: u64,
    logs: BTreeMap<TopicPartition, LogId>,
    json: Vec<u8>,
}

impl Writer {
    /// Creates the journal of a process. Its directory must exist and the journal must not.
    ///
    /// # Errors
    /// [`JournalError::Exists`], [`JournalError::Full`] and whatever the system refuses.
    pub fn create(path: impl AsRef<Path>, header: &Header) -> Result<Self, JournalError> {
        let path = path.as_ref();
        if path.exists() {
            return Err(JournalError::Exists { path: path.to_owned() });
        }
        let mut unfinished = path.as_os_str().to_owned();
        unfinished.push(".new");
        let unfinished = PathBuf::from(unfinished);
        let error = |source| JournalError::Io { path: path.to_owned(), doing: "create", source };
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create_new(true).open(&unfinished).map_err(error)?;
        let started = Self::start(file, path, header)
            .and_then(|writer| std::fs::rename(&unfinished, path).map(|()| writer).map_err(error));
        if started.is_err() {
            // Best effort: the error that is returned says why.
            let _ = std::fs::remove_file(&unfinished);
        }
        started
    }

    fn start(mut file: File, path: &Path, header: &Header) -> Result<Self, JournalError> {
        let (bytes, salt) = header::bytes(header);
        file.write_all(&bytes).map_err(|source| space::refused(path, 0, source))?;
        let next = (bytes.len() / FRAME) as u64;
        let mut space = Space::after(file, path, next);
        space.reserve(next, 1)?;
        Ok(Self { space, salt, next, logs: BTreeMap::new(), json: Vec::new() })
    }

    /// The journal's own number of a log; the first call for a log defines it in the journal.
    ///
    /// # Errors
    /// [`JournalError::Full`], [`JournalError::TooManyLogs`].
    pub fn log(&mut self, log: &TopicPartition) -> Result<LogId, JournalError> {
        if let Some(id) = self.logs.get(log) {
            return Ok(*id);
        }
        let Ok(id) = u16::try_from(self.logs.len()) else {
            return Err(JournalError::TooManyLogs { path: self.space.path().to_owned() });
        };
        let head = Frame { log: id, offset: log.partition.into(), ..Frame::of(Kind::Log) };
        self.blob(head, log.topic.as_bytes())?;
        self.logs.insert(log.clone(), LogId(id));
        Ok(LogId(id))
    }

    /// A record is about to be handed to the client library. Call it before that.
    ///
    /// # Errors
    /// [`JournalError::Full`].
    pub fn send(&mut self, log: LogId, seq: Seq, now: Nanos) -> Result<(), JournalError> {
        self.sends(SendRun { log, first: seq, count: 1 }, now)
    }

    /// A burst of records to one log is about to be handed to the client library.
    ///
    /// # Errors
    /// [`JournalError::Full`].
    pub fn sends(&mut self, run: SendRun, now: Nanos) -> Result<(), JournalError> {
        self.single(Frame { time: now.0, ..run_frame(Kind::Sends, run) })
    }

    /// Records were acknowledged, the first at `offset` and the others at the offsets after it; without offset
    /// where the protocol gives none (`acks=0`).
    ///
    /// # Errors
    /// [`JournalError::Full`].
    pub fn acked(&mut self, run: SendRun, offset: Option<Offset>, now: Nanos) -> Result<(), JournalError> {
        assert!(offset.is_none_or(|offset| offset.0 >= 0), "an offset is not negative");
        let flags = u8::from(offset.is_some());
        let offset = offset.unwrap_or_default().0;
        self.single(Frame { flags, time: now.0, offset, ..run_frame(Kind::Acked, run) })
    }

    /// Sends ended otherwise, with the client library's error code. Where an offset was learned nevertheless,
    /// or words are worth keeping, write [`Writer::event`] instead.
    ///
    /// # Errors
    /// [`JournalError::Full`].
    pub fn unresolved(
        &mut self,
        run: SendRun,
        how: Unresolved,
        code: i32,
        now: Nanos,
    ) -> Result<(), JournalError> {
        let flags = match how {
            Unresolved::Fail => 1,
            Unresolved::Info => 2,
        };
        self.single(Frame { flags, time: now.0, offset: code.into(), ..run_frame(Kind::Unresolved, run) })
    }

    /// A poll returned these records, in this order. There whole or not at all.
    ///
    /// # Errors
    /// [`JournalError::Full`].
    pub fn poll(&mut self, invoked: Nanos, returned: Nanos, runs: &[Run]) -> Result<(), JournalError> {
        let returned = i64::try_from(returned.0).expect("CLOCK_MONOTONIC stays below 292 years");
        let head = Frame { time: invoked.0, offset: returned, ..Frame::of(Kind::Poll) };
        self.group(head, runs.iter().map(read_frame))
    }

    /// Records are about to be handed over to processing.
    ///
    /// # Errors
    /// [`JournalError::Full`].
    pub fn handed_over(&mut self, spans: &[Span], now: Nanos) -> Result<(), JournalError> {
        let head = Frame { time: now.0, ..Frame::of(Kind::HandedOver) };
        self.group(head, spans.iter().map(span_frame))
    }

    /// The independent reader read these records, in the order of their logs.
    ///
    /// # Errors
    /// [`JournalError::Full`].
    pub fn final_read(&mut self, isolation: Isolation, runs: &[Run], now: Nanos) -> Result<(), JournalError> {
        let flags = match isolation {
            Isolation::ReadUncommitted => 1,
            Isolation::ReadCommitted => 2,
        };
        let head = Frame { flags, time: now.0, ..Frame::of(Kind::FinalRead) };
        self.group(head, runs.iter().map(read_frame))
    }

    /// Any other event. Its log ids are the journal's own. Costs about a microsecond.
    ///
    /// # Errors
    /// [`JournalError::Full`].
    pub fn event(&mut self, event: &Event) -> Result<(), JournalError> {
        let mut json = std::mem::take(&mut self.json);
        json.clear();
        serde_json::to_writer(&mut json, event)
            .expect("an event is plain data and a vector accepts all of it");
        let written = self.blob(Frame::of(Kind::Event), &json);
        self.json = json;
        written
    }

    /// Ends the journal in good order. Works on a full disk too: the end mark's place is always reserved.
    ///
    /// # Errors
    /// What the system refuses.
    pub fn close(mut self) -> Result<(), JournalError> {
        self.publish(self.next, Frame::of(Kind::End).raw());
        self.space.finish(self.next + 1)
    }

    fn single(&mut self, frame: Frame) -> Result<(), JournalError> {
        // The frame itself and the free one after it.
        self.space.reserve(self.next, 2)?;
        self.publish(self.next, frame.raw());
        self.next += 1;
        Ok(())
    }

    fn group(
        &mut self,
        head: Frame,
        followers: impl ExactSizeIterator<Item = Frame>,
    ) -> Result<(), JournalError> {
        let count = u32::try_from(followers.len()).expect("a poll returns fewer than 2^32 runs");
        self.space.reserve(self.next, u64::from(count) + 2)?;
        for (index, follower) in (self.next + 1..).zip(followers) {
            self.publish(index, follower.raw());
        }
        self.lead(Frame { count, ..head }, count.into());
        Ok(())
    }

    fn blob(&mut self, head: Frame, bytes: &[u8]) -> Result<(), JournalError> {
        let count = u32::try_from(bytes.len()).expect("a blob is smaller than 4 GiB");
        let followers = bytes.len().div_ceil(BLOB) as u64;
        self.space.reserve(self.next, followers + 2)?;
        for (index, part) in (self.next + 1..).zip(bytes.chunks(BLOB)) {
            self.publish(index, frame::blob(part));
        }
        self.lead(Frame { count, ..head }, followers);
        Ok(())
    }

    /// Publishes a group whose followers are written.
    fn lead(&mut self, head: Frame, followers: u64) {
        self.publish(self.next, head.raw());
        self.next += followers + 1;
    }

    fn publish(&mut self, index: u64, raw: Raw) {
        let Raw(words) = self.salt.seal(index, raw);
        let [first, second, third, fourth] = self.space.frame(index);
        second.store(words[1].to_le(), Ordering::Relaxed);
        third.store(words[2].to_le(), Ordering::Relaxed);
        fourth.store(words[3].to_le(), Ordering::Relaxed);
        first.store(words[0].to_le(), Ordering::Release);
    }
}

fn run_frame(kind: Kind, run: SendRun) -> Frame {
    assert!(run.count > 0, "a run holds a record");
    Frame { log: run.log.0, seq: run.first.0, count: run.count, ..Frame::of(kind) }
}

fn read_frame(run: &Run) -> Frame {
    assert!(run.count > 0, "a run holds a record");
    assert!(run.offset.0 >= 0, "an offset is not negative");
    Frame {
        log: run.log.0,
        seq: run.first.seq.0,
        time: run.first.process.0.into(),
        offset: run.offset.0,
        count: run.count,
        ..Frame::of(Kind::Run)
    }
}

fn span_frame(span: &Span) -> Frame {
    Frame {
        log: span.log.0,
        time: span.first.0.cast_unsigned(),
        offset: span.last.0,
        ..Frame::of(Kind::Span)
    }
}
