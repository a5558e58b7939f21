//! How long acknowledgements took, and how long there were none: over the run, and while each fault was on.
//!
//! Latency is from the hand-over to the client library to its acknowledgement, in the client's own clock; records
//! acknowledged only to the application (`acks=0`) are not counted, for nobody answered them. The longest gap is what
//! a user of the cluster feels as an outage. Gaps are found in memory that does not grow with the run: of a million
//! slices of the run each keeps its first and last acknowledgement, and every gap longer than a slice lies between
//! two slices; shorter ones are not told apart (at most 128 µs in a run of a minute). A history is read once, by all
//! cores: slices are joined in pairs when the run turns out to be longer than its sends said.

use std::sync::atomic::{AtomicUsize, Ordering};

use checker::verdict::{FaultEntry, Latency, Percentiles, Verdict};
use hdrhistogram::Histogram;
use history::ids::Nanos;
use history::merged::{Buffer, Entry, History, HistoryError, Kind, SendChunk, SendOutcome, SendRun};
use rayon::prelude::*;

/// Slices of a run in which acknowledgements are told apart.
const SLICES: usize = 1 << 20;

/// Times in a history are whole microseconds.
const MICROSECOND: u64 = 1_000;

/// The latencies of a run.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// Over the whole run; none where nothing was acknowledged.
    latency: Option<Latency>,
    /// While each fault was on, in the order in which they were given.
    during: Vec<During>,
}

/// The latencies while one fault was on.
#[derive(Clone, Copy, Debug, Default)]
struct During {
    latency: Option<Percentiles>,
    longest_gap: Option<u64>,
}

/// Measures a history's latencies, over the run and while each of `faults` was on.
///
/// # Errors
/// Whatever the history's chunks refuse.
pub fn measure(history: &History, faults: &[FaultEntry]) -> Result<Measured, HistoryError> {
    let sends: Vec<&Entry> = history.entries().iter().filter(|entry| entry.kind == Kind::Sends).collect();
    let times = || sends.iter().map(|entry| entry.time);
    let (Some(origin), Some(latest)) = (times().min(), times().max()) else { return Ok(Measured::default()) };
    let next = AtomicUsize::new(0);
    let tallies: Vec<Tally> = (0..rayon::current_num_threads())
        .into_par_iter()
        .map(|_| {
            let (mut buffer, mut chunk) = (Buffer::default(), SendChunk::default());
            let mut tally = Tally::new((origin, latest), faults.len());
            while let Some(entry) = sends.get(next.fetch_add(1, Ordering::Relaxed)) {
                history.sends(entry, &mut buffer, &mut chunk)?;
                tally.take(&chunk, faults);
            }
            Ok(tally)
        })
        .collect::<Result<_, HistoryError>>()?;
    let tally = tallies.into_iter().reduce(Tally::joined);
    Ok(tally.map(|tally| tally.measured(faults)).unwrap_or_default())
}

impl Measured {
    /// Writes what was measured into the verdict on the same history, whose faults were given.
    pub fn write_into(self, verdict: &mut Verdict) {
        verdict.latency = self.latency;
        for (fault, during) in verdict.faults.iter_mut().zip(self.during) {
            (fault.latency, fault.longest_gap) = (during.latency, during.longest_gap);
        }
    }
}

/// Whether a stretch of time, in microseconds, overlaps the time a fault was on.
fn overlaps(fault: &FaultEntry, from: u64, to: u64) -> bool {
    fault.was_open(Nanos(from * MICROSECOND), Nanos(to.saturating_mul(MICROSECOND)))
}

/// The runs of a chunk that a broker acknowledged, with their index.
fn acknowledged(chunk: &SendChunk) -> impl Iterator<Item = (usize, &SendRun)> {
    let runs = chunk.runs.iter().enumerate();
    runs.filter(|(_, run)| run.outcome == SendOutcome::Acked && run.completed != SendRun::NEVER)
}

/// What was measured of some chunks.
#[derive(Debug)]
struct Tally {
    slices: Slices,
    overall: Sample,
    /// By fault.
    during: Vec<Sample>,
}

impl Tally {
    fn new(span: (u64, u64), faults: usize) -> Tally {
        let during = (0..faults).map(|_| Sample::default()).collect();
        Tally { slices: Slices::new(span), overall: Sample::default(), during }
    }

    fn take(&mut self, chunk: &SendChunk, faults: &[FaultEntry]) {
        for (index, run) in acknowledged(chunk) {
            self.slices.add(run.completed);
            let invoked = &chunk.invoked[run.start as usize..chunk.run_end(index)];
            self.overall.add(invoked, run.completed);
            for (fault, sample) in faults.iter().zip(&mut self.during) {
                if overlaps(fault, invoked.first().copied().unwrap_or(run.completed), run.completed) {
                    sample.add(invoked, run.completed);
                }
            }
        }
    }

    fn joined(mut self, other: Tally) -> Tally {
        self.slices.join(other.slices);
        self.overall.join(&other.overall);
        self.during.iter_mut().zip(&other.during).for_each(|(sample, other)| sample.join(other));
        self
    }

