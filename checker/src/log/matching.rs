//! The log against what was sent to it: a merge of sorted streams.
//!
//! The log is read once, in order of offsets; each process's sends have a cursor. Where the next records of the log are
//! the next sends of their process, at the offsets they were acknowledged at, whole slices are compared and passed over
//! ("clean"). Everything else is an exception that is looked up, and noted as intervals:
//! `missing` (passed over, not found where acknowledged), `elsewhere` (found at another offset).
//!
//! A duplicate must not look like a reordering as well: order and real time are judged at a value's first occurrence
//! only. That costs nothing, because the log is read in order: whether a value was seen before is known at once. Let A
//! be stored, its response lost, B stored, A stored again and acknowledged there:
//! ```text
//! log    0:A 1:B 2:A     acknowledged  A at 2, B at 1
//! 0:A    at the cursor, but acknowledged elsewhere: missing {A}, elsewhere {A: 0}; first occurrence, in order
//! 1:B    clean
//! 2:A    behind the cursor, where it was acknowledged: no longer missing; seen before: duplicate-write
//! ```

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use history::ids::{LogId, Nanos, Offset, Process, Value};
use history::merged::{Entry, History, HistoryError, Kind, ReadChunk, SendOutcome, SendRun};

use super::early::{self, FirstRead, Latest, Unanswered};
use super::stream::{Place, SendStream, claimed, nanos, sightings, value};
use crate::anomaly::Anomaly;
use crate::findings::{Finding, Findings, Sighting};

/// A value in a log that no process sent to that log.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stray {
    pub(crate) value: Value,
    pub(crate) log: LogId,
    pub(crate) offset: i64,
    /// Who polled it and when; none where it is in the log itself.
    pub(crate) polled_by: Option<(Process, Nanos)>,
}

/// The state of the merge of one log.
pub(crate) struct Matching<'h> {
    history: &'h History,
    log: LogId,
    pub(crate) streams: Vec<SendStream<'h>>,
    by_process: HashMap<u32, usize>,
    senders: &'h HashSet<u32>,
    /// Whether strays are needed one by one, because what was polled is compared with another truth.
    pub(crate) keep_strays: bool,
    last_used: usize,
    latest: Latest,
    /// Records of unknown outcome, by offset.
    unanswered: Vec<Unanswered>,
    pub(crate) findings: Findings,
    pub(crate) strays: Vec<Stray>,
}

/// Records of one stream found at consecutive offsets.
struct Found {
    stream: usize,
    place: Place,
    count: usize,
    offset: i64,
    /// Whether the cursor had passed them already.
    behind: bool,
}

impl<'h> Matching<'h> {
    pub(crate) fn new(
        history: &'h History,
        senders: &'h HashSet<u32>,
        log: LogId,
    ) -> Result<Self, HistoryError> {
        let mut streams = Vec::new();
        for entries in history.chunks(Kind::Sends, log).chunk_by(|a, b| a.process == b.process) {
            streams.push(SendStream::new(history, entries)?);
        }
        let by_process = streams.iter().enumerate().map(|(at, stream)| (stream.process, at)).collect();
        Ok(Self {
            history,
            log,
            streams,
            by_process,
            senders,
            keep_strays: false,
            last_used: 0,
            latest: Latest::default(),
            unanswered: Vec::new(),
            findings: Findings::default(),
            strays: Vec::new(),
        })
    }

    /// Takes the next chunk of the log.
    pub(crate) fn chunk(&mut self, chunk: &ReadChunk) -> Result<(), HistoryError> {
        for (index, run) in chunk.runs.iter().enumerate() {
            let mut seqs = &chunk.seqs[run.start as usize..chunk.run_end(index)];
            let mut offset = run.offset;
            let Some(stream) = self.stream_of(run.process) else {
                self.strays(run.process, offset, seqs);
                continue;
            };
            while !seqs.is_empty() {
                let count = match self.clean(stream, offset, seqs)? {
                    0 => self.exception(stream, offset, seqs)?,
                    count => count,
                };
                seqs = &seqs[count..];
                offset = offset.saturating_add_unsigned(count as u64);
            }
        }
        Ok(())
    }

    /// Ends the log: what no cursor passed is missing.
    pub(crate) fn finish(&mut self) {
        for stream in &mut self.streams {
            let range = stream.cursor()..stream.total();
            stream.missing.insert(range);
        }
    }

