//! What the rows of a history say about sinks: effects, who held which log when, and what was read back.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use history::ids::{LogId, Nanos, Process};
use history::op::{Event, Op, Outcome, Phase, Run, Span};

/// What is known about all sinks.
#[derive(Debug, Default)]
pub(crate) struct Sinks {
    groups: BTreeSet<usize>,
    made: HashMap<(usize, LogId), Vec<Made>>,
    turns: HashMap<(usize, LogId), Vec<Turn>>,
    /// The turn that each process is in.
    latest: HashMap<(Process, LogId), Turn>,
    readings: HashMap<usize, Reading>,
    /// Processes that made effects, by what they acknowledged.
    actors: BTreeSet<Process>,
    closed: BTreeSet<Process>,
}

/// A member was assigned a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Turn {
    pub(crate) process: Process,
    pub(crate) time: Nanos,
    pub(crate) generation: Option<i64>,
}

/// Effects of the records of a span of offsets, as the sink answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Made {
    pub(crate) process: Process,
    pub(crate) time: Nanos,
    pub(crate) first: i64,
    pub(crate) last: i64,
    /// Whether the sink is known to hold them.
    pub(crate) certain: bool,
    /// The turn in which they were made, where the process was assigned the log.
    pub(crate) turn: Option<Turn>,
}

/// A sink as it was read back, the last time that it was.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    /// By log; each with its place among all effects.
    runs: BTreeMap<LogId, Vec<(u64, Run)>>,
    found: u64,
    /// How many the sink said that it holds; none until the end.
    told: Option<u64>,
}

impl Reading {
    /// Whether all that the sink holds was read.
    pub(crate) fn is_complete(&self) -> bool {
        self.told == Some(self.found)
    }

    /// What it holds of one log, in its order.
    pub(crate) fn runs(&self, log: LogId) -> &[(u64, Run)] {
        self.runs.get(&log).map_or(&[], Vec::as_slice)
    }

    fn take(&mut self, runs: &[Run]) {
        if self.told.is_some() {
            *self = Self::default();
        }
        for run in runs {
            self.runs.entry(run.log).or_default().push((self.found, *run));
            self.found += u64::from(run.count);
        }
    }
}

impl Sinks {
    /// Takes note of an event of a process that belongs to a group, if it does.
    pub(crate) fn note(&mut self, event: &Event, group: Option<usize>) {
        let Event { time, process, .. } = *event;
        if let Op::Close = event.op {
            self.closed.insert(process);
        }
        let Some(group) = group else { return };
        match (&event.op, failed(event)) {
            (Op::Assigned(assignment), false) => {
                let turn = Turn { process, time, generation: assignment.generation };
                for &log in &assignment.logs {
                    self.turns.entry((group, log)).or_default().push(turn);
                    self.latest.insert((process, log), turn);
                }
            }
            (Op::Effect { spans }, _) => self.effects(event, group, spans),
            (Op::SinkRead { runs }, _) => {
                self.groups.insert(group);
                self.readings.entry(group).or_default().take(runs);
            }
            (Op::SinkReadEnd { effects }, _) => {
                self.groups.insert(group);
                let reading = self.readings.entry(group).or_default();
                // An end without a reading before it says that the sink is empty.
                reading.take(&[]);
                reading.told = Some(*effects);
            }
            _ => {}
        }
    }

    fn effects(&mut self, event: &Event, group: usize, spans: &[Span]) {
        self.groups.insert(group);
        let Event { time, process, .. } = *event;
        if failed(event) {
            return;
        }
        self.actors.insert(process);
        let certain = matches!(event.phase, Phase::Complete(Outcome::Ok { .. }));
        for span in spans {
            let turn = self.latest.get(&(process, span.log)).copied();
            let (first, last) = (span.first.0, span.last.0);
            let made = Made { process, time, first, last, certain, turn };
            self.made.entry((group, span.log)).or_default().push(made);
        }
    }

    /// The groups that have a sink.
    pub(crate) fn groups(&self) -> impl Iterator<Item = usize> {
        self.groups.iter().copied()
    }

    /// Whether there is any sink.
    pub(crate) fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Whether a group's sink holds anything of a log.
    pub(crate) fn touches(&self, group: usize, log: LogId) -> bool {
        let read = self.readings.get(&group).is_some_and(|reading| !reading.runs(log).is_empty());
        read || self.made.contains_key(&(group, log))
    }

    /// Whether a process made effects.
    pub(crate) fn acts(&self, process: Process) -> bool {
        self.actors.contains(&process)
    }

    /// What a group's sink acknowledged of a log, in order of time.
    pub(crate) fn made(&self, group: usize, log: LogId) -> &[Made] {
        self.made.get(&(group, log)).map_or(&[], Vec::as_slice)
    }

    /// Who was assigned a log, in order of time.
    pub(crate) fn turns(&self, group: usize, log: LogId) -> &[Turn] {
        self.turns.get(&(group, log)).map_or(&[], Vec::as_slice)
    }

    /// What was read back of a group's sink.
    pub(crate) fn reading(&self, group: usize) -> Option<&Reading> {
        self.readings.get(&group)
    }

    /// Whether a process ended in good order, so that whatever it had asked for was answered.
    pub(crate) fn closed(&self, process: Process) -> bool {
        self.closed.contains(&process)
    }
}

fn failed(event: &Event) -> bool {
    matches!(event.phase, Phase::Complete(Outcome::Fail { .. }))
}
