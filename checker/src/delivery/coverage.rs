//! Which records of the log a group was delivered, window by window: gaps and overlaps.

use std::ops::Range;

use history::ids::{LogId, Nanos, Offset, Value};
use history::merged::ReadChunk;

use super::cause::{Receiver, cause, same_until};
use super::context::Context;
use crate::anomaly::Anomaly;
use crate::findings::{Cause, Finding, Findings, GroupCounts, Sighting};
use crate::log::stream::value;

/// Records of the current window that one piece, or one hand-over out of order, delivered. Ranks count from the start
/// of the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Delivery {
    pub(super) start: u32,
    pub(super) end: u32,
    pub(super) source: Source,
}

/// Where a delivery comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    /// A piece, and the record in its chunk that the delivery starts with.
    Piece(usize, usize),
    /// A hand-over out of order.
    HandOver(usize),
}

/// A delivery by one poll, or by one hand-over out of order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Timed {
    pub(super) start: u32,
    pub(super) end: u32,
    pub(super) time: Nanos,
    pub(super) receiver: Receiver,
    /// Order among deliveries of the same time: chunk, piece, record.
    pub(super) order: (u32, u32, usize),
}

/// A window of the log with the rank of its first record.
#[derive(Clone, Copy)]
pub(crate) struct Window<'w> {
    pub(crate) chunk: &'w ReadChunk,
    pub(crate) base: u64,
}

impl Window<'_> {
    /// Offset and value of a record.
    pub(crate) fn record(&self, at: usize) -> (i64, Value) {
        let run = self.chunk.runs.partition_point(|run| run.start as usize <= at).saturating_sub(1);
        let run = &self.chunk.runs[run];
        let offset = run.offset.saturating_add_unsigned(at as u64 - u64::from(run.start));
        (offset, value(run.process, self.chunk.seqs[at]))
    }

    /// Index of the first record at or behind an offset.
    pub(crate) fn place(&self, offset: i64) -> usize {
        let run = self.chunk.runs.partition_point(|run| run.offset <= offset);
        let Some(run) = run.checked_sub(1) else { return 0 };
        let (start, end) = (self.chunk.runs[run].start as usize, self.chunk.run_end(run));
        let more = offset.abs_diff(self.chunk.runs[run].offset);
        usize::try_from(more).map_or(end, |more| end.min(start.saturating_add(more)))
    }
}

/// Cuts a delivery into polls.
pub(super) type Timing<'t> = &'t dyn Fn(&Delivery) -> Vec<Timed>;

/// What one group was delivered of one log.
pub(super) struct Coverage<'c> {
    context: &'c Context,
    pub(super) group: usize,
    log: LogId,
    pub(super) counts: GroupCounts,
    /// Whether a gap is judged at all.
    judges_gaps: bool,
    /// Deliveries in the current window.
    pub(super) deliveries: Vec<Delivery>,
    /// Records in the current window that were polled and not handed over.
    pub(super) only_polled: Vec<Delivery>,
    /// Records below this offset are known to be committed past.
    committed: Option<(i64, Sighting)>,
    /// The trailing stretch of records that were not delivered, not yet known to be passed over.
    open_gap: Option<Gap>,
    open_again: Option<(Again, u64, Finding)>,
    findings: Findings,
}

#[derive(Clone, Debug)]
struct Gap {
    count: u64,
    first: (i64, Value),
    last: (i64, Value),
    /// Who polled the first record without handing it over.
    polled: Vec<Sighting>,
}

/// Who was delivered a record twice, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Again {
    first: Receiver,
    again: Receiver,
    cause: Cause,
}

impl<'c> Coverage<'c> {
    pub(super) fn new(context: &'c Context, group: usize, log: LogId, judges_gaps: bool) -> Self {
        let committed = context.committed_by(group, log, Nanos(u64::MAX)).map(|commit| {
            let seen = Sighting::Committed { process: commit.process, next: commit.next, time: commit.time };
            (commit.next.0, seen)
        });
        let records_hand_over = context.groups[group].hands_over;
        Self {
            context,
            group,
            log,
            counts: GroupCounts { records_hand_over, ..GroupCounts::default() },
            judges_gaps: judges_gaps && !context.groups[group].truncated,
            deliveries: Vec::new(),
            only_polled: Vec::new(),
            committed,
            open_gap: None,
            open_again: None,
            findings: Findings::default(),
        }
    }

