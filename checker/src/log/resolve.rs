//! What became of the records that were not found where they were acknowledged.

use std::collections::BTreeSet;
use std::ops::Range;

use history::ids::{LogId, Offset, Value};
use history::merged::{History, HistoryError, SendOutcome, SendRun};
use history::op::Isolation;

use super::claims::{Claimed, Conflict, Conflicts, Standing, contradictions};
use super::matching::{Matching, Stray};
use super::stream::{SendStream, claimed, sightings, value};
use super::truth::Truth;
use crate::anomaly::Anomaly;
use crate::delivery::sweep::Claim;
use crate::findings::{Finding, Findings, Sighting};

/// What is found out about the records of one log that are missing or claimed.
pub(super) struct Resolution<'r, 'h> {
    pub(super) history: &'h History,
    pub(super) log: LogId,
    pub(super) truth: &'r Truth<'h>,
    pub(super) findings: Findings,
    pub(super) claims: Vec<Claimed>,
    /// Values that somebody polled although the log does not hold them.
    polled: BTreeSet<Value>,
    /// Of these, the ones that were reported.
    reported: BTreeSet<Value>,
}

/// Consecutive records of a stream with one outcome.
struct Part {
    first: Value,
    last: Value,
    count: u64,
    run: SendRun,
    /// Offset that the first was acknowledged at.
    claimed: Option<i64>,
    transactional: bool,
    sightings: Vec<Sighting>,
}

impl<'r, 'h> Resolution<'r, 'h> {
    pub(super) fn new(history: &'h History, log: LogId, truth: &'r Truth<'h>) -> Self {
        let (findings, claims) = (Findings::default(), Vec::new());
        Self { history, log, truth, findings, claims, polled: BTreeSet::new(), reported: BTreeSet::new() }
    }

    /// Takes what was polled and is not in the log at that place. `may_agree`: it may be after all, because it was
    /// compared with another truth.
    pub(super) fn polled(
        &mut self,
        matching: &mut Matching<'h>,
        mut claims: Vec<Claim>,
        may_agree: bool,
    ) -> Result<(), HistoryError> {
        claims.sort_unstable();
        claims.dedup_by_key(|claim| (claim.offset, claim.process, claim.seq));
        for claim in claims {
            let located = match matching.stream_of(claim.process) {
                Some(index) => matching.streams[index].locate(claim.seq)?.map(|place| (index, place)),
                None => None,
            };
            let Some((index, place)) = located else {
                let (value, polled_by) = (value(claim.process, claim.seq), Some((claim.reader, claim.time)));
                matching.strays.push(Stray { value, log: self.log, offset: claim.offset, polled_by });
                continue;
            };
            let stream = &mut matching.streams[index];
            let found = stream.was_found(stream.index(place));
            let mut part = self.part(stream, place.chunk, place.at..place.at + 1)?;
            let (process, time) = (claim.reader, claim.time);
            let value = part.first;
            part.sightings.push(Sighting::Polled { process, value, offset: Offset(claim.offset), time });
            if !found {
                self.polled.insert(value);
                self.polled_and_gone(&part, claim.offset);
            }
            if part.claimed != Some(claim.offset) {
                self.claims.push(Claimed {
                    start: claim.offset,
                    count: 1,
                    process: claim.process,
                    seqs: (claim.seq, claim.seq),
                    polled: Some((process, time)),
                    standing: match (found, may_agree) {
                        (false, _) => Standing::Absent,
                        (true, false) => Standing::Elsewhere,
                        (true, true) => Standing::MayAgree,
                    },
                });
            }
        }
        Ok(())
    }

    /// A record that a consumer was returned and that the log does not hold.
    fn polled_and_gone(&mut self, part: &Part, offset: i64) {
        let judged = self.is_judged(part) && offset >= self.truth.start();
        let anomaly = match part.run.outcome {
            SendOutcome::Unknown if self.truth.is_complete() && judged && !part.transactional => {
                Anomaly::LostWrite
            }
            SendOutcome::Failed if !part.transactional => Anomaly::AbortedRead,
            SendOutcome::Unknown
            | SendOutcome::Failed
            | SendOutcome::Acked
            | SendOutcome::AckedWithoutOffset => return,
        };
        if self.reported.insert(part.first) {
            self.report(anomaly, part, 0..1, Some(offset));
        }
    }

