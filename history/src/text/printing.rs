//! From events to lines.
//!
//! The canonical form is one line per event: no ranges of time, no defaults spelled out. It never fails, also
//! not for a history that a parser would refuse (an interval that ends before it begins).

use std::fmt::{self, Write};

use super::Parsed;
use super::token::quote;
use crate::ids::{LogId, Nanos, Offset, Process, TopicPartition, Value};
use crate::op::{
    Assignment, Batch, Cause, CommitMode, Event, ForeignRecord, Identity, Isolation, Observation, Op,
    Outcome, Phase, Position, Run, Span,
};

/// A whole history, its logs first.
#[must_use]
pub fn print(history: &Parsed) -> String {
    let mut text = String::new();
    for id in 0..history.logs.len() {
        writeln!(text, "log {}", log(&history.logs, id)).expect("a string accepts text");
    }
    for event in &history.events {
        writeln!(text, "{}", self::event(event, &history.logs)).expect("a string accepts text");
    }
    text
}

/// One event as a line without its end, for a report or an error.
#[must_use]
pub fn event(event: &Event, logs: &[TopicPartition]) -> String {
    let mut line = Line { text: String::new(), logs, process: event.process };
    line.event(event).expect("a string accepts text");
    line.text
}

/// A time in milliseconds, exact.
fn time(time: Nanos) -> String {
    let (millis, nanos) = (time.0 / 1_000_000, time.0 % 1_000_000);
    if nanos == 0 {
        return millis.to_string();
    }
    format!("{millis}.{nanos:06}").trim_end_matches('0').to_owned()
}

fn log(logs: &[TopicPartition], id: usize) -> String {
    match logs.get(id) {
        Some(log) => format!("{}/{}", quote(&log.topic), log.partition),
        None => format!("undefined-log/{id}"),
    }
}

fn level(isolation: Isolation) -> &'static str {
    match isolation {
        Isolation::ReadUncommitted => "read_uncommitted",
        Isolation::ReadCommitted => "read_committed",
    }
}

/// A line that is being written, and what its short names refer to.
struct Line<'a> {
    text: String,
    logs: &'a [TopicPartition],
    process: Process,
}

