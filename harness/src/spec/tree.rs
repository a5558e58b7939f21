//! A spec as a tree of values that remember where they were written.
//!
//! A spec may start from another (`from`) and be changed on the command line (`--set`), so by the time
//! something turns out to be wrong the value may come from any of three places. Each node therefore keeps its
//! source and byte span, through merging, until the last check; no later stage has to guess a line number.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::Problem;

/// A text that values come from: a file, a built-in spec, or one `--set`.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    /// Shown in errors: a path, `built-in spec quickstart`, `--set`.
    pub name: String,
    /// The whole text.
    pub text: String,
    /// What kind of text.
    pub kind: SourceKind,
}

/// What kind of text values come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceKind {
    /// A file; relative paths in it start from its folder.
    File(std::path::PathBuf),
    /// Compiled in.
    BuiltIn,
    /// An option on the command line: what looks like a number may also be meant as text.
    CommandLine,
}

/// Where something was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The text.
    pub source: Arc<Source>,
    /// Bytes within it.
    pub span: Range<usize>,
}

impl Origin {
    /// What is written there.
    pub(super) fn text(&self) -> &str {
        self.source.text.get(self.span.clone()).unwrap_or("")
    }
}

/// A value and where it was written.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    pub(super) value: Value,
    pub(super) origin: Origin,
}

/// A value of TOML; dates and times are refused while reading.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Text(String),
    Integer(i64),
    Float(f64),
    Bool(bool),
    List(Vec<Tree>),
    Table(BTreeMap<String, Entry>),
}

/// A value of a table, with where its key was written.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: Origin,
    pub(super) tree: Tree,
}

impl Tree {
    /// Reads a TOML document.
    pub(super) fn parse(source: &Arc<Source>) -> Result<Self, Problem> {
        let document = DeTable::parse(&source.text).map_err(|error| broken(source, &error))?;
        let span = document.span();
        table(source, document.get_ref(), span)
    }

    /// The node at a path of keys and indices, as far down as the path goes.
    pub(super) fn nearest(&self, path: &[&str]) -> &Self {
        let Some((first, rest)) = path.split_first() else { return self };
        let child = match &self.value {
            Value::Table(entries) => entries.get(*first).map(|entry| &entry.tree),
            Value::List(items) => first.parse::<usize>().ok().and_then(|index| items.get(index)),
            Value::Text(_) | Value::Integer(_) | Value::Float(_) | Value::Bool(_) => None,
        };
        child.map_or(self, |child| child.nearest(rest))
    }

    /// Where the key at a path was written; the value's place where the path ends at a list item.
    pub(super) fn key(&self, path: &[&str]) -> &Origin {
        let Some((last, parents)) = path.split_last() else { return &self.origin };
        let parent = self.nearest(parents);
        match &parent.value {
            Value::Table(entries) => entries.get(*last).map_or(&parent.origin, |entry| &entry.key),
            Value::List(_) | Value::Text(_) | Value::Integer(_) | Value::Float(_) | Value::Bool(_) => {
                &self.nearest(path).origin
            }
        }
    }

    /// The text at a key of the top level.
    pub(super) fn text(&self, key: &str) -> Option<(&str, &Origin)> {
        let Value::Table(entries) = &self.value else { return None };
        let tree = &entries.get(key)?.tree;
        match &tree.value {
            Value::Text(text) => Some((text, &tree.origin)),
            Value::Integer(_) | Value::Float(_) | Value::Bool(_) | Value::List(_) | Value::Table(_) => None,
        }
    }

    /// This tree laid over another: tables are merged key by key, everything else replaces what it covers.
    pub(super) fn over(self, base: Self) -> Self {
        match (self.value, base.value) {
            (Value::Table(upper), Value::Table(mut merged)) => {
                for (name, entry) in upper {
                    let covered = merged.remove(&name);
                    let tree = match covered {
                        Some(covered) => entry.tree.over(covered.tree),
                        None => entry.tree,
                    };
                    merged.insert(name, Entry { key: entry.key, tree });
                }
                Self { value: Value::Table(merged), origin: self.origin }
            }
            (value, _) => Self { value, origin: self.origin },
        }
    }
}

fn broken(source: &Arc<Source>, error: &toml::de::Error) -> Problem {
    let span = error.span().unwrap_or(0..0);
    Problem::at(error.message().to_owned(), Origin { source: Arc::clone(source), span })
        .label("not TOML from here on")
}

fn table(source: &Arc<Source>, table: &DeTable<'_>, span: Range<usize>) -> Result<Tree, Problem> {
    let mut entries = BTreeMap::new();
    for (key, value) in table {
        let origin = Origin { source: Arc::clone(source), span: key.span() };
        let tree = tree(source, value)?;
        entries.insert(key.get_ref().to_string(), Entry { key: origin, tree });
    }
    Ok(Tree { value: Value::Table(entries), origin: Origin { source: Arc::clone(source), span } })
}

fn tree(source: &Arc<Source>, value: &Spanned<DeValue<'_>>) -> Result<Tree, Problem> {
    let origin = Origin { source: Arc::clone(source), span: value.span() };
    let refuse = |what: &str| Err(Problem::at(format!("{what} mean nothing in a spec"), origin.clone()));
    let value = match value.get_ref() {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(digits) => match i64::from_str_radix(digits.as_str(), digits.radix()) {
            Ok(number) => Value::Integer(number),
            Err(_) => return Err(Problem::at("this number is too large".to_owned(), origin)),
        },
        DeValue::Float(digits) => match digits.as_str().parse() {
            Ok(number) => Value::Float(number),
            Err(_) => return refuse("such numbers"),
        },
        DeValue::Boolean(truth) => Value::Bool(*truth),
        DeValue::Datetime(_) => return refuse("dates and times"),
        DeValue::Array(items) => {
            Value::List(items.iter().map(|item| tree(source, item)).collect::<Result<_, _>>()?)
        }
        DeValue::Table(entries) => return table(source, entries, origin.span),
    };
    Ok(Tree { value, origin })
}