    /// Judges the window that is complete.
    pub(super) fn window(&mut self, window: Window<'_>, timing: Timing<'_>) {
        let mut deliveries = std::mem::take(&mut self.deliveries);
        deliveries.sort_unstable();
        let mut covered = 0u32;
        let mut overlaps = false;
        for delivery in &deliveries {
            self.counts.delivered += u64::from(delivery.end - delivery.start);
            if delivery.start > covered {
                self.gap(window, covered..delivery.start, timing);
            }
            self.passed(delivery, window, timing);
            overlaps |= delivery.start < covered;
            let fresh = delivery.end.saturating_sub(covered.max(delivery.start));
            self.counts.distinct += u64::from(fresh);
            covered = covered.max(delivery.end);
        }
        let length = u32::try_from(window.chunk.len()).unwrap_or(u32::MAX);
        if covered < length {
            self.gap(window, covered..length, timing);
        }
        if overlaps {
            let mut timed: Vec<Timed> = deliveries.iter().flat_map(timing).collect();
            timed.sort_unstable();
            self.overlaps(window, &timed);
        }
        deliveries.clear();
        self.deliveries = deliveries;
        self.only_polled.clear();
    }

    /// Notes records that were not delivered.
    fn gap(&mut self, window: Window<'_>, range: Range<u32>, timing: Timing<'_>) {
        let (mut start, end) = (range.start as usize, range.end as usize);
        if let Some((next, seen)) = self.committed.clone() {
            let passed = window.place(next).clamp(start, end);
            if passed > start {
                self.extend_gap(window, start..passed, timing);
                self.close_gap(seen);
                start = passed;
            }
        }
        self.extend_gap(window, start..end, timing);
    }

    fn extend_gap(&mut self, window: Window<'_>, range: Range<usize>, timing: Timing<'_>) {
        if range.is_empty() {
            return;
        }
        let (first, last) = (window.record(range.start), window.record(range.end - 1));
        let count = range.len() as u64;
        if let Some(gap) = &mut self.open_gap {
            gap.count += count;
            gap.last = last;
            return;
        }
        let polled = self.only_polled_at(range.start, first, timing);
        self.open_gap = Some(Gap { count, first, last, polled });
    }

    /// Who polled a record that nobody handed over, and whether that member died.
    fn only_polled_at(&self, at: usize, (offset, value): (i64, Value), timing: Timing<'_>) -> Vec<Sighting> {
        let covers = |delivery: &&Delivery| (delivery.start as usize..delivery.end as usize).contains(&at);
        let polled = self.only_polled.iter().filter(covers).flat_map(timing);
        let Some(poll) = polled.filter(|poll| poll.end as usize > at).min() else { return Vec::new() };
        let process = poll.receiver.process;
        let mut seen = vec![Sighting::Polled { process, value, offset: Offset(offset), time: poll.time }];
        let died = self.context.crashed(process).flatten();
        seen.extend(died.map(|time| Sighting::Crashed { process, time }));
        seen
    }

    /// Notes that the group went on behind the open gap.
    fn passed(&mut self, delivery: &Delivery, window: Window<'_>, timing: Timing<'_>) {
        if self.open_gap.is_none() {
            return;
        }
        let (offset, value) = window.record(delivery.start as usize);
        if let Some(timed) = timing(delivery).first() {
            let seen = self.sighting(timed, offset, value);
            self.close_gap(seen);
        }
    }

