//! The part of a history around the operation that the search could not place.
//!
//! The search knows at which return it got stuck; nothing later matters, and what was pending then has not
//! returned yet. It is run once more to learn which states were possible at the last returns before, and the
//! latest of these moments is taken from which the rest still has no order, whatever of the operations pending at
//! that moment took effect before. Then operations are left out one by one.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "calls of other objects are all alike here: outside the class"
)]

use super::{initial, key, line};
use crate::linear::brute::{self, Object, Trial};
use crate::linear::context::Context;
use crate::linear::dispatch::Numbers;
use crate::linear::explain;
use crate::linear::object::{Call, Moment, Op};
use crate::linear::search::{self, Budget, Duty, Found, Task, Trail};
use crate::linear::sequential::Sequential;
use crate::linear::tasks::Tasks;
use crate::linear::verdict::{Confirmation, Pattern, Witness};

/// How many returns back a window may begin.
const BACK: usize = 48;
/// What one look at a window may cost.
const LOOK: Budget = Budget { steps: 200_000, memory: 64 << 20, dense: true };
/// States spelled out.
const STATES: usize = 8;

/// Where the search got stuck.
pub(in crate::linear) struct Stuck<'a> {
    /// The operation that cannot be placed.
    pub(in crate::linear) task: usize,
    /// All tasks.
    pub(in crate::linear) tasks: &'a Tasks<'a>,
    /// The state before everything.
    pub(in crate::linear) start: u32,
}

/// A part of a history that has no order.
struct Window {
    /// Index of the operation, and the task as the window sees it.
    tasks: Vec<(usize, Task)>,
    states: Vec<u32>,
    whole: bool,
}

/// The witness for a search that got stuck.
pub(in crate::linear) fn from_search<M: Sequential>(
    model: &mut M,
    stuck: &Stuck<'_>,
    (ops, numbers): (&[Op], Numbers<'_>),
    context: &Context<'_>,
    spent: &mut u64,
) -> Witness {
    // The task that got stuck is obligatory: it ends with its operation.
    let prefix = prefix(stuck, ops[stuck.task].returned);
    let mut trail = Trail { keep: BACK, ..Trail::default() };
    let unlimited = Budget { steps: u64::MAX, memory: u64::MAX, dense: true };
    search::run(prefix.iter().copied(), &[stuck.start], model, unlimited, (spent, &mut trail));
    let mut window = cut(model, prefix, &trail, (stuck.start, spent));
    reduce(model, &mut window, spent);
    let trial = |(i, task): &(usize, Task)| Trial {
        op: Op { returned: task.end, ..ops[*i] },
        optional: task.duty != Duty::Must,
    };
    let trials: Vec<Trial> = window.tasks.iter().map(trial).collect();
    let starts: Vec<Object> = window
        .states
        .iter()
        .map(|state| Object::from_content(context.model, &model.content(*state)))
        .collect();
    let small = trials.len() <= brute::MAX;
    let confirmed = small && !brute::has_order(context, &trials, &starts);
    let describe = |state: &u32| model.describe(*state, context);
    let from =
        if window.whole { vec![initial(context)] } else { window.states.iter().map(describe).collect() };
    let failing = explain::op(context, &ops[stuck.task]);
    let mut last: Vec<String> = trail.last.iter().take(STATES).map(describe).collect();
    if trail.last.len() > STATES {
        last.push(format!("… ({} in all)", trail.last.len()));
    }
    let operations = window
        .tasks
        .iter()
        .map(|(i, task)| line(context, numbers, (*i, &ops[*i]), task.duty != Duty::Must))
        .collect();
    let why = vec![
        format!("{failing} cannot take effect at any moment before it returns"),
        format!(
            "in every order of what comes before, the object is {} by then, which does not allow it",
            last.join(" or ")
        ),
    ];
    let confirmed = if confirmed { Confirmation::BruteForce } else { Confirmation::Argument };
    Witness { pattern: Pattern::NoOrder, key: key(context, ops), from, operations, why, confirmed }
}

/// What had been invoked when the task ended; what was pending is optional.
fn prefix(stuck: &Stuck<'_>, end: Moment) -> Vec<(usize, Task)> {
    let mut prefix = Vec::new();
    for (i, task) in stuck.tasks.iter().take_while(|(_, task)| task.invoked <= end) {
        if task.end <= end {
            prefix.push((i, task));
        } else if !task.pure {
            prefix.push((i, Task { end: Moment::NEVER, duty: Duty::May, ..task }));
        }
    }
    prefix
}

/// The shortest window that still has no order.
fn cut<M: Sequential>(
    model: &mut M,
    prefix: Vec<(usize, Task)>,
    trail: &Trail,
    (start, spent): (u32, &mut u64),
) -> Window {
    for (moment, states) in trail.ends.iter().rev() {
        let mut tasks = Vec::new();
        for (i, task) in prefix.iter().filter(|(_, task)| task.end > *moment) {
            if task.invoked > *moment {
                tasks.push((*i, *task));
            } else if !task.pure {
                tasks.push((*i, Task { duty: Duty::May, ..*task }));
            }
        }
        let window = Window { tasks, states: states.clone(), whole: false };
        if has_no_order(model, &window, spent) {
            return window;
        }
    }
    Window { tasks: prefix, states: vec![start], whole: true }
}

fn has_no_order<M: Sequential>(model: &mut M, window: &Window, spent: &mut u64) -> bool {
    let found = search::run(
        window.tasks.iter().copied(),
        &window.states,
        model,
        LOOK,
        (spent, &mut Trail::default()),
    );
    matches!(found, Found::Stuck { .. })
}

/// Leaves out what can be left out while there still is no order.
fn reduce<M: Sequential>(model: &mut M, window: &mut Window, spent: &mut u64) {
    if window.tasks.len() > 4 * BACK {
        return;
    }
    let mut at = 0;
    while at < window.tasks.len() {
        if may_leave_out(window, at) {
            let task = window.tasks.remove(at);
            if has_no_order(model, window, spent) {
                at = 0;
                continue;
            }
            window.tasks.insert(at, task);
        }
        at += 1;
    }
}

/// See the reasons in `shrink`.
fn may_leave_out(window: &Window, at: usize) -> bool {
    let task = window.tasks[at].1;
    if task.pure {
        return true;
    }
    let (Call::Write(made) | Call::Cas { to: made, .. }) = task.call else { return false };
    !window.tasks.iter().enumerate().any(|(other, (_, task))| match task.call {
        Call::Read(seen) | Call::Cas { from: seen, .. } => other != at && seen == made,
        _ => false,
    })
}
