//! From lines to events.
//!
//! A line is understood from left to right: time, process, outcome, operation, arguments. The short forms are
//! unfolded here and nowhere else: a range of time into an invocation and a completion, a range of sent values
//! into sends, `end=` of a final read into its end.

use std::collections::BTreeMap;

use super::arguments::{self, Arguments, Problem, did_you_mean};
use super::token::{Token, Word};
use crate::ids::{FaultId, LogId, Nanos, NodeId, Offset, Process, Seq, TopicPartition, Value};
use crate::op::{
    Assignment, Batch, Cause, CommitMode, Event, ForeignRecord, Identity, Isolation, Observation, Op,
    Outcome, Phase, Position, Run, Span,
};

/// Every operation with one way to write it.
const EXAMPLES: [(&str, &str); 29] = [
    ("open", "0 p1 open producer name=shop[0] family=librdkafka version=2.12.1 group=g"),
    ("close", "9 p1 close"),
    ("crash", "9 p1 crash \"killed by SIGKILL\""),
    ("send", "3..5 p1 send t/0 v7 @12"),
    ("init-txn", "0..1 p1 init-txn payments epoch=3 timeout=60000"),
    ("begin-txn", "1..2 p1 begin-txn payments epoch=3"),
    ("commit-txn", "7..9 p1 commit-txn"),
    ("abort-txn", "7..9 p1 abort-txn"),
    ("assigned", "1 p2 assigned t/0 t/1 generation=3"),
    ("revoked", "2 p2 revoked t/0 generation=3"),
    ("lost", "2 p2 lost t/0 t/1"),
    ("poll", "3..4 p2 poll t/0 p1:7..9 @12 t/1 p1:3 @0"),
    ("seek", "3 p2 seek t/0 @12"),
    ("effect-begin", "4 p2 effect-begin t/0 @12..14 t/1 @0"),
    ("effect", "5 p2 effect t/0 @12..14"),
    ("derive", "4 p2 derive v0 t/0 @12..14"),
    ("commit-offsets", "5..6 p2 commit-offsets async t/0 @15"),
    ("fetch-committed", "1..2 p2 fetch-committed t/0 @15"),
    ("end-offsets", "1..2 p2 end-offsets t/0 @15"),
    ("final-read", "20 p3 final-read t/0 p1:7..9 @12 end=15 isolation=read_committed"),
    ("final-read-end", "20 p3 final-read-end t/0 start=0 end=15 reached=15"),
    ("sink-read", "21 p4 sink-read t/0 p1:7..9 @12 t/1 p1:3 @0"),
    ("sink-read-end", "21 p4 sink-read-end effects=4"),
    ("batch", "20 p3 batch t/0 @12..14 leader-epoch=4 producer-id=1000 producer-epoch=0 base-sequence=0"),
    ("foreign", "20 p3 foreign t/0 @15 misrouted p1:10 t/1"),
    ("fault", "6 harness fault 0 \"kill the leader of t/0\" b1"),
    ("heal", "8 harness heal 0 \"process gone\" frames-dropped=3"),
    ("observe", "7 harness observe 2 t/0 leader=2 epoch=5 isr=1,2 offline=3"),
    ("phase", "5 harness phase storm"),
];

/// What every line looks like.
pub(super) const LINE: &str = "TIME PROCESS OPERATION, for example: 3..5 p1 send t/0 v7 @12";
/// How many sends one line may stand for: a mistyped range must not fill the memory.
const SENDS_PER_LINE: u32 = 1_000_000;

/// One way to write each operation, as `(operation, line)`.
pub fn examples() -> impl Iterator<Item = (&'static str, &'static str)> {
    EXAMPLES.into_iter()
}

/// What has been read so far, line by line.
#[derive(Default)]
pub(super) struct Parser {
    pub(super) logs: Vec<TopicPartition>,
    ids: BTreeMap<TopicPartition, LogId>,
    /// Whether logs are declared, so that another name is a mistake.
    declares_logs: bool,
    pub(super) events: Vec<Event>,
}

/// Everything of a line that stands before its operation.
#[derive(Clone, Copy)]
struct Prefix {
    invoked: Nanos,
    completed: Option<Nanos>,
    process: Process,
    word: Option<Said>,
}

