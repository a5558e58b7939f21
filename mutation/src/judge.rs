//! `judge`: every mutant of the build against the tests that reach it.
//!
//! A test that does not reach the place of a mutant cannot tell that it is there. So the baseline runs every test once
//! with the switch recording what is reached, and a mutant is tried only with tests that reach its place: first those
//! that caught others in the same file, then from cheap to dear, until one fails. A mutant that no test reaches is missed
//! at no cost.

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Mutex;

use anyhow::Context;

use crate::instrument::{Fate, Planned};
use bench::Bench;
use choice::Choice;
use run::{Limits, Runner};

mod baseline;
mod batches;
mod bench;
mod binaries;
mod choice;
mod run;
mod tally;
#[cfg(test)]
mod tests;

/// What to judge, and how.
#[derive(Debug, clap::Args)]
pub(crate) struct Order {
    /// The copy that `instrument` wrote.
    #[arg(long)]
    copy: PathBuf,
    /// Folder for the baseline, the results and scratch files.
    #[arg(long)]
    work: PathBuf,
    /// Mutants at a time.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// At most so many mutants, the first of the shuffled order.
    #[arg(long)]
    sample: Option<usize>,
    /// Only mutants in files whose path begins so.
    #[arg(long, default_value = "")]
    files: String,
    /// Order of the mutants; the same seed, the same order.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Least CPU time that a batch of tests may take, in seconds.
    #[arg(long, default_value_t = 10)]
    least_s: u64,
    /// Longest test that is tried, in milliseconds; a later run with more continues with the mutants missed so far.
    #[arg(long, default_value_t = u64::MAX)]
    longest_ms: u64,
    /// Leave out test programs for now, for instance checker/hostile.
    #[arg(long)]
    without: Vec<String>,
    /// Give tests with random cases a tenth of them. What a tenth catches, all catch.
    #[arg(long)]
    tenth: bool,
    /// Address space of a test, in MiB.
    #[arg(long, default_value_t = 4096)]
    memory_mib: u64,
    /// Arguments of one `cargo test` that selects tests; may be given several times.
    #[arg(long, required = true, allow_hyphen_values = true)]
    tests: Vec<String>,
}

/// Judges what has not been judged yet, then prints the score.
pub(crate) fn judge(order: &Order) -> anyhow::Result<()> {
    std::fs::create_dir_all(&order.work)?;
    let binaries = binaries::build(&order.copy, &order.tests)?;
    let limits = Limits { least_s: order.least_s, memory_mib: order.memory_mib };
    let tests = baseline::tests(&order.work, &order.copy, &binaries, limits)?;
    let planned = tally::planned(&order.copy)?;
    let results = order.work.join("results.jsonl");
    let choice = Choice {
        tests: &tests,
        held: binaries.iter().map(|binary| order.without.contains(&binary.name)).collect(),
        random: binaries.iter().map(|binary| binary.random.is_some()).collect(),
        longest_ms: order.longest_ms,
        tenth: order.tenth,
    };
    let before = tally::read(&results)?;
    let mut queue: Vec<&Planned> =
        planned.iter().filter(|planned| matches!(planned.fate, Fate::Guarded(_))).collect();
    shuffle(&mut queue, order.seed);
    queue.truncate(order.sample.unwrap_or(usize::MAX));
    queue.retain(|planned| planned.name.starts_with(&order.files));
    queue.retain(|planned| choice.is_open(planned, before.get(&planned.number)));
    println!("{} mutants to judge, {} tests", queue.len(), tests.len());
    let results = Mutex::new(File::options().create(true).append(true).open(&results)?);
    let queue = Mutex::new(queue.into_iter());
    let bench = Bench::new(&binaries, choice, limits, before);
    bench.recall(&planned);
    let work = |worker: usize| -> anyhow::Result<()> {
        let runner = Runner::new(&order.copy, order.work.join(format!("worker-{worker}")))?;
        loop {
            let next = queue.lock().expect("no worker panics").next();
            let Some(planned) = next else { return Ok(()) };
            let line = serde_json::to_string(&bench.judge(&runner, planned)?)? + "\n";
            results.lock().expect("no worker panics").write_all(line.as_bytes()).context("results.jsonl")?;
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..order.jobs)
            .map(|worker| {
                let work = &work;
                scope.spawn(move || work(worker))
            })
            .collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("a worker does not panic"))
    })?;
    report(&Report { copy: order.copy.clone(), work: order.work.clone() })
}

/// Where a score is to be read.
#[derive(Debug, clap::Args)]
pub(crate) struct Report {
    /// The copy that `instrument` wrote.
    #[arg(long)]
    copy: PathBuf,
    /// The folder that `judge` was given.
    #[arg(long)]
    work: PathBuf,
}

/// Prints the score of what has been judged so far.
pub(crate) fn report(of: &Report) -> anyhow::Result<()> {
    let tests = baseline::known(&of.work)?;
    tally::print(&tally::planned(&of.copy)?, &tally::read(&of.work.join("results.jsonl"))?, &tests);
    Ok(())
}

/// Fisher and Yates with the numbers of SplitMix64.
fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut state = seed;
    for last in (1..items.len()).rev() {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        items.swap(last, usize::try_from(mixed % (last as u64 + 1)).expect("an index fits"));
    }
}