    /// The stream of a process.
    pub(crate) fn stream_of(&mut self, process: u32) -> Option<usize> {
        if self.streams.get(self.last_used).is_none_or(|stream| stream.process != process) {
            self.last_used = *self.by_process.get(&process)?;
        }
        Some(self.last_used)
    }

    fn strays(&mut self, process: u32, offset: i64, seqs: &[u32]) {
        let log = self.log;
        if !self.keep_strays && !self.senders.contains(&process) {
            // Nobody's records may be all of a log (a journal was lost), so they are not kept one by one.
            self.findings.push(phantoms(log, process, offset, seqs));
            return;
        }
        let stray = |(&seq, offset)| Stray { value: value(process, seq), log, offset, polled_by: None };
        self.strays.extend(seqs.iter().zip(offset..).map(stray));
    }

    /// Passes over the records that are the next of their stream, where they were acknowledged; returns how many.
    fn clean(&mut self, index: usize, offset: i64, seqs: &[u32]) -> Result<usize, HistoryError> {
        let stream = &mut self.streams[index];
        let Some(run) = stream.chunk.runs.get(stream.run) else { return Ok(0) };
        if run.offset != SendRun::NO_OFFSET && claimed(run, stream.pos) != Some(offset) {
            return Ok(0);
        }
        let left = stream.chunk.run_end(stream.run) - stream.pos;
        let count = common_prefix(seqs, &stream.chunk.seqs[stream.pos..stream.pos + left.min(seqs.len())]);
        if count == 0 {
            return Ok(0);
        }
        let late = run.was_acknowledged() && run.completed < self.latest.invoked;
        let disordered = stream.greatest.is_some_and(|(seq, _)| seq > seqs[0]);
        let failed = run.outcome == SendOutcome::Failed;
        let unknown = run.outcome == SendOutcome::Unknown;
        if late || disordered || failed || unknown || stream.cursor() < stream.elsewhere.end() {
            let found = Found { stream: index, place: stream.current(), count, offset, behind: false };
            self.judge(&found)?;
        }
        let at = self.streams[index].current();
        self.note(index, at, count, offset)?;
        self.streams[index].advance(count)?;
        Ok(count)
    }

    /// Deals with the first records of `seqs` that are not next in their stream; returns how many were dealt with.
    fn exception(&mut self, index: usize, offset: i64, seqs: &[u32]) -> Result<usize, HistoryError> {
        let stream = &mut self.streams[index];
        let Some(place) = stream.locate(seqs[0])? else {
            let process = stream.process;
            self.strays(process, offset, &seqs[..1]);
            return Ok(1);
        };
        let (at, cursor) = (stream.index(place), stream.cursor());
        let chunk = stream.chunk_at(place.chunk)?;
        let run_index = chunk.run_of(place.at);
        let run = chunk.runs[run_index];
        let agrees = claimed(&run, place.at).is_none_or(|claimed| claimed == offset);
        if at >= cursor && agrees {
            stream.skip_to(place)?;
            return Ok(0);
        }
        let behind = at < cursor;
        let mut limit = (chunk.run_end(run_index) - place.at).min(seqs.len());
        let same = common_prefix(&seqs[..limit], &chunk.seqs[place.at..place.at + limit]);
        if behind {
            limit = limit.min(usize::try_from(cursor - at).unwrap_or(usize::MAX));
        }
        let count = same.min(limit);
        self.judge(&Found { stream: index, place, count, offset, behind })?;
        self.note(index, place, count, offset)?;
        let stream = &mut self.streams[index];
        let range = at..at + count as u64;
        if agrees {
            stream.missing.remove(range);
        } else {
            insert_new(stream, range, offset);
            if at == cursor {
                stream.missing.insert(at..at + count as u64);
                stream.advance(count)?;
            }
        }
        Ok(count)
    }

    /// Remembers what later records of the log are compared with.
    fn note(&mut self, index: usize, place: Place, count: usize, offset: i64) -> Result<(), HistoryError> {
        let stream = &mut self.streams[index];
        let process = stream.process;
        let chunk = stream.chunk_at(place.chunk)?;
        let last = place.at + count - 1;
        let (invoked, seq) = (chunk.invoked[last], chunk.seqs[last]);
        let offset = offset.saturating_add_unsigned(count as u64 - 1);
        if invoked > self.latest.invoked {
            self.latest = Latest { invoked, process, seq, offset };
        }
        if stream.greatest.is_none_or(|(greatest, _)| greatest < seq) {
            stream.greatest = Some((seq, offset));
        }
        Ok(())
    }

