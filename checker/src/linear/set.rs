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

use super::blocks;
use super::context::{Context, Decision, Violation};
use super::explain;
use super::object::{Call, Op, Span, Val};
use super::verdict::Pattern;

/// What is known about one element.
#[derive(Clone, Copy)]
struct Element {
    /// The addition invoked first.
    first: u32,
    /// The group of reads in which it appears first.
    group: u32,
}

const NOBODY: u32 = u32::MAX;
const UNSEEN: u32 = u32::MAX;

/// What the operations at one place of the sequence demand of the others.
#[derive(Clone, Copy)]
struct Place {
    /// The one invoked last.
    last_invoked: u32,
    /// The one that returned first.
    first_returned: u32,
}

/// Decides a set.
pub(super) fn decide(ops: &[Op], context: &Context<'_>) -> Decision {
    let mut elements = vec![Element { first: NOBODY, group: UNSEEN }; context.value_count()];
    let mut reads = Vec::new();
    let mut repeated = false;
    for (i, op) in (0u32..).zip(ops) {
        match op.call {
            Call::Add(value) => {
                let element = &mut elements[value.0 as usize];
                repeated |= element.first != NOBODY;
                // Operations come by invocation.
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
    let mut places = places(ops, (&reads, &groups), tail, &elements);
    if let Some(pair) = inverted(ops, &mut places) {
        return Decision::Violated(blocks::explain_inverted(ops, context, pair));
    }
    if !repeated {
        return Decision::Linearizable;
    }
    match early(ops, context, (&places, tail), &elements) {
        Some(violation) => Decision::Violated(violation),
        None => Decision::Linearizable,
    }
}

/// The group of each read, counted from 1, and of each element.
fn group(
    ops: &[Op],
    context: &Context<'_>,
    reads: &[(Span, u32)],
    elements: &mut [Element],
) -> Result<Vec<u32>, Violation> {
    let mut groups = Vec::with_capacity(reads.len());
    let mut before: (&[Val], u32) = (&[], NOBODY);
    let mut group = 0;
    for (span, read) in reads {
        let now = context.history.list(*span);
        if groups.is_empty() || now.len() > before.0.len() {
            group += 1;
        }
        // Values are numbered as they come, so what is new mostly follows what was there.
        let same = if now.starts_with(before.0) { before.0.len() } else { 0 };
        let mut missing = before.0[same..].iter().peekable();
        for value in &now[same..] {
            if missing.next_if(|next| *next == value).is_some() {
                continue;
            }
            let element = &mut elements[value.0 as usize];
            if element.first == NOBODY {
                let what = explain::op(context, &ops[*read as usize]);
                let why = format!("{what} saw {}, which nobody ever added", context.datum(*value));
                return Err(Violation::new(Pattern::NeverWritten, [*read as usize], [why]));
            }
            element.group = element.group.min(group);
        }
        if let Some(value) = missing.next() {
            return Err(incomparable(ops, context, (before.1 as usize, *read as usize), *value));
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

/// Reads at odd places, first additions before them at even ones; unseen elements after all reads.
fn places(
    ops: &[Op],
    (reads, groups): (&[(Span, u32)], &[u32]),
    tail: u32,
    elements: &[Element],
) -> Vec<Place> {
    let mut places = vec![Place { last_invoked: NOBODY, first_returned: NOBODY }; tail as usize + 1];
    let mut put = |place: u32, op: u32| {
        let Place { last_invoked, first_returned } = &mut places[place as usize];
        let time = |op: u32| (ops[op as usize].invoked, ops[op as usize].returned);
        let (invoked, returned) = time(op);
        if *last_invoked == NOBODY || time(*last_invoked).0 < invoked {
            *last_invoked = op;
        }
        if *first_returned == NOBODY || returned < time(*first_returned).1 {
            *first_returned = op;
        }
    };
    reads.iter().zip(groups).for_each(|((_, op), group)| put(2 * group + 1, *op));
    for element in elements.iter().filter(|element| element.first != NOBODY) {
        if element.group != UNSEEN {
            put(2 * element.group, element.first);
        } else if !ops[element.first as usize].is_crashed() {
            put(tail, element.first);
        }
    }
    places
}

/// An operation and one that must come later and yet returned before it was invoked. Leaves in each place the operation
/// invoked last up to there.
fn inverted(ops: &[Op], places: &mut [Place]) -> Option<(usize, usize)> {
    let mut latest = NOBODY;
    for place in places {
        let Place { last_invoked, first_returned } = *place;
        if first_returned != NOBODY && latest != NOBODY {
            let pair = (latest as usize, first_returned as usize);
            if ops[pair.1].precedes(&ops[pair.0]) {
                return Some(pair);
            }
        }
        let later = |other: u32| ops[other as usize].invoked > ops[latest as usize].invoked;
        if latest == NOBODY || last_invoked != NOBODY && later(last_invoked) {
            latest = last_invoked;
        }
        place.last_invoked = latest;
    }
    None
}

/// An addition, not the first of its element, that was over before the element may appear.
fn early(
    ops: &[Op],
    context: &Context<'_>,
    (places, tail): (&[Place], u32),
    elements: &[Element],
) -> Option<Violation> {
    for (i, op) in ops.iter().enumerate() {
        let Call::Add(value) = op.call else { continue };
        let element = elements[value.0 as usize];
        if element.first as usize == i || op.is_crashed() {
            continue;
        }
        let place = if element.group == UNSEEN { tail } else { 2 * element.group };
        let before = place.checked_sub(1).map(|before| places[before as usize].last_invoked as usize);
        if let Some(earlier) = before.filter(|at| ops.get(*at).is_some_and(|earlier| op.precedes(earlier))) {
            return Some(blocks::explain_inverted(ops, context, (earlier, i)));
        }
    }
    None
}