    /// Takes what every stream misses.
    pub(super) fn missing(&mut self, matching: &mut Matching<'h>) -> Result<(), HistoryError> {
        for stream in &mut matching.streams {
            let missing: Vec<Range<u64>> = stream.missing.iter().collect();
            for range in missing {
                for chunk in stream.chunks_of(&range) {
                    self.missing_in(stream, chunk, &range)?;
                }
            }
        }
        Ok(())
    }

    fn missing_in(
        &mut self,
        stream: &mut SendStream<'h>,
        ordinal: usize,
        range: &Range<u64>,
    ) -> Result<(), HistoryError> {
        let start = stream.start_of(ordinal);
        let local = |index: u64| usize::try_from(index.saturating_sub(start)).unwrap_or(usize::MAX);
        let chunk = stream.chunk_at(ordinal)?;
        let (mut at, end) = (local(range.start), local(range.end).min(chunk.len()));
        while at < end {
            let chunk = stream.chunk_at(ordinal)?;
            let run_end = chunk.run_end(chunk.run_of(at));
            let (elsewhere, until) = stream.elsewhere.stretch(start + at as u64);
            // Where reads are the only truth, each record may have been read or not.
            let step = if self.truth.is_complete() || self.polled.is_empty() { end } else { at + 1 };
            let until = local(until).min(run_end).min(end).min(step);
            let part = self.part(stream, ordinal, at..until)?;
            match elsewhere {
                Some(offset) => self.elsewhere(part, offset),
                None => self.absent(part),
            }
            at = until;
        }
        Ok(())
    }

    fn part(
        &self,
        stream: &mut SendStream<'h>,
        ordinal: usize,
        range: Range<usize>,
    ) -> Result<Part, HistoryError> {
        let (process, transactional) = (stream.process, stream.transactional);
        let chunk = stream.chunk_at(ordinal)?;
        let run = chunk.runs[chunk.run_of(range.start)];
        Ok(Part {
            first: value(process, chunk.seqs[range.start]),
            last: value(process, chunk.seqs[range.end - 1]),
            count: range.len() as u64,
            run,
            claimed: claimed(&run, range.start),
            transactional,
            sightings: sightings(self.history, process, chunk, range.start),
        })
    }

    /// Records acknowledged at one offset and found at another.
    fn elsewhere(&mut self, part: Part, offset: i64) {
        let mut seen = part.sightings.clone();
        seen.push(Sighting::InLog { value: part.first, offset: Offset(offset) });
        let Some(claimed) = part.claimed else { return };
        let end = claimed.saturating_add_unsigned(part.count);
        self.findings.push(Finding {
            anomaly: Anomaly::InconsistentOffsets,
            log: self.log,
            group: None,
            count: part.count,
            first: Some(part.first),
            last: Some(part.last),
            offsets: Some((Offset(claimed), Offset(end - 1))),
            cause: None,
            sightings: seen,
        });
        self.claim(&part, Standing::Reported);
    }

    /// Records that the log does not hold.
    fn absent(&mut self, part: Part) {
        match part.run.outcome {
            SendOutcome::Unknown => self.findings.counts.absent += part.count,
            // Counted as present where they are; what is absent is subtracted.
            SendOutcome::Failed => self.findings.counts.failed_present += part.count,
            SendOutcome::Acked | SendOutcome::AckedWithoutOffset => self.acknowledged(&part),
        }
        self.claim(&part, Standing::Absent);
    }

    fn claim(&mut self, part: &Part, standing: Standing) {
        let Some(start) = part.claimed else { return };
        self.claims.push(Claimed {
            start,
            count: u32::try_from(part.count).unwrap_or(u32::MAX),
            process: part.first.process.0,
            seqs: (part.first.seq.0, part.last.seq.0),
            polled: None,
            standing,
        });
    }

    /// Whether the truth shows whether a record was stored: a committed read hides what a transaction wrote.
    fn is_judged(&self, part: &Part) -> bool {
        !(part.transactional && self.truth.isolation == Isolation::ReadCommitted)
    }

