//! Sets that grow and are read as a whole.
//!
//! Reads must be ordered by inclusion, so their sizes put them into groups; what a group saw more than the one
//! before was added between the two, and what nobody saw was added after all reads (or, with unknown outcome,
//! not at all). That is a sequence of groups, decided like one block.
//!
//! An element may be added several times. Its addition invoked first, c, is placed where the element appears.
//! The others may be anywhere later, and not earlier. That is all that they demand: let x be another addition
//! of c's element. Ordering c before x contradicts nothing, because a cycle through such pairs (c, x), (c', x')
//! would need `ret(x) < inv(c') <= inv(x') <= ret(x') < inv(c) <= inv(x)`.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "calls of other objects are all alike here: outside the class"
)]

use super::blocks::{self, Placed, inverted};
use super::context::{Context, Decision, Violation};
use super::explain;
use super::object::{Call, Op, Span, Val};
use super::verdict::Pattern;

/// What is known about one element.
#[derive(Clone, Copy)]
struct Element {
    /// The addition invoked first.
    first: usize,
    /// The group of reads in which it appears first.
    group: u32,
}

const NOBODY: usize = usize::MAX;
const UNSEEN: u32 = u32::MAX;

/// Decides a set.
pub(super) fn decide(ops: &[Op], context: &Context<'_>) -> Decision {
    let mut elements = vec![Element { first: NOBODY, group: UNSEEN }; context.value_count()];
    let mut reads = Vec::new();
    for (i, op) in ops.iter().enumerate() {
        match op.call {
            Call::Add(value) => {
                let element = &mut elements[value.0 as usize];
                element.first = element.first.min(i);
            }
            Call::ReadSet(span) => reads.push((span, i)),
            _ => return Decision::NotInClass,
        }
    }
    reads.sort_by_key(|(span, _)| span.len);
    let groups = match group(ops, context, &reads, &mut elements) {
        Ok(groups) => groups,
        Err(violation) => return Decision::Violated(violation),
    };
    let tail = 2 * (groups.last().copied().unwrap_or(0) + 1);
    let sequence = sequence(ops, (&reads, &groups), tail, &elements);
    if let Some(pair) = inverted(ops, &sequence) {
        return Decision::Violated(blocks::explain_inverted(ops, context, pair));
    }
    match early(ops, context, (&sequence, tail), &elements) {
        Some(violation) => Decision::Violated(violation),
        None => Decision::Linearizable,
    }
}

/// The group of each read, counted from 1, and of each element.
fn group(
    ops: &[Op],
    context: &Context<'_>,
    reads: &[(Span, usize)],
    elements: &mut [Element],
) -> Result<Vec<u32>, Violation> {
    let mut groups = Vec::with_capacity(reads.len());
    let mut before: (&[Val], usize) = (&[], NOBODY);
    let mut group = 0;
    for (span, read) in reads {
        let now = context.history.list(*span);
        if groups.is_empty() || now.len() > before.0.len() {
            group += 1;
        }
        let mut missing = before.0.iter().peekable();
        for value in now {
            if missing.next_if(|next| *next == value).is_some() {
                continue;
            }
            let element = &mut elements[value.0 as usize];
            if element.first == NOBODY {
                let what = explain::op(context, &ops[*read]);
                let why = format!("{what} saw {}, which nobody ever added", context.datum(*value));
                return Err(Violation::new(Pattern::NeverWritten, [*read], [why]));
            }
            element.group = element.group.min(group);
        }
        if let Some(value) = missing.next() {
            return Err(incomparable(ops, context, (before.1, *read), *value));
        }
        before = (now, *read);
        groups.push(group);
    }
    Ok(groups)
}

fn incomparable(ops: &[Op], context: &Context<'_>, (a, b): (usize, usize), missing: Val) -> Violation {
    let [first, second] = [a, b].map(|i| explain::op(context, &ops[i]));
    let why = [
        format!(
            "{first} saw {}, and {second}, which saw at least as many elements, did not",
            context.datum(missing)
        ),
        "nothing is ever removed, so one of two reads must contain the other".to_owned(),
    ];
    Violation::new(Pattern::IncomparableReads, [a, b], why)
}

/// Reads at odd positions, first additions before them at even ones; unseen elements after all reads.
fn sequence(
    ops: &[Op],
    (reads, groups): (&[(Span, usize)], &[u32]),
    tail: u32,
    elements: &[Element],
) -> Vec<Placed> {
    let read = reads.iter().zip(groups).map(|((_, op), group)| (2 * group + 1, *op));
    let added = elements.iter().filter(|element| element.first != NOBODY).filter_map(|element| {
        let seen = element.group != UNSEEN;
        let position = if seen { 2 * element.group } else { tail };
        (seen || !ops[element.first].is_crashed()).then_some((position, element.first))
    });
    // There are few positions: count, then place.
    let mut next = vec![0usize; tail as usize + 2];
    let all = read.chain(added);
    all.clone().for_each(|(position, _)| next[position as usize + 1] += 1);
    for position in 0..=tail as usize {
        next[position + 1] += next[position];
    }
    let mut sequence = vec![Placed { block: 1, position: 0, op: 0 }; next[tail as usize + 1]];
    for (position, op) in all {
        let at = &mut next[position as usize];
        sequence[*at] = Placed { block: 1, position, op };
        *at += 1;
    }
    sequence
}

/// An addition, not the first of its element, that was over before the element may appear.
fn early(
    ops: &[Op],
    context: &Context<'_>,
    (sequence, tail): (&[Placed], u32),
    elements: &[Element],
) -> Option<Violation> {
    // The operation invoked last among those up to each place of the sequence.
    let mut latest: Vec<usize> = Vec::with_capacity(sequence.len());
    for at in sequence {
        let last = latest.last().copied().filter(|last| ops[*last].invoked >= ops[at.op].invoked);
        latest.push(last.unwrap_or(at.op));
    }
    for (i, op) in ops.iter().enumerate() {
        let Call::Add(value) = op.call else { continue };
        let element = elements[value.0 as usize];
        if element.first == i || op.is_crashed() {
            continue;
        }
        let position = if element.group == UNSEEN { tail } else { 2 * element.group };
        let end = sequence.partition_point(|at| at.position < position);
        let before = end.checked_sub(1).map(|last| latest[last]);
        if let Some(earlier) = before.filter(|earlier| op.precedes(&ops[*earlier])) {
            return Some(blocks::explain_inverted(ops, context, (earlier, i)));
        }
    }
    None
}
