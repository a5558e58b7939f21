//! The definitions, over plain lists.

#![expect(clippy::wildcard_enum_match_arm, reason = "each definition speaks of a few operations only")]

use std::collections::{BTreeMap, BTreeSet};

use history::ids::{LogId, Process, Value};
use history::op::{Event, Isolation, Op, Outcome, Phase};

use super::Summary;
use super::random::Story;

/// What is wrong with a story.
pub(crate) fn of(story: &Story) -> Summary {
    let mut summary = Summary::new();
    let groups = groups(&story.events);
    let names: BTreeSet<&String> = groups.values().collect();
    for name in names {
        let members: BTreeSet<Process> =
            groups.iter().filter(|(_, group)| *group == name).map(|(process, _)| *process).collect();
        let mut sink = BTreeMap::new();
        for log in 0..story.logs.len() {
            let log = LogId(u16::try_from(log).unwrap());
            let one = One { events: &story.events, members: &members, log };
            add(&mut summary, "offset-regression", one.regressions());
            if one.has_sink() && one.touches() {
                one.judge(&mut summary, &mut sink);
            }
        }
        for (name, count) in sink {
            // Said once of each sink, not of each log.
            add(&mut summary, name, usize::from(count > 0));
        }
    }
    summary.retain(|_, count| *count > 0);
    summary
}

fn add(summary: &mut Summary, name: &str, count: usize) {
    *summary.entry(name.to_owned()).or_default() += count as u64;
}

fn groups(events: &[Event]) -> BTreeMap<Process, String> {
    let mut groups = BTreeMap::new();
    for event in events {
        if let Op::Open(identity) = &event.op {
            groups.extend(identity.group.clone().map(|group| (event.process, group)));
        }
    }
    groups
}

fn ok(event: &Event) -> bool {
    matches!(event.phase, Phase::Complete(Outcome::Ok { .. }))
}

fn failed(event: &Event) -> bool {
    matches!(event.phase, Phase::Complete(Outcome::Fail { .. }))
}

/// An effect of one record, or of nothing.
#[derive(Clone, Copy)]
struct Effect {
    offset: i64,
    /// Whether the log holds what it is of.
    real: bool,
    /// Of the same process earlier is earlier; of another, what was told before this time is.
    process: Option<Process>,
    time: u64,
    turn: Option<u64>,
}

struct One<'a> {
    events: &'a [Event],
    members: &'a BTreeSet<Process>,
    log: LogId,
}