    /// Splits what was found by whether it had been seen before, and judges each part.
    fn judge(&mut self, found: &Found) -> Result<(), HistoryError> {
        let stream = &self.streams[found.stream];
        let start = stream.index(found.place);
        let end = start + found.count as u64;
        let mut at = start;
        while at < end {
            let stream = &self.streams[found.stream];
            let (elsewhere, same_until) = stream.elsewhere.stretch(at);
            let (missing, missing_until) =
                if found.behind { stream.missing.stretch(at) } else { (true, u64::MAX) };
            let until = end.min(same_until).min(missing_until);
            let seen = elsewhere.is_some() || !missing;
            let skipped = usize::try_from(at - start).unwrap_or(usize::MAX);
            let part = Found {
                stream: found.stream,
                place: Place { chunk: found.place.chunk, at: found.place.at + skipped },
                count: usize::try_from(until - at).unwrap_or(usize::MAX),
                offset: found.offset.saturating_add_unsigned(at - start),
                behind: found.behind,
            };
            if seen {
                self.duplicate(&part, elsewhere)?
            } else {
                self.first_occurrence(&part)?
            }
            at = until;
        }
        Ok(())
    }

    fn duplicate(&mut self, found: &Found, elsewhere: Option<i64>) -> Result<(), HistoryError> {
        let mut finding = self.finding(Anomaly::DuplicateWrite, found, found.count)?;
        let stream = &mut self.streams[found.stream];
        let (process, chunk) = (stream.process, stream.chunk_at(found.place.chunk)?);
        let value = value(process, chunk.seqs[found.place.at]);
        let first = elsewhere.or_else(|| claimed(&chunk.runs[chunk.run_of(found.place.at)], found.place.at));
        let seen = [first, Some(found.offset)].into_iter().flatten();
        finding.sightings.extend(seen.map(|offset| Sighting::InLog { value, offset: Offset(offset) }));
        self.findings.push(finding);
        Ok(())
    }

    fn first_occurrence(&mut self, found: &Found) -> Result<(), HistoryError> {
        let latest = self.latest;
        let stream = &mut self.streams[found.stream];
        let (process, transactional, greatest) = (stream.process, stream.transactional, stream.greatest);
        let chunk = stream.chunk_at(found.place.chunk)?;
        let seqs = &chunk.seqs[found.place.at..found.place.at + found.count];
        let run = chunk.runs[chunk.run_of(found.place.at)];
        let first = value(process, seqs[0]);
        let in_log = |value, offset| Sighting::InLog { value, offset: Offset(offset) };
        if let Some((seq, offset)) = greatest.filter(|&(seq, _)| seq > seqs[0]) {
            let count = seqs.partition_point(|&earlier| earlier < seq);
            let mut finding = self.finding(Anomaly::ReorderedWrite, found, count)?;
            finding.sightings.push(in_log(value(process, seq), offset));
            finding.sightings.push(in_log(first, found.offset));
            self.findings.push(finding);
        }
        if run.was_acknowledged() && run.completed < latest.invoked {
            let mut finding = self.finding(Anomaly::RealtimeInversion, found, found.count)?;
            finding.sightings.extend(latest.sightings());
            finding.sightings.push(in_log(first, found.offset));
            self.findings.push(finding);
        }
        if run.outcome == SendOutcome::Unknown {
            let Found { stream, place, count, offset, .. } = *found;
            let chunk = self.streams[stream].chunk_at(place.chunk)?;
            let records = place.at..place.at + count;
            let (seqs, invoked) = (chunk.seqs[records.clone()].into(), chunk.invoked[records].into());
            self.unanswered.push(Unanswered {
                stream,
                process,
                place,
                seqs,
                invoked,
                offset,
                before: latest,
            });
        }
        if run.outcome == SendOutcome::Failed && !transactional {
            let mut finding = self.finding(Anomaly::AbortedRead, found, found.count)?;
            finding.sightings.push(in_log(first, found.offset));
            self.findings.push(finding);
        }
        Ok(())
    }

