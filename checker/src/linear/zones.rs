//! Blocks of operations that no other operation can come between, and whether real time lets them be ordered.
//!
//! With unique writes, a write and the reads of its value form a block: any write placed between would change
//! what is read. Let `f` be the earliest return in a block and `s` its latest invocation. Block A must come
//! before block B exactly when some operation of A returned before one of B was invoked: `f(A) < s(B)`.
//!
//! An order of the blocks exists iff no two blocks must each precede the other. For take any cycle, A its block
//! with the least `f`, P the one before A on it. For every block X of the cycle with predecessor Y,
//! `f(A) <= f(Y) < s(X)`, so A must precede every X, P among them; and P must precede A. So looking at pairs is
//! enough (Gibbons & Korach 1997 for registers; the argument needs only that blocks are contiguous). A block
//! with `f < s` is a forward zone. Two forward zones must not overlap and no backward zone `[s, f]` may lie inside
//! a forward one; two backward zones never conflict.

use super::order::sort_nearly_sorted;

/// A block's times (see `context::began` and `ended`): earliest return, latest invocation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Zone {
    pub(super) f: u64,
    pub(super) s: u64,
    pub(super) block: u32,
}

/// Two blocks each of which must come before the other.
pub(super) fn crossed(zones: impl Iterator<Item = Zone>) -> Option<(u32, u32)> {
    let (mut forward, mut backward) = (Vec::new(), Vec::new());
    for zone in zones {
        if zone.f < zone.s { forward.push(zone) } else { backward.push(zone) }
    }
    sort_nearly_sorted(&mut forward, |zone| zone.f);
    if let Some(pair) = forward.windows(2).find(|pair| pair[1].f < pair[0].s) {
        return Some((pair[0].block, pair[1].block));
    }
    sort_nearly_sorted(&mut backward, |zone| zone.s);
    let mut begun = 0;
    for zone in &backward {
        while forward.get(begun).is_some_and(|other| other.f < zone.s) {
            begun += 1;
        }
        // Forward zones are disjoint, so only the last that begins before this one can reach beyond it.
        let around = begun.checked_sub(1).map(|last| forward[last]);
        if let Some(around) = around.filter(|around| zone.f < around.s) {
            return Some((around.block, zone.block));
        }
    }
    None
}
