//! From what was recorded to the merged history: journals of a run, or events in memory.
//!
//! Both go through the same [`Builder`], so a history written by hand and one recorded by clients have the same form
//! and the same checks. Journals are streamed one after another; memory is bounded by what is outstanding: records
//! not yet completed, polls not yet handed over, one open chunk per stream.
//!
//! A recording that contradicts itself is an error that names the process, the sequence and the place
//! ([`Contradiction`]); nothing is guessed. What is merely incomplete is no contradiction: a send that was never
//! completed is unknown, a poll that never returned returned nothing, a journal whose writer was killed ends where it
//! ends, and one that was cut says so in [`ProcessFacts::truncated`](crate::merged::ProcessFacts).

mod builder;
mod contradiction;
mod polls;
mod reads;
mod remap;
mod rows;
mod sends;
mod transactions;

use std::collections::HashSet;
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

pub use builder::Builder;
use builder::Sends;
pub use contradiction::{Contradiction, MergeError, Place};

use crate::ids::{LogId, Nanos, Process, TopicPartition};
use crate::journal::{self, Entry, Reader, Tail};
use crate::merged::{CHUNK_RECORDS, Facts, History};
use crate::op::{Cause, Event, Identity, Outcome};

/// What was merged.
#[derive(Debug)]
pub struct MergeReport {
    /// The journals, by process.
    pub journals: Vec<JournalReport>,
    /// What is known about the run as a whole.
    pub facts: Facts,
}

/// How one journal was found.
#[derive(Debug)]
pub struct JournalReport {
    /// The file.
    pub path: PathBuf,
    /// Whose.
    pub process: Process,
    /// Who that is.
    pub identity: Identity,
    /// Entries read.
    pub entries: u64,
    /// How it ends.
    pub tail: Tail,
}

/// Merges the journals of one run into a history file. The file appears under its name when it is whole.
///
/// # Errors
/// [`MergeError`].
pub fn journals(paths: &[PathBuf], out: &Path) -> Result<MergeReport, MergeError> {
    let unfinished = out.with_extension("unfinished");
    let merged = merge(paths, out, &unfinished);
    if merged.is_err() {
        // What was written is of no use; that it could not be written is the error to report.
        let _ = std::fs::remove_file(&unfinished);
    }
    merged
}

fn merge(paths: &[PathBuf], out: &Path, unfinished: &Path) -> Result<MergeReport, MergeError> {
    let io = |source| MergeError::Write { path: out.to_owned(), source };
    let file = File::create(unfinished).map_err(io)?;
    let mut readers = Vec::new();
    for path in paths {
        readers.push((path.clone(), Reader::open(path)?));
    }
    readers.sort_by_key(|(_, reader)| reader.header().process);
    let mut builder = Builder::new(BufWriter::with_capacity(1 << 20, file)).map_err(io)?;
    let mut reports = Vec::new();
    let mut seen = HashSet::new();
    for (path, mut reader) in readers {
        let process = reader.header().process;
        if !seen.insert(process) {
            let place = Place::Journal { path, entry: 0 };
            return Err(MergeError::Contradiction { place, what: Contradiction::TwoJournals { process } });
        }
        builder.run(reader.header().run).map_err(|what| MergeError::Contradiction {
            place: Place::Journal { path: path.clone(), entry: 0 },
            what,
        })?;
        reports.push(journal(&mut builder, &mut reader, path, out)?);
    }
    let (_, facts) = builder.finish().map_err(|error| error.at(&Place::Event { index: 0 }, out))?;
    std::fs::rename(unfinished, out).map_err(io)?;
    Ok(MergeReport { journals: reports, facts })
}