/// The word before an operation.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Said {
    Invoke,
    Ok,
    Fail,
    Info,
}

impl Parser {
    pub(super) fn line(&mut self, tokens: Vec<Token>) -> Result<(), Problem> {
        if tokens.is_empty() {
            return Ok(());
        }
        let mut arguments = Arguments::new(tokens)?;
        let first = arguments.word("a time")?;
        if first.is("log") {
            return self.declare(arguments);
        }
        let prefix = if first.is("process") {
            let process = arguments::process(&arguments.word("a process")?.text)?;
            Prefix { invoked: Nanos(0), completed: None, process, word: None }
        } else {
            prefix(&first.text, &mut arguments)?
        };
        let name = if first.is("process") { "open".to_owned() } else { arguments.word("an operation")?.text };
        let Some((_, example)) = EXAMPLES.iter().find(|(known, _)| *known == name) else {
            return Err(unknown_operation(&name));
        };
        self.event(prefix, &name, arguments).map_err(|problem| {
            let fix = if problem.fix.is_empty() { format!("for example: {example}") } else { problem.fix };
            Problem { cause: problem.cause, fix }
        })
    }

    fn declare(&mut self, mut arguments: Arguments) -> Result<(), Problem> {
        if !self.declares_logs && !self.logs.is_empty() {
            let fix = "declare logs before the first event, all or none";
            return Err(Problem::new("a log is declared after others were used undeclared", fix));
        }
        while let Some(word) = arguments.next() {
            let log = arguments::log(&word.text)?;
            if self.ids.contains_key(&log) {
                return Err(Problem::new(format!("{log} is declared twice"), "remove one of them"));
            }
            self.define(log)?;
            self.declares_logs = true;
        }
        arguments.finish()
    }

    fn define(&mut self, log: TopicPartition) -> Result<LogId, Problem> {
        let problem = |_| Problem::new("more than 65536 logs", "use fewer logs");
        let id = LogId(u16::try_from(self.logs.len()).map_err(problem)?);
        self.logs.push(log.clone());
        self.ids.insert(log, id);
        Ok(id)
    }

    fn event(&mut self, prefix: Prefix, name: &str, mut arguments: Arguments) -> Result<(), Problem> {
        if name == "send" {
            return self.sends(prefix, arguments);
        }
        let op = self.op(name, prefix.process, &mut arguments)?;
        let end = self.end_of_final_read(&op, &mut arguments)?;
        let outcome = outcome(prefix.word, &mut arguments)?;
        arguments.finish()?;
        self.unfold(prefix, op, &outcome)?;
        end.map_or(Ok(()), |end| self.unfold(prefix, end, &outcome))
    }

    /// One or several sends of consecutive values, at consecutive offsets.
    fn sends(&mut self, prefix: Prefix, mut arguments: Arguments) -> Result<(), Problem> {
        let log = self.log(&arguments.word("a log")?.text)?;
        let (first, count) = arguments::values(&arguments.word("a value")?.text, prefix.process)?;
        let offset = arguments.next().map(|word| arguments::offset(&word)).transpose()?;
        if prefix.word == Some(Said::Invoke) && offset.is_some() {
            return Err(Problem::shape("an invocation has no offset yet"));
        }
        if prefix.word == Some(Said::Fail) && offset.is_some() {
            return Err(Problem::shape("a send that failed has no offset"));
        }
        if count > SENDS_PER_LINE {
            return Err(Problem::new(
                format!("{count} sends in one line"),
                format!("write at most {SENDS_PER_LINE}"),
            ));
        }
        let outcome = outcome(prefix.word, &mut arguments)?;
        arguments.finish()?;
        for more in 0..count {
            let value = Value { seq: Seq(first.seq.0 + more), ..first };
            let place = offset.map(|offset| offset.0.checked_add(more.into()).map(Offset));
            let offset = place.map(|place| place.ok_or_else(|| Problem::shape("the offsets are too large")));
            let outcome = with_offset(outcome.clone(), offset.transpose()?);
            self.unfold(prefix, Op::Send { log, value }, &outcome)?;
        }
        Ok(())
    }

