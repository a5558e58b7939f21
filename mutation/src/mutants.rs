//! The mutants that cargo-mutants lists, and where each belongs in the text.
//!
//! What is mutated is decided by cargo-mutants alone, so that a score means the same as one of its own; nothing here
//! invents a mutant. A mutant's number is its place in that list, from 1.

use std::collections::HashMap;
use std::path::Path;

use anyhow::Context;
use serde::{Deserialize, Serialize};

/// The number of a mutant; 0 is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Number(pub u32);

/// What is done to the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Genre {
    /// A function gives a fixed value.
    FnValue,
    /// An operator between two operands is another one.
    BinaryOperator,
    /// An operator before its operand is left out.
    UnaryOperator,
    /// An arm of a match is left out.
    MatchArm,
    /// The condition of an arm is `true` or `false`.
    MatchArmGuard,
    /// A field of a struct expression is left to its base.
    StructField,
}

/// One line of the list, as far as it matters here.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Mutant {
    /// Path of the source below the root of the tree.
    pub(crate) file: String,
    /// What is done.
    pub(crate) genre: Genre,
    /// Position and description, for people.
    pub(crate) name: String,
    /// What stands there instead.
    pub(crate) replacement: String,
    /// What is replaced.
    pub(crate) span: Span,
}

/// From a position up to, but without, another.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Span {
    /// The first.
    pub(crate) start: Position,
}

/// Line and column from 1, the column in characters.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Position {
    /// Line.
    pub(crate) line: usize,
    /// Column.
    pub(crate) column: usize,
}

/// Reads what `cargo mutants --list --json` printed.
pub(crate) fn read(list: &Path) -> anyhow::Result<Vec<Mutant>> {
    let text = std::fs::read_to_string(list).with_context(|| format!("{}", list.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is no list of mutants", list.display()))
}

/// What the mutants of one file do at each place that has any.
pub(crate) type Wanted = HashMap<(Genre, usize), Vec<(Number, String)>>;

/// Sorts the mutants of the file with `text` by the byte at which they start.
pub(crate) fn wanted<'m>(text: &str, mutants: impl Iterator<Item = (Number, &'m Mutant)>) -> Wanted {
    let starts: Vec<usize> =
        std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
    let mut wanted = Wanted::new();
    for (number, mutant) in mutants {
        let Position { line, column } = mutant.span.start;
        let Some(start) = line.checked_sub(1).and_then(|line| starts.get(line)) else { continue };
        let before: usize = text[*start..].chars().take(column - 1).map(char::len_utf8).sum();
        let at = (mutant.genre, start + before);
        wanted.entry(at).or_default().push((number, mutant.replacement.clone()));
    }
    wanted
}