fn journal<W: std::io::Write>(
    builder: &mut Builder<W>,
    reader: &mut Reader,
    path: PathBuf,
    out: &Path,
) -> Result<JournalReport, MergeError> {
    let journal::Header { process, identity, .. } = reader.header().clone();
    builder.process(process, &identity);
    let mut logs: Vec<LogId> = Vec::new();
    let mut entries = 0u64;
    loop {
        let entry = reader.next_entry()?;
        if let Entry::End(tail) = entry {
            let place = Place::Journal { path: path.clone(), entry: entries };
            builder.journal_ended(process, &tail).map_err(|error| error.at(&place, out))?;
            return Ok(JournalReport { path, process, identity, entries, tail });
        }
        if let Err(error) = take(builder, process, &mut logs, entry) {
            return Err(error.at(&Place::Journal { path, entry: entries }, out));
        }
        entries += 1;
    }
}

fn take<W: std::io::Write>(
    builder: &mut Builder<W>,
    process: Process,
    logs: &mut Vec<LogId>,
    entry: Entry<'_>,
) -> Result<(), builder::Trouble> {
    let global =
        |id: LogId| logs.get(usize::from(id.0)).copied().ok_or(Contradiction::UnknownLog { log: id });
    let sends = |run: journal::SendRun| {
        global(run.log).map(|log| Sends { process, log, first: run.first, count: run.count })
    };
    let unresolved = |how, code| {
        let cause = Cause { code, message: String::new() };
        match how {
            journal::Unresolved::Fail => Outcome::Fail { cause },
            journal::Unresolved::Info => Outcome::Info { cause, offset: None },
        }
    };
    match entry {
        Entry::Log { log, .. } => logs.push(builder.log(&log)?),
        Entry::Sends { run, time } => builder.sent(sends(run)?, time)?,
        Entry::Acked { run, offset, time } => {
            builder.completed(sends(run)?, &Outcome::Ok { offset }, time)?
        }
        Entry::Unresolved { run, how, code, time } => {
            builder.completed(sends(run)?, &unresolved(how, code), time)?;
        }
        Entry::Poll { invoked, returned, runs } => {
            let runs = remap::runs(runs, &global)?;
            builder.polled(process, (invoked, returned), &runs)?;
        }
        Entry::HandedOver { spans, time } => {
            let spans = remap::spans(spans, &global)?;
            builder.handed_over(process, &spans, time)?;
        }
        Entry::FinalRead { isolation, runs, .. } => {
            let runs = remap::runs(runs, &global)?;
            builder.final_read(process, isolation, &runs)?;
        }
        Entry::Event(event) => {
            let mut event = *event;
            remap::op(&mut event.op, &global)?;
            builder.event(process, event)?;
        }
        Entry::End(_) => {}
    }
    Ok(())
}

/// Builds a history in memory from events in the order they were recorded; their log ids index `logs`.
///
/// # Errors
/// [`MergeError::Contradiction`] with the index of the event.
pub fn events(logs: &[TopicPartition], events: &[Event]) -> Result<History, MergeError> {
    events_in_chunks(logs, events, CHUNK_RECORDS)
}

/// As [`events`], with chunks of another size. Nothing that a checker finds may depend on where a history is cut, and
/// with small chunks a small history shows it.
///
/// # Errors
/// As [`events`].
pub fn events_in_chunks(
    logs: &[TopicPartition],
    events: &[Event],
    records: usize,
) -> Result<History, MergeError> {
    let nowhere = Path::new("");
    let memory = |source| MergeError::Write { path: nowhere.to_owned(), source };
    let mut builder = Builder::with_chunks(Vec::new(), records).map_err(memory)?;
    for log in logs {
        builder.log(log).map_err(|error| error.at(&Place::Event { index: 0 }, nowhere))?;
    }
    for (index, event) in events.iter().enumerate() {
        let taken = builder.event(event.process, event.clone());
        taken.map_err(|error| error.at(&Place::Event { index }, nowhere))?;
    }
    let end = Place::Event { index: events.len() };
    let (bytes, _) = builder.finish().map_err(|error| error.at(&end, nowhere))?;
    Ok(History::from_bytes(bytes)?)
}

/// Microseconds, rounded down: for invocations.
fn floor(time: Nanos) -> u64 {
    time.0 / 1000
}

/// Microseconds, rounded up: for completions.
fn ceil(time: Nanos) -> u64 {
    time.0.div_ceil(1000)
}
