//! Histories whose operations fall into contiguous blocks with a known order inside.
//!
//! A special case assigns each operation a block and a position in it; operations at one position may come in
//! any order. A block can be ordered inside iff no operation returned before one at an earlier position was
//! invoked; that the blocks themselves can be ordered is decided by `zones`. Both together suffice: put the
//! blocks one after the other, each in its own order, and within one position follow real time.

use super::context::{Context, Decision, Violation, began, ended};
use super::explain;
use super::object::{Call, Op};
use super::order::sort_nearly_sorted;
use super::verdict::Pattern;
use super::zones::{Zone, crossed};

/// Where an operation belongs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placed {
    pub(super) block: u32,
    pub(super) position: u32,
    /// Index of the operation.
    pub(super) op: usize,
}

/// The block that is over before everything else: the value before the first write.
pub(super) const INITIAL: u32 = 0;

/// Decides a history by its blocks.
pub(super) fn decide(
    ops: &[Op],
    context: &Context<'_>,
    mut placed: Vec<Placed>,
    name: impl Fn(u32) -> String,
) -> Decision {
    sort_nearly_sorted(&mut placed, |at| (at.block, at.position));
    let blocks: Vec<&[Placed]> = placed.chunk_by(|a, b| a.block == b.block).collect();
    for block in &blocks {
        if let Some((earlier, later)) = inverted(ops, block) {
            return Decision::Violated(explain_inverted(ops, context, (earlier, later)));
        }
    }
    let zones = blocks.iter().map(|block| zone(ops, block));
    let Some((a, b)) = crossed(zones) else { return Decision::Linearizable };
    let members =
        |id: u32| -> Vec<usize> { placed.iter().filter(|at| at.block == id).map(|at| at.op).collect() };
    let (of_a, of_b) = (members(a), members(b));
    Decision::Violated(explain_crossed(ops, context, [&of_a, &of_b], [name(a), name(b)]))
}

fn zone(ops: &[Op], block: &[Placed]) -> Zone {
    let id = block[0].block;
    let f = if id == INITIAL { 0 } else { block.iter().map(|at| ended(&ops[at.op])).min().unwrap_or(0) };
    let s = block.iter().map(|at| began(&ops[at.op])).max().unwrap_or(0);
    Zone { f, s, block: id }
}

/// Two operations of a sequence of groups, the first in an earlier group and yet invoked after the second returned.
pub(super) fn inverted(ops: &[Op], sequence: &[Placed]) -> Option<(usize, usize)> {
    let mut latest: Option<usize> = None;
    for group in sequence.chunk_by(|a, b| (a.block, a.position) == (b.block, b.position)) {
        for at in group {
            if let Some(earlier) = latest.filter(|earlier| ops[at.op].precedes(&ops[*earlier])) {
                return Some((earlier, at.op));
            }
        }
        let last = group.iter().map(|at| at.op).max_by_key(|op| ops[*op].invoked);
        latest = latest.into_iter().chain(last).max_by_key(|op| ops[*op].invoked);
    }
    None
}

/// Says why two operations are in the wrong order.
pub(super) fn explain_inverted(
    ops: &[Op],
    context: &Context<'_>,
    (earlier, later): (usize, usize),
) -> Violation {
    let [before, after] = [earlier, later].map(|i| explain::op(context, &ops[i]));
    let why = [
        format!("by the values read, {before} comes before {after}"),
        "but the second returned before the first was invoked".to_owned(),
    ];
    Violation::new(Pattern::OrderInverted, [earlier, later], why)
}

/// Says why neither of two blocks can come first.
pub(super) fn explain_crossed(
    ops: &[Op],
    context: &Context<'_>,
    members: [&[usize]; 2],
    names: [String; 2],
) -> Violation {
    let first_end = |of: &[usize]| of.iter().copied().min_by_key(|i| ops[*i].returned);
    let last_begin = |of: &[usize]| of.iter().copied().max_by_key(|i| ops[*i].invoked);
    let mut found = Vec::new();
    let mut why = vec![format!(
        "all operations on {} must come before all on {}, or the other way round",
        names[0], names[1]
    )];
    for (a, b) in [(0, 1), (1, 0)] {
        let (end, begin) = (first_end(members[a]), last_begin(members[b]));
        found.extend(end.into_iter().chain(begin));
        let (Some(end), Some(begin)) = (end, begin) else { continue };
        if ops[end].precedes(&ops[begin]) {
            let [end, begin] = [end, begin].map(|i| explain::op(context, &ops[i]));
            why.push(format!("{} cannot come later: {end} was over before {begin} began", names[a]));
        } else {
            why.push(format!("{} cannot come later: it is what the object begins with", names[a]));
        }
    }
    Violation::new(Pattern::CrossedValues, found, why)
}

/// A read (or compare-and-set) of a value that nobody wrote, or that was only written afterwards.
///
/// This is a contradiction whatever else is in the history, so every register is asked for it first.
pub(super) fn unwritten(ops: &[Op], context: &Context<'_>) -> Option<Violation> {
    let mut written = vec![(u64::MAX, usize::MAX); context.value_count()];
    written[context.initial.0 as usize] = (0, usize::MAX);
    for (i, op) in ops.iter().enumerate() {
        let (Call::Write(value) | Call::Cas { to: value, .. }) = op.call else { continue };
        let first = &mut written[value.0 as usize];
        *first = (*first).min((began(op), i));
    }
    let observed = ops.iter().enumerate().filter(|(_, op)| !op.is_crashed());
    for (i, op) in observed {
        let (Call::Read(value) | Call::Cas { from: value, .. }) = op.call else { continue };
        let (begun, writer) = written[value.0 as usize];
        if ended(op) >= begun {
            continue;
        }
        let what = explain::op(context, op);
        let value = explain::abridged(&context.datum(value).to_string());
        return Some(if writer == usize::MAX {
            let why = format!("{what} saw {value}, which nobody ever wrote");
            Violation::new(Pattern::NeverWritten, [i], [why])
        } else {
            let write = explain::op(context, &ops[writer]);
            let why = format!("{what} saw {value} before it was first written: {write}");
            Violation::new(Pattern::FutureRead, [i, writer], [why])
        });
    }
    None
}
