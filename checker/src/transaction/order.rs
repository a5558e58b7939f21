//! Cycles of dependencies between transactions that must have committed, in the version order that offsets give.
//!
//! A log is an object that every record gives a new version, so its version order is known completely: the order of
//! offsets. Neighbouring records of two transactions are a write-write edge; a record that a transaction polled is a
//! write-read edge from its writer; and the record after the last one that it polled of a log is a read-write edge to
//! that one's writer. Kafka isolates no writes, so cycles with write-write edges are to be expected wherever
//! transactions overlap. A poll need not be fresh either: read-write edges are kept apart from real time, which would
//! make a violation of every consumer that lags.
//!
//! Edges are found again to be explained, rather than kept with what explains them: few lie on a cycle that is told.

use std::collections::BTreeMap;

use history::ids::{LogId, Offset, Process};
use history::merged::{Buffer, History, HistoryError, Kind, ReadChunk, TxnEnd, TxnSpan};
use history::op::Isolation;
use rayon::prelude::*;

use super::evidence::{Evidence, Step};
use super::ledger::{Ledger, TxnId, index};
use super::records::{self, Marks};
use crate::anomaly::Anomaly;
use crate::cycles::class::Shape;
use crate::cycles::{Class, Cycle, Dependency, Edge, Graph, realtime};
use crate::findings::{Cause, Finding, Findings, KEEP, Sighting};
use crate::linear::object::Moment;
use crate::log::truth::{Truth, truth_of};

/// In place of the node of a transaction that has none.
const NO_NODE: u32 = u32::MAX;

/// Reports cycles.
pub(super) fn check(
    history: &History,
    (ledger, marks, shown): (&Ledger, &Marks, &[Vec<records::Stretch>]),
) -> Result<Findings, HistoryError> {
    let nodes = Nodes::of(ledger, marks);
    let versions = Versions { history, ledger, nodes: &nodes, shown };
    let logs: Vec<LogId> = (0u16..).map(LogId).take(history.facts().logs.len()).collect();
    let edges: Vec<Vec<Edge>> = logs
        .par_iter()
        .map(|log| {
            let mut edges = Vec::new();
            versions.edges(*log, |edge, _| edges.push(edge))?;
            Ok(edges)
        })
        .collect::<Result<_, HistoryError>>()?;
    let order = realtime::places(&nodes.intervals);
    // What follows the order of completion closes no circle, and of most histories everything does.
    let ascends = |edge: &Edge| edge.from == edge.to || order[edge.from as usize] < order[edge.to as usize];
    let is_anti = |edge: &Edge| edge.kind == Dependency::Rw;
    let all = || edges.iter().flatten();
    let in_real_time = || {
        let own = || all().filter(|edge| !is_anti(edge));
        if own().all(ascends) && realtime::processes_ascend(&nodes.intervals, &order) {
            return Vec::new();
        }
        let mut graph = realtime::graph_of(&nodes.intervals);
        own().for_each(|edge| graph.add(*edge));
        graph.anomalies()
    };
    let out_of_time = || {
        if !all().any(is_anti) || all().all(ascends) {
            return Vec::new();
        }
        let mut graph = Graph::new(order.clone());
        all().for_each(|edge| graph.add(*edge));
        graph.anomalies()
    };
    let (mut cycles, anti) = rayon::join(in_real_time, out_of_time);
    cycles.extend(anti.into_iter().filter(|(class, _)| class.shape >= Shape::GSingle));
    let mut findings = Findings::default();
    tell(&versions, &cycles, &mut findings)?;
    Ok(findings)
}

/// The transactions that must have committed, by when they were begun.
struct Nodes {
    txns: Vec<TxnId>,
    /// By transaction.
    of: Vec<u32>,
    intervals: Vec<realtime::Interval>,
}

