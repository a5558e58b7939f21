//! The log stage: what was sent against what is in the log.
//!
//! Each log is judged by itself, in parallel, largest first, in one pass over its content that also serves the delivery
//! stage; only values that were sent to another log, or to none, are looked up across logs afterwards. Time and memory
//! follow the number of records and of exceptions, never the offsets.
//!
//! | count of | is the number of |
//! |---|---|
//! | `lost-write`, `unseen` | records sent |
//! | `duplicate-write` | copies beyond the first |
//! | `phantom`, `corrupt`, `misrouted` | places in a log |
//! | `inconsistent-offsets` | claims (a value acknowledged or polled at an offset) that what else was seen contradicts |
//! | `reordered-write`, `realtime-inversion`, `aborted-read` | records that stand behind (are visible), at their first occurrence |

mod claims;
mod early;
mod ends;
mod intervals;
pub(crate) mod matching;
mod resolve;
mod strays;
pub(crate) mod stream;
pub(crate) mod truth;
mod union;

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use history::ids::LogId;
use history::merged::{Buffer, Entry, History, HistoryError, Kind, ReadChunk};
use history::op::Isolation;
use rayon::prelude::*;

use self::matching::{Matching, Stray};
use self::resolve::Resolution;
use self::truth::{Truth, truth_of};
use crate::delivery::context::Context;
use crate::delivery::sweep::{Claim, Judges, Sweep};
use crate::effect;
use crate::findings::{Findings, LogCounts};

/// Checks the log stage and the delivery stage of a history.
///
/// # Errors
/// Whatever the history's chunks refuse; nothing that a history may say is an error.
pub fn check(history: &History) -> Result<Findings, HistoryError> {
    let context = Context::of(history)?;
    let mut logs: Vec<(u64, LogId)> = (0u16..)
        .zip(&history.facts().logs)
        .map(|(log, _)| (records(history, LogId(log)), LogId(log)))
        .collect();
    logs.sort_by_key(|&(records, log)| (std::cmp::Reverse(records), log));
    // A process whose journal was cut may have sent what is not in it: its records are no phantoms at once.
    let truncated = history.facts().processes.iter().filter(|(_, facts)| facts.truncated);
    let sends = history.entries().iter().filter(|entry| entry.kind == Kind::Sends);
    let senders: HashSet<u32> =
        sends.map(|entry| entry.process.0).chain(truncated.map(|(process, _)| process.0)).collect();
    let next = AtomicUsize::new(0);
    let take = || logs.get(next.fetch_add(1, Ordering::Relaxed)).copied();
    let done: Vec<Vec<(LogId, OneLog)>> = (0..rayon::current_num_threads())
        .into_par_iter()
        .map(|_| {
            let mut done = Vec::new();
            while let Some((_, log)) = take() {
                done.push((log, one_log(history, (&context, &senders), log)?));
            }
            Ok(done)
        })
        .collect::<Result<_, HistoryError>>()?;
    let mut done: Vec<(LogId, OneLog)> = done.into_iter().flatten().collect();
    done.sort_by_key(|(log, _)| *log);
    let (mut findings, mut strays) = (Findings::default(), Vec::new());
    for (_, one) in done {
        findings.append(one.findings);
        strays.extend(one.strays);
    }
    strays::judge(history, &context, strays, &mut findings)?;
    Ok(findings)
}

/// What one log showed.
struct OneLog {
    findings: Findings,
    /// Values that nobody sent to it.
    strays: Vec<Stray>,
}

fn records(history: &History, log: LogId) -> u64 {
    let levels = [Isolation::ReadUncommitted, Isolation::ReadCommitted].map(Kind::FinalRead);
    let kinds = levels.into_iter().chain([Kind::Sends, Kind::Polls]);
    kinds.flat_map(|kind| history.chunks(kind, log)).map(|entry| u64::from(entry.records)).sum()
}