    /// Adds the one or two events that a line stands for.
    fn unfold(&mut self, prefix: Prefix, op: Op, outcome: &Outcome) -> Result<(), Problem> {
        let Prefix { invoked, completed, process, word } = prefix;
        let is_pair = completed.is_some() || (word.is_none() && !op.is_moment());
        if is_pair && word == Some(Said::Invoke) {
            return Err(Problem::new(
                "an invocation has one time",
                "leave out \"invoke\" or the second time",
            ));
        }
        if is_pair && op.is_moment() {
            let cause = format!("{} happens at one moment", op.name());
            return Err(Problem::new(cause, "leave out the second time"));
        }
        let last = completed.unwrap_or(invoked);
        if last < invoked {
            return Err(Problem::new("completed before it was invoked", "write the earlier time first"));
        }
        if is_pair {
            self.events.push(Event { time: invoked, process, phase: Phase::Invoke, op: asked(&op) });
        }
        let is_invocation = word == Some(Said::Invoke);
        let phase = if is_invocation { Phase::Invoke } else { Phase::Complete(outcome.clone()) };
        self.events.push(Event { time: last, process, phase, op });
        Ok(())
    }

    fn op(&mut self, name: &str, process: Process, arguments: &mut Arguments) -> Result<Op, Problem> {
        Ok(match name {
            "open" => Op::Open(identity(arguments)?),
            "close" => Op::Close,
            "crash" => Op::Crash { how: arguments.next().unwrap_or_default().text },
            "init-txn" => Op::InitTxn {
                id: arguments.word("a transactional id")?.text,
                epoch: arguments.number("epoch")?,
                timeout_ms: arguments.number("timeout")?,
            },
            "begin-txn" => Op::BeginTxn {
                id: arguments.word("a transactional id")?.text,
                epoch: arguments.number("epoch")?,
            },
            "commit-txn" => Op::CommitTxn,
            "abort-txn" => Op::AbortTxn,
            "assigned" => Op::Assigned(self.assignment(arguments)?),
            "revoked" => Op::Revoked(self.assignment(arguments)?),
            "lost" => Op::Lost(self.assignment(arguments)?),
            "poll" => Op::Poll { runs: self.runs(process, arguments)? },
            "seek" => {
                let log = self.log(&arguments.word("a log")?.text)?;
                Op::Seek { log, offset: arguments::offset(&arguments.word("an offset")?)? }
            }
            "effect-begin" => Op::EffectBegin { spans: self.spans(arguments)? },
            "effect" => Op::Effect { spans: self.spans(arguments)? },
            "derive" => {
                let (first, count) = arguments::values(&arguments.word("a value")?.text, process)?;
                if count != 1 || first.process != process {
                    return Err(Problem::shape("a derivation names the first value of its own that is made"));
                }
                Op::Derive { first: first.seq, spans: self.spans(arguments)? }
            }
            "commit-offsets" => {
                Op::CommitOffsets { mode: commit_mode(arguments), positions: self.positions(arguments)? }
            }
            "fetch-committed" => Op::FetchCommitted { positions: self.positions(arguments)? },
            "end-offsets" => Op::EndOffsets { positions: self.positions(arguments)? },
            "final-read" => {
                Op::FinalRead { isolation: isolation(arguments)?, runs: self.runs(process, arguments)? }
            }
            "final-read-end" => self.final_read_end(arguments)?,
            "sink-read" => Op::SinkRead { runs: self.runs(process, arguments)? },
            "sink-read-end" => {
                let effects = arguments.number("effects")?;
                Op::SinkReadEnd { effects: effects.ok_or_else(|| Problem::shape("effects= is missing"))? }
            }
            "batch" => Op::Batch(self.batch(arguments)?),
            "foreign" => self.foreign(process, arguments)?,
            "fault" => fault(arguments)?,
            "heal" => heal(arguments)?,
            "observe" => Op::Observe(self.observation(arguments)?),
            "phase" => Op::Phase { name: arguments.word("the phase's name")?.text },
            other => return Err(unknown_operation(other)),
        })
    }