impl Nodes {
    fn of(ledger: &Ledger, marks: &Marks) -> Self {
        let all = 0..index(ledger.txns.len());
        let committed = all.filter(|txn| marks.must_have_committed(ledger, *txn));
        let mut begun: Vec<(u64, TxnId)> = committed.map(|txn| (ledger.txn(txn).span.invoked, txn)).collect();
        // Stable, because each process's are in order already: runs are merged.
        begun.sort();
        let txns: Vec<TxnId> = begun.into_iter().map(|(_, txn)| txn).collect();
        let mut of = vec![NO_NODE; ledger.txns.len()];
        for (node, txn) in (0u32..).zip(&txns) {
            of[*txn as usize] = node;
        }
        let interval = |txn: &TxnId| {
            let txn = ledger.txn(*txn);
            let TxnSpan { invoked, ended, how, .. } = txn.span;
            let known = how == TxnEnd::Committed;
            let returned = if known { Moment(ended) } else { Moment::NEVER };
            realtime::Interval {
                process: txn.process,
                invoked: Moment(invoked),
                returned,
                happened: true,
                known,
            }
        };
        let intervals = txns.iter().map(interval).collect();
        Self { txns, of, intervals }
    }
}

/// Consecutive records of one transaction among those of all nodes.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    first: i64,
    last: i64,
    node: u32,
}

/// Where an edge was seen.
#[derive(Clone, Copy, Debug)]
struct Place {
    log: LogId,
    /// The record that the first transaction wrote or read.
    from: i64,
    /// The record that the second wrote or read.
    to: i64,
}

/// Where edges between two nodes were seen, by log.
type Places = BTreeMap<LogId, BTreeMap<(u32, u32, Dependency), Option<Place>>>;

/// The versions of all logs.
struct Versions<'h> {
    history: &'h History,
    ledger: &'h Ledger,
    nodes: &'h Nodes,
    /// By log: what its committed final read holds of transactions.
    shown: &'h [Vec<records::Stretch>],
}

