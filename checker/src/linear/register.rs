//! Registers in which every write has its own value: one pass, then the zones.
//!
//! A write that never returned and was never read did not happen as far as anybody can tell; its zone is
//! backward and open at the end, and so conflicts with nothing. One that was read must have happened. The value
//! before the first write is a block that is over before everything else.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "calls of other objects are all alike here: outside the class"
)]

use super::blocks;
use super::context::{Context, Decision, Violation, began, ended};
use super::explain;
use super::object::{Call, Op, Val};
use super::zones::{Zone, crossed};

/// What is known about one value.
#[derive(Clone, Copy)]
struct Cluster {
    /// Earliest return.
    f: u64,
    /// Latest invocation.
    s: u64,
    /// Invocation of the write; `u64::MAX` without one.
    written: u64,
}

const NOBODY: Cluster = Cluster { f: u64::MAX, s: 0, written: u64::MAX };

/// Decides a register whose writes are unique and which knows no compare-and-set.
pub(super) fn decide(ops: &[Op], context: &Context<'_>) -> Decision {
    let mut clusters = vec![NOBODY; context.value_count()];
    clusters[context.initial.0 as usize] = Cluster { f: 0, s: 0, written: 0 };
    for op in ops {
        let (value, writes) = match op.call {
            Call::Read(value) => (value, false),
            Call::Write(value) => (value, true),
            _ => return Decision::NotInClass,
        };
        let cluster = &mut clusters[value.0 as usize];
        if writes {
            if cluster.written != u64::MAX {
                return Decision::NotInClass;
            }
            cluster.written = began(op);
        }
        cluster.f = cluster.f.min(ended(op));
        cluster.s = cluster.s.max(began(op));
    }
    let mut never_written = false;
    let zones = (0u32..).zip(&clusters).filter(|(_, cluster)| cluster.s > 0).map(|(block, cluster)| {
        never_written |= cluster.f < cluster.written || cluster.written == u64::MAX;
        Zone { f: cluster.f, s: cluster.s, block }
    });
    let crossed = crossed(zones);
    if never_written {
        return blocks::unwritten(ops, context).map_or(Decision::NotInClass, Decision::Violated);
    }
    let Some((a, b)) = crossed else { return Decision::Linearizable };
    Decision::Violated(explain_crossed(ops, context, (Val(a), Val(b))))
}

/// The operations that force each value before the other.
fn explain_crossed(ops: &[Op], context: &Context<'_>, (a, b): (Val, Val)) -> Violation {
    let (of_a, of_b) = (members(ops, a), members(ops, b));
    let mut violation =
        blocks::explain_crossed(ops, context, [&of_a, &of_b], [a, b].map(|v| name(context, v)));
    let writes = |i: &&usize| matches!(ops[**i].call, Call::Write(_));
    violation.ops.extend(of_a.iter().chain(&of_b).filter(writes));
    violation.ops.sort_unstable();
    violation.ops.dedup();
    violation
}

fn name(context: &Context<'_>, value: Val) -> String {
    if value == context.initial {
        format!("the initial value {}", context.datum(value))
    } else {
        format!("value {}", explain::abridged(&context.datum(value).to_string()))
    }
}

fn members(ops: &[Op], value: Val) -> Vec<usize> {
    let of_value = |op: &Op| op.call == Call::Read(value) || op.call == Call::Write(value);
    (0..ops.len()).filter(|i| of_value(&ops[*i])).collect()
}
