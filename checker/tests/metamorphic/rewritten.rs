//! A story told in other words: other numbers for processes, logs and values, other times, another order.

use std::collections::{BTreeMap, BTreeSet};

use history::ids::{LogId, Nanos, Offset, Process, Seq, TopicPartition, Value};
use history::op::{Assignment, Event, ForeignRecord, Op, Phase, Position, Run, Span};

use super::draws::Draws;
use super::random::Story;

/// What is said otherwise.
pub(crate) struct Words<'w> {
    pub(crate) process: &'w dyn Fn(Process) -> Process,
    /// None where the log is left out.
    pub(crate) log: &'w dyn Fn(LogId) -> Option<LogId>,
    /// None where the record is left out.
    pub(crate) seq: &'w dyn Fn(Value) -> Option<Seq>,
    pub(crate) time: &'w dyn Fn(Nanos) -> Nanos,
    pub(crate) group: &'w dyn Fn(&str) -> String,
}

impl Default for Words<'_> {
    fn default() -> Self {
        Self {
            process: &|process| process,
            log: &Some,
            seq: &|value| Some(value.seq),
            time: &|time| time,
            group: &str::to_owned,
        }
    }
}

impl Words<'_> {
    /// The story in these words; its table of logs is the caller's matter.
    pub(crate) fn story(&self, story: &Story, logs: Vec<TopicPartition>) -> Story {
        Story { logs, events: story.events.iter().flat_map(|event| self.event(event)).collect() }
    }

    /// The event in these words: none where it is left out, several where it speaks of records that are not
    /// neighbours any more.
    pub(crate) fn event(&self, event: &Event) -> Vec<Event> {
        let ops = if let Op::Derive { first, spans } = &event.op {
            self.derived(event.process, *first, spans)
        } else {
            self.op(&event.op).into_iter().collect()
        };
        let told = |op| Event {
            time: (self.time)(event.time),
            process: (self.process)(event.process),
            phase: event.phase.clone(),
            op,
        };
        ops.into_iter().map(told).collect()
    }

    fn derived(&self, process: Process, first: Seq, spans: &[Span]) -> Vec<Op> {
        let inputs = spans
            .iter()
            .flat_map(|span| (span.first.0..=span.last.0).map(|offset| (span.log, Offset(offset))));
        let one = |(seq, (log, offset)): (u32, (LogId, Offset))| {
            let first = (self.seq)(Value { process, seq: Seq(seq) })?;
            let span = Span { log: (self.log)(log)?, first: offset, last: offset };
            Some(Op::Derive { first, spans: vec![span] })
        };
        (first.0..).zip(inputs).filter_map(one).collect()
    }

    fn value(&self, value: Value) -> Option<Value> {
        Some(Value { process: (self.process)(value.process), seq: (self.seq)(value)? })
    }

    fn op(&self, op: &Op) -> Option<Op> {
        let log = |log: LogId| (self.log)(log);
        Some(match op {
            Op::Open(identity) => {
                let mut identity = identity.clone();
                identity.group = identity.group.map(|group| (self.group)(&group));
                Op::Open(identity)
            }
            Op::Send { log: to, value } => Op::Send { log: log(*to)?, value: self.value(*value)? },
            Op::Assigned(assignment) => Op::Assigned(self.assignment(assignment)),
            Op::Revoked(assignment) => Op::Revoked(self.assignment(assignment)),
            Op::Lost(assignment) => Op::Lost(self.assignment(assignment)),
            Op::Poll { runs } => Op::Poll { runs: self.runs(runs) },
            Op::Seek { log: of, offset } => Op::Seek { log: log(*of)?, offset: *offset },
            Op::EffectBegin { spans } => Op::EffectBegin { spans: self.spans(spans)? },
            Op::Effect { spans } => Op::Effect { spans: self.spans(spans)? },
            Op::CommitOffsets { mode, positions } => {
                Op::CommitOffsets { mode: *mode, positions: self.positions(positions) }
            }
            Op::FetchCommitted { positions } => Op::FetchCommitted { positions: self.positions(positions) },
            Op::EndOffsets { positions } => Op::EndOffsets { positions: self.positions(positions) },
            Op::FinalRead { isolation, runs } => {
                Op::FinalRead { isolation: *isolation, runs: self.runs(runs) }
            }
            &Op::FinalReadEnd { isolation, log: of, start, end, reached } => {
                Op::FinalReadEnd { isolation, log: log(of)?, start, end, reached }
            }
            Op::SinkRead { runs } => Op::SinkRead { runs: self.runs(runs) },
            Op::Batch(batch) => {
                let mut batch = *batch;
                batch.log = log(batch.log)?;
                Op::Batch(batch)
            }
            Op::Foreign { log: at, offset, why } => {
                Op::Foreign { log: log(*at)?, offset: *offset, why: self.why(why)? }
            }
            Op::Observe(observation) => {
                let mut observation = observation.clone();
                observation.log = log(observation.log)?;
                Op::Observe(observation)
            }
            Op::Derive { .. } => return None,
            Op::Close
            | Op::Crash { .. }
            | Op::InitTxn { .. }
            | Op::BeginTxn { .. }
            | Op::CommitTxn
            | Op::AbortTxn
            | Op::Fault { .. }
            | Op::Heal { .. }
            | Op::SinkReadEnd { .. }
            | Op::Phase { .. } => op.clone(),
        })
    }

    fn why(&self, why: &ForeignRecord) -> Option<ForeignRecord> {
        Some(match why {
            ForeignRecord::Corrupt | ForeignRecord::Phantom { .. } => why.clone(),
            ForeignRecord::Misrouted { value, meant_for } => {
                ForeignRecord::Misrouted { value: self.value(*value)?, meant_for: meant_for.clone() }
            }
        })
    }

    fn assignment(&self, assignment: &Assignment) -> Assignment {
        let logs = assignment.logs.iter().filter_map(|log| (self.log)(*log)).collect();
        Assignment { logs, generation: assignment.generation }
    }

    fn positions(&self, positions: &[Position]) -> Vec<Position> {
        let known = |position: &Position| Some(Position { log: (self.log)(position.log)?, ..*position });
        positions.iter().filter_map(known).collect()
    }

    fn spans(&self, spans: &[Span]) -> Option<Vec<Span>> {
        let known = |span: &Span| Some(Span { log: (self.log)(span.log)?, ..*span });
        let spans: Vec<Span> = spans.iter().filter_map(known).collect();
        (!spans.is_empty()).then_some(spans)
    }

    /// Record by record, since numbers that were consecutive need not be so any more.
    fn runs(&self, runs: &[Run]) -> Vec<Run> {
        let mut told = Vec::new();
        for run in runs {
            let Some(log) = (self.log)(run.log) else { continue };
            for nth in 0..run.count {
                let value = Value { process: run.first.process, seq: Seq(run.first.seq.0 + nth) };
                let Some(first) = self.value(value) else { continue };
                let offset = Offset(run.offset.0 + i64::from(nth));
                told.push(Run { log, offset, first, count: 1 });
            }
        }
        told
    }
}