impl Versions<'_> {
    /// The node that a record belongs to.
    fn node(&self, process: u32, seq: u32) -> Option<u32> {
        let owner = self.ledger.owner(process)?;
        let (txn, _) = owner.of_record(seq)?;
        Some(self.nodes.of[txn as usize]).filter(|node| *node != NO_NODE)
    }

    /// The order of versions of one log.
    fn stretches(&self, log: LogId) -> Result<Vec<Stretch>, HistoryError> {
        let mut stretches: Vec<Stretch> = Vec::new();
        let mut add = |txn: TxnId, first: i64, last: i64| {
            let node = self.nodes.of[txn as usize];
            if node == NO_NODE {
                return;
            }
            match stretches.last_mut().filter(|last| last.node == node) {
                Some(same) => same.last = last,
                None => stretches.push(Stretch { first, last, node }),
            }
        };
        if Truth::complete(self.history, log, Isolation::ReadCommitted).is_some() {
            self.shown[usize::from(log.0)].iter().for_each(|shown| add(shown.txn, shown.first, shown.last));
            return Ok(stretches);
        }
        let (mut buffer, mut chunk) = (Buffer::default(), ReadChunk::default());
        let mut scan = truth_of(self.history, log).scan();
        while scan.next(&mut buffer, &mut chunk, |_, _| true)? {
            for (at, run) in chunk.runs.iter().enumerate() {
                let Some(owner) = self.ledger.owner(run.process) else { continue };
                let seqs = &chunk.seqs[run.start as usize..chunk.run_end(at)];
                let place = |at: usize| run.offset.saturating_add_unsigned(at as u64);
                self.ledger.segments(owner, seqs, |txn, part| {
                    txn.into_iter().for_each(|txn| add(txn, place(part.start), place(part.end - 1)));
                });
            }
        }
        Ok(stretches)
    }

    /// Hands out every dependency that one log shows.
    fn edges(&self, log: LogId, mut each: impl FnMut(Edge, Place)) -> Result<(), HistoryError> {
        let stretches = self.stretches(log)?;
        let detail = u32::from(log.0);
        for pair in stretches.windows(2) {
            let [a, b] = [pair[0], pair[1]];
            let edge = Edge { from: a.node, to: b.node, kind: Dependency::Ww, detail };
            each(edge, Place { log, from: a.last, to: b.first });
        }
        let entries = self.history.chunks(Kind::Polls, log);
        for entries in entries.chunk_by(|a, b| a.process == b.process) {
            let Some(first) = entries.first() else { continue };
            if self.ledger.owner(first.process.0).is_some() {
                self.reads((log, first.process, entries), &stretches, &mut each)?;
            }
        }
        Ok(())
    }

    /// What the transactions of one process read of a log.
    fn reads(
        &self,
        (log, process, entries): (LogId, Process, &[history::merged::Entry]),
        stretches: &[Stretch],
        each: &mut impl FnMut(Edge, Place),
    ) -> Result<(), HistoryError> {
        let Some(owner) = self.ledger.owner(process.0) else { return Ok(()) };
        let (mut buffer, mut chunk) = (Buffer::default(), ReadChunk::default());
        let detail = u32::from(log.0);
        // The greatest offset that the transaction at hand has read.
        let mut reading: Option<(u32, i64)> = None;
        for entry in entries {
            self.history.reads(entry, &mut buffer, &mut chunk)?;
            for (at, poll) in chunk.polls.iter().enumerate() {
                let reader = self.ledger.of_poll(owner, poll.invoked, poll.returned);
                let reader = reader.map_or(NO_NODE, |txn| self.nodes.of[txn as usize]);
                if let Some(done) = reading.take_if(|(node, _)| *node != reader) {
                    anti(done, (log, stretches), each);
                }
                if reader == NO_NODE {
                    continue;
                }
                let mut run = chunk.runs.partition_point(|run| run.start <= poll.start).saturating_sub(1);
                let mut last = None;
                for place in poll.start as usize..chunk.poll_end(at) {
                    while chunk.run_end(run) <= place {
                        run += 1;
                    }
                    let within = (place - chunk.runs[run].start as usize) as u64;
                    let offset = chunk.runs[run].offset.saturating_add_unsigned(within);
                    let greatest = reading.map_or(offset, |(_, greatest)| greatest.max(offset));
                    reading = Some((reader, greatest));
                    let writer = self.node(chunk.runs[run].process, chunk.seqs[place]);
                    let Some(writer) = writer.filter(|writer| last.replace(*writer) != Some(*writer)) else {
                        continue;
                    };
                    let edge = Edge { from: writer, to: reader, kind: Dependency::Wr, detail };
                    each(edge, Place { log, from: offset, to: offset });
                }
            }
        }
        if let Some(done) = reading {
            anti(done, (log, stretches), each);
        }
        Ok(())
    }
}

/// The edge from a reader to the writer of what comes after the last record that it read.
fn anti(
    (reader, greatest): (u32, i64),
    (log, stretches): (LogId, &[Stretch]),
    each: &mut impl FnMut(Edge, Place),
) {
    let at = stretches.partition_point(|stretch| stretch.last <= greatest);
    let Some(next) = stretches.get(at) else { return };
    let edge = Edge { from: reader, to: next.node, kind: Dependency::Rw, detail: u32::from(log.0) };
    // What lies between the first and the last record of a stretch is not kept: both are of the writer for sure.
    let to = if greatest < next.first { next.first } else { next.last };
    each(edge, Place { log, from: greatest, to });
}

