//! What must not change a verdict about objects and transactions, and what can only change it one way.
//!
//! Names, clocks, and the order of events that are not ordered by real time mean nothing. A history that has an order
//! keeps one when a key, a value or a read is taken out of it, or when an operation takes longer.

#[path = "random/objects.rs"]
mod objects;
#[path = "metamorphic/rebuild.rs"]
mod rebuild;
#[path = "metamorphic/rebuild_transactions.rs"]
mod rebuild_transactions;
#[path = "random/transactions.rs"]
mod transactions;

use checker::cycles::{Consistency, Transactions, append, register};
use checker::linear::object::{Call, Key, Moment, Op, Val};
use checker::linear::{History, Model, Options, Solver, Verdict, check};
use history::ids::Process;
use objects::{FAMILIES, Family, Random};
use rebuild::{Names, Rebuild, neighbours};
use transactions::{WORKLOADS, Workload};

const HISTORIES: u64 = 300;
const OPERATIONS: u64 = 9;

/// Whether there is an order; none where nothing returned.
fn verdict(history: &History, model: Model) -> Option<bool> {
    let verdicts = [Solver::Best, Solver::Search].map(|solver| {
        match check(history, model, &Options { solver, ..Options::default() }) {
            Verdict::Valid => Some(true),
            Verdict::Invalid(_) => Some(false),
            Verdict::Unknown { .. } => None,
        }
    });
    assert_eq!(verdicts[0], verdicts[1], "special case and search: {:#?}", history.ops());
    verdicts[0]
}

/// Every family's histories.
fn all(mut examine: impl FnMut(Family, &History, &mut Random)) {
    for family in FAMILIES {
        for seed in 0..HISTORIES {
            let mut random = Random(seed);
            let history = objects::history(family, OPERATIONS, &mut random);
            examine(family, &history, &mut random);
        }
    }
}

#[test]
fn names_mean_nothing() {
    all(|family, history, random| {
        let names = Names::random(history, family.model(), random);
        let renamed = Rebuild { names, ..Rebuild::new(history) }.build(history);
        assert_eq!(
            verdict(&renamed, family.model()),
            verdict(history, family.model()),
            "{:#?}",
            history.ops()
        );
    });
}

#[test]
fn clocks_mean_nothing_but_order() {
    all(|family, history, random| {
        let (shift, stretch) = (random.below(1 << 40), 1 + random.below(1000));
        let time = move |moment: Moment| Moment(shift + stretch * (moment.0 + moment.0 * moment.0));
        let shifted = Rebuild { time: Box::new(time), ..Rebuild::new(history) }.build(history);
        assert_eq!(
            verdict(&shifted, family.model()),
            verdict(history, family.model()),
            "{:#?}",
            history.ops()
        );
    });
}

#[test]
fn events_without_order_may_change_places() {
    all(|family, history, random| {
        let times = neighbours(history.ops().iter().map(|op| (op.invoked, op.returned)), random);
        let ops = history.ops().iter().zip(times);
        let mut moved: Vec<Op> =
            ops.map(|(op, (invoked, returned))| Op { invoked, returned, ..*op }).collect();
        // The order in which operations are recorded means nothing either.
        for i in (1..moved.len()).rev() {
            moved.swap(i, random.pick(i + 1));
        }
        let permuted = Rebuild { ops: moved, ..Rebuild::new(history) }.build(history);
        assert_eq!(
            verdict(&permuted, family.model()),
            verdict(history, family.model()),
            "{:#?}",
            history.ops()
        );
    });
}

#[test]
fn keys_are_judged_alone() {
    for family in FAMILIES.into_iter().filter(|family| family.model() != Model::MultiRegister) {
        for seed in 0..HISTORIES {
            let parts: Vec<History> =
                (0..3).map(|n| objects::history(family, 8, &mut Random(seed * 3 + n))).collect();
            let verdicts: Vec<Option<bool>> =
                parts.iter().map(|part| verdict(part, family.model())).collect();
            let whole = rebuild::together(&parts);
            let expected = if verdicts.contains(&Some(false)) {
                Some(false)
            } else {
                verdicts.iter().copied().find(Option::is_some).flatten()
            };
            assert_eq!(verdict(&whole, family.model()), expected, "{family:?} {seed}");
            let without = Rebuild::new(&whole).keeping(|op| (op.key != Key(2)).then_some(*op)).build(&whole);
            assert!(!worse(&whole, &without, family), "{family:?} {seed}");
        }
    }
}

/// Whether the first has an order and the second has none.
fn worse(before: &History, after: &History, family: Family) -> bool {
    verdict(before, family.model()) == Some(true) && verdict(after, family.model()) == Some(false)
}

