//! Reading a journal back: a stream of typed entries in constant memory.
//!
//! Entries come in the order in which they were published; the last one is always [`Entry::End`], which says
//! how the journal ends, so that nobody can overlook a torn or shortened one. Groups are assembled in buffers
//! of the reader and lent out. A journal is read after its writer ended: a frame that is being published while
//! it is read may look damaged.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use super::frame::{self, BLOB, FRAME, Frame, Kind, Raw, Salt};
use super::{Entry, Header, JournalError, SendRun, Tail, Unresolved, header};
use crate::ids::{LogId, Nanos, Offset, Process, Seq, TopicPartition, Value};
use crate::op::{Isolation, Run, Span};

const BUFFER: usize = 256 << 10;

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
    Used(Raw),
    Free(Raw),
    EndOfFile,
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
        let (header, salt, length) = header::read(&mut input, &path)?;
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
            Place::Used(raw) => {
                let head = self.intact(at, raw)?;
                self.entry(at, head)
            }
            Place::Free(raw) => {
                let tail = self.unused(at, raw)?;
                Ok(self.end(tail))
            }
            Place::EndOfFile => Ok(self.end_within(at)),
        }
    }

    fn entry(&mut self, at: u64, head: Frame) -> Result<Entry<'_>, JournalError> {
        let time = Nanos(head.time);
        match head.kind {
            Kind::Log => self.log_entry(at, head),
            Kind::Sends => match self.send_run(head) {
                Ok(run) => Ok(Entry::Sends { run, time }),
                Err(what) => Err(self.damaged(at, what)),
            },
            Kind::Acked => match self.send_run(head).and_then(|run| Ok((run, acked_offset(head)?))) {
                Ok((run, offset)) => Ok(Entry::Acked { run, offset, time }),
                Err(what) => Err(self.damaged(at, what)),
            },
            Kind::Unresolved => match self.send_run(head).and_then(|run| Ok((run, unresolved(head)?))) {
                Ok((run, (how, code))) => Ok(Entry::Unresolved { run, how, code, time }),
                Err(what) => Err(self.damaged(at, what)),
            },
            Kind::Poll => {
                let returned =
                    u64::try_from(head.offset).map_err(|_| self.damaged(at, "a time below zero"))?;
                if !self.read_runs(head)? {
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
                if !self.read_runs(head)? {
                    return Ok(self.end_within(at));
                }
                Ok(Entry::FinalRead { isolation, runs: &self.runs, time })
            }
            Kind::HandedOver => {
                if !self.read_spans(head)? {
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
        if !self.read_blob(head)? {
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
        if !self.read_blob(head)? {
            return Ok(self.end_within(at));
        }
        match serde_json::from_slice(&self.blob) {
            Ok(event) => Ok(Entry::Event(Box::new(event))),
            Err(error) => {
                Err(self.damaged(at, &format!("an event that this program does not understand: {error}")))
            }
        }
    }

    fn send_run(&self, frame: Frame) -> Result<SendRun, &'static str> {
        self.known_log(frame)?;
        countable(frame)?;
        Ok(SendRun { log: LogId(frame.log), first: Seq(frame.seq), count: frame.count })
    }

    /// Whether the whole group is there.
    fn read_runs(&mut self, head: Frame) -> Result<bool, JournalError> {
        self.runs.clear();
        for _ in 0..head.count {
            let at = self.next;
            let Some((_, follower)) = self.follower(Kind::Run)? else { return Ok(false) };
            match self.known_log(follower).and_then(|()| read_run(follower)) {
                Ok(run) => self.runs.push(run),
                Err(what) => return Err(self.damaged(at, what)),
            }
        }
        Ok(true)
    }

    /// Whether the whole group is there.
    fn read_spans(&mut self, head: Frame) -> Result<bool, JournalError> {
        self.spans.clear();
        for _ in 0..head.count {
            let at = self.next;
            let Some((_, follower)) = self.follower(Kind::Span)? else { return Ok(false) };
            match self.known_log(follower).and_then(|()| span(follower)) {
                Ok(span) => self.spans.push(span),
                Err(what) => return Err(self.damaged(at, what)),
            }
        }
        Ok(true)
    }

    /// Whether the whole blob is there.
    fn read_blob(&mut self, head: Frame) -> Result<bool, JournalError> {
        self.blob.clear();
        let length = usize::try_from(head.count).expect("a blob is smaller than 4 GiB");
        while self.blob.len() < length {
            let Some((raw, _)) = self.follower(Kind::Blob)? else { return Ok(false) };
            let wanted = (length - self.blob.len()).min(BLOB);
            self.blob.extend_from_slice(&frame::blob_part(raw)[..wanted]);
        }
        Ok(true)
    }

    /// The next frame of a group; none where the file ends.
    fn follower(&mut self, kind: Kind) -> Result<Option<(Raw, Frame)>, JournalError> {
        let at = self.next;
        match self.place()? {
            Place::Used(raw) => {
                let frame = self.intact(at, raw)?;
                if frame.kind == kind {
                    Ok(Some((raw, frame)))
                } else {
                    Err(self.damaged(at, "a frame of another kind within a group"))
                }
            }
            Place::Free(_) => Err(self.damaged(at, "a published frame was zeroed")),
            Place::EndOfFile => Ok(None),
        }
    }

    /// Reads what is in the place of the next frame.
    fn place(&mut self) -> Result<Place, JournalError> {
        let raw = if let Some(buffered) = self.input.buffer().first_chunk() {
            let raw = Raw::from_bytes(buffered);
            self.input.consume(FRAME);
            raw
        } else {
            let mut bytes = [0; FRAME];
            let filled = self.fill(&mut bytes)?;
            if filled < FRAME {
                self.partial = filled as u64;
                return Ok(Place::EndOfFile);
            }
            Raw::from_bytes(&bytes)
        };
        self.next += 1;
        Ok(if raw.0[0] == 0 { Place::Free(raw) } else { Place::Used(raw) })
    }

    /// Reads a frame's bytes, or the fewer that there are.
    fn fill(&mut self, bytes: &mut [u8; FRAME]) -> Result<usize, JournalError> {
        let mut filled = 0;
        while filled < FRAME {
            match self.input.read(&mut bytes[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => {
                    return Err(JournalError::Io { path: self.path.clone(), doing: "read", source });
                }
            }
        }
        Ok(filled)
    }

    fn intact(&self, at: u64, raw: Raw) -> Result<Frame, JournalError> {
        if !self.salt.holds(at, raw) {
            return Err(self.damaged(at, "the frame's checksum does not match"));
        }
        Frame::parse(&raw)
            .ok_or_else(|| self.damaged(at, &format!("unknown kind of frame {}", raw.0[0] & 0xff)))
    }

    /// Reads from the first free place, at `at`, to the end of the file: a torn frame or group may be there,
    /// and nothing else.
    fn unused(&mut self, at: u64, first: Raw) -> Result<Tail, JournalError> {
        let mut torn = u64::from(first != Raw::FREE);
        loop {
            let place = self.next;
            match self.place()? {
                Place::Used(raw) => {
                    let follows = self.intact(place, raw).is_ok_and(|frame| frame.kind.is_follower());
                    if !follows {
                        return Err(self.damaged(at, "a frame is missing: there are others after it"));
                    }
                    torn = place - at + 1;
                }
                Place::Free(raw) => {
                    if raw != Raw::FREE {
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

    fn known_log(&self, frame: Frame) -> Result<(), &'static str> {
        if u32::from(frame.log) < self.logs { Ok(()) } else { Err("a log that is not defined") }
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

/// Checks that the sequence numbers of a run exist.
fn countable(frame: Frame) -> Result<(), &'static str> {
    let last = frame.count.checked_sub(1).and_then(|more| frame.seq.checked_add(more));
    if last.is_some() { Ok(()) } else { Err("a run of sequence numbers that is none") }
}

/// The offset of a run's first record, where all of its offsets exist.
fn offset(frame: Frame) -> Result<Offset, &'static str> {
    let end = frame.offset.checked_add(frame.count.into());
    if frame.offset >= 0 && end.is_some() {
        Ok(Offset(frame.offset))
    } else {
        Err("a run of offsets that is none")
    }
}

fn read_run(frame: Frame) -> Result<Run, &'static str> {
    countable(frame)?;
    let process = u32::try_from(frame.time).map_err(|_| "a process number out of range")?;
    let first = Value { process: Process(process), seq: Seq(frame.seq) };
    Ok(Run { log: LogId(frame.log), offset: offset(frame)?, first, count: frame.count })
}

fn span(frame: Frame) -> Result<Span, &'static str> {
    let (first, last) = (frame.time.cast_signed(), frame.offset);
    if first < 0 || last < first {
        return Err("an interval of offsets that is none");
    }
    Ok(Span { log: LogId(frame.log), first: Offset(first), last: Offset(last) })
}

fn acked_offset(frame: Frame) -> Result<Option<Offset>, &'static str> {
    match frame.flags {
        0 => Ok(None),
        1 => offset(frame).map(Some),
        _ => Err("unknown flags"),
    }
}

fn unresolved(frame: Frame) -> Result<(Unresolved, i32), &'static str> {
    let how = match frame.flags {
        1 => Unresolved::Fail,
        2 => Unresolved::Info,
        _ => return Err("an unknown outcome"),
    };
    let code = i32::try_from(frame.offset).map_err(|_| "an error code out of range")?;
    Ok((how, code))
}