/// The story without one log.
pub(crate) fn without_log(story: &Story, gone: LogId) -> Story {
    let log = |log: LogId| match log.cmp(&gone) {
        std::cmp::Ordering::Less => Some(log),
        std::cmp::Ordering::Equal => None,
        std::cmp::Ordering::Greater => Some(LogId(log.0 - 1)),
    };
    let mut logs = story.logs.clone();
    logs.remove(usize::from(gone.0));
    Words { log: &log, ..Words::default() }.story(story, logs)
}

/// The story without one record.
pub(crate) fn without_value(story: &Story, gone: Value) -> Story {
    let seq = |value: Value| (value != gone).then_some(value.seq);
    let places = places(story, gone);
    let mut rest = Words { seq: &seq, ..Words::default() }.story(story, story.logs.clone());
    for event in &mut rest.events {
        if let Op::Effect { spans } = &mut event.op {
            *spans = spans.iter().flat_map(|span| without_places(*span, &places)).collect();
        }
    }
    rest
}

/// Whether something was made of a record, or it was made of something: then it is not alone in what it is.
pub(crate) fn is_bound(story: &Story, value: Value) -> bool {
    let places = places(story, value);
    story.events.iter().any(|event| {
        let Op::Derive { spans, .. } = &event.op else { return false };
        let within = |span: &Span| (span.log, span.first.0)..=(span.log, span.last.0);
        event.process == value.process || spans.iter().any(|span| places.range(within(span)).next().is_some())
    })
}

