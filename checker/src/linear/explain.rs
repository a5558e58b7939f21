//! Operations and states in words.

use super::context::Context;
use super::object::{Call, Op, Step};
use super::verdict::Line;

/// At most this many elements of a list are spelled out.
const LISTED: usize = 12;

/// At most this many characters of a text are spelled out, from both ends.
const SHOWN: usize = 60;

/// Elements separated by blanks, long lists shortened in the middle.
pub(crate) fn list(elements: impl ExactSizeIterator<Item = String>) -> String {
    let count = elements.len();
    if count <= LISTED {
        return elements.collect::<Vec<_>>().join(" ");
    }
    let elements: Vec<String> = elements.collect();
    let (head, tail) = (&elements[..LISTED / 2], &elements[count - LISTED / 2..]);
    format!("{} … {} more … {}", head.join(" "), count - LISTED, tail.join(" "))
}

/// A text, shortened in the middle.
pub(super) fn abridged(text: &str) -> String {
    let count = text.chars().count();
    if count <= SHOWN {
        return text.to_owned();
    }
    let head: String = text.chars().take(SHOWN / 2).collect();
    let tail: String = text.chars().skip(count - SHOWN / 2).collect();
    format!("{head}…{tail}")
}

/// What was asked and answered: `read 3`.
pub(super) fn call(context: &Context<'_>, call: Call) -> String {
    let name = |value| abridged(&context.datum(value).to_string());
    match call {
        Call::Read(value) => format!("read {}", name(value)),
        Call::Write(value) => format!("write {}", name(value)),
        Call::Cas { from, to } => format!("cas {} → {}", name(from), name(to)),
        Call::Acquire => "acquire".to_owned(),
        Call::Release => "release".to_owned(),
        Call::Enqueue(value) => format!("enqueue {}", name(value)),
        Call::Dequeue(value) => format!("dequeue {}", name(value)),
        Call::DequeueEmpty => "dequeue: empty".to_owned(),
        Call::DequeueUnknown => "dequeue of unknown outcome".to_owned(),
        Call::Add(value) => format!("add {}", name(value)),
        Call::ReadSet(span) => {
            let elements = context.history.list(span).iter();
            format!("read {{{}}}", list(elements.map(|value| context.datum(*value).to_string())))
        }
        Call::Get(value) => format!("get \"{}\"", name(value)),
        Call::Put(value) => format!("put \"{}\"", name(value)),
        Call::Append(value) => format!("append \"{}\"", name(value)),
        Call::Txn(span) => {
            let key = |key: super::object::Key| &context.history.keys()[key.0 as usize];
            let steps: Vec<String> = context
                .history
                .steps(span)
                .iter()
                .map(|step| match *step {
                    Step::Read(at, value) => format!("read {}={}", key(at), name(value)),
                    Step::Write(at, value) => format!("write {}={}", key(at), name(value)),
                })
                .collect();
            format!("txn {}", steps.join(", "))
        }
    }
}

/// An operation with its process and its time: `read 3 by process 2 [10, 12]`.
pub(super) fn op(context: &Context<'_>, op: &Op) -> String {
    let call = call(context, op.call);
    if op.is_crashed() {
        format!("{call} by process {} [{}, unknown]", op.process, op.invoked.0)
    } else {
        format!("{call} by process {} [{}, {}]", op.process, op.invoked.0, op.returned.0)
    }
}

/// An operation as a line of a witness.
pub(super) fn line(context: &Context<'_>, number: usize, op: &Op, optional: bool) -> Line {
    Line {
        op: number as u64,
        process: op.process,
        call: call(context, op.call),
        invoked: op.invoked,
        returned: (!op.is_crashed()).then_some(op.returned),
        optional,
    }
}
