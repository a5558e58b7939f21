//! Reading a journal back: a stream of typed entries in constant memory.
//!
//! Entries come in the order in which they were published; the last one is always [`Entry::End`], which says
//! how the journal ends, so that nobody can overlook a torn or shortened one. Groups are assembled in buffers
//! of the reader and lent out. A journal is read after its writer ended: a frame that is being published while
//! it is read may look damaged.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use super::frame::{self, BLOB, FRAME, Frame, Kind, Salt};
use super::{Header, JournalError, SendRun, Unresolved};
use crate::ids::{LogId, Nanos, Offset, Process, Seq, TopicPartition, Value};
use crate::op::{Event, Isolation, Run, Span};

const BUFFER: usize = 256 << 10;

/// One thing that the journal's process wrote.
#[derive(Debug, PartialEq)]
pub enum Entry<'a> {
    /// From here on `id` stands for `log`. Ids count up from 0.
    Log {
        /// The journal's own number.
        id: LogId,
        /// The log.
        log: TopicPartition,
    },
    /// Records were about to be handed to the client library.
    Sends {
        /// Which.
        run: SendRun,
        /// Before the first of them.
        time: Nanos,
    },
    /// Records were acknowledged.
    Acked {
        /// Which.
        run: SendRun,
        /// Offset of the first; the others follow it.
        offset: Option<Offset>,
        /// After the acknowledgement.
        time: Nanos,
    },
    /// Sends failed or their fate is unknown.
    Unresolved {
        /// Which.
        run: SendRun,
        /// Failed or unknown.
        how: Unresolved,
        /// The client library's error code.
        code: i32,
        /// After the error.
        time: Nanos,
    },
    /// A poll returned records.
    Poll {
        /// Before the call.
        invoked: Nanos,
        /// After it.
        returned: Nanos,
        /// What it returned, in order.
        runs: &'a [Run],
    },
    /// Records were about to be handed over to processing.
    HandedOver {
        /// Which.
        spans: &'a [Span],
        /// Before that.
        time: Nanos,
    },
    /// The independent reader read records.
    FinalRead {
        /// Whether it sees records of open and aborted transactions.
        isolation: Isolation,
        /// What it read.
        runs: &'a [Run],
        /// After the read.
        time: Nanos,
    },
    /// Any other event; its log ids are the journal's own.
    Event(Box<Event>),
    /// The journal ends here. Returned again by every further call.
    End(Tail),
}

/// How a journal ends. Offsets and sizes in bytes of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// With the end mark of [`super::Writer::close`].
    Closed,
    /// Without it, and with room for more: the writer was killed, and nothing that it published is missing.
    Open,
    /// Likewise, but the writer was killed while it wrote a frame or a group. That one is cut off: it was
    /// never published.
    Torn {
        /// Where it begins.
        at: u64,
        /// How much of it there is.
        bytes: u64,
    },
    /// The file was shortened after it was written; how much is missing is not known.
    Truncated {
        /// Where the last whole entry ends.
        at: u64,
        /// Bytes after it, too few to be read.
        bytes: u64,
    },
}

/// Reads one process's journal.
pub struct Reader {
    input: BufReader<File>,
    path: PathBuf,
    header: Header,
    salt: Salt,
    /// Index of the next frame, counted from the start of the file.
    next: u64,
    /// Bytes of the file after its last whole frame, known when the end is reached.
    partial: u64,
    /// How many logs are defined.
    logs: u32,
    runs: Vec<Run>,
    spans: Vec<Span>,
    blob: Vec<u8>,
    tail: Option<Tail>,
}

/// What is found in the place of a frame.
enum Place {
    Used([u8; FRAME]),
    Free([u8; FRAME]),
    EndOfFile,
}

/// Why a group has no further follower.
enum Missing {
    EndOfFile,
    Error(JournalError),
}

