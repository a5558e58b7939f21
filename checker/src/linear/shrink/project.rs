//! The operations that must stay with a set of operations, so that a contradiction among them is one of the whole.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "calls of other objects are all alike here: outside the class"
)]

use crate::linear::Model;
use crate::linear::context::Context;
use crate::linear::object::{Call, Op, Val};

/// The smallest closed set around `seed`, by invocation; none where the object knows no such sets or it would be
/// too large to be of use.
pub(super) fn closed(ops: &[Op], context: &Context<'_>, seed: &[usize]) -> Option<Vec<usize>> {
    match context.model {
        Model::Register | Model::CasRegister => Some(with_writers(ops, context, seed)),
        Model::Queue | Model::Bag => Some(with_values(ops, context, seed)),
        // What else was pending then has no outcome yet; the search finds a smaller witness (`dispatch`).
        Model::Mutex => None,
        Model::AppendKv | Model::Set | Model::MultiRegister => Some(with_changes(ops, seed)),
    }
}

/// Adds whatever writes a value that is observed.
fn with_writers(ops: &[Op], context: &Context<'_>, seed: &[usize]) -> Vec<usize> {
    let mut makers: Vec<Vec<usize>> = vec![Vec::new(); context.value_count()];
    for (i, op) in ops.iter().enumerate() {
        if let Call::Write(value) | Call::Cas { to: value, .. } = op.call {
            makers[value.0 as usize].push(i);
        }
    }
    let mut kept = vec![false; ops.len()];
    let mut added = seed.to_vec();
    while let Some(i) = added.pop() {
        if std::mem::replace(&mut kept[i], true) {
            continue;
        }
        if let Call::Read(value) | Call::Cas { from: value, .. } = ops[i].call {
            added.append(&mut makers[value.0 as usize]);
        }
    }
    (0..ops.len()).filter(|i| kept[*i]).collect()
}

/// Adds all operations on the same values, and dequeues that may have taken one of them.
fn with_values(ops: &[Op], context: &Context<'_>, seed: &[usize]) -> Vec<usize> {
    let mut named = vec![false; context.value_count()];
    let value = |op: &Op| -> Option<Val> {
        match op.call {
            Call::Enqueue(value) | Call::Dequeue(value) => Some(value),
            _ => None,
        }
    };
    for value in seed.iter().filter_map(|i| value(&ops[*i])) {
        named[value.0 as usize] = true;
    }
    let count = |wanted: fn(&Call) -> bool| {
        let of_value = |op: &&Op| value(op).is_some_and(|value| named[value.0 as usize]);
        ops.iter().filter(of_value).filter(|op| wanted(&op.call)).count()
    };
    // Where every value is known to have come out, no other dequeue can have taken it.
    let all_out =
        count(|call| matches!(call, Call::Enqueue(_))) <= count(|call| matches!(call, Call::Dequeue(_)));
    let stays = |i: &usize| match ops[*i].call {
        Call::DequeueUnknown => !all_out,
        Call::DequeueEmpty => seed.contains(i),
        _ => value(&ops[*i]).is_some_and(|value| named[value.0 as usize]),
    };
    (0..ops.len()).filter(stays).collect()
}

/// Adds everything that may change the object: only reads can be left out.
fn with_changes(ops: &[Op], seed: &[usize]) -> Vec<usize> {
    let changes = |call: Call| match call {
        Call::Add(_) | Call::Put(_) | Call::Append(_) | Call::Txn(_) => true,
        Call::Read(_)
        | Call::Write(_)
        | Call::Cas { .. }
        | Call::Acquire
        | Call::Release
        | Call::Enqueue(_)
        | Call::Dequeue(_)
        | Call::DequeueEmpty
        | Call::DequeueUnknown
        | Call::ReadSet(_)
        | Call::Get(_) => false,
    };
    (0..ops.len()).filter(|i| seed.contains(i) || changes(ops[*i].call)).collect()
}
