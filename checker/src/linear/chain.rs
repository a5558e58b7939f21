//! Registers with compare-and-set in which every write and every new value is unique.
//!
//! A value that appears once disappears once: a successful `cas a → b` directly follows the operations on a, and
//! nothing can come between. So values are linked into chains, a chain is one block, and depth is position:
//! the operation that makes a value, then its reads, then the compare-and-set that takes it away.
//!
//! An operation of unknown outcome that made a value which somebody saw must have happened, as the value has no
//! other source; one whose value nobody saw is left out: taking it out of an order breaks nothing, because
//! nobody depends on its value, and it need not happen.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "calls of other objects are all alike here: outside the class"
)]

use super::blocks::{self, Placed};
use super::context::{Context, Decision, Violation};
use super::explain;
use super::object::{Call, Op, Val};
use super::verdict::Pattern;

const NOBODY: usize = usize::MAX;

/// Who makes and who takes each value.
struct Links {
    made: Vec<usize>,
    taken: Vec<usize>,
    /// Operations that must have happened.
    happened: Vec<bool>,
}

/// Decides a register whose values are each made at most once.
pub(super) fn decide(ops: &[Op], context: &Context<'_>) -> Decision {
    let Some(made) = makers(ops, context) else { return Decision::NotInClass };
    if let Some(violation) = blocks::unwritten(ops, context) {
        return Decision::Violated(violation);
    }
    let mut links =
        Links { made, taken: vec![NOBODY; context.value_count()], happened: vec![false; ops.len()] };
    links.settle(ops);
    for (i, op) in ops.iter().enumerate() {
        let Call::Cas { from, .. } = op.call else { continue };
        if !links.happened[i] {
            continue;
        }
        let rival = std::mem::replace(&mut links.taken[from.0 as usize], i);
        if rival != NOBODY {
            return Decision::Violated(forked(ops, context, (rival, i), links.made[from.0 as usize]));
        }
    }
    match links.place(ops, context) {
        Ok(placed) => {
            let name = |root: u32| match root {
                blocks::INITIAL => format!("the initial value {}", context.datum(context.initial)),
                root => format!("value {} and what was made of it", context.datum(Val(root - 1))),
            };
            blocks::decide(ops, context, placed, name)
        }
        Err(violation) => Decision::Violated(violation),
    }
}

/// The one operation that makes each value; none if the history is not of this class.
fn makers(ops: &[Op], context: &Context<'_>) -> Option<Vec<usize>> {
    let mut made = vec![NOBODY; context.value_count()];
    for (i, op) in ops.iter().enumerate() {
        let value = match op.call {
            Call::Read(_) => continue,
            Call::Write(value) | Call::Cas { to: value, .. } => value,
            _ => return None,
        };
        let maker = &mut made[value.0 as usize];
        if *maker != NOBODY || value == context.initial {
            return None;
        }
        *maker = i;
    }
    Some(made)
}

impl Links {
    /// Marks everything that returned, and whatever made a value that a marked operation saw.
    fn settle(&mut self, ops: &[Op]) {
        let mut marked: Vec<usize> = (0..ops.len()).filter(|i| !ops[*i].is_crashed()).collect();
        while let Some(i) = marked.pop() {
            if std::mem::replace(&mut self.happened[i], true) {
                continue;
            }
            let (Call::Read(seen) | Call::Cas { from: seen, .. }) = ops[i].call else { continue };
            let maker = self.made[seen.0 as usize];
            if maker != NOBODY {
                marked.push(maker);
            }
        }
    }

    /// Follows every chain from its root.
    fn place(&self, ops: &[Op], context: &Context<'_>) -> Result<Vec<Placed>, Violation> {
        // By value: (block, depth). Block 0 is the initial chain; others are named after their root.
        let mut at: Vec<Option<(u32, u32)>> = vec![None; context.value_count()];
        let mut reached = 0;
        let makers = (0..ops.len()).filter(|i| self.happened[*i]);
        let roots = makers.filter_map(|i| match ops[i].call {
            Call::Write(value) => Some((value.0 + 1, value)),
            _ => None,
        });
        for (block, root) in std::iter::once((blocks::INITIAL, context.initial)).chain(roots) {
            let (mut value, mut depth) = (root, 0);
            loop {
                at[value.0 as usize] = Some((block, depth));
                let Some(taker) = ops.get(self.taken[value.0 as usize]) else { break };
                let Call::Cas { to, .. } = taker.call else { break };
                (value, depth) = (to, depth + 1);
                reached += 1;
            }
        }
        let swaps = |i: &usize| self.happened[*i] && matches!(ops[*i].call, Call::Cas { .. });
        if (0..ops.len()).filter(swaps).count() > reached {
            return Err(self.rootless(ops, context, &at));
        }
        let mut placed = Vec::with_capacity(ops.len());
        for (op, call) in ops.iter().map(|op| op.call).enumerate().filter(|(i, _)| self.happened[*i]) {
            let (value, reads) = match call {
                Call::Read(value) => (value, 1),
                Call::Write(value) | Call::Cas { to: value, .. } => (value, 0),
                _ => continue,
            };
            // Only values of chains without a root are missing, and there are none left.
            let Some((block, depth)) = at[value.0 as usize] else { continue };
            placed.push(Placed { block, position: 2 * depth + reads, op });
        }
        Ok(placed)
    }

    /// Compare-and-sets that feed only each other.
    fn rootless(&self, ops: &[Op], context: &Context<'_>, at: &[Option<(u32, u32)>]) -> Violation {
        let lost = |i: &usize| match ops[*i].call {
            Call::Cas { to, .. } => self.happened[*i] && at[to.0 as usize].is_none(),
            _ => false,
        };
        let first = (0..ops.len()).find(lost).unwrap_or(0);
        let (mut ring, mut next) = (vec![first], first);
        while let Call::Cas { to, .. } = ops[next].call {
            next = self.taken[to.0 as usize];
            if next == NOBODY || next == first || ring.len() > ops.len() {
                break;
            }
            ring.push(next);
        }
        let names = explain::list(ring.iter().map(|i| explain::call(context, ops[*i].call)));
        let why = format!(
            "each of these took the value that another of them made, and nothing made the first: {names}"
        );
        Violation::new(Pattern::BrokenChain, ring, [why])
    }
}

fn forked(ops: &[Op], context: &Context<'_>, (a, b): (usize, usize), maker: usize) -> Violation {
    let [first, second] = [a, b].map(|i| explain::op(context, &ops[i]));
    let why = format!("{first} and {second} both took a value that was made only once");
    let involved: Vec<usize> = [a, b, maker].into_iter().filter(|i| *i != NOBODY).collect();
    Violation::new(Pattern::ForkedChain, involved, [why])
}