impl Reader {
    /// Opens a journal and reads its header.
    ///
    /// # Errors
    /// [`JournalError::NotAJournal`], [`JournalError::Version`], [`JournalError::Damaged`], and whatever the
    /// system refuses.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, JournalError> {
        let path = path.as_ref().to_owned();
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(source) => return Err(JournalError::Io { path, doing: "open", source }),
        };
        let mut input = BufReader::with_capacity(BUFFER, file);
        let (header, salt, length) = read_header(&mut input, &path)?;
        let next = length / FRAME as u64;
        let (runs, spans, blob) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Self { input, path, header, salt, next, partial: 0, logs: 0, runs, spans, blob, tail: None })
    }

    /// Whose journal it is.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The next entry; at the end, and from then on, [`Entry::End`].
    ///
    /// # Errors
    /// [`JournalError::Damaged`] with the byte offset where published bytes were changed, and whatever the
    /// system refuses. What was read before is intact; do not read on.
    pub fn next_entry(&mut self) -> Result<Entry<'_>, JournalError> {
        if let Some(tail) = self.tail {
            return Ok(Entry::End(tail));
        }
        let at = self.next;
        match self.place()? {
            Place::Used(bytes) => {
                let head = self.intact(at, &bytes)?;
                self.entry(at, head)
            }
            Place::Free(bytes) => {
                let tail = self.unused(at, &bytes)?;
                Ok(self.end(tail))
            }
            Place::EndOfFile => Ok(self.end_within(at)),
        }
    }

    fn entry(&mut self, at: u64, head: Frame) -> Result<Entry<'_>, JournalError> {
        let time = Nanos(head.time);
        match head.kind {
            Kind::Log => self.log_entry(at, head),
            Kind::Sends => Ok(Entry::Sends { run: self.send_run(at, head)?, time }),
            Kind::Acked => {
                let (run, offset) = (self.send_run(at, head)?, self.acked_offset(at, head)?);
                Ok(Entry::Acked { run, offset, time })
            }
            Kind::Unresolved => {
                let (run, (how, code)) = (self.send_run(at, head)?, self.unresolved(at, head)?);
                Ok(Entry::Unresolved { run, how, code, time })
            }
            Kind::Poll => {
                let returned =
                    u64::try_from(head.offset).map_err(|_| self.damaged(at, "a time below zero"))?;
                if !self.read_runs(at, head)? {
                    return Ok(self.end_within(at));
                }
                Ok(Entry::Poll { invoked: time, returned: Nanos(returned), runs: &self.runs })
            }
            Kind::FinalRead => {
                let isolation = match head.flags {
                    1 => Isolation::ReadUncommitted,
                    2 => Isolation::ReadCommitted,
                    other => return Err(self.damaged(at, &format!("unknown isolation level {other}"))),
                };
                if !self.read_runs(at, head)? {
                    return Ok(self.end_within(at));
                }
                Ok(Entry::FinalRead { isolation, runs: &self.runs, time })
            }
            Kind::HandedOver => {
                if !self.read_spans(at, head)? {
                    return Ok(self.end_within(at));
                }
                Ok(Entry::HandedOver { spans: &self.spans, time })
            }
            Kind::Event => self.event_entry(at, head),
            Kind::End => {
                self.empty_from(self.next)?;
                Ok(self.end(Tail::Closed))
            }
            Kind::Run | Kind::Span | Kind::Blob => {
                Err(self.damaged(at, "a part of a group without its beginning"))
            }
        }
    }

    fn log_entry(&mut self, at: u64, head: Frame) -> Result<Entry<'_>, JournalError> {
        if !self.read_blob(at, head)? {
            return Ok(self.end_within(at));
        }
        if u32::from(head.log) != self.logs {
            return Err(self.damaged(at, "logs are not numbered in order"));
        }
        let Ok(topic) = String::from_utf8(self.blob.clone()) else {
            return Err(self.damaged(at, "a topic name that is not UTF-8"));
        };
        let Ok(partition) = i32::try_from(head.offset) else {
            return Err(self.damaged(at, "a partition number out of range"));
        };
        self.logs += 1;
        Ok(Entry::Log { id: LogId(head.log), log: TopicPartition { topic, partition } })
    }

    fn event_entry(&mut self, at: u64, head: Frame) -> Result<Entry<'_>, JournalError> {
        if !self.read_blob(at, head)? {
            return Ok(self.end_within(at));
        }
        match serde_json::from_slice(&self.blob) {
            Ok(event) => Ok(Entry::Event(Box::new(event))),
            Err(error) => {
                Err(self.damaged(at, &format!("an event that this program does not understand: {error}")))
            }
        }
    }

    fn send_run(&self, at: u64, frame: Frame) -> Result<SendRun, JournalError> {
        self.known_log(at, frame.log)?;
        self.countable(at, frame)?;
        Ok(SendRun { log: LogId(frame.log), first: Seq(frame.seq), count: frame.count })
    }

    fn acked_offset(&self, at: u64, frame: Frame) -> Result<Option<Offset>, JournalError> {
        match frame.flags {
            0 => Ok(None),
            1 => self.offset(at, frame).map(Some),
            other => Err(self.damaged(at, &format!("unknown flags {other}"))),
        }
    }

    fn unresolved(&self, at: u64, frame: Frame) -> Result<(Unresolved, i32), JournalError> {
        let how = match frame.flags {
            1 => Unresolved::Fail,
            2 => Unresolved::Info,
            other => return Err(self.damaged(at, &format!("unknown outcome {other}"))),
        };
        let code = i32::try_from(frame.offset).map_err(|_| self.damaged(at, "an error code out of range"))?;
        Ok((how, code))
    }

    /// Whether the whole group is there.
    fn read_runs(&mut self, at: u64, head: Frame) -> Result<bool, JournalError> {
        self.runs.clear();
        for _ in 0..head.count {
            let place = self.next;
            let follower = match self.follower(Kind::Run) {
                Ok(bytes) => self.intact(place, &bytes)?,
                Err(Missing::EndOfFile) => return Ok(false),
                Err(Missing::Error(error)) => return Err(error),
            };
            self.known_log(at, follower.log)?;
            self.countable(place, follower)?;
            let Ok(process) = u32::try_from(follower.time) else {
                return Err(self.damaged(place, "a process number out of range"));
            };
            let first = Value { process: Process(process), seq: Seq(follower.seq) };
            let offset = self.offset(place, follower)?;
            self.runs.push(Run { log: LogId(follower.log), offset, first, count: follower.count });
        }
        Ok(true)
    }

    /// Whether the whole group is there.
    fn read_spans(&mut self, at: u64, head: Frame) -> Result<bool, JournalError> {
        self.spans.clear();
        for _ in 0..head.count {
            let place = self.next;
            let follower = match self.follower(Kind::Span) {
                Ok(bytes) => self.intact(place, &bytes)?,
                Err(Missing::EndOfFile) => return Ok(false),
                Err(Missing::Error(error)) => return Err(error),
            };
            self.known_log(at, follower.log)?;
            let first = i64::from_le_bytes(follower.time.to_le_bytes());
            if first < 0 || follower.offset < first {
                return Err(self.damaged(place, "an interval of offsets that is none"));
            }
            self.spans.push(Span {
                log: LogId(follower.log),
                first: Offset(first),
                last: Offset(follower.offset),
            });
        }
        Ok(true)
    }

    /// Whether the whole blob is there.
    fn read_blob(&mut self, at: u64, head: Frame) -> Result<bool, JournalError> {
        self.blob.clear();
        let Ok(length) = usize::try_from(head.count) else {
            return Err(self.damaged(at, "a blob too large for this machine"));
        };
        while self.blob.len() < length {
            let bytes = match self.follower(Kind::Blob) {
                Ok(bytes) => bytes,
                Err(Missing::EndOfFile) => return Ok(false),
                Err(Missing::Error(error)) => return Err(error),
            };
            let wanted = (length - self.blob.len()).min(BLOB);
            self.blob.extend_from_slice(&frame::blob_part(&bytes)[..wanted]);
        }
        Ok(true)
    }

    fn follower(&mut self, kind: Kind) -> Result<[u8; FRAME], Missing> {
        let at = self.next;
        match self.place().map_err(Missing::Error)? {
            Place::Used(bytes) => match self.intact(at, &bytes) {
                Ok(found) if found.kind == kind => Ok(bytes),
                Ok(_) => Err(Missing::Error(self.damaged(at, "a frame of another kind within a group"))),
                Err(error) => Err(Missing::Error(error)),
            },
            Place::Free(_) => Err(Missing::Error(self.damaged(at, "a published frame was zeroed"))),
            Place::EndOfFile => Err(Missing::EndOfFile),
        }
    }

    /// Reads what is in the place of the next frame.
    fn place(&mut self) -> Result<Place, JournalError> {
        let mut bytes = [0; FRAME];
        let mut filled = 0;
        while filled < FRAME {
            match self.input.read(&mut bytes[filled..]) {
                Ok(0) => {
                    self.partial = filled as u64;
                    return Ok(Place::EndOfFile);
                }
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => {
                    return Err(JournalError::Io { path: self.path.clone(), doing: "read", source });
                }
            }
        }
        self.next += 1;
        let is_free = bytes[..size_of::<u64>()] == [0; size_of::<u64>()];
        Ok(if is_free { Place::Free(bytes) } else { Place::Used(bytes) })
    }

    fn intact(&self, at: u64, bytes: &[u8; FRAME]) -> Result<Frame, JournalError> {
        if !self.salt.holds(at, bytes) {
            return Err(self.damaged(at, "the frame's checksum does not match"));
        }
        Frame::parse(bytes).ok_or_else(|| self.damaged(at, &format!("unknown kind of frame {}", bytes[0])))
    }

    /// Reads from the first free place, at `at`, to the end of the file: a torn frame or group may be there,
    /// and nothing else.
    fn unused(&mut self, at: u64, first: &[u8; FRAME]) -> Result<Tail, JournalError> {
        let mut torn = u64::from(*first != [0; FRAME]);
        loop {
            let place = self.next;
            match self.place()? {
                Place::Used(bytes) => {
                    let follows = self.intact(place, &bytes).is_ok_and(|frame| frame.kind.is_follower());
                    if !follows {
                        return Err(self.damaged(at, "a frame is missing: there are others after it"));
                    }
                    torn = place - at + 1;
                }
                Place::Free(bytes) => {
                    if bytes != [0; FRAME] {
                        torn = place - at + 1;
                    }
                    self.empty_from(self.next)?;
                    break;
                }
                Place::EndOfFile => break,
            }
        }
        let unit = FRAME as u64;
        Ok(if torn == 0 { Tail::Open } else { Tail::Torn { at: at * unit, bytes: torn * unit } })
    }

    /// Checks that nothing is in the file from frame `at` on.
    fn empty_from(&mut self, at: u64) -> Result<(), JournalError> {
        let mut buffer = vec![0; BUFFER];
        let mut offset = at * FRAME as u64;
        loop {
            match self.input.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(read) => {
                    if let Some(place) = buffer[..read].iter().position(|byte| *byte != 0) {
                        let frame = (offset + place as u64) / FRAME as u64;
                        return Err(self.damaged(frame, "bytes after the end of the journal"));
                    }
                    offset += read as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => {
                    return Err(JournalError::Io { path: self.path.clone(), doing: "read", source });
                }
            }
        }
    }

    fn known_log(&self, at: u64, log: u16) -> Result<(), JournalError> {
        if u32::from(log) < self.logs {
            Ok(())
        } else {
            Err(self.damaged(at, &format!("log {log} is not defined")))
        }
    }

    /// Checks that the sequence numbers of a run exist.
    fn countable(&self, at: u64, frame: Frame) -> Result<(), JournalError> {
        let last = frame.count.checked_sub(1).and_then(|more| frame.seq.checked_add(more));
        if last.is_some() { Ok(()) } else { Err(self.damaged(at, "a run of sequence numbers that is none")) }
    }

    /// The offset of a run's first record, where all of its offsets exist.
    fn offset(&self, at: u64, frame: Frame) -> Result<Offset, JournalError> {
        let last = frame.offset.checked_add(frame.count.into());
        if frame.offset >= 0 && last.is_some() {
            Ok(Offset(frame.offset))
        } else {
            Err(self.damaged(at, "a run of offsets that is none"))
        }
    }

    fn end(&mut self, tail: Tail) -> Entry<'static> {
        self.tail = Some(tail);
        Entry::End(tail)
    }

    /// The file ends within the group that begins at `at`.
    fn end_within(&mut self, at: u64) -> Entry<'static> {
        let (at, read) = (at * FRAME as u64, self.next * FRAME as u64);
        self.end(Tail::Truncated { at, bytes: read - at + self.partial })
    }

    fn damaged(&self, at: u64, what: &str) -> JournalError {
        JournalError::Damaged { path: self.path.clone(), offset: at * FRAME as u64, what: what.to_owned() }
    }
}

