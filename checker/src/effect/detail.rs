//! From ranks to findings: what each record is, and the events that show it.

use std::ops::Range;

use history::ids::{Offset, Value};
use history::merged::HistoryError;

use super::coverage::Again;
use super::order::Late;
use super::place::{Places, Records, records};
use super::{By, Drained, Piece, Seen, Stage, Stray};
use crate::anomaly::Anomaly;
use crate::findings::{Finding, Findings, Sighting};

/// Turns all that was seen into findings, in one pass over the log for what they name.
pub(super) fn findings(
    stage: &Stage<'_>,
    seen: &Seen,
    (drained, read_back): (&Drained, bool),
) -> Result<Findings, HistoryError> {
    let mut findings = Findings::default();
    if seen.gaps.is_empty() && seen.again.is_empty() && seen.late.is_empty() && seen.strays.is_empty() {
        return Ok(findings);
    }
    let next = |stray: &Stray| [stray.offset, stray.offset.saturating_add(1)];
    let places = Places::of(stage.reference, seen.strays.iter().flat_map(next).collect())?;
    let details =
        Details { stage, records: records(stage.reference, ranks(seen, drained, &places))?, places };
    for gap in &seen.gaps {
        findings.push(details.lost(gap, (drained, read_back)));
    }
    for pair in seen.again.chunk_by(|a, b| details.continues(a, b)) {
        findings.push(details.again(pair));
    }
    for strays in seen.strays.chunk_by(follows) {
        findings.push(details.stray(strays));
    }
    for late in &seen.late {
        findings.push(details.late(late));
    }
    Ok(findings)
}

/// The ranks that findings name.
fn ranks(seen: &Seen, drained: &Drained, places: &Places) -> Vec<u64> {
    let mut ranks: Vec<u64> = Vec::new();
    let both = |range: &Range<u64>| [range.start, range.end - 1];
    ranks.extend(seen.gaps.iter().flat_map(both));
    ranks.extend(seen.again.iter().flat_map(|again| both(&again.ranks)));
    ranks.extend(seen.late.iter().flat_map(|late| both(&late.ranks)));
    ranks.extend(seen.late.iter().map(|late| late.overtaken_by.end - 1));
    ranks.extend(drained.last.map(|last| last.end - 1));
    ranks.extend(seen.strays.iter().map(|stray| places.rank(stray.offset)));
    ranks
}

/// Whether a stray effect is of the record behind another's, made with it.
fn follows(a: &Stray, b: &Stray) -> bool {
    let together = match (a.by, b.by) {
        (By::Member(a), By::Member(b)) => a == b,
        (By::Sink(a), By::Sink(b)) => a + 1 == b,
        (By::Member(_), By::Sink(_)) | (By::Sink(_), By::Member(_)) => false,
    };
    let values = match (a.value, b.value) {
        (Some(a), Some(b)) => a.process == b.process && a.seq.0.checked_add(1) == Some(b.seq.0),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    };
    together && values && a.offset.checked_add(1) == Some(b.offset)
}

struct Details<'d> {
    stage: &'d Stage<'d>,
    records: Records,
    places: Places,
}

impl Details<'_> {
    fn record(&self, rank: u64) -> Option<(i64, Value)> {
        self.records.get(&rank).copied()
    }

    /// A finding about the records of some ranks.
    fn about(&self, anomaly: Anomaly, ranks: &Range<u64>, sightings: Vec<Sighting>) -> Finding {
        let (first, last) = (self.record(ranks.start), self.record(ranks.end - 1));
        Finding {
            first: first.map(|(_, value)| value),
            last: last.map(|(_, value)| value),
            offsets: first.zip(last).map(|(first, last)| (Offset(first.0), Offset(last.0))),
            ..self.stage.finding(anomaly, ranks.end - ranks.start, sightings)
        }
    }

    /// The effect of the record of a rank.
    fn effect(&self, piece: Piece, rank: u64) -> Option<Sighting> {
        let (offset, value) = self.record(rank)?;
        Some(self.stage.effect(piece.by, rank - piece.start, (offset, Some(value))))
    }

    fn lost(&self, gap: &Range<u64>, (drained, read_back): (&Drained, bool)) -> Finding {
        let mut sightings = Vec::new();
        if let Some((offset, value)) = self.record(gap.start) {
            sightings.push(Sighting::InLog { value, offset: Offset(offset) });
            sightings.extend(read_back.then_some(Sighting::NotInSink { offset: Offset(offset) }));
        }
        let commit = drained.commit.clone().filter(|_| drained.committed > gap.start);
        let effect = drained.last.and_then(|last| self.effect(last, last.end - 1));
        sightings.extend(commit.or(effect));
        self.about(Anomaly::LostEffect, gap, sightings)
    }

    /// Whether the records of one pair of effects are those behind another's, by the same processes.
    fn continues(&self, a: &Again, b: &Again) -> bool {
        let process = |piece: &Piece| match piece.by {
            By::Member(at) => Some(self.stage.made()[at].process),
            By::Sink(_) => None,
        };
        let same = |a: &Piece, b: &Piece| a == b || (process(a).is_some() && process(a) == process(b));
        a.ranks.end == b.ranks.start && same(&a.first, &b.first) && same(&a.again, &b.again)
    }

    fn again(&self, pairs: &[Again]) -> Finding {
        let (pair, end) = (&pairs[0], pairs[pairs.len() - 1].ranks.end);
        let mut sightings: Vec<Sighting> = self.effect(pair.first, pair.ranks.start).into_iter().collect();
        if let By::Member(at) = pair.first.by {
            let process = self.stage.made()[at].process;
            let died = self.stage.context.crashed(process).flatten();
            sightings.extend(died.map(|time| Sighting::Crashed { process, time }));
        }
        sightings.extend(self.effect(pair.again, pair.ranks.start));
        self.about(Anomaly::DuplicateEffect, &(pair.ranks.start..end), sightings)
    }

    fn stray(&self, strays: &[Stray]) -> Finding {
        let (first, last) = (&strays[0], &strays[strays.len() - 1]);
        let offset = Offset(first.offset);
        let mut sightings = Vec::new();
        if let (By::Member(at), Some(value), Some(time)) = (first.by, first.value, first.polled) {
            let process = self.stage.made()[at].process;
            sightings.push(Sighting::Polled { process, value, offset, time });
        }
        sightings.push(self.stage.effect(first.by, 0, (first.offset, first.value)));
        let held = self.record(self.places.rank(first.offset)).filter(|(held, _)| *held == first.offset);
        sightings.push(match held {
            Some((_, value)) => Sighting::InLog { value, offset },
            None => Sighting::NotInLog { offset },
        });
        Finding {
            first: first.value,
            last: last.value,
            offsets: Some((offset, Offset(last.offset))),
            ..self.stage.finding(Anomaly::PhantomEffect, strays.len() as u64, sightings)
        }
    }

    fn late(&self, late: &Late) -> Finding {
        let sightings = [
            self.effect(late.overtaken_by, late.overtaken_by.end - 1),
            self.effect(late.by, late.ranks.start),
        ];
        self.about(Anomaly::MisorderedEffect, &late.ranks, sightings.into_iter().flatten().collect())
    }
}
