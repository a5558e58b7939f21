//! The definitions of the effect stage.

#![expect(clippy::wildcard_enum_match_arm, reason = "each definition speaks of a few events only")]

use history::ids::{LogId, Nanos, Offset, Process, Value};
use history::op::{Assignment, Op};

use super::delivery::{ends, knows_gaps};
use super::facts::Facts;
use super::rows::{failed, ok};
use super::{Check, must};
use crate::findings::{Finding, Sighting};

/// An effect that a sink was found to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) place: u64,
    pub(super) log: LogId,
    pub(super) offset: i64,
    pub(super) value: Value,
}

/// What was read back of a group's sink.
#[derive(Clone, Debug, Default)]
pub(super) struct Sink {
    /// Of the logs that findings name.
    pub(super) effects: Vec<Held>,
    pub(super) complete: bool,
}

/// An effect of one record as the sink acknowledged it, or did not.
#[derive(Clone, Copy, Debug)]
struct Made {
    process: Process,
    time: Nanos,
    certain: bool,
    /// What its member had polled there last, where that is known.
    polled: Option<Value>,
    turn: Option<Nanos>,
    /// Row, and span in it.
    row: (usize, usize),
}

impl Facts<'_> {
    /// What was last read back of a group's sink, where it was.
    pub(super) fn sink(&self, group: &str) -> Option<Sink> {
        let (mut sink, mut found, mut told, mut any) = (Sink::default(), 0u64, None, false);
        for event in self.rows.iter().filter(|event| self.is_member(event.process, group)) {
            let runs = match &event.op {
                Op::SinkRead { runs } => runs.as_slice(),
                Op::SinkReadEnd { .. } => &[],
                _ => continue,
            };
            if told.is_some() {
                (sink, found, told) = (Sink::default(), 0, None);
            }
            any = true;
            for run in runs {
                let count = u64::from(run.count);
                if self.polls.contains_key(&run.log) {
                    let value = |nth: u32| {
                        let seq = history::ids::Seq(run.first.seq.0.saturating_add(nth));
                        Value { process: run.first.process, seq }
                    };
                    sink.effects.extend((0..run.count).map(|nth| Held {
                        place: found + u64::from(nth),
                        log: run.log,
                        offset: run.offset.0.saturating_add(nth.into()),
                        value: value(nth),
                    }));
                }
                found += count;
            }
            if let Op::SinkReadEnd { effects } = event.op {
                told = Some(effects);
            }
        }
        sink.complete = told == Some(found);
        any.then_some(sink)
    }

    /// Whether members of a group asked for effects, or its sink was read back.
    fn has_a_sink(&self, group: &str) -> bool {
        self.rows.iter().any(|event| {
            let of_a_sink =
                matches!(event.op, Op::Effect { .. } | Op::SinkRead { .. } | Op::SinkReadEnd { .. });
            of_a_sink && self.is_member(event.process, group)
        })
    }

    /// The last assignment of a log to a process by some row.
    fn turn(&self, process: Process, log: LogId, row: usize) -> Option<(Nanos, &Assignment)> {
        let own = self.rows[..row].iter().rev().filter(|event| event.process == process && !failed(event));
        let mut given = own.filter_map(|event| match &event.op {
            Op::Assigned(given) if given.logs.contains(&log) => Some((event.time, given)),
            _ => None,
        });
        given.next()
    }

    /// The effects of an offset that members of a group made, or asked for.
    fn made(&self, group: &str, log: LogId, offset: i64) -> Vec<Made> {
        let mut made = Vec::new();
        for (at, event) in self.rows.iter().enumerate() {
            let Op::Effect { spans } = &event.op else { continue };
            if failed(event) || !self.is_member(event.process, group) {
                continue;
            }
            let covers =
                |span: &history::op::Span| span.log == log && span.first.0 <= offset && offset <= span.last.0;
            // Most effects are of other records: what was polled is looked for only where it matters.
            if !spans.iter().any(covers) {
                continue;
            }
            let until = up(event.time);
            let polls = self.polls_of(log).filter(|polled| {
                polled.reader == event.process && polled.offset == offset && polled.returned <= until
            });
            let polled = polls.max_by_key(|polled| (polled.segment, polled.place)).map(|polled| polled.value);
            let turn = self.turn(event.process, log, at).map(|(time, _)| time);
            for (nth, _) in spans.iter().enumerate().filter(|(_, span)| covers(span)) {
                let (process, time, certain) = (event.process, event.time, ok(event));
                made.push(Made { process, time, certain, polled, turn, row: (at, nth) });
            }
        }
        made
    }

    /// The effects of a record that surely are in a sink, in the sink's order; of acknowledgements, by row.
    fn effects(&self, group: &str, log: LogId, (offset, value): (i64, Value)) -> Vec<Effect> {
        if let Some(sink) = self.sink(group).filter(|sink| sink.complete) {
            let same = |held: &&Held| (held.log, held.offset, held.value) == (log, offset, value);
            return sink.effects.iter().filter(same).map(|held| Effect::Held(held.place)).collect();
        }
        let own = self.made(group, log, offset);
        let own =
            own.into_iter().filter(|made| made.certain && made.polled.is_none_or(|polled| polled == value));
        own.map(Effect::Made).collect()
    }
}