/// Counts every cycle and explains the first and last few, edge by edge.
fn tell(
    versions: &Versions<'_>,
    cycles: &[(Class, Cycle)],
    findings: &mut Findings,
) -> Result<(), HistoryError> {
    let told = |at: usize| at < KEEP || at + KEEP >= cycles.len();
    let mut wanted: Places = BTreeMap::new();
    for (_, cycle) in cycles.iter().enumerate().filter(|(at, _)| told(*at)).map(|(_, cycle)| cycle) {
        for (link, to) in cycle.steps().filter(|(link, _)| is_of_log(link.kind)) {
            let log = LogId(u16::try_from(link.detail).unwrap_or(u16::MAX));
            wanted.entry(log).or_default().insert((link.from, to, link.kind), None);
        }
    }
    for (log, wanted) in &mut wanted {
        versions.edges(*log, |edge, place| {
            if let Some(seen) = wanted.get_mut(&(edge.from, edge.to, edge.kind)) {
                seen.get_or_insert(place);
            }
        })?;
    }
    for (at, (class, cycle)) in cycles.iter().enumerate() {
        let log = cycle.links.iter().find(|link| is_of_log(link.kind)).map_or(0, |link| link.detail);
        let log = LogId(u16::try_from(log).unwrap_or(u16::MAX));
        let place =
            |from: u32, to: u32, kind: Dependency| wanted.get(&log)?.get(&(from, to, kind)).copied()?;
        let sightings = if told(at) { explain(versions, cycle, (log, &wanted)) } else { Vec::new() };
        let first = cycle.steps().find_map(|(link, to)| place(link.from, to, link.kind));
        findings.push(Finding {
            anomaly: Anomaly::DependencyCycle,
            log,
            group: None,
            count: 1,
            first: None,
            last: None,
            offsets: first.map(|place| (Offset(place.from), Offset(place.to))),
            cause: Some(Cause::of_class(*class)),
            sightings,
        });
    }
    Ok(())
}

/// Whether a log shows it, and not the clock or the process.
fn is_of_log(kind: Dependency) -> bool {
    match kind {
        Dependency::Ww | Dependency::Wr | Dependency::Rw => true,
        Dependency::Implied | Dependency::Process | Dependency::Realtime => false,
    }
}

/// At most this many steps of a cycle are told.
pub(crate) const STEPS: usize = 24;

/// Each transaction of a cycle, and each edge with what shows it.
fn explain(versions: &Versions<'_>, cycle: &Cycle, (log, seen): (LogId, &Places)) -> Vec<Sighting> {
    let Versions { history, ledger, nodes, .. } = versions;
    let evidence = Evidence { history, ledger, log };
    let txn = |node: u32| nodes.txns[node as usize];
    let name = |node: u32| evidence.name(txn(node));
    let mut sightings: Vec<Sighting> = Vec::new();
    for (link, to) in cycle.steps().take(STEPS) {
        sightings.push(evidence.step(txn(link.from), Step::Began));
        let place = || {
            let log = LogId(u16::try_from(link.detail).ok()?);
            seen.get(&log)?.get(&(link.from, to, link.kind)).copied()?
        };
        let (before, after) = (name(link.from), name(to));
        let because = match (link.kind, place()) {
            (Dependency::Ww, Some(at)) => {
                let log = evidence.log_name(at.log);
                format!(
                    "{before} wrote {log} offset {}, the version before {after} wrote offset {}",
                    at.from, at.to
                )
            }
            (Dependency::Wr, Some(at)) => {
                format!("{after} read {} offset {}, which {before} wrote", evidence.log_name(at.log), at.from)
            }
            (Dependency::Rw, Some(at)) => {
                let log = evidence.log_name(at.log);
                format!(
                    "{before} read {log} up to offset {}, and {after} wrote offset {}, which it had not read",
                    at.from, at.to
                )
            }
            (Dependency::Process, _) => format!("one process ran {before} and then {after}"),
            (Dependency::Realtime, _) => format!("{before} was over before {after} began"),
            (Dependency::Ww | Dependency::Wr | Dependency::Rw | Dependency::Implied, _) => {
                format!("{before} comes before {after}")
            }
        };
        let place = place().map(|at| (at.log, Offset(at.from), Offset(at.to)));
        sightings.push(Sighting::Dependency { kind: link.kind.name().to_owned(), because, place });
    }
    sightings
}
