//! The sweep: all polls of one log merged with its content, in one pass over both.
//!
//! A chunk of polls joins the sweep when the log reaches its least offset and leaves it when it is used up, so what is
//! held is what overlaps. A chunk whose offsets go back is cut into pieces that ascend; steps between pieces and
//! between chunks are judged at the end, from the ends that are kept of each.

use std::rc::Rc;

use history::ids::{LogId, Nanos, Offset, Process, Value};
use history::merged::{Buffer, Entry, History, HistoryError, ReadChunk};

use super::cause::Receiver;
use super::context::Context;
use super::coverage::{Coverage, Delivery, Source, Timed, Window};
use super::piece::{Ends, Piece, cuts};
use crate::anomaly::Anomaly;
use crate::findings::{Finding, Findings, Sighting};
use crate::log::matching::common_prefix;
use crate::log::stream::nanos;

/// A record that somebody read at an offset where the log holds nothing, or another value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Claim {
    pub(crate) offset: i64,
    pub(crate) process: u32,
    pub(crate) seq: u32,
    /// When it was read.
    pub(crate) time: Nanos,
    /// Who read it.
    pub(crate) reader: Process,
}

/// What a sweep judges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judges {
    /// Steps, gaps and overlaps.
    Everything,
    /// Steps back and overlaps: which records a group should have seen is not known.
    NoGaps,
    /// Only whether the log agrees.
    Agreement,
}

/// The sweep of one log.
pub(crate) struct Sweep<'h> {
    history: &'h History,
    context: &'h Context,
    log: LogId,
    judges: Judges,
    /// Chunks that have not joined, the one with the least offset last.
    waiting: Vec<&'h Entry>,
    active: Vec<(Piece, usize)>,
    /// Hand-overs out of order that have not joined, the one with the least offset last; and those that have.
    hand_overs: (Vec<usize>, Vec<usize>),
    groups: Vec<Coverage<'h>>,
    ends: Vec<Ends>,
    base: u64,
    buffer: Buffer,
    spare: Vec<ReadChunk>,
    pub(crate) claims: Vec<Claim>,
    pub(crate) findings: Findings,
}

impl<'h> Sweep<'h> {
    pub(crate) fn new(
        history: &'h History,
        context: &'h Context,
        log: LogId,
        judges: Judges,
        entries: &'h [Entry],
    ) -> Self {
        let mut waiting: Vec<&Entry> = entries.iter().filter(|entry| entry.records > 0).collect();
        waiting.sort_by_key(|entry| std::cmp::Reverse(entry.offsets.0));
        let mut hand_overs: Vec<usize> = (0..context.hand_overs_of(log).len()).collect();
        hand_overs.sort_by_key(|&at| std::cmp::Reverse(context.hand_overs_of(log)[at].first));
        let mut sweep = Self {
            history,
            context,
            log,
            judges,
            waiting,
            active: Vec::new(),
            hand_overs: (hand_overs, Vec::new()),
            groups: Vec::new(),
            ends: Vec::new(),
            base: 0,
            buffer: Buffer::default(),
            spare: Vec::new(),
            claims: Vec::new(),
            findings: Findings::default(),
        };
        if judges != Judges::Agreement {
            sweep.join_groups(entries);
        }
        sweep
    }

    fn join_groups(&mut self, entries: &[Entry]) {
        for (group, _) in self.context.groups.iter().enumerate() {
            let polled =
                entries.iter().filter(|entry| self.context.group_of.get(&entry.process) == Some(&group));
            let polled: u64 = polled.map(|entry| u64::from(entry.records)).sum();
            if polled > 0 || self.context.touches(group, self.log) {
                let gaps = self.judges == Judges::Everything;
                let mut coverage = Coverage::new(self.context, group, self.log, gaps);
                coverage.counts.polled = polled;
                self.groups.push(coverage);
            }
        }
        for entry in entries {
            self.findings.counts.polled += u64::from(entry.records);
            self.findings.counts.handed_over += u64::from(entry.handed);
        }
    }

    /// Takes the next chunk of the log.
    pub(crate) fn chunk(&mut self, chunk: &ReadChunk) -> Result<(), HistoryError> {
        let Some(run) = chunk.runs.last() else { return Ok(()) };
        let count = chunk.len() as u64 - u64::from(run.start);
        self.merge(chunk, run.offset.saturating_add_unsigned(count - 1))
    }