    /// Reports records of unknown outcome that were read before one at a lower offset was invoked.
    pub(super) fn read_early(&mut self, polls: &[Entry]) -> Result<(), HistoryError> {
        let unanswered = std::mem::take(&mut self.unanswered);
        let reads = early::first_reads(self.history, polls, &unanswered)?;
        for (one, reads) in unanswered.iter().zip(reads) {
            for (nth, read) in reads.into_iter().enumerate() {
                if let Some(read) = read {
                    self.inverted(one, nth, read)?;
                }
            }
        }
        Ok(())
    }

    fn inverted(&mut self, of: &Unanswered, nth: usize, read: FirstRead) -> Result<(), HistoryError> {
        let offset = of.offset.saturating_add_unsigned(nth as u64);
        let seq = of.seqs[nth];
        let neighbour = nth.checked_sub(1).map(|before| Latest {
            invoked: of.invoked[before],
            process: of.process,
            seq: of.seqs[before],
            offset: offset.saturating_sub(1),
        });
        let before = [Some(of.before), neighbour].into_iter().flatten().max_by_key(|latest| latest.invoked);
        let Some(before) = before.filter(|before| read.returned < nanos(before.invoked)) else {
            return Ok(());
        };
        let place = Place { at: of.place.at + nth, ..of.place };
        let found = Found { stream: of.stream, place, count: 1, offset, behind: false };
        let mut finding = self.finding(Anomaly::RealtimeInversion, &found, 1)?;
        let (value, offset) = (value(of.process, seq), Offset(offset));
        finding.sightings.push(Sighting::Polled { process: read.reader, value, offset, time: read.returned });
        finding.sightings.extend(before.sightings());
        finding.sightings.push(Sighting::InLog { value, offset });
        self.findings.push(finding);
        Ok(())
    }

    /// A finding about the first `count` records of what was found, with how they were sent.
    fn finding(&mut self, anomaly: Anomaly, found: &Found, count: usize) -> Result<Finding, HistoryError> {
        let (history, log) = (self.history, self.log);
        let stream = &mut self.streams[found.stream];
        let process = stream.process;
        let chunk = stream.chunk_at(found.place.chunk)?;
        let at = found.place.at;
        let last = found.offset.saturating_add_unsigned(count as u64 - 1);
        Ok(Finding {
            anomaly,
            log,
            group: None,
            count: count as u64,
            first: Some(value(process, chunk.seqs[at])),
            last: Some(value(process, chunk.seqs[at + count - 1])),
            offsets: Some((Offset(found.offset), Offset(last))),
            cause: None,
            sightings: sightings(history, process, chunk, at),
        })
    }
}

impl Latest {
    fn sightings(&self) -> [Sighting; 2] {
        let value = value(self.process, self.seq);
        let time = nanos(self.invoked);
        [Sighting::Sent { value, time }, Sighting::InLog { value, offset: Offset(self.offset) }]
    }
}

/// Consecutive records of a process that sent nothing to any log.
fn phantoms(log: LogId, process: u32, offset: i64, seqs: &[u32]) -> Finding {
    let (first, last) = (value(process, seqs[0]), value(process, seqs[seqs.len() - 1]));
    let end = offset.saturating_add_unsigned(seqs.len() as u64 - 1);
    Finding {
        anomaly: Anomaly::Phantom,
        log,
        group: None,
        count: seqs.len() as u64,
        first: Some(first),
        last: Some(last),
        offsets: Some((Offset(offset), Offset(end))),
        cause: None,
        sightings: vec![Sighting::InLog { value: first, offset: Offset(offset) }],
    }
}

/// Adds the parts of a range that are not yet known to be elsewhere.
fn insert_new(stream: &mut SendStream<'_>, range: Range<u64>, offset: i64) {
    let mut at = range.start;
    while at < range.end {
        let (known, until) = stream.elsewhere.stretch(at);
        let until = until.min(range.end);
        if known.is_none() {
            stream.elsewhere.insert(at..until, offset.saturating_add_unsigned(at - range.start));
        }
        at = until;
    }
}

/// Length of the common prefix.
pub(crate) fn common_prefix(a: &[u32], b: &[u32]) -> usize {
    let length = a.len().min(b.len());
    if a[..length] == b[..length] {
        return length;
    }
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}