    fn log(&mut self, text: &str) -> Result<LogId, Problem> {
        let log = arguments::log(text)?;
        if let Some(id) = self.ids.get(&log) {
            return Ok(*id);
        }
        if !self.declares_logs {
            return self.define(log);
        }
        let names: Vec<String> = self.logs.iter().map(ToString::to_string).collect();
        let near = did_you_mean(text, names.iter().map(String::as_str));
        let fix = if near.is_empty() { format!("add a line: log {text}") } else { near };
        Err(Problem::new(format!("log {text} is not declared"), fix))
    }

    fn assignment(&mut self, arguments: &mut Arguments) -> Result<Assignment, Problem> {
        let mut logs = Vec::new();
        while let Some(word) = arguments.next() {
            logs.push(self.log(&word.text)?);
        }
        Ok(Assignment { logs, generation: arguments.number("generation")? })
    }

    fn runs(&mut self, own: Process, arguments: &mut Arguments) -> Result<Vec<Run>, Problem> {
        let mut runs = Vec::new();
        let mut log = None;
        while let Some(word) = arguments.next() {
            if names_a_log(&word) {
                log = Some(self.log(&word.text)?);
                continue;
            }
            let log =
                log.ok_or_else(|| Problem::shape(format!("\"{}\" stands before any log", word.text)))?;
            let (first, count) = arguments::values(&word.text, own)?;
            let offset = arguments::offset(&arguments.word("the offset of a run")?)?;
            runs.push(Run { log, offset, first, count });
        }
        Ok(runs)
    }

    fn spans(&mut self, arguments: &mut Arguments) -> Result<Vec<Span>, Problem> {
        let mut spans = Vec::new();
        let mut log = None;
        while let Some(word) = arguments.next() {
            if names_a_log(&word) {
                log = Some(self.log(&word.text)?);
                continue;
            }
            let log =
                log.ok_or_else(|| Problem::shape(format!("\"{}\" stands before any log", word.text)))?;
            let (first, last) = arguments::interval(&word)?;
            spans.push(Span { log, first, last });
        }
        Ok(spans)
    }

    fn positions(&mut self, arguments: &mut Arguments) -> Result<Vec<Position>, Problem> {
        let mut positions = Vec::new();
        while let Some(word) = arguments.next() {
            let log = self.log(&word.text)?;
            positions.push(Position { log, next: arguments::offset(&arguments.word("an offset")?)? });
        }
        Ok(positions)
    }

    /// What `end=` adds to a final read.
    fn end_of_final_read(&mut self, op: &Op, arguments: &mut Arguments) -> Result<Option<Op>, Problem> {
        let Op::FinalRead { isolation, runs } = op else { return Ok(None) };
        let Some(end) = arguments.number("end")? else { return Ok(None) };
        let [first, others @ ..] = runs.as_slice() else {
            return Err(Problem::new("end= needs a log", "write a final-read-end line"));
        };
        if others.iter().any(|run| run.log != first.log) {
            return Err(Problem::new("end= goes with one log", "write a final-read-end line for each log"));
        }
        Ok(Some(end_op(*isolation, first.log, end, arguments)?))
    }

    fn final_read_end(&mut self, arguments: &mut Arguments) -> Result<Op, Problem> {
        let log = self.log(&arguments.word("a log")?.text)?;
        let Some(end) = arguments.number("end")? else { return Err(Problem::shape("end= is missing")) };
        end_op(isolation(arguments)?, log, end, arguments)
    }

    fn batch(&mut self, arguments: &mut Arguments) -> Result<Batch, Problem> {
        let log = self.log(&arguments.word("a log")?.text)?;
        let (base_offset, last_offset) = arguments::interval(&arguments.word("an interval of offsets")?)?;
        Ok(Batch {
            log,
            base_offset,
            last_offset,
            control: arguments.flag("control"),
            transactional: arguments.flag("transactional"),
            leader_epoch: arguments.number("leader-epoch")?.unwrap_or(0),
            producer_id: arguments.number("producer-id")?.unwrap_or(-1),
            producer_epoch: arguments.number("producer-epoch")?.unwrap_or(-1),
            base_sequence: arguments.number("base-sequence")?.unwrap_or(-1),
        })
    }

