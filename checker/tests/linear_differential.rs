//! The special cases and the search against the definition, on small random histories of every object.

#[path = "random/objects.rs"]
mod objects;

use checker::linear::verdict::Confirmation;
use checker::linear::{Options, Solver, Verdict, check, check_by_brute_force};
use objects::{FAMILIES, Random, history};

const HISTORIES: u64 = 3_000;

#[test]
fn every_solver_agrees_with_the_definition() {
    for family in FAMILIES {
        let mut valid = 0;
        for seed in 0..HISTORIES {
            let history = history(family, 7, &mut Random(seed));
            let truth = check_by_brute_force(&history, family.model(), &Options::default()).unwrap();
            valid += u64::from(truth);
            for solver in [Solver::Best, Solver::Search] {
                let options = Options { solver, ..Options::default() };
                let verdict = check(&history, family.model(), &options);
                let agrees = match &verdict {
                    Verdict::Valid => truth,
                    Verdict::Invalid(witness) => {
                        assert_eq!(
                            witness.confirmed,
                            Confirmation::BruteForce,
                            "{family:?} {seed} {witness:?}"
                        );
                        !truth
                    }
                    // Nothing returned: brute force calls that valid.
                    Verdict::Unknown { .. } => truth && history.ops().iter().all(|op| op.is_crashed()),
                };
                assert!(agrees, "{family:?} seed {seed} {solver:?}: {verdict:?}\n{:#?}", history.ops());
            }
        }
        assert!(valid > HISTORIES / 20 && valid < HISTORIES * 19 / 20, "{family:?}: {valid} valid");
    }
}