    fn close_gap(&mut self, seen: Sighting) {
        let Some(gap) = self.open_gap.take().filter(|_| self.judges_gaps) else { return };
        let (offset, value) = gap.first;
        let mut sightings = vec![Sighting::InLog { value, offset: Offset(offset) }];
        sightings.extend(gap.polled);
        sightings.push(seen);
        self.findings.push(Finding {
            anomaly: Anomaly::Undelivered,
            log: self.log,
            group: Some(self.context.groups[self.group].name.clone()),
            count: gap.count,
            first: Some(value),
            last: Some(gap.last.1),
            offsets: Some((Offset(offset), Offset(gap.last.0))),
            cause: None,
            sightings,
        });
    }

    fn sighting(&self, timed: &Timed, offset: i64, value: Value) -> Sighting {
        let (process, time, offset) = (timed.receiver.process, timed.time, Offset(offset));
        if self.counts.records_hand_over {
            Sighting::HandedOver { process, offset, time }
        } else {
            Sighting::Polled { process, value, offset, time }
        }
    }

    /// Finds records delivered more than once in a window.
    fn overlaps(&mut self, window: Window<'_>, deliveries: &[Timed]) {
        let mut cuts: Vec<u32> =
            deliveries.iter().flat_map(|delivery| [delivery.start, delivery.end]).collect();
        cuts.sort_unstable();
        cuts.dedup();
        let mut active: Vec<Timed> = Vec::new();
        let mut next = deliveries.iter().peekable();
        for cut in cuts.windows(2) {
            let (start, end) = (cut[0], cut[1]);
            active.retain(|delivery| delivery.end > start);
            while let Some(delivery) = next.next_if(|delivery| delivery.start == start) {
                active.push(*delivery);
            }
            if active.len() > 1 {
                active.sort_by_key(|delivery| (delivery.time, delivery.receiver, delivery.order));
                for pair in active.windows(2) {
                    self.again_by_cause(window, start..end, (&pair[0], &pair[1]));
                }
            }
        }
    }

    /// Splits records delivered twice where the cause changes: at a position that was sought or committed.
    fn again_by_cause(&mut self, window: Window<'_>, range: Range<u32>, pair: (&Timed, &Timed)) {
        let mut start = range.start;
        while start < range.end {
            let (offset, _) = window.record(start as usize);
            let until = same_until(self.context, (self.group, self.log), offset, pair.1.receiver);
            let end = u32::try_from(window.place(until)).unwrap_or(u32::MAX).clamp(start + 1, range.end);
            self.again(window, start..end, pair);
            start = end;
        }
    }

    fn again(&mut self, window: Window<'_>, range: Range<u32>, (first, second): (&Timed, &Timed)) {
        let (offset, record) = window.record(range.start as usize);
        let (last_offset, last) = window.record(range.end as usize - 1);
        let place = (self.group, self.log);
        let (why, seen) = cause(self.context, place, offset, first.receiver, second.receiver);
        let again = Again { first: first.receiver, again: second.receiver, cause: why };
        let start = window.base + u64::from(range.start);
        let count = u64::from(range.end - range.start);
        if let Some((open, until, finding)) = &mut self.open_again
            && *open == again
            && *until == start
        {
            *until += count;
            finding.count += count;
            finding.last = Some(last);
            finding.offsets = finding.offsets.map(|(from, _)| (from, Offset(last_offset)));
            return;
        }
        let mut sightings = vec![self.sighting(first, offset, record)];
        sightings.extend(seen);
        sightings.push(self.sighting(second, offset, record));
        let finding = Finding {
            anomaly: Anomaly::Redelivered,
            log: self.log,
            group: Some(self.context.groups[self.group].name.clone()),
            count,
            first: Some(record),
            last: Some(last),
            offsets: Some((Offset(offset), Offset(last_offset))),
            cause: Some(why),
            sightings,
        };
        if let Some((_, _, finding)) = self.open_again.replace((again, start + count, finding)) {
            self.findings.push(finding);
        }
    }

    /// Ends the log.
    pub(super) fn finish(mut self) -> Findings {
        if let Some((_, _, finding)) = self.open_again.take() {
            self.findings.push(finding);
        }
        self.counts.not_drained = self.open_gap.as_ref().map_or(0, |gap| gap.count);
        let name = self.context.groups[self.group].name.clone();
        self.findings.groups.insert(name, self.counts);
        self.findings
    }
}
