//! One line of a Jepsen history: who asked or answered what, and when.

use super::{EdnError, Record, View};
use crate::ids::{Nanos, Process};

/// Whether an operation is asked, or how it was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// `:invoke`.
    Invoke,
    /// `:ok`.
    Ok,
    /// `:fail`.
    Fail,
    /// `:info`.
    Info,
}

/// Who acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A client process.
    Client(Process),
    /// Anybody else, the nemesis first of all.
    Other,
}

/// An operation of a history.
#[derive(Clone, Copy)]
pub struct Operation<'a> {
    /// The line it begins on, from 1.
    pub line: u64,
    /// `:type`.
    pub kind: Type,
    /// `:process`.
    pub actor: Actor,
    /// `:f`.
    pub f: &'a str,
    /// `:value`; none where it is absent or nil.
    pub value: Option<View<'a>>,
    /// `:key`, where the object is named beside the value.
    pub key: Option<View<'a>>,
    /// `:time`.
    pub time: Option<Nanos>,
    /// `:rebalance-log`.
    pub rebalances: Option<View<'a>>,
    /// `:seek-to-beginning?`.
    pub seeks_to_beginning: bool,
}

impl<'a> Operation<'a> {
    /// Reads a record as an operation.
    pub fn of(record: Record<'a>) -> Result<Self, EdnError> {
        let line = record.line;
        let wrong = |cause: &str| EdnError::meaningless(line, cause);
        if !record.value.is_map() {
            return Err(wrong("an operation is a map"));
        }
        let (mut kind, mut actor, mut f) = (None, None, None);
        let mut operation = Operation {
            line,
            kind: Type::Info,
            actor: Actor::Other,
            f: "",
            value: None,
            key: None,
            time: None,
            rebalances: None,
            seeks_to_beginning: false,
        };
        for (key, value) in record.value.entries() {
            match key.word() {
                Some("type") => kind = Some(parse_type(value).ok_or_else(|| wrong("an unknown :type"))?),
                Some("process") => {
                    actor = Some(
                        parse_actor(value).ok_or_else(|| wrong(":process is neither a name nor a number"))?,
                    );
                }
                Some("f") => f = value.word(),
                Some("value") => operation.value = Some(value).filter(|value| !value.is_nil()),
                Some("time") => {
                    operation.time = value.int().and_then(|time| u64::try_from(time).ok()).map(Nanos);
                }
                Some("key") => operation.key = Some(value).filter(|key| !key.is_nil()),
                Some("rebalance-log") => operation.rebalances = Some(value),
                Some("seek-to-beginning?") => {
                    operation.seeks_to_beginning = !value.is_nil() && !value.is_false()
                }
                Some(_) | None => {}
            }
        }
        operation.kind = kind.ok_or_else(|| wrong("an operation without :type"))?;
        operation.actor = actor.ok_or_else(|| wrong("an operation without :process"))?;
        operation.f = match (f, operation.actor) {
            (Some(f), _) => f,
            (None, Actor::Other) => "",
            (None, Actor::Client(_)) => return Err(wrong("an operation without :f")),
        };
        Ok(operation)
    }
}

fn parse_type(value: View<'_>) -> Option<Type> {
    match value.word()? {
        "invoke" => Some(Type::Invoke),
        "ok" => Some(Type::Ok),
        "fail" => Some(Type::Fail),
        "info" => Some(Type::Info),
        _ => None,
    }
}

fn parse_actor(value: View<'_>) -> Option<Actor> {
    match value.int() {
        Some(number) => u32::try_from(number).ok().map(|number| Actor::Client(Process(number))),
        None => value.word().map(|_| Actor::Other),
    }
}
