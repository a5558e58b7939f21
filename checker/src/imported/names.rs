//! Values and keys as they were written, interned.

use std::collections::HashMap;

use history::edn::{Form, View};

use crate::linear::hash::IdMap;
use crate::linear::object::Datum;

/// Numbers for values.
#[derive(Default)]
pub(super) struct Names<Id> {
    ints: IdMap<u64, Id>,
    texts: HashMap<String, Id>,
}

impl<Id: Copy> Names<Id> {
    /// Gives a value its number beforehand.
    pub(super) fn preset(&mut self, datum: &Datum, id: Id) {
        match datum {
            Datum::Nil => {}
            Datum::Int(int) => {
                self.ints.insert(int.cast_unsigned(), id);
            }
            Datum::Text(text) => {
                self.texts.insert(text.to_string(), id);
            }
        }
    }

    /// The number of a value; `new` makes one for a value not met before. `nil` is `nil`'s.
    pub(super) fn id(&mut self, value: View<'_>, nil: Id, new: impl FnOnce(Datum) -> Id) -> Id {
        if let Some(int) = value.int() {
            return *self.ints.entry(int.cast_unsigned()).or_insert_with(|| new(Datum::Int(int)));
        }
        if value.is_nil() {
            return nil;
        }
        self.text(value.canonical(), new)
    }

    /// The number of a string by its content; other values as written.
    pub(super) fn content(&mut self, value: View<'_>, nil: Id, new: impl FnOnce(Datum) -> Id) -> Id {
        if value.is_nil() {
            return nil;
        }
        match value.form() {
            Form::Text(text) => self.text(text.into_owned(), new),
            Form::Nil
            | Form::Bool(_)
            | Form::Int(_)
            | Form::Big(_)
            | Form::Float(_)
            | Form::Keyword(_)
            | Form::Symbol(_)
            | Form::Char(_)
            | Form::List(_)
            | Form::Vector(_)
            | Form::Set(_)
            | Form::Map(_) => self.text(value.canonical(), new),
        }
    }

    fn text(&mut self, text: String, new: impl FnOnce(Datum) -> Id) -> Id {
        if let Some(id) = self.texts.get(&text) {
            return *id;
        }
        let id = new(Datum::Text(text.as_str().into()));
        self.texts.insert(text, id);
        id
    }
}