/// Where an effect is known from.
#[derive(Clone, Copy, Debug)]
enum Effect {
    Held(u64),
    Made(Made),
}

/// A group, and records with their offsets.
type OfRecords<'f> = (&'f str, Vec<(i64, Value)>);

/// A finding's group, and its first and last record, all of which the committed log must hold.
fn of_records<'f>(finding: &'f Finding, facts: &Facts<'_>) -> Result<OfRecords<'f>, super::Objection> {
    let refuted = |why: &str| super::Objection::Refuted(why.to_owned());
    let group = finding.group.as_deref().ok_or_else(|| refuted("no group is named"))?;
    let ends = ends(finding);
    must(!ends.is_empty(), || "no record is named".to_owned())?;
    let view = facts.reference(finding.log);
    for (offset, value) in &ends {
        let held = facts.at(finding.log, view, *offset);
        must(held == Some(*value), || format!("the log holds {held:?} at offset {offset}"))?;
    }
    Ok((group, ends))
}

/// A record with two effects.
pub(super) fn duplicate(finding: &Finding, facts: &Facts<'_>) -> Check {
    let (group, ends) = of_records(finding, facts)?;
    ends.into_iter().try_for_each(|end| {
        let effects = facts.effects(group, finding.log, end);
        must(effects.len() > 1, || format!("{} has these effects: {effects:?}", end.1))
    })
}

/// A committed record that the group went past, without any effect.
pub(super) fn lost(finding: &Finding, facts: &Facts<'_>) -> Check {
    let (group, ends) = of_records(finding, facts)?;
    let log = finding.log;
    must(knows_gaps(facts, log), || "what should have taken effect is not known".to_owned())?;
    must(facts.has_a_sink(group), || "nothing tells of a sink of the group".to_owned())?;
    let read_back = facts.sink(group).is_some_and(|sink| sink.complete);
    for (nth, (offset, value)) in ends.into_iter().enumerate() {
        let effects = facts.effects(group, log, (offset, value));
        must(effects.is_empty(), || format!("{value} took effect: {effects:?}"))?;
        let made = facts.made(group, log, offset);
        let perhaps = made.iter().any(|made| made.polled.is_none_or(|polled| polled == value));
        let perhaps = !read_back && (perhaps || may_have_begun(facts, group, log, offset));
        must(!perhaps, || format!("{value} may have taken effect"))?;
        let passed = finding.sightings.iter().any(|seen| match seen {
            Sighting::Committed { next, .. } => next.0 > offset,
            // An effect of what the log does not hold is no progress in it.
            Sighting::InSink { value, offset: at, .. } => {
                at.0 > offset && facts.at(log, facts.reference(log), at.0) == Some(*value)
            }
            Sighting::Effected { offset: at, .. } => at.0 > offset,
            _ => false,
        });
        let passed = passed || (nth > 0 && went_past(facts, group, log, offset));
        must(passed, || format!("nothing shows that the group went past offset {offset}"))?;
    }
    Ok(())
}

/// Whether a group committed a position behind an offset, or its sink holds, or acknowledged, an effect from there.
fn went_past(facts: &Facts<'_>, group: &str, log: LogId, offset: i64) -> bool {
    let committed = facts.commits(group, log).iter().any(|commit| commit.next > offset);
    let held = facts
        .sink(group)
        .is_some_and(|sink| sink.effects.iter().any(|held| held.log == log && held.offset > offset));
    let own = facts.rows.iter().filter(|event| ok(event) && facts.is_member(event.process, group));
    let made = own.filter_map(|event| match &event.op {
        Op::Effect { spans } => Some(spans),
        _ => None,
    });
    committed || held || made.flatten().any(|span| span.log == log && span.last.0 > offset)
}

/// Whether a member that did not end in good order may have begun the effect of a record last.
fn may_have_begun(facts: &Facts<'_>, group: &str, log: LogId, offset: i64) -> bool {
    facts.members(group).into_iter().any(|member| {
        let own = || facts.rows.iter().filter(move |event| event.process == member);
        if own().any(|event| matches!(event.op, Op::Close)) {
            return false;
        }
        let begun = || {
            own().filter_map(|event| match &event.op {
                Op::EffectBegin { spans } => Some((up(event.time), spans)),
                _ => None,
            })
        };
        let by_row = begun().map(|(time, _)| time).max();
        let by_poll = facts.last_handed.get(&member).copied();
        let Some(last) = by_row.max(by_poll) else { return false };
        let here = facts.polls_of(log).filter(|polled| polled.reader == member && polled.offset == offset);
        let in_poll = here.filter_map(|polled| polled.handed).any(|handed| handed == last);
        let covers =
            |span: &history::op::Span| span.log == log && span.first.0 <= offset && offset <= span.last.0;
        in_poll || begun().any(|(time, spans)| time == last && spans.iter().any(covers))
    })
}

