//! `judge`: every mutant of the build against the tests that reach it.
//!
//! A test that does not reach the place of a mutant cannot tell that it is there. So the baseline runs every test once
//! with the switch recording what is reached, and a mutant is tried only with tests that reach its place: first those that caught
//! others in the same file, then from cheap to dear, until one fails. A mutant that no test reaches is missed at no cost.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Mutex;

use anyhow::Context;

use crate::instrument::{Fate, Planned};
use crate::mutants::Number;
use baseline::Test;
use binaries::Binary;
use run::{Ended, Limits, Runner, Switch};
use tally::{Judged, Outcome};

pub mod baseline;
mod batches;
mod binaries;
mod run;
pub mod tally;

/// What to judge, and how.
#[derive(Debug, clap::Args)]
pub struct Order {
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
    /// Order of the mutants; the same seed, the same order.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Least CPU time that a batch of tests may take, in seconds.
    #[arg(long, default_value_t = 10)]
    least_s: u64,
    /// Longest test that is tried, in milliseconds; a later run with more continues with the mutants missed so far.
    #[arg(long, default_value_t = u64::MAX)]
    longest_ms: u64,
    /// Address space of a test, in MiB.
    #[arg(long, default_value_t = 4096)]
    memory_mib: u64,
    /// Arguments of one `cargo test` that selects tests; may be given several times.
    #[arg(long, required = true, allow_hyphen_values = true)]
    tests: Vec<String>,
}

/// Judges what has not been judged yet, then prints the score.
pub fn judge(order: &Order) -> anyhow::Result<()> {
    std::fs::create_dir_all(&order.work)?;
    let binaries = binaries::build(&order.copy, &order.tests)?;
    let limits = Limits { least_s: order.least_s, memory_mib: order.memory_mib };
    let tests = baseline::tests(&order.work, &order.copy, &binaries, limits)?;
    let planned = tally::planned(&order.copy)?;
    let results = order.work.join("results.jsonl");
    let before: HashMap<Number, Judged> =
        tally::read(&results)?.into_iter().map(|judged| (judged.number, judged)).collect();
    let mut queue: Vec<&Planned> =
        planned.iter().filter(|planned| matches!(planned.fate, Fate::Guarded(_))).collect();
    shuffle(&mut queue, order.seed);
    queue.truncate(order.sample.unwrap_or(usize::MAX));
    let bench = Bench {
        order,
        binaries: &binaries,
        tests: &tests,
        limits,
        before,
        queue: Mutex::new(Vec::new().into_iter()),
        results: Mutex::new(File::options().create(true).append(true).open(&results)?),
        catches: Mutex::default(),
    };
    queue.retain(|planned| bench.is_open(planned));
    println!("{} mutants to judge, {} tests", queue.len(), tests.len());
    *bench.queue.lock().expect("no worker runs yet") = queue.into_iter();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..order.jobs)
            .map(|worker| (worker, &bench))
            .map(|(worker, bench)| scope.spawn(move || bench.work(worker)))
            .collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("a worker does not panic"))
    })?;
    tally::print(&planned, &tally::read(&results)?)
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

struct Bench<'a> {
    order: &'a Order,
    binaries: &'a [Binary],
    tests: &'a [Test],
    limits: Limits,
    /// What earlier runs found.
    before: HashMap<Number, Judged>,
    queue: Mutex<std::vec::IntoIter<&'a Planned>>,
    results: Mutex<File>,
    /// How many mutants of a file each test caught.
    catches: Mutex<HashMap<String, HashMap<usize, u32>>>,
}

impl Bench<'_> {
    /// Not judged, or missed by shorter tests than are wanted now.
    fn is_open(&self, planned: &Planned) -> bool {
        match self.before.get(&planned.number) {
            None => true,
            Some(judged) if judged.outcome == Outcome::Missed => self.reaching(planned).1.next().is_some(),
            Some(_) => false,
        }
    }

    /// Whether any test reaches the place of a mutant, and those that have yet to be tried.
    fn reaching(&self, planned: &Planned) -> (bool, impl Iterator<Item = usize>) {
        let Fate::Guarded(site) = planned.fate else { unreachable!("only these are queued") };
        let reaches = move |test: &Test| test.sites.binary_search(&site).is_ok();
        let tried_ms = self.before.get(&planned.number).map(|judged| judged.tried_ms);
        let untried = move |test: &Test| {
            test.millis <= self.order.longest_ms && tried_ms.is_none_or(|tried| test.millis > tried)
        };
        let any = self.tests.iter().any(reaches);
        let open = self.tests.iter().enumerate().filter(move |(_, test)| reaches(test) && untried(test));
        (any, open.map(|(index, _)| index))
    }

    fn work(&self, worker: usize) -> anyhow::Result<()> {
        let runner = Runner::new(&self.order.copy, self.order.work.join(format!("worker-{worker}")))?;
        loop {
            let Some(planned) = self.queue.lock().expect("no worker panics").next() else { return Ok(()) };
            let judged = self.mutant(&runner, planned)?;
            let line = serde_json::to_string(&judged)? + "\n";
            self.results.lock().expect("no worker panics").write_all(line.as_bytes()).context("results")?;
        }
    }

    fn mutant(&self, runner: &Runner, planned: &Planned) -> anyhow::Result<Judged> {
        let file = planned.name.split(':').next().unwrap_or_default();
        let (is_reached, open) = self.reaching(planned);
        let open: Vec<usize> = open.collect();
        let known = self.catches.lock().expect("no worker panics").get(file).cloned().unwrap_or_default();
        let mut judged = Judged {
            number: planned.number,
            outcome: if is_reached { Outcome::Missed } else { Outcome::Unreached },
            test: None,
            wall_ms: 0,
            tried_ms: self.order.longest_ms,
        };
        for batch in batches::batches(self.tests, &open, &known) {
            let names: Vec<&str> = batch.iter().map(|test| self.tests[*test].name.as_str()).collect();
            let millis = batch.iter().map(|test| self.tests[*test].millis).sum();
            let binary = &self.binaries[self.tests[batch[0]].binary];
            let ended =
                runner.run(binary, &names, &Switch::Mutant(planned.number), self.limits.of(millis))?;
            judged.wall_ms += ended.wall_ms;
            judged.outcome = match ended.ended {
                Ended::Passed => continue,
                Ended::Failed => Outcome::Caught,
                Ended::TimedOut => Outcome::TimedOut,
            };
            let last = ended.last_test.as_deref();
            let by = batch.iter().copied().find(|test| Some(self.tests[*test].name.as_str()) == last);
            if let Some(by) = by.or(batch.first().copied()) {
                judged.test = Some(format!("{}::{}", binary.name, self.tests[by].name));
                let mut catches = self.catches.lock().expect("no worker panics");
                *catches.entry(file.to_owned()).or_default().entry(by).or_default() += 1;
            }
            break;
        }
        Ok(judged)
    }
}
