//! Independent objects: linearizability is local, so a history is linearizable iff its part on each key is.
//!
//! Keys are decided in parallel, the smallest first, and the first violation ends the check. *First* means first
//! in that order and not in time: while a key is under way, only violations of keys before it cancel it, so the
//! witness reported does not depend on threads. Hard keys share the step budget in rounds: each gets a little,
//! what remains undecided gets eight times as much, until the budget of the whole is spent. A search begun again
//! repeats at most a seventh of its work.

use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use super::context::Context;
use super::dispatch::{self, Numbers, Outcome, normalise};
use super::object::{Moment, Op};
use super::search::Budget;
use super::verdict::{Prefix, Reason, Verdict};
use super::{Options, Solver};

/// Transitions that every key may try in the first round.
const FIRST_ROUND: u64 = 1 << 20;

/// Operations by key.
struct Parts {
    ops: Vec<Op>,
    numbers: Vec<u32>,
    /// Where each key's operations are, smallest first.
    ranges: Vec<std::ops::Range<usize>>,
}

/// Decides every key.
pub(super) fn check(context: &Context<'_>, options: &Options) -> Verdict {
    let ops = context.history.ops();
    if !ops.iter().any(|op| !op.is_crashed()) {
        return Verdict::Unknown { reason: Reason::Vacuous, verified: Prefix::default() };
    }
    let first = ops[0].key;
    if ops.iter().all(|op| op.key == first && op.returned != Moment::NEVER) {
        // The common large case needs no copy.
        return rounds(&[(ops, None)], context, options);
    }
    let parts = split(ops, context);
    let slices: Vec<(&[Op], Numbers<'_>)> = parts
        .ranges
        .iter()
        .map(|range| (&parts.ops[range.clone()], Some(&parts.numbers[range.clone()])))
        .collect();
    rounds(&slices, context, options)
}

/// Groups operations by key, keeping their order, and leaves out what says nothing.
fn split(ops: &[Op], context: &Context<'_>) -> Parts {
    let mut counts = vec![0usize; context.history.keys().len()];
    let kept = || ops.iter().enumerate().filter_map(|(i, op)| normalise(op).map(|op| (i, op)));
    kept().for_each(|(_, op)| counts[op.key.0 as usize] += 1);
    let mut ranges = Vec::with_capacity(counts.len());
    let mut next = Vec::with_capacity(counts.len());
    let mut total = 0;
    for count in counts {
        next.push(total);
        ranges.push(total..total + count);
        total += count;
    }
    let mut parts = Parts { ops: vec![ops[0]; total], numbers: vec![0; total], ranges };
    for (i, op) in kept() {
        let at = &mut next[op.key.0 as usize];
        parts.ops[*at] = op;
        parts.numbers[*at] = u32::try_from(i).expect("fewer than 2^32 operations");
        *at += 1;
    }
    parts.ranges.retain(|range| !range.is_empty());
    parts.ranges.sort_by_key(|range| (range.len(), range.start));
    parts
}

/// Decides the parts in rounds of growing budgets.
fn rounds(parts: &[(&[Op], Numbers<'_>)], context: &Context<'_>, options: &Options) -> Verdict {
    let mut open: Vec<usize> = (0..parts.len()).collect();
    let mut given_up: Vec<(usize, Outcome)> = Vec::new();
    // A key alone shares with nobody.
    let mut steps = if open.len() > 1 { FIRST_ROUND.min(options.steps) } else { options.steps };
    let mut spent = 0;
    loop {
        let budget = Budget { steps, memory: options.memory, dense: options.solver != Solver::Lists };
        let outcomes = round(parts, &open, context, (budget, options.solver));
        let mut cut = Vec::new();
        for (part, (outcome, tried)) in open.iter().zip(outcomes) {
            spent += tried;
            match outcome {
                Outcome::Violated(witness) => return Verdict::Invalid(witness),
                Outcome::Linearizable => {}
                Outcome::Undecided { reason: Reason::Steps, .. } => cut.push((*part, outcome)),
                Outcome::Undecided { .. } => given_up.push((*part, outcome)),
            }
        }
        let share = options.steps.saturating_sub(spent) / (cut.len() as u64).max(1);
        if cut.is_empty() || share <= steps {
            given_up.extend(cut);
            return conclude(parts, given_up);
        }
        steps = if cut.len() > 1 { share.min(8 * steps) } else { share };
        open = cut.into_iter().map(|(part, _)| part).collect();
    }
}

/// Decides these parts; those after the first violation may be left out.
fn round(
    parts: &[(&[Op], Numbers<'_>)],
    open: &[usize],
    context: &Context<'_>,
    (budget, solver): (Budget, Solver),
) -> Vec<(Outcome, u64)> {
    let first = AtomicUsize::new(usize::MAX);
    let decide = match solver {
        Solver::Best => dispatch::decide,
        Solver::Search | Solver::Lists => dispatch::search,
    };
    open.par_iter()
        .enumerate()
        .with_max_len(64)
        .map(|(rank, part)| {
            if rank > first.load(Ordering::Relaxed) {
                return (Outcome::Linearizable, 0);
            }
            let (ops, numbers) = parts[*part];
            let decided = decide(ops, numbers, context, budget);
            if matches!(decided.0, Outcome::Violated(_)) {
                first.fetch_min(rank, Ordering::Relaxed);
            }
            decided
        })
        .collect()
}

/// Valid, or unknown with what was proved.
fn conclude(parts: &[(&[Op], Numbers<'_>)], mut undecided: Vec<(usize, Outcome)>) -> Verdict {
    undecided.sort_by_key(|(part, _)| *part);
    let open = undecided.len() as u64;
    let Some((part, Outcome::Undecided { reason, placed, configurations })) = undecided.into_iter().next()
    else {
        return Verdict::Valid;
    };
    let ops = parts[part].0;
    let verified = Prefix {
        keys: parts.len() as u64 - open,
        undecided: open,
        key: None,
        operations: placed,
        of: ops.iter().filter(|op| !op.is_crashed()).count() as u64,
        configurations,
    };
    Verdict::Unknown { reason, verified }
}
