//! The long differential run: special cases and search against the definition, on as many random histories as asked.
//!
//! `cargo bench -p checker --bench differential -- 1000000 [seed]` checks that many histories of every object and
//! ends with an error at the first disagreement. The same comparison runs in the tests with a small count.

#![expect(clippy::print_stdout, reason = "prints what it counted")]

#[path = "../tests/random/objects.rs"]
mod objects;

use checker::linear::verdict::Confirmation;
use checker::linear::{Options, Solver, Verdict, check, check_by_brute_force};
use objects::{FAMILIES, Family, Random, history};
use rayon::prelude::*;

/// What a number of histories showed.
#[derive(Clone, Copy, Default)]
struct Tally {
    invalid: u64,
    crashed: u64,
    unconfirmed: u64,
}

impl Tally {
    fn add(self, other: Tally) -> Tally {
        Tally {
            invalid: self.invalid + other.invalid,
            crashed: self.crashed + other.crashed,
            unconfirmed: self.unconfirmed + other.unconfirmed,
        }
    }
}

fn main() {
    let numbers: Vec<u64> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let count = numbers.first().copied().unwrap_or(1_000);
    let seed = numbers.get(1).copied().unwrap_or(1 << 32);
    for family in FAMILIES {
        let tally =
            (0..count).into_par_iter().map(|n| compare(family, seed + n)).reduce(Tally::default, Tally::add);
        println!(
            "{family:?}: {count} histories, {} with unknown outcomes, {} not linearizable, {} witnesses too large \
             for brute force, 0 differences",
            tally.crashed, tally.invalid, tally.unconfirmed
        );
    }
}

fn compare(family: Family, seed: u64) -> Tally {
    let history = history(family, 8, &mut Random(seed));
    let truth = check_by_brute_force(&history, family.model(), &Options::default());
    let truth = truth.expect("histories are small enough");
    let crashed = history.ops().iter().filter(|op| op.is_crashed()).count();
    let mut tally = Tally { crashed: u64::from(crashed > 0), invalid: u64::from(!truth), unconfirmed: 0 };
    for solver in [Solver::Best, Solver::Search] {
        let options = Options { solver, ..Options::default() };
        let verdict = check(&history, family.model(), &options);
        let agrees = match &verdict {
            Verdict::Valid => truth,
            Verdict::Invalid(witness) => {
                tally.unconfirmed += u64::from(witness.confirmed == Confirmation::Argument);
                !truth
            }
            Verdict::Unknown { .. } => truth && crashed == history.ops().len(),
        };
        assert!(agrees, "{family:?} seed {seed} {solver:?}: {verdict:?}\n{:#?}", history.ops());
    }
    tally
}
