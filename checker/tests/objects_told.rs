//! What is told of objects and transactions that are not as they should be: stored, and read when it changes.
//!
//! The first few random histories of each kind that are refused. That they are refused rightly is the matter of the
//! differential tests; here it is the witness that counts: how small it is, and in which words its argument is told.

#![expect(clippy::unwrap_used, reason = "test code: a failure is a panic")]

#[path = "random/objects.rs"]
mod objects;
#[path = "random/transactions.rs"]
mod transactions;

use std::fmt::Write as _;

use checker::cycles::append::{self, Verdict as Judged};
use checker::cycles::{Consistency, register};
use checker::linear::verdict::{Verdict, Witness};
use checker::linear::{Options, Solver, check};
use objects::{FAMILIES, Family, Random};
use transactions::{WORKLOADS, Workload};

/// Larger than what is tried in the differential tests, so that there is something to be left out of a witness.
const OPERATIONS: u64 = 14;

/// Which of several violations is found first may not depend on how many processors there are.
fn alone<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap().install(work)
}

fn witness(family: Family, solver: Solver, seed: u64) -> Option<Box<Witness>> {
    let history = objects::history(family, OPERATIONS, &mut Random(seed));
    match check(&history, family.model(), &Options { solver, ..Options::default() }) {
        Verdict::Invalid(witness) => Some(witness),
        Verdict::Valid | Verdict::Unknown { .. } => None,
    }
}

fn told(witness: &Witness, text: &mut String) {
    let Witness { pattern, key, from, operations, why, confirmed } = witness;
    writeln!(text, "{pattern:?} of {key:?} from {from:?}, {confirmed:?}").unwrap();
    for line in operations {
        let optional = if line.optional { " (perhaps)" } else { "" };
        let (invoked, returned) = (line.invoked.0, line.returned.map(|moment| moment.0));
        writeln!(text, "  #{} {} {invoked}..{returned:?} {}{optional}", line.op, line.process, line.call)
            .unwrap();
    }
    why.iter().for_each(|why| writeln!(text, "  because {why}").unwrap());
}

#[test]
fn witnesses_of_objects() {
    for family in FAMILIES {
        let mut text = String::new();
        for (solver, few) in [(Solver::Best, 8), (Solver::Search, 3), (Solver::Lists, 3)] {
            let refused = (5_000_000..).filter_map(|seed| alone(|| witness(family, solver, seed)));
            for witness in refused.take(few) {
                write!(text, "{solver:?} ").unwrap();
                told(&witness, &mut text);
            }
        }
        insta::assert_snapshot!(format!("{family:?}"), text);
    }
}

#[test]
fn witnesses_of_transactions() {
    for workload in WORKLOADS {
        let judged = |seed: u64| {
            let history = transactions::history(workload, 8, &mut Random(seed));
            match workload {
                Workload::Lists => append::check(&history, Consistency::StrictSerializable),
                Workload::Registers | Workload::Updates => {
                    register::check(&history, Consistency::StrictSerializable)
                }
            }
        };
        let mut text = String::new();
        let refused = (5_000_000u64..).map(|seed| alone(|| judged(seed)));
        for judged in refused.filter(|judged| matches!(judged, Judged::Invalid { .. })).take(25) {
            writeln!(text, "{judged:#?}").unwrap();
        }
        insta::assert_snapshot!(format!("{workload:?}"), text);
    }
}