    fn merge(&mut self, chunk: &ReadChunk, last: i64) -> Result<(), HistoryError> {
        while let Some(entry) = self.waiting.pop_if(|entry| entry.offsets.0 <= last) {
            self.join(entry)?;
        }
        let window = Window { chunk, base: self.base };
        let mut active = std::mem::take(&mut self.active);
        for (slot, (piece, _)) in active.iter_mut().enumerate() {
            self.piece(piece, slot, window, last);
        }
        self.hand_overs(window, last);
        let hand_overs = self.context.hand_overs_of(self.log);
        for coverage in &mut self.groups {
            let by_hand_over = coverage.counts.records_hand_over;
            let timing = |delivery: &Delivery| match delivery.source {
                Source::Piece(slot, record) => by_poll(&active[slot].0, record, delivery, by_hand_over),
                Source::HandOver(at) => vec![Timed {
                    start: delivery.start,
                    end: delivery.end,
                    time: hand_overs[at].time,
                    receiver: hand_overs[at].receiver,
                    order: (u32::MAX, 0, at),
                }],
            };
            coverage.window(window, &timing);
        }
        active.retain(|(piece, start)| {
            let finished = piece.pos >= piece.end;
            if finished {
                self.ends.extend(piece.ends(*start));
            }
            !finished
        });
        self.active = active;
        self.base += chunk.len() as u64;
        Ok(())
    }

    /// Decodes a chunk that the log has reached.
    fn join(&mut self, entry: &Entry) -> Result<(), HistoryError> {
        let mut chunk = self.spare.pop().unwrap_or_default();
        self.history.reads(entry, &mut self.buffer, &mut chunk)?;
        let chunk = Rc::new(chunk);
        let group = self.context.group_of.get(&entry.process);
        let group = group.and_then(|&group| self.groups.iter().position(|coverage| coverage.group == group));
        let cuts = if entry.ascending { vec![(0, 0, chunk.len())] } else { cuts(&chunk) };
        for (nth, (pos, run, end)) in (0u32..).zip(cuts) {
            let piece = Piece {
                chunk: Rc::clone(&chunk),
                receiver: Receiver { process: entry.process, segment: entry.segment },
                place: (entry.ordinal, nth),
                group,
                all_handed: entry.handed == entry.records,
                pos,
                run,
                end,
                first: None,
                before: None,
            };
            self.active.push((piece, pos));
        }
        Ok(())
    }

    /// Merges a piece with the window, up to the window's last offset.
    fn piece(&mut self, piece: &mut Piece, slot: usize, window: Window<'_>, last: i64) {
        let Window { chunk, base } = window;
        let mut at = 0;
        while piece.pos < piece.end {
            let offset = piece.offset();
            if offset > last {
                break;
            }
            at = run_at_or_behind(chunk, at, offset);
            let place = place_in(chunk, at, offset);
            let rank = base + place as u64;
            self.step(piece, window, rank);
            let here = chunk.runs.get(at).filter(|run| run.offset <= offset);
            let Some(run) = here else {
                let until = chunk.runs.get(at).map_or(u64::MAX, |run| run.offset.abs_diff(offset));
                let count = piece.left().min(usize::try_from(until).unwrap_or(usize::MAX));
                self.claim(piece, count);
                piece.advance(count, rank);
                continue;
            };
            let same = if run.process == piece.process() {
                let length = piece.left().min(chunk.run_end(at) - place);
                let ours = &piece.chunk.seqs[piece.pos..piece.pos + length];
                common_prefix(ours, &chunk.seqs[place..place + length])
            } else {
                0
            };
            if same == 0 {
                self.claim(piece, 1);
                piece.advance(1, rank + 1);
            } else {
                self.deliver(piece, slot, place, same);
                piece.advance(same, rank + same as u64);
            }
        }
        let passed = base + chunk.len() as u64;
        if let Some(before) = &mut piece.before
            && before.next.is_none()
            && (base..passed).contains(&before.after)
        {
            before.next = usize::try_from(before.after - base).ok().map(|at| window.record(at));
        }
    }