    fn foreign(&mut self, own: Process, arguments: &mut Arguments) -> Result<Op, Problem> {
        let log = self.log(&arguments.word("a log")?.text)?;
        let offset = arguments::offset(&arguments.word("an offset")?)?;
        let kind = arguments.word("corrupt, phantom or misrouted")?.text;
        let why = match kind.as_str() {
            "corrupt" => ForeignRecord::Corrupt,
            "phantom" => ForeignRecord::Phantom { preview: arguments.word("the record's first bytes")?.text },
            "misrouted" => {
                let (value, count) = arguments::values(&arguments.word("a value")?.text, own)?;
                if count != 1 {
                    return Err(Problem::shape("one record has one value"));
                }
                ForeignRecord::Misrouted {
                    value,
                    meant_for: arguments.word("the log it was meant for")?.text,
                }
            }
            other => return Err(Problem::shape(format!("\"{other}\" is not corrupt, phantom or misrouted"))),
        };
        Ok(Op::Foreign { log, offset, why })
    }

    fn observation(&mut self, arguments: &mut Arguments) -> Result<Observation, Problem> {
        let asked = NodeId(arguments::number(&arguments.word("the node that was asked")?.text, "a node")?);
        let log = self.log(&arguments.word("a log")?.text)?;
        Ok(Observation {
            asked,
            log,
            leader: arguments.number("leader")?.map(NodeId),
            epoch: arguments.number("epoch")?.unwrap_or(0),
            isr: nodes(arguments.pair("isr"))?,
            offline: nodes(arguments.pair("offline"))?,
        })
    }
}

fn prefix(times: &str, arguments: &mut Arguments) -> Result<Prefix, Problem> {
    let (invoked, completed) = match times.split_once("..") {
        Some((invoked, completed)) => (arguments::time(invoked)?, Some(arguments::time(completed)?)),
        None => (arguments::time(times)?, None),
    };
    let process = arguments::process(&arguments.word("a process")?.text)?;
    let words = [("invoke", Said::Invoke), ("ok", Said::Ok), ("fail", Said::Fail), ("info", Said::Info)];
    let word = words.into_iter().find(|(word, _)| arguments.flag(word)).map(|(_, said)| said);
    Ok(Prefix { invoked, completed, process, word })
}

fn unknown_operation(name: &str) -> Problem {
    let known = EXAMPLES.iter().map(|(known, _)| *known).chain(["invoke", "ok", "fail", "info"]);
    let near = did_you_mean(name, known);
    let fix = if near.is_empty() {
        format!("it is one of {}", EXAMPLES.map(|(known, _)| known).join(", "))
    } else {
        near
    };
    Problem::new(format!("unknown operation \"{name}\""), fix)
}

/// What an invocation knows of an operation: not what was read.
fn asked(op: &Op) -> Op {
    match op {
        Op::Poll { .. } => Op::Poll { runs: Vec::new() },
        Op::FetchCommitted { .. } => Op::FetchCommitted { positions: Vec::new() },
        Op::EndOffsets { .. } => Op::EndOffsets { positions: Vec::new() },
        Op::Open(_)
        | Op::Close
        | Op::Crash { .. }
        | Op::Send { .. }
        | Op::InitTxn { .. }
        | Op::BeginTxn { .. }
        | Op::CommitTxn
        | Op::AbortTxn
        | Op::Assigned(_)
        | Op::Revoked(_)
        | Op::Lost(_)
        | Op::Seek { .. }
        | Op::EffectBegin { .. }
        | Op::Effect { .. }
        | Op::Derive { .. }
        | Op::CommitOffsets { .. }
        | Op::FinalRead { .. }
        | Op::FinalReadEnd { .. }
        | Op::SinkRead { .. }
        | Op::SinkReadEnd { .. }
        | Op::Batch(_)
        | Op::Foreign { .. }
        | Op::Fault { .. }
        | Op::Heal { .. }
        | Op::Observe(_)
        | Op::Phase { .. } => op.clone(),
    }
}

fn outcome(word: Option<Said>, arguments: &mut Arguments) -> Result<Outcome, Problem> {
    match word {
        Some(Said::Invoke) => Ok(Outcome::Ok { offset: None }),
        Some(Said::Ok) | None => Ok(Outcome::Ok { offset: arguments.number("offset")?.map(Offset) }),
        Some(Said::Fail) => Ok(Outcome::Fail { cause: cause(arguments)? }),
        Some(Said::Info) => {
            Ok(Outcome::Info { cause: cause(arguments)?, offset: arguments.number("offset")?.map(Offset) })
        }
    }
}

