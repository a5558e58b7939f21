//! Which tests a mutant is tried with.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::baseline::Test;
use super::tally::{Judged, Outcome};
use crate::instrument::{Fate, Planned};

/// Tests that a mutant has survived, by their place in the baseline.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Survived {
    /// As `./test` runs them.
    pub(super) whole: BTreeSet<usize>,
    /// With a tenth of their random cases.
    pub(super) tenth: BTreeSet<usize>,
}

/// What is wanted of the tests in this run.
#[derive(Debug)]
pub(super) struct Choice<'a> {
    /// All.
    pub(super) tests: &'a [Test],
    /// Whether a binary is left out.
    pub(super) held: Vec<bool>,
    /// Whether a binary has random cases whose number can be chosen.
    pub(super) random: Vec<bool>,
    /// Longest test.
    pub(super) longest_ms: u64,
    /// A tenth of the random cases will do.
    pub(super) tenth: bool,
}

impl Choice<'_> {
    /// The test is run with a tenth of its cases.
    pub(super) fn is_tenth(&self, test: usize) -> bool {
        self.tenth && self.random[self.tests[test].binary]
    }

    /// What the test takes in this run.
    pub(super) fn millis(&self, test: usize) -> u64 {
        let millis = self.tests[test].millis;
        if self.is_tenth(test) { millis / 10 } else { millis }
    }

    /// Whether a test reaches the mutant at all.
    pub(super) fn is_reached(&self, planned: &Planned) -> bool {
        self.tests.iter().any(|test| reaches(test, planned))
    }

    /// The tests that reach the mutant and that it has not survived.
    pub(super) fn untried(&self, planned: &Planned, survived: &Survived) -> Vec<usize> {
        let is_tried = |test: usize| {
            survived.whole.contains(&test) || (self.is_tenth(test) && survived.tenth.contains(&test))
        };
        (0..self.tests.len())
            .filter(|test| !self.held[self.tests[*test].binary] && self.millis(*test) <= self.longest_ms)
            .filter(|test| reaches(&self.tests[*test], planned) && !is_tried(*test))
            .collect()
    }

    /// Not judged yet, or missed by less than is wanted now.
    pub(super) fn is_open(&self, planned: &Planned, before: Option<&Judged>) -> bool {
        before.is_none_or(|judged| {
            judged.outcome == Outcome::Missed && !self.untried(planned, &judged.survived).is_empty()
        })
    }
}

/// Whether a test can tell that the mutant is there.
pub(super) fn reaches(test: &Test, planned: &Planned) -> bool {
    matches!(planned.fate, Fate::Guarded(site) if test.sites.binary_search(&site).is_ok())
}