#[test]
fn longer_operations_and_fewer_reads_contradict_nothing() {
    all(|family, history, random| {
        let at = random.pick(history.ops().len().max(1));
        let Some(chosen) = history.ops().get(at).copied() else { return };
        let is = |op: &Op| op.process == chosen.process;
        let (early, late) = (random.below(9), random.below(9));
        let longer = Rebuild::new(history).keeping(|op| {
            let returned = Moment(op.returned.0.saturating_add(late));
            let invoked = Moment(op.invoked.0.saturating_sub(early));
            Some(if is(op) { Op { invoked, returned, ..*op } } else { *op })
        });
        assert!(!worse(history, &longer.build(history), family), "{:#?}", history.ops());
        if matches!(chosen.call, Call::Read(_) | Call::ReadSet(_) | Call::Get(_) | Call::DequeueEmpty) {
            let fewer = Rebuild::new(history).keeping(|op| (!is(op)).then_some(*op)).build(history);
            assert!(!worse(history, &fewer, family), "{:#?}", history.ops());
        }
    });
}

#[test]
fn a_value_taken_out_contradicts_nothing() {
    all(|family, history, _| {
        for gone in (1..5).map(Val) {
            let mut rebuild = Rebuild::new(history);
            match family.model() {
                Model::Register | Model::Queue | Model::Bag => {
                    let of_gone = |call: Call| {
                        [Call::Read(gone), Call::Write(gone), Call::Enqueue(gone), Call::Dequeue(gone)]
                            .contains(&call)
                    };
                    rebuild = rebuild.keeping(|op| (!of_gone(op.call)).then_some(*op));
                }
                Model::Set => {
                    rebuild = rebuild.keeping(|op| (op.call != Call::Add(gone)).then_some(*op));
                    rebuild.element = Box::new(move |value| value != gone);
                }
                Model::MultiRegister => rebuild.register = Box::new(move |key| key.0 != gone.0),
                // A compare-and-set, an append or an acquisition carries others.
                Model::CasRegister | Model::Mutex | Model::AppendKv => return,
            }
            assert!(
                !worse(history, &rebuild.build(history), family),
                "without {gone:?}: {:#?}",
                history.ops()
            );
        }
    });
}

const MODELS: [Consistency; 6] = [
    Consistency::ReadUncommitted,
    Consistency::ReadCommitted,
    Consistency::SnapshotIsolation,
    Consistency::Serializable,
    Consistency::StrongSessionSerializable,
    Consistency::StrictSerializable,
];

/// What each model says, weakest first.
fn judged(workload: Workload, history: &Transactions) -> Vec<Option<bool>> {
    let judge = |model| {
        let verdict = match workload {
            Workload::Lists => append::check(history, model),
            Workload::Registers | Workload::Updates => register::check(history, model),
        };
        match verdict {
            append::Verdict::Valid { .. } => Some(true),
            append::Verdict::Invalid { .. } => Some(false),
            append::Verdict::Vacuous => None,
        }
    };
    MODELS.into_iter().map(judge).collect()
}

#[test]
fn transactions_are_judged_by_what_they_mean() {
    for workload in WORKLOADS {
        for seed in 0..HISTORIES {
            let mut random = Random(seed);
            let history = transactions::history(workload, 9, &mut random);
            let expected = judged(workload, &history);
            assert!(
                expected.is_sorted_by(|weak, strong| weak >= strong),
                "a stronger model refuses more: {expected:?}"
            );
            let renamed = rebuild_transactions::renamed(&history, &mut random);
            assert_eq!(judged(workload, &renamed), expected, "{workload:?} {seed}: renamed");
            let moved = rebuild_transactions::moved(&history, &mut random);
            assert_eq!(
                judged(workload, &moved),
                expected,
                "{workload:?} {seed}: neighbouring events exchanged"
            );
            for key in (1..=3).map(Key) {
                let without = judged(workload, &rebuild_transactions::without(&history, key));
                let worse = expected.iter().zip(&without).any(|pair| pair == (&Some(true), &Some(false)));
                assert!(!worse, "{workload:?} {seed} without {key:?}: {expected:?} became {without:?}");
            }
        }
    }
}

#[test]
fn processes_are_only_names() {
    all(|family, history, random| {
        let offset = u32::try_from(random.below(1000)).expect("small");
        let others = Rebuild::new(history).keeping(|op| {
            Some(Op { process: Process(op.process.0.wrapping_mul(7919).wrapping_add(offset)), ..*op })
        });
        let others = others.build(history);
        assert_eq!(
            verdict(&others, family.model()),
            verdict(history, family.model()),
            "{:#?}",
            history.ops()
        );
    });
}