/// Reads the header; returns it with the salt of the frames and its length in bytes.
fn read_header(input: &mut impl Read, path: &Path) -> Result<(Header, Salt, u64), JournalError> {
    let not_a_journal = |why: &str| JournalError::NotAJournal { path: path.to_owned(), why: why.to_owned() };
    let cut = |source: io::Error| {
        if source.kind() == io::ErrorKind::UnexpectedEof {
            not_a_journal("the file ends within the header")
        } else {
            JournalError::Io { path: path.to_owned(), doing: "read", source }
        }
    };
    let damaged = |what: String| JournalError::Damaged { path: path.to_owned(), offset: 0, what };
    let mut bytes = vec![0; frame::FIXED_HEADER];
    input.read_exact(&mut bytes).map_err(cut)?;
    if !bytes.starts_with(&frame::MAGIC) {
        return Err(not_a_journal("it does not begin with a journal's mark"));
    }
    let length = u64::from(u32::from_le_bytes(frame::field(&bytes, 12)));
    let rest = length.saturating_sub(frame::FIXED_HEADER as u64);
    input.take(rest).read_to_end(&mut bytes).map_err(cut)?;
    let checksum = u32::from_le_bytes(frame::field(&bytes, frame::HEADER_CHECKSUM.start));
    if bytes.len() as u64 != length || checksum != frame::header_checksum(&bytes) {
        return Err(damaged(
            "the header's checksum does not match, or the file ends within the header".to_owned(),
        ));
    }
    let found = u32::from_le_bytes(frame::field(&bytes, 8));
    if found != frame::VERSION {
        return Err(JournalError::Version { path: path.to_owned(), found, known: frame::VERSION });
    }
    if length % FRAME as u64 != 0 {
        return Err(damaged("the header is not made of whole frames".to_owned()));
    }
    let header = serde_json::from_slice(&bytes[frame::FIXED_HEADER..]);
    let header = header
        .map_err(|error| damaged(format!("a header that this program does not understand: {error}")))?;
    Ok((header, Salt(checksum), length))
}
