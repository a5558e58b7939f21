//! Tries one mutant with test after test.

use std::collections::HashMap;
use std::sync::Mutex;

use super::batches::batches;
use super::binaries::Binary;
use super::choice::Choice;
use super::run::{Ended, Limits, Ran, Runner, Switch};
use super::tally::{Judged, Outcome};
use crate::instrument::Planned;
use crate::mutants::Number;

/// How many mutants of a file each test caught.
type Catches = HashMap<String, HashMap<usize, u32>>;

/// What all workers share.
#[derive(Debug)]
pub(super) struct Bench<'a> {
    binaries: &'a [Binary],
    choice: Choice<'a>,
    limits: Limits,
    /// What earlier runs found.
    before: HashMap<Number, Judged>,
    catches: Mutex<Catches>,
}

impl<'a> Bench<'a> {
    pub(super) fn new(
        binaries: &'a [Binary],
        choice: Choice<'a>,
        limits: Limits,
        before: HashMap<Number, Judged>,
    ) -> Self {
        Self { binaries, choice, limits, before, catches: Mutex::default() }
    }

    /// Takes what caught mutants in earlier runs as a hint for this one.
    pub(super) fn recall(&self, planned: &[Planned]) {
        let tests: HashMap<String, usize> =
            (0..self.choice.tests.len()).map(|test| (self.name(test), test)).collect();
        let mut catches = self.catches.lock().expect("no worker runs yet");
        for planned in planned {
            let by = self.before.get(&planned.number).and_then(|judged| tests.get(judged.test.as_ref()?));
            if let Some(by) = by {
                *catches.entry(file(planned).to_owned()).or_default().entry(*by).or_default() += 1;
            }
        }
    }

    fn name(&self, test: usize) -> String {
        let of = &self.choice.tests[test];
        format!("{}::{}", self.binaries[of.binary].name, of.name)
    }

    /// Runs tests until one fails.
    pub(super) fn judge(&self, runner: &Runner, planned: &Planned) -> anyhow::Result<Judged> {
        let file = file(planned);
        let before = self.before.get(&planned.number);
        let mut judged = Judged {
            number: planned.number,
            outcome: if self.choice.is_reached(planned) { Outcome::Missed } else { Outcome::Unreached },
            test: None,
            wall_ms: before.map_or(0, |before| before.wall_ms),
            survived: before.map(|before| before.survived.clone()).unwrap_or_default(),
        };
        let open = self.choice.untried(planned, &judged.survived);
        let known = self.catches.lock().expect("no worker panics").get(file).cloned().unwrap_or_default();
        for batch in batches(&self.choice, &open, &known) {
            let ran = self.run(runner, &batch, planned.number)?;
            judged.wall_ms += ran.wall_ms;
            judged.outcome = match ran.ended {
                Ended::Passed => {
                    let (tenth, whole): (Vec<usize>, Vec<usize>) =
                        batch.into_iter().partition(|test| self.choice.is_tenth(*test));
                    judged.survived.tenth.extend(tenth);
                    judged.survived.whole.extend(whole);
                    continue;
                }
                Ended::Failed => Outcome::Caught,
                Ended::TimedOut => Outcome::TimedOut,
            };
            judged.test = self.credit(file, &batch, &ran);
            break;
        }
        if judged.outcome != Outcome::Missed {
            judged.survived = super::choice::Survived::default();
        }
        Ok(judged)
    }

    fn run(&self, runner: &Runner, batch: &[usize], mutant: Number) -> anyhow::Result<Ran> {
        let tests = self.choice.tests;
        let names: Vec<&str> = batch.iter().map(|test| tests[*test].name.as_str()).collect();
        let binary = &self.binaries[tests[batch[0]].binary];
        let tenth = if self.choice.is_tenth(batch[0]) { binary.random } else { None };
        let limits = self.limits.of(batch.iter().map(|test| self.choice.millis(*test)).sum());
        runner.run(binary, (&names, tenth), &Switch::Mutant(mutant), limits)
    }

    /// The name of the test that settled it, which is tried early for others in the same file.
    fn credit(&self, file: &str, batch: &[usize], ran: &Ran) -> Option<String> {
        let tests = self.choice.tests;
        let last = ran.last_test.as_deref();
        let by = batch.iter().copied().find(|test| Some(tests[*test].name.as_str()) == last);
        let by = by.or(batch.first().copied())?;
        let mut catches = self.catches.lock().expect("no worker panics");
        *catches.entry(file.to_owned()).or_default().entry(by).or_default() += 1;
        Some(self.name(by))
    }
}

fn file(planned: &Planned) -> &str {
    planned.name.split(':').next().unwrap_or_default()
}
