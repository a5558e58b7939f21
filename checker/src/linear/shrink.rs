//! From a contradiction somewhere in a history to the few operations that show it.
//!
//! Operations may be left out of a witness only where that cannot *make* a contradiction, i.e. where any order of
//! the whole history, without them, is an order of the rest:
//! * pure operations (reads), always;
//! * writes (and compare-and-sets) of a register value that no operation kept observes: until the next write,
//!   nobody kept looks;
//! * for queues and bags, all operations on one value together;
//! * everything that ended before a moment, if the witness may begin in every state that was possible then, and
//!   what was pending then is optional.
//!
//! What remains is tried in every order by `brute` before it is reported.

mod project;
mod window;

pub(super) use window::{Stuck, from_search};

use super::brute::{self, Object, Trial};
use super::context::{Context, Violation};
use super::dispatch::Numbers;
use super::explain;
use super::object::Op;
use super::verdict::{Confirmation, Line, Witness};

/// Turns a finder's contradiction into a witness; none if the witness turns out to have an order.
pub(super) fn confirm(
    ops: &[Op],
    numbers: Numbers<'_>,
    context: &Context<'_>,
    violation: &Violation,
) -> Option<Witness> {
    let (involved, confirmed) = match project::closed(ops, context, &violation.ops) {
        Some(involved) if involved.len() <= brute::MAX => {
            let trials: Vec<Trial> =
                involved.iter().map(|i| Trial { op: ops[*i], optional: false }).collect();
            if brute::has_order(context, &trials, &[Object::initial(context)]) {
                return None;
            }
            (involved, Confirmation::BruteForce)
        }
        _ => (violation.ops.clone(), Confirmation::Argument),
    };
    Some(Witness {
        pattern: violation.pattern,
        key: key(context, ops),
        from: vec![initial(context)],
        operations: involved.iter().map(|i| line(context, numbers, (*i, &ops[*i]), false)).collect(),
        why: violation.why.clone(),
        confirmed,
    })
}

fn line(context: &Context<'_>, numbers: Numbers<'_>, (i, op): (usize, &Op), optional: bool) -> Line {
    let number = numbers.map_or(i, |numbers| numbers[i] as usize);
    explain::line(context, number, op, optional)
}

/// The object's name, where operations name keys.
fn key(context: &Context<'_>, ops: &[Op]) -> Option<String> {
    let key = ops.first()?.key;
    (key.0 > 0).then(|| context.history.keys()[key.0 as usize].to_string())
}

/// The state before everything, in words.
fn initial(context: &Context<'_>) -> String {
    use super::Model;
    match context.model {
        Model::Register | Model::CasRegister => context.datum(context.initial).to_string(),
        Model::MultiRegister => format!("every register {}", context.datum(context.initial)),
        Model::Mutex => "free".to_owned(),
        Model::Queue | Model::Bag | Model::Set => "empty".to_owned(),
        Model::AppendKv => format!("\"{}\"", context.datum(context.initial)),
    }
}