/// Where a record was read.
fn places(story: &Story, value: Value) -> BTreeSet<(LogId, i64)> {
    let runs = story.events.iter().flat_map(|event| {
        if let Op::Poll { runs } | Op::FinalRead { runs, .. } = &event.op { runs.as_slice() } else { &[] }
    });
    let holds = |run: &&Run| {
        let nth = value.seq.0.checked_sub(run.first.seq.0);
        run.first.process == value.process && nth.is_some_and(|nth| nth < run.count)
    };
    runs.filter(holds).map(|run| (run.log, run.offset.0 + i64::from(value.seq.0 - run.first.seq.0))).collect()
}

/// A span without some offsets.
fn without_places(span: Span, places: &BTreeSet<(LogId, i64)>) -> Vec<Span> {
    let (mut parts, mut first) = (Vec::new(), span.first);
    for &(_, offset) in places.range((span.log, span.first.0)..=(span.log, span.last.0)) {
        if first.0 < offset {
            parts.push(Span { first, last: Offset(offset - 1), ..span });
        }
        first = Offset(offset + 1);
    }
    if first <= span.last {
        parts.push(Span { first, ..span });
    }
    parts
}

/// The events of each process in their order, those of different processes in any.
pub(crate) fn interleaved(story: &Story, draws: &mut Draws) -> Story {
    let mut queues: BTreeMap<Process, std::collections::VecDeque<Event>> = BTreeMap::new();
    for event in &story.events {
        queues.entry(event.process).or_default().push_back(event.clone());
    }
    let mut queues: Vec<_> = queues.into_values().collect();
    let mut events = Vec::new();
    while !queues.is_empty() {
        let at = draws.below(queues.len());
        // Long stretches of one process, too: as when journals are merged one after the other.
        for _ in 0..=draws.below(8) {
            events.extend(queues[at].pop_front());
        }
        if queues[at].is_empty() {
            queues.swap_remove(at);
        }
    }
    Story { logs: story.logs.clone(), events }
}

/// Times exchanged between neighbours whose order means nothing: of two processes, both asking or both answering a
/// send, or one sending and one polling.
pub(crate) fn exchanged(story: &Story, draws: &mut Draws) -> Story {
    let mut events = story.events.clone();
    let mut at_once: BTreeMap<Nanos, u32> = BTreeMap::new();
    for event in &events {
        *at_once.entry(event.time).or_default() += 1;
    }
    let alone = |event: &Event| at_once[&event.time] == 1;
    let mut order: Vec<usize> = (0..events.len()).collect();
    order.sort_by_key(|&at| events[at].time);
    for pair in 1..order.len() {
        let (one, other) = (order[pair - 1], order[pair]);
        // What happens at the very time of one of them would come to lie between them.
        if alone(&events[one])
            && alone(&events[other])
            && events[one].process != events[other].process
            && independent(&events[one], &events[other])
            && draws.below(2) == 0
        {
            let time = events[one].time;
            events[one].time = events[other].time;
            events[other].time = time;
            order.swap(pair - 1, pair);
        }
    }
    Story { logs: story.logs.clone(), events }
}

fn independent(one: &Event, other: &Event) -> bool {
    let sends = |event: &Event| matches!(event.op, Op::Send { .. });
    let polls = |event: &Event| matches!(event.op, Op::Poll { .. });
    let asks = |event: &Event| event.phase == Phase::Invoke;
    // What a poll returned was there before whatever is sent afterwards.
    let apart = |send: &Event, poll: &Event| sends(send) && polls(poll) && (asks(poll) || !asks(send));
    (sends(one) && sends(other) && asks(one) == asks(other)) || apart(one, other) || apart(other, one)
}