    /// Judges the step to the next record of a piece, before which the log's next rank is `rank`.
    fn step(&mut self, piece: &mut Piece, window: Window<'_>, rank: u64) {
        let offset = piece.offset();
        let Some(before) = piece.before else {
            piece.first = Some((rank, offset, piece.value()));
            return;
        };
        if before.after >= rank || self.judges != Judges::Everything {
            return;
        }
        let skipped = before.next.or_else(|| {
            let at = usize::try_from(before.after.checked_sub(window.base)?).ok()?;
            Some(window.record(at))
        });
        let before = (before.offset, before.value, piece.time(before.at));
        let next = (offset, piece.value(), piece.time(piece.pos));
        self.skip(piece.receiver, before, next, skipped);
    }

    fn skip(&mut self, receiver: Receiver, before: Seen, next: Seen, skipped: Option<(i64, Value)>) {
        let mut finding = self.step_finding(Anomaly::PollSkip, receiver, before, next);
        if let Some((offset, value)) = skipped {
            finding.first = Some(value);
            finding.last = Some(value);
            finding.offsets = Some((Offset(offset), Offset(next.0 - 1)));
            finding.sightings.insert(1, Sighting::InLog { value, offset: Offset(offset) });
        }
        self.findings.push(finding);
    }

    fn step_finding(&self, anomaly: Anomaly, receiver: Receiver, before: Seen, next: Seen) -> Finding {
        let process = receiver.process;
        let polled =
            |(offset, value, time): Seen| Sighting::Polled { process, value, offset: Offset(offset), time };
        let group = self.context.group_of.get(&process).map(|&group| self.context.groups[group].name.clone());
        Finding {
            anomaly,
            log: self.log,
            group,
            count: 1,
            first: Some(next.1),
            last: Some(next.1),
            offsets: Some((Offset(next.0), Offset(next.0))),
            cause: None,
            sightings: vec![polled(before), polled(next)],
        }
    }

    fn claim(&mut self, piece: &Piece, count: usize) {
        let (process, offset) = (piece.process(), piece.offset());
        for (at, offset) in (piece.pos..piece.pos + count).zip(offset..) {
            let (seq, time) = (piece.chunk.seqs[at], piece.time(at));
            self.claims.push(Claim { offset, process, seq, time, reader: piece.receiver.process });
        }
    }

    /// Notes the next `count` records of a piece as delivered: those at `place` of the window.
    fn deliver(&mut self, piece: &Piece, slot: usize, place: usize, count: usize) {
        let Some(group) = piece.group else { return };
        let coverage = &mut self.groups[group];
        let (by_hand_over, only_polled) = (coverage.counts.records_hand_over, &mut coverage.only_polled);
        let deliveries = &mut coverage.deliveries;
        let mut push = |from: usize, to: usize| {
            let start = place + (from - piece.pos);
            let source = Source::Piece(slot, from);
            let (start, end) = (small(start), small(start + (to - from)));
            match deliveries.last_mut() {
                Some(Delivery { end: until, source: Source::Piece(before, first), start: began })
                    if *until == start && *before == slot && *first + (start - *began) as usize == from =>
                {
                    *until = end;
                }
                _ => deliveries.push(Delivery { start, end, source }),
            }
        };
        let stop = piece.pos + count;
        if piece.all_handed || !by_hand_over {
            push(piece.pos, stop);
            return;
        }
        let mut poll = piece.chunk.poll_of(piece.pos);
        while let Some(span) = piece.chunk.polls.get(poll).filter(|span| (span.start as usize) < stop) {
            let (start, handed) = (span.start as usize, span.start as usize + span.handed as usize);
            let (from, to) = (start.max(piece.pos), handed.min(stop));
            if from < to {
                push(from, to);
            }
            let (from, to) = (handed.max(piece.pos), piece.chunk.poll_end(poll).min(stop));
            if from < to {
                let at = place + (from - piece.pos);
                let (start, end) = (small(at), small(at + (to - from)));
                only_polled.push(Delivery { start, end, source: Source::Piece(slot, from) });
            }
            poll += 1;
        }
    }

