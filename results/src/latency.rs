//! How long acknowledgements took, and how long there were none: over the run, and while each fault was on.
//!
//! Latency is from the hand-over to the client library to its acknowledgement, in the client's own clock; records
//! acknowledged only to the application (`acks=0`) are not counted, for nobody answered them. The longest gap is what
//! a user of the cluster feels as an outage. Gaps are found in memory that does not grow with the run: of a million
//! slices of the run each keeps its first and last acknowledgement, and every gap longer than a slice lies between
//! two slices; shorter ones are not told apart (60 µs in a run of a minute).

use checker::verdict::{FaultEntry, Latency, Percentiles, Verdict};
use hdrhistogram::Histogram;
use history::ids::Nanos;
use history::merged::{Buffer, History, HistoryError, Kind, SendChunk, SendOutcome, SendRun};

/// Slices of a run in which acknowledgements are told apart.
const SLICES: usize = 1 << 20;

/// Times in a history are whole microseconds.
const MICROSECOND: u64 = 1_000;

/// Measures a history's latencies and writes them into its verdict.
///
/// # Errors
/// Whatever the history's chunks refuse.
pub fn measure(history: &History, verdict: &mut Verdict) -> Result<(), HistoryError> {
    let Some(span) = Span::of(history)? else { return Ok(()) };
    let mut overall = Sample::default();
    let mut during: Vec<Sample> = verdict.faults.iter().map(|_| Sample::default()).collect();
    let mut slices = Slices::new(span);
    each_chunk(history, |chunk| {
        for (index, run) in acknowledged(chunk) {
            slices.add(run.completed);
            let invoked = &chunk.invoked[run.start as usize..chunk.run_end(index)];
            overall.add(invoked, run.completed);
            for (fault, sample) in verdict.faults.iter().zip(&mut during) {
                if overlaps(fault, invoked.first().copied().unwrap_or(run.completed), run.completed) {
                    sample.add(invoked, run.completed);
                }
            }
        }
    })?;
    let gaps = slices.gaps();
    for (fault, sample) in verdict.faults.iter_mut().zip(during) {
        if fault.struck.is_some() {
            fault.latency = Some(sample.percentiles());
            let during = gaps.iter().filter(|gap| overlaps(fault, gap.from, gap.to));
            fault.longest_gap = during.map(|gap| gap.length() * MICROSECOND).max();
        }
    }
    let longest = gaps.iter().max_by_key(|gap| (gap.length(), std::cmp::Reverse(gap.from)));
    verdict.latency = Some(Latency {
        overall: overall.percentiles(),
        longest_gap: longest.map_or(0, |gap| gap.length() * MICROSECOND),
        longest_gap_from: Nanos(longest.map_or(span.first, |gap| gap.from) * MICROSECOND),
    });
    Ok(())
}

/// Whether a stretch of time, in microseconds, overlaps the time a fault was on.
fn overlaps(fault: &FaultEntry, from: u64, to: u64) -> bool {
    fault.was_open(Nanos(from * MICROSECOND), Nanos(to.saturating_mul(MICROSECOND)))
}

/// Calls `f` with every chunk of sends.
fn each_chunk(history: &History, mut f: impl FnMut(&SendChunk)) -> Result<(), HistoryError> {
    let (mut buffer, mut chunk) = (Buffer::default(), SendChunk::default());
    for entry in history.entries().iter().filter(|entry| entry.kind == Kind::Sends) {
        history.sends(entry, &mut buffer, &mut chunk)?;
        f(&chunk);
    }
    Ok(())
}

/// The runs of a chunk that a broker acknowledged, with their index.
fn acknowledged(chunk: &SendChunk) -> impl Iterator<Item = (usize, &SendRun)> {
    let runs = chunk.runs.iter().enumerate();
    runs.filter(|(_, run)| run.outcome == SendOutcome::Acked && run.completed != SendRun::NEVER)
}

/// The first and the last acknowledgement of a run, in microseconds.
#[derive(Clone, Copy, Debug)]
struct Span {
    first: u64,
    last: u64,
}

impl Span {
    /// None where nothing was acknowledged.
    fn of(history: &History) -> Result<Option<Span>, HistoryError> {
        let mut span: Option<Span> = None;
        each_chunk(history, |chunk| {
            for (_, run) in acknowledged(chunk) {
                let at = run.completed;
                let known = span.get_or_insert(Span { first: at, last: at });
                (known.first, known.last) = (known.first.min(at), known.last.max(at));
            }
        })?;
        Ok(span)
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

/// First and last acknowledgement of each slice of a span.
#[derive(Debug)]
struct Slices {
    span: Span,
    width: u64,
    bounds: Vec<Option<(u64, u64)>>,
}

impl Slices {
    fn new(span: Span) -> Slices {
        let width = (span.last - span.first) / SLICES as u64 + 1;
        let count = usize::try_from((span.last - span.first) / width + 1).unwrap_or(SLICES);
        Slices { span, width, bounds: vec![None; count] }
    }

    fn add(&mut self, at: u64) {
        let slice = usize::try_from((at - self.span.first) / self.width).unwrap_or(usize::MAX);
        if let Some(bounds) = self.bounds.get_mut(slice) {
            let (first, last) = bounds.unwrap_or((at, at));
            *bounds = Some((first.min(at), last.max(at)));
        }
    }

    /// The gaps between slices, in order of time.
    fn gaps(&self) -> Vec<Gap> {
        let filled: Vec<(u64, u64)> = self.bounds.iter().flatten().copied().collect();
        filled.windows(2).map(|pair| Gap { from: pair[0].1, to: pair[1].0 }).collect()
    }
}

/// Latencies in microseconds, to three digits.
#[derive(Debug)]
struct Sample(Histogram<u64>);

impl Default for Sample {
    fn default() -> Self {
        Sample(
            Histogram::new_with_bounds(1, HOUR, 3).expect("three digits between 1 and an hour are in range"),
        )
    }
}

/// The longest latency told apart, in microseconds: longer ones count as an hour.
const HOUR: u64 = 3_600_000_000;

impl Sample {
    fn add(&mut self, invoked: &[u64], completed: u64) {
        for invoked in invoked {
            self.0.saturating_record(completed.saturating_sub(*invoked));
        }
    }

    fn percentiles(&self) -> Percentiles {
        let at = |quantile| self.0.value_at_quantile(quantile).min(self.0.max()) * MICROSECOND;
        if self.0.is_empty() {
            return Percentiles::default();
        }
        Percentiles { count: self.0.len(), p50: at(0.5), p99: at(0.99), max: self.0.max() * MICROSECOND }
    }
}
