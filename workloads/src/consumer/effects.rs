//! A group member's dealings with its sink: what it stores with each effect, and what it remembers of that.
//!
//! A sink that fails is asked again, ten times a second, until it answers or the worker is to leave; meanwhile nothing
//! else is polled, as in an application whose database is away. So an effect whose outcome was unknown may be made twice
//! where nothing is kept with it. The one exception: a member that commits *before* the effect promises at most once,
//! and an effect that may be there already is not made again.
//!
//! A sink that refuses, because the position is not where this member left it, has seen somebody else write: what was
//! polled of that log is dropped, and the member goes on from the sink's position. That is right for a zombie, which learns
//! in its next poll that the log is not its own any more, and for the member that a zombie has overtaken.

use std::collections::{BTreeMap, BTreeSet};

use history::ids::{LogId, Offset, Process, TopicPartition, Value};

use super::batch::Record;
use crate::clock;
use crate::protocol::{Commit, ConsumerRole, EffectMode, WorkerConfig};
use crate::sink::{Answer, Doubt, Effect, Keep, Sink, SinkError, Write};
use crate::worker::WorkerError;

/// A member's sink.
pub(super) struct Effects {
    sink: Sink,
    mode: EffectMode,
    ttl_ms: Option<i64>,
    commit: Commit,
    group: String,
    member: Process,
    /// Where this member left the position of each log that it holds.
    left: BTreeMap<LogId, Offset>,
    /// Logs in which the member has to go to the sink's position before it handles another record.
    astray: BTreeMap<LogId, Offset>,
    /// What had an effect before, where keys are kept in memory.
    seen: BTreeSet<Value>,
}

impl Effects {
    /// The sink of a member; none where processing has no effect.
    pub(super) fn open(config: &WorkerConfig, role: &ConsumerRole) -> Result<Option<Self>, WorkerError> {
        let refused = |why: String| WorkerError::Config(why);
        let (mode, sink) = match (role.effect, &config.sink) {
            (None, None) => return Ok(None),
            (Some(mode), Some(sink)) => (mode, sink),
            (Some(mode), None) => {
                return Err(refused(format!("effect = {:?} needs a sink", mode.name())));
            }
            (None, Some(_)) => return Err(refused("a sink needs an effect mode".into())),
        };
        if mode.keeps_positions() != (role.commit == Commit::InSink) {
            let (effect, commit) = (mode.name(), role.commit.name());
            return Err(refused(format!("effect = {effect:?} does not go with commit = {commit:?}")));
        }
        let ttl_ms = match (mode, role.dedup_ttl_ms) {
            (EffectMode::DeduplicatedExpiring, Some(ttl)) => Some(i64::try_from(ttl).unwrap_or(i64::MAX)),
            (EffectMode::DeduplicatedExpiring, None) => {
                return Err(refused("effect = \"deduplicated-expiring\" needs dedup_ttl_ms".into()));
            }
            (_, Some(_)) => return Err(refused("dedup_ttl_ms goes with \"deduplicated-expiring\"".into())),
            (_, None) => None,
        };
        let sink = Sink::open(sink, config.process, mode).map_err(|error| refused(error.to_string()))?;
        Ok(Some(Self {
            sink,
            mode,
            ttl_ms,
            commit: role.commit,
            group: config.identity.group.clone().unwrap_or_default(),
            member: config.process,
            left: BTreeMap::new(),
            astray: BTreeMap::new(),
            seen: BTreeSet::new(),
        }))
    }

    /// Whether the group's positions are in the sink.
    pub(super) fn keeps_positions(&self) -> bool {
        self.mode.keeps_positions()
    }

    /// Whether an effect that may have been made is made again.
    pub(super) fn tries_again(&self, doubt: Doubt) -> bool {
        match doubt {
            Doubt::None => true,
            Doubt::Unknown => self.commit != Commit::Before || self.mode == EffectMode::Deduplicated,
        }
    }

    /// The group's position in a log, as the sink has it.
    pub(super) fn position(&mut self, log: &TopicPartition) -> Result<Offset, SinkError> {
        self.sink.position(&self.group, log)
    }

    /// The member was assigned a log, or has gone to another place in it.
    pub(super) fn begins(&mut self, log: LogId, at: Offset) {
        self.left.insert(log, at);
        self.astray.remove(&log);
    }

    /// The member does not hold the log any more.
    pub(super) fn ends(&mut self, log: LogId) {
        self.left.remove(&log);
        self.astray.remove(&log);
    }

    /// Where the member has to go, before it handles another record.
    pub(super) fn astray(&self) -> Vec<(LogId, Offset)> {
        self.astray.iter().map(|(log, at)| (*log, *at)).collect()
    }

    /// Whether records of this log are not to be handled now.
    pub(super) fn is_astray(&self, log: LogId) -> bool {
        self.astray.contains_key(&log)
    }

    /// Somebody else has moved the position.
    pub(super) fn overtaken(&mut self, log: LogId, at: Offset) {
        self.astray.insert(log, at);
    }

    /// Consecutive records of one log, as many as the sink takes at once.
    pub(super) fn slices<'r>(&self, records: &'r [Record]) -> Vec<&'r [Record]> {
        let together = |a: &Record, b: &Record| {
            self.sink.takes_batches() && a.log == b.log && a.value.is_some() && b.value.is_some()
        };
        records.chunk_by(together).collect()
    }

    /// Makes the effects of a slice of records.
    pub(super) fn make(&mut self, log: &TopicPartition, slice: &[Record]) -> Result<Answer, SinkError> {
        let effect = |record: &Record| Some(Effect { offset: record.offset, value: record.value? });
        let mut effects: Vec<Effect> = slice.iter().filter_map(effect).collect();
        if self.mode == EffectMode::DeduplicatedInMemory {
            let mut once = BTreeSet::new();
            effects.retain(|effect| !self.seen.contains(&effect.value) && once.insert(effect.value));
        }
        let (Some(first), Some(last)) = (slice.first(), effects.last()) else {
            // Nothing of ours, or nothing new.
            return Ok(Answer::Held { fresh: 0 });
        };
        let (id, next) = (first.log, Offset(last.offset.0 + 1));
        let keep = match self.mode {
            EffectMode::Plain | EffectMode::DeduplicatedInMemory => Keep::Nothing,
            EffectMode::OffsetInSink => {
                Keep::Position { from: Some(self.left.get(&id).copied().unwrap_or(Offset(0))), next }
            }
            EffectMode::OffsetInSinkUnchecked => Keep::Position { from: None, next },
            EffectMode::Deduplicated | EffectMode::DeduplicatedExpiring => {
                Keep::Key { now_ms: clock::wall_ms(), ttl_ms: self.ttl_ms }
            }
        };
        let write = Write { group: &self.group, log, member: self.member, effects: &effects, keep };
        let answer = self.sink.store(&write)?;
        if let Answer::Held { .. } = answer {
            self.left.insert(id, next);
            if self.mode == EffectMode::DeduplicatedInMemory {
                self.seen.extend(effects.iter().map(|effect| effect.value));
            }
        }
        Ok(answer)
    }
}
