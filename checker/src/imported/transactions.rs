//! Transactions over lists and registers: `[[:append k v] [:r k [v …]]]`, `[[:w k v] [:r k v]]`.

use std::io::Read;

use history::edn::operation::Operation;
use history::edn::{EdnError, View};

use super::names::Names;
use super::pairing::{self, End, Meaning, Notes, Pair};
use crate::cycles::Transactions;
use crate::cycles::transactions::{Outcome, Part, Transaction};
use crate::linear::object::{Key, Span, Val};

/// What transactions work on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Lists that are appended to.
    Lists,
    /// Registers that are written.
    Registers,
}

/// Reads a history of transactions.
///
/// # Errors
/// The first record that is malformed, or is no transaction of this kind.
pub fn read(source: impl Read, content: Content) -> Result<(Transactions, Notes), EdnError> {
    let history = Transactions::new();
    let (keys, values) = (Names::default(), Names::default());
    let mut reading = Reading { content, history, keys, values };
    let notes = pairing::read(source, &mut reading)?;
    reading.history.sort();
    Ok((reading.history, notes))
}

struct Reading {
    content: Content,
    history: Transactions,
    keys: Names<Key>,
    values: Names<Val>,
}

impl Reading {
    fn value(&mut self, value: View<'_>) -> Val {
        let history = &mut self.history;
        self.values.id(value, Val::NIL, |datum| history.add_value(datum))
    }

    fn parts(&mut self, value: Option<View<'_>>, answered: bool, line: u64) -> Result<Vec<Part>, EdnError> {
        let mut parts = Vec::new();
        for part in value.into_iter().flat_map(|value| value.items()) {
            let wrong = |cause| Err(EdnError::meaningless(line, cause));
            let mut items = part.items();
            let (Some(f), Some(key), Some(value), None) =
                (items.next(), items.next(), items.next(), items.next())
            else {
                return wrong("a part of a transaction is [f key value]");
            };
            let history = &mut self.history;
            let key = self.keys.id(key, Key::default(), |datum| history.add_key(datum));
            match (f.word(), self.content) {
                (Some("r" | "read"), _) if !answered => {}
                (Some("r" | "read"), Content::Lists) => {
                    if !value.is_nil() && !value.is_sequence() {
                        return wrong("a list that was read is [value …] or nil");
                    }
                    let elements: Vec<Val> = value.items().map(|element| self.value(element)).collect();
                    parts.push(Part::ReadList(key, self.history.add_elements(elements)));
                }
                (Some("r" | "read"), Content::Registers) => parts.push(Part::Read(key, self.value(value))),
                (Some("append"), Content::Lists) => parts.push(Part::Append(key, self.value(value))),
                (Some("w" | "write"), Content::Registers) => parts.push(Part::Write(key, self.value(value))),
                _ => return wrong("a part of a transaction is neither a read nor a write of this model"),
            }
        }
        Ok(parts)
    }
}

impl Meaning for Reading {
    type Asked = Vec<Part>;

    fn functions(&self) -> &'static [&'static str] {
        &["txn"]
    }

    fn ask(&mut self, operation: &Operation<'_>) -> Result<Vec<Part>, EdnError> {
        self.parts(operation.value, false, operation.line)
    }

    fn end(&mut self, pair: Pair<'_, Vec<Part>>) -> Result<(), EdnError> {
        let Pair { asked, answer, end, process, invoked, returned } = pair;
        let (outcome, parts) = match (end, answer) {
            (End::Happened, Some(answer)) => {
                (Outcome::Committed, self.parts(answer.value, true, answer.line)?)
            }
            (End::Failed, _) => (Outcome::Aborted, asked),
            (End::Unknown | End::Happened, _) => (Outcome::Unknown, asked),
        };
        let parts: Span = self.history.add_parts(&parts);
        self.history.push(Transaction { process, invoked, returned, outcome, parts });
        Ok(())
    }
}