    fn acknowledged(&mut self, part: &Part) {
        let was_read =
            !self.truth.is_complete() && self.polled.range(part.first..=part.last).next().is_some();
        if !self.is_judged(part) || was_read {
            return;
        }
        let start = self.truth.start();
        let Some(offset) = part.claimed else {
            let known = self.truth.is_complete() && start <= 0;
            if known && part.transactional {
                return;
            }
            let anomaly = if known { Anomaly::LostWrite } else { Anomaly::Unseen };
            return self.report(anomaly, part, 0..part.count, None);
        };
        let below = |limit: i64| {
            let below = limit.saturating_sub(offset).max(0).unsigned_abs();
            below.min(part.count)
        };
        let expired = below(start);
        self.findings.counts.expired += expired;
        let read = if self.truth.is_complete() {
            part.count
        } else {
            self.truth.reached().map_or(0, below).max(expired)
        };
        // Whether a transaction's record must be there depends on how the transaction ended (`transaction`).
        if !part.transactional {
            self.report(Anomaly::LostWrite, part, expired..read, part.claimed);
        }
        self.report(Anomaly::Unseen, part, read..part.count, part.claimed);
    }

    /// Reports records of a part by their place in it.
    fn report(&mut self, anomaly: Anomaly, part: &Part, range: Range<u64>, offset: Option<i64>) {
        if range.is_empty() {
            return;
        }
        let mut sightings = part.sightings.clone();
        let reached = self.truth.reached().unwrap_or(0);
        let end = self.truth.end.map_or(Offset(reached), |end| end.end);
        sightings.push(Sighting::ReadUpTo {
            start: Offset(self.truth.start()),
            reached: Offset(reached),
            end,
        });
        let at = |place: u64| offset.map(|offset| Offset(offset.saturating_add_unsigned(place)));
        self.findings.push(Finding {
            anomaly,
            log: self.log,
            group: None,
            count: range.end - range.start,
            first: (range.start == 0).then_some(part.first),
            last: (range.end == part.count).then_some(part.last),
            offsets: at(range.start).zip(at(range.end - 1)),
            cause: None,
            sightings,
        });
    }

    /// Compares what was claimed with the log.
    pub(super) fn contradictions(&mut self, matching: &mut Matching<'h>) -> Result<(), HistoryError> {
        let Conflicts { count, conflicts, first, last } =
            contradictions(self.truth, std::mem::take(&mut self.claims))?;
        let (kept, mut told) = (first.len() + last.len(), 0);
        for conflict in first.iter().chain(&last) {
            let finding = self.conflict(matching, conflict)?;
            told += finding.count;
            self.findings.push(finding);
        }
        let untold = (count - told, conflicts - kept as u64);
        self.findings.count_more(Anomaly::InconsistentOffsets, self.log, untold);
        Ok(())
    }

    fn conflict(&self, matching: &mut Matching<'h>, conflict: &Conflict) -> Result<Finding, HistoryError> {
        let Conflict { claim, offsets, holder, other } = conflict;
        // The values within an interval are known at its ends only.
        let first = (offsets.0 == claim.start).then(|| claim.first());
        let ends = offsets.1 == claim.start.saturating_add(i64::from(claim.count) - 1);
        let mut seen = Vec::new();
        for claim in [Some(claim), other.as_ref()].into_iter().flatten() {
            seen.extend(self.sent(matching, claim.first())?);
            seen.extend(claim.polled.map(|(process, time)| Sighting::Polled {
                process,
                value: claim.first(),
                offset: Offset(claim.start),
                time,
            }));
        }
        seen.extend(holder.map(|value| Sighting::InLog { value, offset: Offset(offsets.0) }));
        Ok(Finding {
            anomaly: Anomaly::InconsistentOffsets,
            log: self.log,
            group: None,
            count: offsets.0.abs_diff(offsets.1) + 1,
            first,
            last: ends.then(|| claim.last()),
            offsets: Some((Offset(offsets.0), Offset(offsets.1))),
            cause: None,
            sightings: seen,
        })
    }

    /// How a record was sent and completed.
    fn sent(&self, matching: &mut Matching<'h>, value: Value) -> Result<Vec<Sighting>, HistoryError> {
        let Some(index) = matching.stream_of(value.process.0) else { return Ok(Vec::new()) };
        let stream = &mut matching.streams[index];
        let Some(place) = stream.locate(value.seq.0)? else { return Ok(Vec::new()) };
        let chunk = stream.chunk_at(place.chunk)?;
        Ok(sightings(self.history, value.process.0, chunk, place.at))
    }
}