fn with_offset(outcome: Outcome, place: Option<Offset>) -> Outcome {
    match outcome {
        Outcome::Ok { offset } => Outcome::Ok { offset: place.or(offset) },
        Outcome::Fail { cause } => Outcome::Fail { cause },
        Outcome::Info { cause, offset } => Outcome::Info { cause, offset: place.or(offset) },
    }
}

fn cause(arguments: &mut Arguments) -> Result<Cause, Problem> {
    let code = arguments.number("error")?.unwrap_or(0);
    Ok(Cause { code, message: arguments.pair("message").unwrap_or_default() })
}

fn identity(arguments: &mut Arguments) -> Result<Identity, Problem> {
    Ok(Identity {
        role: arguments.word("a role (producer, consumer, reader, harness)")?.text,
        name: arguments.pair("name").unwrap_or_default(),
        family: arguments.pair("family").unwrap_or_default(),
        version: arguments.pair("version").unwrap_or_default(),
        group: arguments.pair("group"),
        isolation: arguments.pair("isolation").as_deref().map(level).transpose()?,
    })
}

fn commit_mode(arguments: &mut Arguments) -> CommitMode {
    let modes = [
        ("sync", CommitMode::Sync),
        ("async", CommitMode::Async),
        ("auto", CommitMode::Auto),
        ("txn", CommitMode::Txn),
    ];
    modes.into_iter().find(|(word, _)| arguments.flag(word)).map_or(CommitMode::Sync, |(_, mode)| mode)
}

fn isolation(arguments: &mut Arguments) -> Result<Isolation, Problem> {
    arguments.pair("isolation").as_deref().map_or(Ok(Isolation::ReadUncommitted), level)
}

fn level(word: &str) -> Result<Isolation, Problem> {
    match word {
        "read_uncommitted" => Ok(Isolation::ReadUncommitted),
        "read_committed" => Ok(Isolation::ReadCommitted),
        other => {
            let near = did_you_mean(other, ["read_uncommitted", "read_committed"].into_iter());
            Err(Problem::new(format!("unknown isolation level \"{other}\""), near))
        }
    }
}

fn end_op(isolation: Isolation, log: LogId, end: i64, arguments: &mut Arguments) -> Result<Op, Problem> {
    let start = Offset(arguments.number("start")?.unwrap_or(0));
    let reached = Offset(arguments.number("reached")?.unwrap_or(end));
    Ok(Op::FinalReadEnd { isolation, log, start, end: Offset(end), reached })
}

fn fault(arguments: &mut Arguments) -> Result<Op, Problem> {
    let id = FaultId(arguments::number(&arguments.word("the fault's number")?.text, "a fault")?);
    let what = arguments.word("what the fault is")?.text;
    let targets = std::iter::from_fn(|| arguments.next()).map(|word| word.text).collect();
    Ok(Op::Fault { id, what, targets })
}

fn heal(arguments: &mut Arguments) -> Result<Op, Problem> {
    let id = FaultId(arguments::number(&arguments.word("the fault's number")?.text, "a fault")?);
    let effect = arguments.word("what the fault did")?.text;
    let bit = !arguments.flag("without-effect");
    let mut counters = BTreeMap::new();
    for (name, count) in arguments.counters() {
        if counters.insert(name.clone(), arguments::number(&count, &name)?).is_some() {
            return Err(Problem::new(format!("{name}= is given twice"), "keep one of them"));
        }
    }
    Ok(Op::Heal { id, effect, counters, bit })
}

fn nodes(list: Option<String>) -> Result<Vec<NodeId>, Problem> {
    let list = list.unwrap_or_default();
    let names = list.split(',').filter(|name| !name.is_empty());
    names.map(|name| arguments::number(name, "a node").map(NodeId)).collect()
}

/// Whether a word of a list of runs or spans is a log: values and offsets never hold a slash.
fn names_a_log(word: &Word) -> bool {
    word.quoted || (word.text.contains('/') && !word.text.starts_with('@'))
}
