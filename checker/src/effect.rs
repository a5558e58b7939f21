//! The effect stage: what is in the committed log against what a group's sink holds.
//!
//! A sink is whatever keeps what came of the records: a table, a file, another topic. A group has one where a member
//! recorded an `effect` (the sink's acknowledgement), or where the sink was read back. Read back to its end, the
//! sink's own content decides, because an idempotent sink acknowledges what it does not store twice; otherwise its
//! acknowledgements do. An effect is of one record: of the value that the member had polled at that offset last, or
//! that the sink stored. All is brought to ranks (the how-manieth record of the committed log), so that gaps in the
//! offsets are no matter; then the effects of a log are intervals, in the order of the sink.
//!
//! | count of | is the number of |
//! |---|---|
//! | `lost-effect` | records of the committed log that the group drained past, without an effect |
//! | `duplicate-effect` | effects of a record beyond the first |
//! | `phantom-effect` | effects of what the committed log does not hold at that offset |
//! | `misordered-effect` | records whose first effect came surely after that of a later record of the log |
//! | `zombie-effect` | effects acknowledged to a member after another had been assigned the log, and it itself not again |
//!
//! What is not known is not held against anybody: an effect whose member died before the sink answered may be there
//! or not, and is only counted ([`SinkCounts::unknown`](crate::findings::SinkCounts::unknown)).

mod coverage;
mod detail;
mod held;
mod made;
mod misread;
mod order;
mod place;
mod possible;
pub(crate) mod sinks;
mod zombie;

use std::ops::Range;

use history::ids::{LogId, Nanos, Offset, Value};
use history::merged::{History, HistoryError};
use history::op::Isolation;

use self::coverage::{Again, Covered};
use self::order::Late;
use self::place::Places;
use self::sinks::Made;
use crate::anomaly::Anomaly;
use crate::delivery::context::Context;
use crate::delivery::sweep::Claim;
use crate::findings::{Finding, Findings, Sighting, SinkCounts};
use crate::log::truth::Truth;

/// Judges the effects of the records of one log, for every group that has a sink. `reference` is what groups must be
/// delivered, `claims` what members polled that it does not hold.
pub(crate) fn judge(
    history: &History,
    context: &Context,
    log: LogId,
    (reference, claims): (&Truth<'_>, &[Claim]),
) -> Result<Findings, HistoryError> {
    let mut findings = Findings::default();
    for group in context.sinks.groups() {
        if context.touches(group, log) || context.sinks.touches(group, log) {
            let stage = Stage { history, context, log, group, reference, claims };
            findings.append(stage.judge()?);
        }
    }
    Ok(findings)
}

/// One log and one group's sink.
struct Stage<'s> {
    history: &'s History,
    context: &'s Context,
    log: LogId,
    group: usize,
    reference: &'s Truth<'s>,
    claims: &'s [Claim],
}

/// Effects of consecutive records of the log, made one after the other. Ranks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Piece {
    start: u64,
    end: u64,
    by: By,
}

/// Where an effect is known from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    /// An acknowledgement, by its place among those of the log.
    Member(usize),
    /// The sink's content, by the place of the first effect in it.
    Sink(u64),
}

/// An effect of something that the log does not hold at that offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stray {
    offset: i64,
    /// What it is an effect of, where that is known.
    value: Option<Value>,
    /// When a member had polled it.
    polled: Option<Nanos>,
    by: By,
}

/// What a sink holds of one log.
#[derive(Debug, Default)]
struct Content {
    /// In the sink's order.
    pieces: Vec<Piece>,
    strays: Vec<Stray>,
    /// Records whose effect was asked for and never confirmed.
    unknown: Vec<Range<u64>>,
    /// Where offsets are in the log.
    places: Places,
}