/// A time as the columns keep it: rounded up to a microsecond.
fn up(time: Nanos) -> Nanos {
    Nanos(time.0.div_ceil(1000).saturating_mul(1000))
}

/// An effect of what the committed log does not hold at that offset.
pub(super) fn phantom(finding: &Finding, facts: &Facts<'_>) -> Check {
    let (log, Some((offset, _)), Some(group)) = (finding.log, finding.offsets, finding.group.as_deref())
    else {
        return must(false, || "no effect is named".to_owned());
    };
    let view = facts.reference(log);
    let known = view.is_complete() && offset.0 >= facts.start(log, view);
    must(known, || "what the log holds is not known".to_owned())?;
    let held = facts.at(log, view, offset.0);
    must(held.is_none() || (finding.first.is_some() && held != finding.first), || {
        format!("the log holds {held:?} at offset {offset}")
    })?;
    let made = facts.made(group, log, offset.0);
    let acknowledged =
        made.iter().any(|made| made.certain && (finding.first.is_none() || made.polled == finding.first));
    let sink = facts.sink(group).filter(|sink| sink.complete);
    let is = match sink {
        Some(sink) => sink
            .effects
            .iter()
            .any(|held| (held.log, held.offset, Some(held.value)) == (log, offset.0, finding.first)),
        None => acknowledged,
    };
    must(is, || format!("there is no such effect at offset {offset}"))
}

/// A record whose first effect came surely after that of a later record.
pub(super) fn misordered(finding: &Finding, facts: &Facts<'_>) -> Check {
    let (group, ends) = of_records(finding, facts)?;
    let log = finding.log;
    let Some(Some(later)) = finding.sightings.first().map(Sighting::offset) else {
        return must(false, || "no later record is named".to_owned());
    };
    let Some(other) = facts.at(log, facts.reference(log), later.0) else {
        return must(false, || format!("the log holds nothing at offset {later}"));
    };
    let before = facts.effects(group, log, (later.0, other));
    ends.into_iter().try_for_each(|(offset, value)| {
        must(later > Offset(offset), || format!("offset {later} is not behind {offset}"))?;
        let first = facts.effects(group, log, (offset, value)).first().copied();
        let is = first.is_some_and(|first| before.iter().any(|other| surely_before(other, &first)));
        must(is, || format!("{value} took effect in time: {first:?} after {before:?}"))
    })
}

fn surely_before(other: &Effect, first: &Effect) -> bool {
    match (other, first) {
        (Effect::Held(other), Effect::Held(first)) => other < first,
        (Effect::Made(other), Effect::Made(first)) => {
            let own = other.process == first.process && other.row < first.row;
            own || first.turn.is_some_and(|turn| other.time < turn)
        }
        (Effect::Held(_), Effect::Made(_)) | (Effect::Made(_), Effect::Held(_)) => false,
    }
}

/// An effect made by a member after its assignment ended and another member took over.
pub(super) fn zombie(finding: &Finding, facts: &Facts<'_>) -> Check {
    let (log, Some(group)) = (finding.log, finding.group.as_deref()) else {
        return must(false, || "no group is named".to_owned());
    };
    let effected = finding.sightings.iter().find_map(|seen| match seen {
        Sighting::Effected { process, offset, time } => Some((*process, *offset, *time)),
        _ => None,
    });
    let Some((process, offset, time)) = effected.filter(|(process, ..)| facts.is_member(*process, group))
    else {
        return must(false, || "no effect of a member is named".to_owned());
    };
    let covers = |event: &history::op::Event| match &event.op {
        Op::Effect { spans } => {
            spans.iter().any(|span| span.log == log && (span.first..=span.last).contains(&offset))
        }
        _ => false,
    };
    let rows =
        facts.rows.iter().enumerate().filter(|(_, event)| {
            (event.process, event.time) == (process, time) && ok(event) && covers(event)
        });
    let taken_over = |row: usize| {
        let Some((own, given)) = facts.turn(process, log, row) else { return false };
        facts.rows.iter().any(|event| match &event.op {
            Op::Assigned(other) if other.logs.contains(&log) && !failed(event) => {
                let newer = match (given.generation, other.generation) {
                    (Some(own), Some(other)) => other > own,
                    (Some(_) | None, Some(_) | None) => true,
                };
                let between = own < event.time && event.time < time;
                event.process != process && facts.is_member(event.process, group) && between && newer
            }
            _ => false,
        })
    };
    let is = rows.map(|(row, _)| row).any(taken_over);
    must(is, || format!("nobody had taken over from process {process} by {time}"))
}
