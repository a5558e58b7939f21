//! What the checker says of a random history against what the definition says; a difference is a panic with its seed.

use checker::anomaly::Anomaly;
use checker::cycles::append::Verdict as Judged;
use checker::cycles::transactions::Outcome;
use checker::cycles::{Consistency, append, register};
use checker::linear::verdict::Confirmation;
use checker::linear::{Options, Solver, Verdict, check, check_by_brute_force};

use super::log;
use super::objects::{self, Family, Random};
use super::serial;
use super::transactions::{self, Workload};

/// What a number of histories showed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) histories: u64,
    /// Histories that the definition refuses.
    pub(crate) invalid: u64,
    /// Histories with operations of unknown outcome.
    pub(crate) crashed: u64,
    /// Witnesses too large for brute force.
    pub(crate) unconfirmed: u64,
    /// Histories whose version order nobody can know, and which the definition refuses and the checker does not.
    pub(crate) missed: u64,
}

impl Tally {
    pub(crate) fn add(self, other: Tally) -> Tally {
        Tally {
            histories: self.histories + other.histories,
            invalid: self.invalid + other.invalid,
            crashed: self.crashed + other.crashed,
            unconfirmed: self.unconfirmed + other.unconfirmed,
            missed: self.missed + other.missed,
        }
    }
}

/// The special cases and the search on one object.
pub(crate) fn object(family: Family, most: u64, seed: u64) -> Tally {
    let history = objects::history(family, most, &mut Random(seed));
    let truth = check_by_brute_force(&history, family.model(), &Options::default());
    let truth = truth.expect("histories are small enough");
    let crashed = history.ops().iter().filter(|op| op.is_crashed()).count();
    let mut tally = Tally { histories: 1, crashed: u64::from(crashed > 0), ..Tally::default() };
    tally.invalid = u64::from(!truth);
    for solver in [Solver::Best, Solver::Search, Solver::Lists] {
        let options = Options { solver, ..Options::default() };
        let verdict = check(&history, family.model(), &options);
        let agrees = match &verdict {
            Verdict::Valid => truth,
            Verdict::Invalid(witness) => {
                tally.unconfirmed += u64::from(witness.confirmed == Confirmation::Argument);
                !truth
            }
            // Nothing returned: brute force calls that valid.
            Verdict::Unknown { .. } => truth && crashed == history.ops().len(),
        };
        assert!(agrees, "{family:?} seed {seed} {solver:?}: {verdict:?}\n{:#?}", history.ops());
    }
    tally
}

/// The models that have a definition by orders.
const MODELS: [Consistency; 4] = [
    Consistency::SnapshotIsolation,
    Consistency::Serializable,
    Consistency::StrongSessionSerializable,
    Consistency::StrictSerializable,
];

/// The dependency graph of one history of transactions, model by model.
pub(crate) fn transactions(workload: Workload, most: u64, seed: u64) -> Tally {
    let history = transactions::history(workload, most, &mut Random(seed));
    let any = |outcome| history.transactions().iter().any(|transaction| transaction.outcome == outcome);
    let unknown = any(Outcome::Unknown);
    let mut tally = Tally { histories: 1, crashed: u64::from(unknown), ..Tally::default() };
    if !any(Outcome::Committed) {
        return tally;
    }
    for model in MODELS {
        let truth = serial::holds(&history, model);
        let verdict = match workload {
            Workload::Lists => append::check(&history, model),
            Workload::Registers | Workload::Updates => register::check(&history, model),
        };
        let accepts = match &verdict {
            Judged::Valid { .. } => true,
            Judged::Invalid { .. } => false,
            Judged::Vacuous => panic!("{workload:?} seed {seed}: something committed"),
        };
        // Where the order of all versions can be known the answer is exact, elsewhere only a refusal is.
        let exact = model != Consistency::SnapshotIsolation
            && match workload {
                Workload::Lists => true,
                Workload::Registers => false,
                Workload::Updates => !unknown,
            };
        let described = || -> String {
            let ids = (0u32..).take(history.transactions().len());
            ids.map(|id| {
                let t = &history.transactions()[id as usize];
                format!("  {} [{} {}]\n", history.describe(id), t.invoked.0, t.returned.0)
            })
            .collect()
        };
        let agrees = if exact { accepts == truth } else { accepts || !truth };
        assert!(agrees, "{workload:?} seed {seed} {}: {verdict:#?}\n{}", model.name(), described());
        tally.missed += u64::from(accepts != truth);
        if model == Consistency::StrictSerializable {
            tally.invalid = u64::from(!truth);
        }
    }
    tally
}

/// The log stage on one history of a single log: a realtime inversion or a stale end where it is not linearizable.
pub(crate) fn log(most: u64, seed: u64) -> Tally {
    let story = log::story(most, &mut Random(seed));
    let truth = story.is_linearizable();
    let history = history::merge::events(&log::logs(), &story.events);
    let history = history.unwrap_or_else(|error| panic!("log seed {seed}: {error}\n{story:#?}"));
    let findings = checker::log::check(&history).expect("it can be read");
    let refused = [Anomaly::RealtimeInversion, Anomaly::StaleEnd]
        .iter()
        .any(|name| findings.anomalies.contains_key(name));
    assert!(!(refused && truth), "log seed {seed}: {:?}\n{story:?}", findings.anomalies.keys());
    let missed = !refused && !truth;
    assert!(
        !missed || story.contradicts_a_reader(),
        "log seed {seed}: {:?}\n{story:?}",
        findings.anomalies.keys()
    );
    Tally {
        histories: 1,
        invalid: u64::from(!truth),
        crashed: u64::from(story.unknown),
        missed: u64::from(missed),
        ..Tally::default()
    }
}