    fn measured(self, faults: &[FaultEntry]) -> Measured {
        let (gaps, Some(first)) = self.slices.gaps() else { return Measured::default() };
        let during = faults.iter().zip(self.during).map(|(fault, sample)| {
            if fault.struck.is_none() {
                return During::default();
            }
            let during = gaps.iter().filter(|gap| overlaps(fault, gap.from, gap.to));
            During {
                latency: Some(sample.percentiles()),
                longest_gap: during.map(|gap| gap.length() * MICROSECOND).max(),
            }
        });
        let longest = gaps.iter().max_by_key(|gap| (gap.length(), std::cmp::Reverse(gap.from)));
        let latency = Latency {
            overall: self.overall.percentiles(),
            longest_gap: longest.map_or(0, |gap| gap.length() * MICROSECOND),
            longest_gap_from: Nanos(longest.map_or(first, |gap| gap.from) * MICROSECOND),
        };
        Measured { latency: Some(latency), during: during.collect() }
    }
}

/// A time without an acknowledgement, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Gap {
    from: u64,
    to: u64,
}

impl Gap {
    fn length(&self) -> u64 {
        self.to - self.from
    }
}

/// First and last acknowledgement of each slice of a run, from `origin` on; each slice is 2^`shift` microseconds wide.
#[derive(Debug)]
struct Slices {
    origin: u64,
    shift: u32,
    /// Since the origin, and one more: 0 where there was none.
    first: Vec<u64>,
    last: Vec<u64>,
}

impl Slices {
    /// Slices for a run in which records were sent between these moments, as far as is known.
    fn new((origin, latest): (u64, u64)) -> Slices {
        let mut shift = 0;
        while (latest - origin) >> shift >= SLICES as u64 {
            shift += 1;
        }
        Slices { origin, shift, first: vec![0; SLICES], last: vec![0; SLICES] }
    }

    fn add(&mut self, at: u64) {
        let since = at.saturating_sub(self.origin);
        while since >> self.shift >= SLICES as u64 {
            self.widen();
        }
        let slice = usize::try_from(since >> self.shift).unwrap_or(0);
        (self.first[slice], self.last[slice]) =
            both((self.first[slice], self.last[slice]), (since + 1, since + 1));
    }

    /// Joins slices in pairs.
    fn widen(&mut self) {
        self.shift += 1;
        for slice in 0..SLICES {
            let (left, right) = (2 * slice, 2 * slice + 1);
            (self.first[slice], self.last[slice]) = match right < SLICES {
                true => both((self.first[left], self.last[left]), (self.first[right], self.last[right])),
                false => (0, 0),
            };
        }
    }

    fn join(&mut self, mut other: Slices) {
        while self.shift < other.shift {
            self.widen();
        }
        while other.shift < self.shift {
            other.widen();
        }
        for slice in 0..SLICES {
            let theirs = (other.first[slice], other.last[slice]);
            (self.first[slice], self.last[slice]) = both((self.first[slice], self.last[slice]), theirs);
        }
    }

    /// The gaps between slices, in order of time, and the first acknowledgement of all.
    fn gaps(&self) -> (Vec<Gap>, Option<u64>) {
        let at = |since: u64| self.origin + since - 1;
        let slices = self.first.iter().zip(&self.last).filter(|(first, _)| **first > 0);
        let filled: Vec<(u64, u64)> = slices.map(|(first, last)| (at(*first), at(*last))).collect();
        let gaps = filled.windows(2).map(|pair| Gap { from: pair[0].1, to: pair[1].0 }).collect();
        (gaps, filled.first().map(|slice| slice.0))
    }
}

/// The first and the last of two slices.
fn both(one: (u64, u64), other: (u64, u64)) -> (u64, u64) {
    match (one.0, other.0) {
        (0, _) => other,
        (_, 0) => one,
        (first, second) => (first.min(second), one.1.max(other.1)),
    }
}

/// Latencies in microseconds, to three digits. Most are short, and counted one by one.
#[derive(Debug)]
struct Sample {
    short: Vec<u64>,
    long: Histogram<u64>,
}

impl Default for Sample {
    fn default() -> Self {
        let long = Histogram::new_with_bounds(1, HOUR, 3);
        Sample { short: vec![0; SHORT], long: long.expect("three digits between 1 and an hour are in range") }
    }
}

/// The longest latency told apart, in microseconds: longer ones count as an hour.
const HOUR: u64 = 3_600_000_000;

/// Latencies below this many microseconds are short.
const SHORT: usize = 1 << 16;

impl Sample {
    fn add(&mut self, invoked: &[u64], completed: u64) {
        for invoked in invoked {
            let latency = completed.saturating_sub(*invoked);
            match usize::try_from(latency).ok().and_then(|short| self.short.get_mut(short)) {
                Some(count) => *count += 1,
                None => self.long.saturating_record(latency),
            }
        }
    }

    fn join(&mut self, other: &Sample) {
        self.short.iter_mut().zip(&other.short).for_each(|(count, more)| *count += more);
        self.long.add(&other.long).expect("both have the same bounds");
    }

    fn percentiles(mut self) -> Percentiles {
        for (latency, &count) in (0u64..).zip(&self.short).filter(|(_, count)| **count > 0) {
            self.long.saturating_record_n(latency, count);
        }
        let at = |quantile| self.long.value_at_quantile(quantile).min(self.long.max()) * MICROSECOND;
        if self.long.is_empty() {
            return Percentiles::default();
        }
        Percentiles {
            count: self.long.len(),
            p50: at(0.5),
            p99: at(0.99),
            max: self.long.max() * MICROSECOND,
        }
    }
}