fn one_log<'h>(
    history: &'h History,
    (context, senders): (&'h Context, &'h HashSet<u32>),
    log: LogId,
) -> Result<OneLog, HistoryError> {
    let truth = truth_of(history, log);
    let polls = history.chunks(Kind::Polls, log);
    let committed = Truth::complete(history, log, Isolation::ReadCommitted);
    let mut matching = Matching::new(history, senders, log)?;
    let gaps = if context.transactional { Judges::NoGaps } else { Judges::Everything };
    let Swept { findings: swept, claims, misread, may_agree, in_log } = match &committed {
        // What groups must be delivered is what a committed reader sees; whether it exists, what anybody sees.
        Some(committed) if truth.isolation != Isolation::ReadCommitted && !truth.equals(committed) => {
            matching.keep_strays = true;
            let mut agreement = Sweep::new(history, context, log, Judges::Agreement, committed.entries());
            let in_log = pass(&truth, &mut agreement, Some(&mut matching))?;
            let mut delivery = Sweep::new(history, context, log, Judges::Everything, polls);
            pass(committed, &mut delivery, None)?;
            let (_, mut claims) = agreement.finish()?;
            let (findings, polled) = delivery.finish()?;
            let misread = misread(context, &polled);
            claims.extend(polled);
            Swept { findings, claims, misread, may_agree: true, in_log }
        }
        Some(_) => sweep(history, context, (log, Judges::Everything, polls), (&truth, &mut matching))?,
        None => sweep(history, context, (log, gaps, polls), (&truth, &mut matching))?,
    };
    matching.finish();
    matching.read_early(polls)?;
    let mut resolution = Resolution::new(history, log, &truth);
    resolution.polled(&mut matching, claims, may_agree)?;
    resolution.missing(&mut matching)?;
    resolution.contradictions(&mut matching)?;
    let mut findings = resolution.findings;
    ends::judge(history, context, log, &mut findings)?;
    let mut all = matching.findings;
    all.append(findings);
    all.append(swept);
    all.append(context.positions.regressions(&context.groups, log));
    if !context.sinks.is_empty() {
        let reference = committed.as_ref().unwrap_or(&truth);
        all.append(effect::judge(history, context, log, (reference, &misread))?);
    }
    all.counts.in_log = in_log;
    count(history, log, &truth, &mut all);
    Ok(OneLog { findings: all, strays: matching.strays })
}

/// What the passes over one log showed.
struct Swept {
    /// Of the delivery stage.
    findings: Findings,
    /// What was read and is not in the log at that place.
    claims: Vec<Claim>,
    /// Of these: what members that made effects polled and a committed reader does not see there.
    misread: Vec<Claim>,
    /// Whether it may be after all, because it was compared with another truth.
    may_agree: bool,
    /// Records that the log holds.
    in_log: u64,
}

fn sweep<'h>(
    history: &'h History,
    context: &'h Context,
    (log, judges, polls): (LogId, Judges, &'h [Entry]),
    (truth, matching): (&Truth<'h>, &mut Matching<'h>),
) -> Result<Swept, HistoryError> {
    let mut sweep = Sweep::new(history, context, log, judges, polls);
    let in_log = pass(truth, &mut sweep, Some(matching))?;
    let (findings, claims) = sweep.finish()?;
    let misread = misread(context, &claims);
    Ok(Swept { findings, claims, misread, may_agree: false, in_log })
}

/// What members that made effects polled and the log does not hold.
fn misread(context: &Context, claims: &[Claim]) -> Vec<Claim> {
    claims.iter().filter(|claim| context.sinks.acts(claim.reader)).copied().collect()
}

/// Reads a log once; returns how many records it holds.
fn pass<'h>(
    truth: &Truth<'h>,
    sweep: &mut Sweep<'h>,
    mut matching: Option<&mut Matching<'h>>,
) -> Result<u64, HistoryError> {
    let (mut buffer, mut chunk) = (Buffer::default(), ReadChunk::default());
    let mut scan = truth.scan();
    let mut records = 0;
    while scan.next(&mut buffer, &mut chunk, |_, _| true)? {
        records += chunk.len() as u64;
        if let Some(matching) = &mut matching {
            matching.chunk(&chunk)?;
        }
        sweep.chunk(&chunk)?;
    }
    Ok(records)
}

/// Counts what was judged.
fn count(history: &History, log: LogId, truth: &Truth<'_>, findings: &mut Findings) {
    let counts = &mut findings.counts;
    let mut acked = 0;
    for entry in history.chunks(Kind::Sends, log) {
        let (with, without) = (u64::from(entry.polls), u64::from(entry.handed));
        counts.sent += u64::from(entry.records);
        counts.without_offset += without;
        counts.failed += u64::from(entry.failed);
        acked += with + without;
    }
    counts.acknowledged += acked;
    counts.unknown = counts.sent - counts.acknowledged - counts.failed;
    counts.recovered = counts.unknown - counts.absent;
    counts.failed_present = counts.failed - counts.failed_present;
    if counts.sent + counts.in_log + counts.polled == 0 {
        return;
    }
    counts.logs = 1;
    counts.logs_not_read_to_the_end = u64::from(!truth.is_complete());
    let counts = LogCounts {
        sent: counts.sent,
        acknowledged: acked,
        in_log: counts.in_log,
        read_to_the_end: truth.is_complete(),
    };
    findings.logs.insert(log, counts);
}