    /// Notes what was handed over out of order, up to the window's last offset.
    fn hand_overs(&mut self, window: Window<'_>, last: i64) {
        let hand_overs = self.context.hand_overs_of(self.log);
        let (waiting, active) = &mut self.hand_overs;
        while let Some(at) = waiting.pop_if(|at| hand_overs[*at].first <= last) {
            active.push(at);
        }
        for &at in &*active {
            let hand_over = &hand_overs[at];
            let group = self.context.group_of.get(&hand_over.receiver.process);
            let coverage = self.groups.iter_mut().find(|coverage| Some(&coverage.group) == group);
            let start = small(window.place(hand_over.first));
            let end = small(window.place(hand_over.last.saturating_add(1)));
            if let Some(coverage) = coverage.filter(|_| start < end) {
                coverage.deliveries.push(Delivery { start, end, source: Source::HandOver(at) });
            }
        }
        active.retain(|&at| hand_overs[at].last > last);
    }

    /// Ends the log: what is left was read behind its end.
    pub(crate) fn finish(mut self) -> Result<(Findings, Vec<Claim>), HistoryError> {
        self.merge(&ReadChunk::default(), i64::MAX)?;
        if self.judges != Judges::Agreement {
            self.steps_between();
        }
        for coverage in std::mem::take(&mut self.groups) {
            self.findings.append(coverage.finish());
        }
        Ok((self.findings, self.claims))
    }

    /// Judges the steps from piece to piece and from chunk to chunk.
    fn steps_between(&mut self) {
        let mut ends = std::mem::take(&mut self.ends);
        ends.sort_by_key(|ends| (ends.receiver, ends.place));
        for pair in ends.windows(2).filter(|pair| pair[0].receiver == pair[1].receiver) {
            let (last, (rank, offset, value, time)) = (pair[0].last, pair[1].first);
            let (before, next) = ((last.offset, last.value, last.time), (offset, value, time));
            if offset <= last.offset {
                let finding = self.step_finding(Anomaly::NonmonotonicPoll, pair[1].receiver, before, next);
                self.findings.push(finding);
            } else if rank > last.after && self.judges == Judges::Everything {
                self.skip(pair[1].receiver, before, next, last.next);
            }
        }
    }
}

/// Offset, value and time of a record that was polled.
type Seen = (i64, Value, Nanos);

/// Cuts a delivery into polls.
fn by_poll(piece: &Piece, record: usize, delivery: &Delivery, by_hand_over: bool) -> Vec<Timed> {
    let mut timed = Vec::new();
    let (mut at, mut start) = (record, delivery.start);
    let mut poll = piece.chunk.poll_of(record);
    while start < delivery.end {
        let stop = piece.chunk.poll_end(poll);
        let end = delivery.end.min(start + small(stop - at));
        let span = &piece.chunk.polls[poll];
        let was_handed = by_hand_over && at < span.start as usize + span.handed as usize;
        let time = nanos(if was_handed { span.handed_at } else { span.returned });
        let order = (piece.place.0, piece.place.1, at);
        timed.push(Timed { start, end, time, receiver: piece.receiver, order });
        at += (end - start) as usize;
        start = end;
        poll += 1;
    }
    timed
}

/// The first run from `at` on that does not end below an offset.
fn run_at_or_behind(chunk: &ReadChunk, at: usize, offset: i64) -> usize {
    let ends_below = |run: usize| {
        let (first, count) = (chunk.runs[run].offset, chunk.run_end(run) - chunk.runs[run].start as usize);
        first.saturating_add_unsigned(count as u64 - 1) < offset
    };
    // The next run is the likely one; where it is not, halve the rest.
    let near = (at + 4).min(chunk.runs.len());
    if let Some(found) = (at..near).find(|&run| !ends_below(run)) {
        return found;
    }
    let (mut low, mut high) = (near, chunk.runs.len());
    while low < high {
        let middle = low.midpoint(high);
        if ends_below(middle) { low = middle + 1 } else { high = middle }
    }
    low
}

/// Index of the first record of run `at` that is not below an offset; the end where there is no such run.
fn place_in(chunk: &ReadChunk, at: usize, offset: i64) -> usize {
    let Some(run) = chunk.runs.get(at) else { return chunk.len() };
    let below = offset.saturating_sub(run.offset).max(0);
    run.start as usize + usize::try_from(below).unwrap_or(0)
}

fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