impl Stage<'_> {
    fn judge(&self) -> Result<Findings, HistoryError> {
        let reading = self.context.sinks.reading(self.group);
        let read_back = reading.is_some_and(|reading| reading.is_complete());
        let mut content = match reading.filter(|_| read_back) {
            Some(reading) => held::content(self, reading)?,
            None => made::content(self)?,
        };
        if !self.reference.is_complete() {
            // What was read of the log is not all that it holds.
            content.strays.clear();
        }
        let start = self.reference.start();
        content.strays.retain(|stray| stray.offset >= start);
        let drained = self.drained(&content);
        let covered = Covered::of(&content.pieces, drained.rank, content.places.total());
        let (gaps, unknown) = self.split_gaps(&covered, &content, read_back)?;
        let mut counts = SinkCounts {
            effects: content.pieces.iter().map(|piece| piece.end - piece.start).sum::<u64>()
                + content.strays.len() as u64,
            distinct: covered.distinct,
            unknown,
            not_drained: covered.not_drained,
            read_back,
            read_in_part: reading.is_some() && !read_back,
        };
        let judges_gaps = self.judges_gaps(read_back);
        if !judges_gaps {
            counts.unknown = 0;
        }
        let late = order::late(self, &content.pieces);
        let gaps = if judges_gaps { gaps } else { Vec::new() };
        let seen = Seen { gaps, again: covered.again, late, strays: content.strays };
        let mut findings = detail::findings(self, &seen, (&drained, read_back))?;
        findings.append(zombie::find(self)?);
        findings.sinks.insert(self.name().to_owned(), counts);
        Ok(findings)
    }

    fn name(&self) -> &str {
        &self.context.groups[self.group].name
    }

    fn made(&self) -> &[Made] {
        self.context.sinks.made(self.group, self.log)
    }

    /// Whether it is known which records must have taken effect, and whether all effects are.
    fn judges_gaps(&self, read_back: bool) -> bool {
        let committed = self.reference.is_complete() && self.reference.isolation == Isolation::ReadCommitted;
        let equal = Truth::complete(self.history, self.log, Isolation::ReadCommitted).is_some();
        let known = committed || equal || !self.context.transactional;
        known && (read_back || !self.context.groups[self.group].truncated)
    }

    /// How far the group went: its greatest committed position, or its last effect where that is further.
    fn drained(&self, content: &Content) -> Drained {
        let last = content.pieces.iter().max_by_key(|piece| piece.end);
        let commit = self.context.committed_by(self.group, self.log, Nanos(u64::MAX));
        let effect = last.map_or(0, |piece| piece.end);
        let committed = commit.map_or(0, |commit| content.places.rank(commit.next.0));
        Drained {
            rank: effect.max(committed),
            commit: commit.map(|commit| Sighting::Committed {
                process: commit.process,
                next: commit.next,
                time: commit.time,
            }),
            committed,
            last: last.copied(),
        }
    }

    /// Takes from the gaps what may have taken effect; returns the gaps that are left, and how many records were taken.
    fn split_gaps(
        &self,
        covered: &Covered,
        content: &Content,
        read_back: bool,
    ) -> Result<(Vec<Range<u64>>, u64), HistoryError> {
        if read_back || covered.gaps.is_empty() {
            return Ok((covered.gaps.clone(), 0));
        }
        let mut possible = possible::ranks(self, &covered.gaps)?;
        possible.extend(content.unknown.iter().cloned());
        Ok(possible::without(&covered.gaps, possible))
    }

    fn finding(&self, anomaly: Anomaly, count: u64, sightings: Vec<Sighting>) -> Finding {
        Finding {
            anomaly,
            log: self.log,
            group: Some(self.name().to_owned()),
            count,
            first: None,
            last: None,
            offsets: None,
            cause: None,
            sightings,
        }
    }

    /// What shows the effect of the `nth` record of a piece.
    fn effect(&self, by: By, nth: u64, (offset, value): (i64, Option<Value>)) -> Sighting {
        let offset = Offset(offset);
        match (by, value) {
            (By::Sink(place), Some(value)) => Sighting::InSink { value, offset, place: place + nth },
            (By::Sink(_), None) => Sighting::NotInSink { offset },
            (By::Member(at), _) => {
                let made = &self.made()[at];
                Sighting::Effected { process: made.process, offset, time: made.time }
            }
        }
    }
}

/// What was seen to be wrong, in ranks.
struct Seen {
    gaps: Vec<Range<u64>>,
    again: Vec<Again>,
    late: Vec<Late>,
    strays: Vec<Stray>,
}

/// How far a group went in a log.
struct Drained {
    /// Rank of the first record that it did not reach.
    rank: u64,
    commit: Option<Sighting>,
    /// Rank of the first record at or behind the committed position.
    committed: u64,
    /// The effects that reach furthest.
    last: Option<Piece>,
}