impl One<'_> {
    fn own(&self) -> impl Iterator<Item = &Event> {
        self.events.iter().filter(|event| self.members.contains(&event.process))
    }

    fn has_sink(&self) -> bool {
        self.own()
            .any(|event| matches!(event.op, Op::Effect { .. } | Op::SinkRead { .. } | Op::SinkReadEnd { .. }))
    }

    fn touches(&self) -> bool {
        let log = self.log;
        self.own().any(|event| match &event.op {
            Op::Assigned(assignment) => assignment.logs.contains(&log),
            Op::Seek { log: sought, .. } => *sought == log,
            Op::CommitOffsets { positions, .. } | Op::FetchCommitted { positions } => {
                ok(event) && positions.iter().any(|position| position.log == log)
            }
            Op::Effect { spans } => !failed(event) && spans.iter().any(|span| span.log == log),
            Op::SinkRead { runs } => runs.iter().any(|run| run.log == log),
            _ => false,
        })
    }

    /// What the log holds, whether that is all, and where it starts.
    fn content(&self) -> (BTreeMap<i64, Value>, bool, i64) {
        let (mut held, mut polled, mut end) = (BTreeMap::new(), BTreeMap::<i64, Value>::new(), None);
        for event in self.events {
            if let Op::FinalRead { isolation: Isolation::ReadUncommitted, runs } = &event.op {
                each(runs, self.log, |offset, value| {
                    held.insert(offset, value);
                });
            }
            if let Op::FinalReadEnd { log, start, end: until, reached, .. } = &event.op
                && *log == self.log
            {
                end = Some((start.0, reached >= until));
            }
            if let Op::Poll { runs } = &event.op {
                each(runs, self.log, |offset, value| {
                    let least = polled.entry(offset).or_insert(value);
                    *least = (*least).min(value);
                });
            }
        }
        let (start, complete) = end.unwrap_or((0, false));
        if !complete {
            for (offset, value) in polled {
                held.entry(offset).or_insert(value);
            }
        }
        (held, complete, start)
    }

    /// What a process had polled last at an offset by some time.
    fn polled(&self, process: Process, offset: i64, until: u64) -> Option<Value> {
        let mut last = None;
        for event in self.events.iter().filter(|event| event.process == process && event.time.0 <= until) {
            if let (Op::Poll { runs }, Phase::Complete(_)) = (&event.op, &event.phase) {
                each(runs, self.log, |at, value| {
                    if at == offset {
                        last = Some(value);
                    }
                });
            }
        }
        last
    }

    /// When a process was last assigned the log before some time, with the generation.
    fn turn(&self, process: Process, until: u64) -> Option<(u64, Option<i64>)> {
        let before = self.events.iter().filter(|event| event.process == process && event.time.0 <= until);
        let mut turns = before.filter_map(|event| match &event.op {
            Op::Assigned(assignment) if assignment.logs.contains(&self.log) => {
                Some((event.time.0, assignment.generation))
            }
            _ => None,
        });
        turns.next_back()
    }

    /// Effects that are known, in order; and offsets of which there may be one.
    fn acknowledged(&self, content: &BTreeMap<i64, Value>) -> (Vec<Effect>, BTreeSet<i64>) {
        let (mut effects, mut possible) = (Vec::new(), BTreeSet::new());
        for event in self.own().filter(|event| !failed(event)) {
            let Op::Effect { spans } = &event.op else { continue };
            let (process, time) = (event.process, event.time.0);
            let turn = self.turn(process, time).map(|(time, _)| time);
            for span in spans.iter().filter(|span| span.log == self.log) {
                let held = |offset: &i64| content.contains_key(offset);
                let misread = |offset: &i64| {
                    let polled = self.polled(process, *offset, time);
                    polled.is_some() && polled != content.get(offset).copied()
                };
                let all = || span.first.0..=span.last.0;
                let of_nothing = !all().any(|offset| held(&offset) || misread(&offset));
                for offset in all() {
                    let held = content.get(&offset).copied();
                    let polled = self.polled(process, offset, time);
                    let other = polled.is_some() && polled != held;
                    let is_it = of_nothing && offset == span.first.0;
                    let real = held.is_some() && !other;
                    let effect = Effect { offset, real, process: Some(process), time, turn };
                    match (real, ok(event)) {
                        (true, true) => effects.push(effect),
                        (true, false) => {
                            possible.insert(offset);
                        }
                        (false, true) if other || is_it => effects.push(effect),
                        (false, _) => {}
                    }
                }
            }
        }
        for &process in self.members {
            let mine = || self.events.iter().filter(move |event| event.process == process);
            let begun = mine().filter(|event| matches!(event.op, Op::EffectBegin { .. }));
            let Some(last) = begun.clone().map(|event| event.time).max() else { continue };
            if mine().any(|event| matches!(event.op, Op::Close)) {
                continue;
            }
            for event in begun.filter(|event| event.time == last) {
                let Op::EffectBegin { spans } = &event.op else { continue };
                for span in spans.iter().filter(|span| span.log == self.log) {
                    possible.extend(content.range(span.first.0..=span.last.0).map(|(offset, _)| *offset));
                }
            }
        }
        (effects, possible)
    }

    /// What was read back: effects in the sink's order, and whether that was all.
    fn read_back(&self, content: &BTreeMap<i64, Value>) -> Option<(Vec<Effect>, bool)> {
        let (mut effects, mut found, mut told, mut any) = (Vec::new(), 0, None, false);
        for event in self.own() {
            if let Op::SinkRead { runs } = &event.op {
                any = true;
                found += runs.iter().map(|run| u64::from(run.count)).sum::<u64>();
                each(runs, self.log, |offset, value| {
                    let real = content.get(&offset) == Some(&value);
                    effects.push(Effect { offset, real, process: None, time: 0, turn: None });
                });
            }
            if let Op::SinkReadEnd { effects } = event.op {
                (any, told) = (true, Some(effects));
            }
        }
        any.then_some((effects, told == Some(found)))
    }

    fn judge(&self, summary: &mut Summary, sink: &mut BTreeMap<&'static str, u64>) {
        let (content, complete, start) = self.content();
        let reading = self.read_back(&content);
        let read_back = reading.as_ref().is_some_and(|(_, complete)| *complete);
        *sink.entry("read back").or_default() += u64::from(read_back);
        *sink.entry("read in part").or_default() += u64::from(reading.is_some() && !read_back);
        let (effects, possible) = match reading.filter(|(_, complete)| *complete) {
            Some((effects, _)) => (effects, BTreeSet::new()),
            None => self.acknowledged(&content),
        };
        let strays =
            effects.iter().filter(|effect| !effect.real && complete && effect.offset >= start).count();
        add(summary, "phantom-effect", strays);
        let real: Vec<Effect> = effects.into_iter().filter(|effect| effect.real).collect();
        add(summary, "effects", real.len() + strays);
        let taken: BTreeSet<i64> = real.iter().map(|effect| effect.offset).collect();
        add(summary, "distinct", taken.len());
        add(summary, "duplicate-effect", real.len() - taken.len());
        add(summary, "misordered-effect", self.misordered(&real));
        let last = taken.last().map_or(i64::MIN, |last| last + 1);
        let drained = self.committed().unwrap_or(i64::MIN).max(last);
        for offset in content.keys().filter(|offset| !taken.contains(offset)) {
            let name = match (*offset >= drained, possible.contains(offset)) {
                (true, _) => "not drained",
                (false, true) => "unknown",
                (false, false) => "lost-effect",
            };
            add(summary, name, 1);
        }
        add(summary, "zombie-effect", self.zombies(&content));
    }

    fn misordered(&self, effects: &[Effect]) -> usize {
        let is_late = |at: usize| {
            let effect = &effects[at];
            let is_first = effects[..at].iter().all(|other| other.offset != effect.offset);
            let before = effects[..at].iter().filter(|other| other.offset > effect.offset);
            let mut surely = before.filter(|other| {
                other.process == effect.process || effect.turn.is_some_and(|turn| other.time < turn)
            });
            is_first && surely.next().is_some()
        };
        (0..effects.len()).filter(|at| is_late(*at)).count()
    }

    fn zombies(&self, content: &BTreeMap<i64, Value>) -> usize {
        let mut zombies = 0;
        for event in self.own().filter(|event| ok(event)) {
            let Op::Effect { spans } = &event.op else { continue };
            let Some((own, generation)) = self.turn(event.process, event.time.0) else { continue };
            let taken_over = self.own().any(|other| match &other.op {
                Op::Assigned(assignment) if assignment.logs.contains(&self.log) => {
                    let newer = match (generation, assignment.generation) {
                        (Some(own), Some(other)) => other > own,
                        (Some(_) | None, Some(_) | None) => true,
                    };
                    other.process != event.process && own < other.time.0 && other.time < event.time && newer
                }
                _ => false,
            });
            for span in spans.iter().filter(|span| span.log == self.log && taken_over) {
                zombies += content.range(span.first.0..=span.last.0).count().max(1);
            }
        }
        zombies
    }

    /// The greatest position that is known to be committed.
    fn committed(&self) -> Option<i64> {
        let mut greatest = None;
        for event in self.own().filter(|event| ok(event)) {
            if let Op::CommitOffsets { positions, .. } | Op::FetchCommitted { positions } = &event.op {
                let own = positions.iter().filter(|position| position.log == self.log);
                greatest = own.map(|position| position.next.0).max().max(greatest);
            }
        }
        greatest
    }

    fn regressions(&self) -> usize {
        // (position, asked, answered), and commits that may have happened, answered or not.
        let (mut known, mut fetched, mut writes) = (Vec::new(), Vec::new(), Vec::new());
        for (at, event) in
            self.events.iter().enumerate().filter(|(_, event)| self.members.contains(&event.process))
        {
            let (Op::CommitOffsets { positions, .. } | Op::FetchCommitted { positions }) = &event.op else {
                continue;
            };
            let is_commit = matches!(event.op, Op::CommitOffsets { .. });
            let of_log = positions.iter().filter(|position| position.log == self.log);
            let next: Vec<i64> = of_log.map(|position| position.next.0).collect();
            let same = |other: &&Event| other.process == event.process && other.op.name() == event.op.name();
            match event.phase {
                Phase::Invoke => {
                    let answered = self.events[at + 1..].iter().find(same).is_some();
                    if is_commit && !answered {
                        writes.extend(next.iter().map(|next| (*next, event.time.0, u64::MAX)));
                    }
                }
                Phase::Complete(_) => {
                    // Each process asks one thing at a time here.
                    let asked = self.events[..at].iter().rev().find(same).unwrap().time.0;
                    let answered = if ok(event) { event.time.0 } else { u64::MAX };
                    if is_commit && !failed(event) {
                        writes.extend(next.iter().map(|next| (*next, asked, answered)));
                    }
                    if ok(event) {
                        known.extend(next.iter().map(|next| (*next, asked, answered)));
                        fetched
                            .extend(next.iter().filter(|_| !is_commit).map(|next| (*next, asked, answered)));
                    }
                }
            }
        }
        let is_regression = |(read, asked, answered): &(i64, u64, u64)| {
            known.iter().any(|(higher, since, until)| {
                let later = |(next, written, done): &(i64, u64, u64)| {
                    next == read && written < answered && done >= since
                };
                higher > read && until < asked && !writes.iter().any(later)
            })
        };
        fetched.iter().filter(|fetch| is_regression(fetch)).count()
    }
}

fn each(runs: &[history::op::Run], log: LogId, mut found: impl FnMut(i64, Value)) {
    for run in runs.iter().filter(|run| run.log == log) {
        for nth in 0..run.count {
            let mut value = run.first;
            value.seq.0 += nth;
            found(run.offset.0 + i64::from(nth), value);
        }
    }
}