impl Line<'_> {
    fn event(&mut self, event: &Event) -> fmt::Result {
        write!(self.text, "{} p{} ", time(event.time), event.process)?;
        let word = match &event.phase {
            Phase::Invoke => "invoke ",
            Phase::Complete(Outcome::Ok { .. }) if event.op.is_moment() => "",
            Phase::Complete(Outcome::Ok { .. }) => "ok ",
            Phase::Complete(Outcome::Fail { .. }) => "fail ",
            Phase::Complete(Outcome::Info { .. }) => "info ",
        };
        write!(self.text, "{word}{}", event.op.name())?;
        self.arguments(&event.op)?;
        match &event.phase {
            Phase::Invoke => Ok(()),
            Phase::Complete(Outcome::Ok { offset }) => self.learned(&event.op, *offset),
            Phase::Complete(Outcome::Fail { cause }) => self.cause(cause),
            Phase::Complete(Outcome::Info { cause, offset }) => {
                self.learned(&event.op, *offset)?;
                self.cause(cause)
            }
        }
    }

    /// The offset of an outcome: positional for a send, by name for what seldom has one.
    fn learned(&mut self, op: &Op, offset: Option<Offset>) -> fmt::Result {
        match offset {
            None => Ok(()),
            Some(offset) if matches!(op, Op::Send { .. }) => write!(self.text, " @{offset}"),
            Some(offset) => write!(self.text, " offset={offset}"),
        }
    }

    fn cause(&mut self, cause: &Cause) -> fmt::Result {
        if cause.code != 0 {
            write!(self.text, " error={}", cause.code)?;
        }
        if !cause.message.is_empty() {
            write!(self.text, " message={}", quote(&cause.message))?;
        }
        Ok(())
    }

    fn arguments(&mut self, op: &Op) -> fmt::Result {
        match op {
            Op::Close | Op::CommitTxn | Op::AbortTxn => Ok(()),
            Op::Open(identity) => self.identity(identity),
            Op::Crash { how } if how.is_empty() => Ok(()),
            Op::Crash { how: text } | Op::Phase { name: text } => self.quoted(text),
            Op::Send { log, value } => {
                self.log(*log)?;
                self.values(*value, 1)
            }
            Op::InitTxn { id, epoch, timeout_ms } => {
                self.session(id, *epoch)?;
                self.pair("timeout", *timeout_ms)
            }
            Op::BeginTxn { id, epoch } => self.session(id, *epoch),
            Op::Assigned(assignment) | Op::Revoked(assignment) | Op::Lost(assignment) => {
                self.assignment(assignment)
            }
            Op::Poll { runs } | Op::SinkRead { runs } => self.runs(runs),
            Op::SinkReadEnd { effects } => self.pair("effects", Some(effects)),
            Op::Seek { log, offset } => {
                self.log(*log)?;
                write!(self.text, " @{offset}")
            }
            Op::EffectBegin { spans } | Op::Effect { spans } => self.spans(spans),
            Op::Derive { first, spans } => {
                write!(self.text, " v{first}")?;
                self.spans(spans)
            }
            Op::CommitOffsets { mode, positions } => {
                self.text.push_str(match mode {
                    CommitMode::Sync => " sync",
                    CommitMode::Async => " async",
                    CommitMode::Auto => " auto",
                    CommitMode::Txn => " txn",
                });
                self.positions(positions)
            }
            Op::FetchCommitted { positions } | Op::EndOffsets { positions } => self.positions(positions),
            Op::FinalRead { isolation, runs } => {
                self.runs(runs)?;
                self.isolation(*isolation)
            }
            Op::FinalReadEnd { isolation, log, start, end, reached } => {
                self.log(*log)?;
                self.pair("start", (start.0 != 0).then_some(start))?;
                self.pair("end", Some(end))?;
                self.pair("reached", (reached != end).then_some(reached))?;
                self.isolation(*isolation)
            }
            Op::Batch(batch) => self.batch(batch),
            Op::Foreign { log, offset, why } => {
                self.log(*log)?;
                write!(self.text, " @{offset}")?;
                self.foreign(why)
            }
            Op::Fault { id, what, targets } => {
                write!(self.text, " {id}")?;
                self.quoted(what)?;
                targets.iter().try_for_each(|target| self.quoted(target))
            }
            Op::Heal { id, effect, counters, bit } => {
                write!(self.text, " {id}")?;
                self.quoted(effect)?;
                self.text.push_str(if *bit { "" } else { " without-effect" });
                counters.iter().try_for_each(|(name, count)| self.counter(name, *count))
            }
            Op::Observe(observation) => self.observation(observation),
        }
    }

    fn identity(&mut self, identity: &Identity) -> fmt::Result {
        let Identity { name, role, family, version, group, isolation } = identity;
        self.quoted(role)?;
        for (key, text) in [("name", name), ("family", family), ("version", version)] {
            self.pair(key, (!text.is_empty()).then(|| quote(text)))?;
        }
        self.pair("group", group.as_deref().map(quote))?;
        self.pair("isolation", isolation.map(level))
    }

    fn session(&mut self, id: &str, epoch: Option<i32>) -> fmt::Result {
        self.quoted(id)?;
        self.pair("epoch", epoch)
    }

    fn assignment(&mut self, assignment: &Assignment) -> fmt::Result {
        assignment.logs.iter().try_for_each(|log| self.log(*log))?;
        self.pair("generation", assignment.generation)
    }

    fn runs(&mut self, runs: &[Run]) -> fmt::Result {
        let mut last = None;
        for run in runs {
            if last.replace(run.log) != Some(run.log) {
                self.log(run.log)?;
            }
            self.values(run.first, run.count)?;
            write!(self.text, " @{}", run.offset)?;
        }
        Ok(())
    }

    fn spans(&mut self, spans: &[Span]) -> fmt::Result {
        let mut last = None;
        for span in spans {
            if last.replace(span.log) != Some(span.log) {
                self.log(span.log)?;
            }
            self.interval(span.first, span.last)?;
        }
        Ok(())
    }

    fn positions(&mut self, positions: &[Position]) -> fmt::Result {
        for position in positions {
            self.log(position.log)?;
            write!(self.text, " @{}", position.next)?;
        }
        Ok(())
    }

    fn batch(&mut self, batch: &Batch) -> fmt::Result {
        self.log(batch.log)?;
        self.interval(batch.base_offset, batch.last_offset)?;
        self.text.push_str(if batch.control { " control" } else { "" });
        self.text.push_str(if batch.transactional { " transactional" } else { "" });
        self.pair("leader-epoch", (batch.leader_epoch != 0).then_some(batch.leader_epoch))?;
        self.pair("producer-id", (batch.producer_id != -1).then_some(batch.producer_id))?;
        self.pair("producer-epoch", (batch.producer_epoch != -1).then_some(batch.producer_epoch))?;
        self.pair("base-sequence", (batch.base_sequence != -1).then_some(batch.base_sequence))
    }

    fn foreign(&mut self, why: &ForeignRecord) -> fmt::Result {
        match why {
            ForeignRecord::Corrupt => write!(self.text, " corrupt"),
            ForeignRecord::Phantom { preview } => {
                self.text.push_str(" phantom");
                self.quoted(preview)
            }
            ForeignRecord::Misrouted { value, meant_for } => {
                self.text.push_str(" misrouted");
                self.values(*value, 1)?;
                self.quoted(meant_for)
            }
        }
    }

    fn observation(&mut self, observation: &Observation) -> fmt::Result {
        let Observation { asked, log, leader, epoch, isr, offline } = observation;
        write!(self.text, " {asked}")?;
        self.log(*log)?;
        self.pair("leader", *leader)?;
        self.pair("epoch", (*epoch != 0).then_some(epoch))?;
        for (key, nodes) in [("isr", isr), ("offline", offline)] {
            let list: Vec<String> = nodes.iter().map(ToString::to_string).collect();
            self.pair(key, (!list.is_empty()).then(|| list.join(",")))?;
        }
        Ok(())
    }

    /// A counter whose name could be taken for another key is quoted, which makes it a counter.
    fn counter(&mut self, name: &str, count: u64) -> fmt::Result {
        let quoted = quote(name);
        let is_taken = matches!(name, "error" | "message" | "offset");
        if is_taken {
            write!(self.text, " \"{quoted}\"={count}")
        } else {
            write!(self.text, " {quoted}={count}")
        }
    }

    fn isolation(&mut self, isolation: Isolation) -> fmt::Result {
        self.pair("isolation", (isolation != Isolation::ReadUncommitted).then(|| level(isolation)))
    }

    fn log(&mut self, id: LogId) -> fmt::Result {
        write!(self.text, " {}", log(self.logs, id.0.into()))
    }

    fn values(&mut self, first: Value, count: u32) -> fmt::Result {
        if first.process == self.process {
            write!(self.text, " v{}", first.seq)?;
        } else {
            write!(self.text, " p{}:{}", first.process, first.seq)?;
        }
        if count == 1 {
            Ok(())
        } else {
            write!(self.text, "..{}", i64::from(first.seq.0) + i64::from(count) - 1)
        }
    }

    fn interval(&mut self, first: Offset, last: Offset) -> fmt::Result {
        if first == last { write!(self.text, " @{first}") } else { write!(self.text, " @{first}..{last}") }
    }

    fn pair(&mut self, key: &str, value: Option<impl fmt::Display>) -> fmt::Result {
        value.map_or(Ok(()), |value| write!(self.text, " {key}={value}"))
    }

    fn quoted(&mut self, text: &str) -> fmt::Result {
        write!(self.text, " {}", quote(text))
    }
}
