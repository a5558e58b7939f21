//! Transactions over lists or registers, as they were asked and answered.

use history::ids::Process;

use crate::linear::object::{Datum, Key, Moment, Span, Val};

/// Whether a transaction took effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It did.
    Committed,
    /// It did not and never will.
    Aborted,
    /// Nobody knows; it did if somebody saw what it wrote.
    Unknown,
}

/// One part of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A list had these elements ([`Transactions::elements`]).
    ReadList(Key, Span),
    /// An element went to the end of a list.
    Append(Key, Val),
    /// A register held this value.
    Read(Key, Val),
    /// A register was set.
    Write(Key, Val),
}

/// A transaction.
#[derive(Clone, Copy, Debug)]
pub struct Transaction {
    /// Who ran it.
    pub process: Process,
    /// When it was begun.
    pub invoked: Moment,
    /// When it was over; [`Moment::NEVER`] where the outcome is unknown.
    pub returned: Moment,
    /// Whether it took effect.
    pub outcome: Outcome,
    /// Its parts.
    pub parts: Span,
}

/// A history of transactions, by invocation.
#[derive(Clone, Debug)]
pub struct Transactions {
    transactions: Vec<Transaction>,
    parts: Vec<Part>,
    elements: Vec<Val>,
    keys: Vec<Datum>,
    values: Vec<Datum>,
}

impl Default for Transactions {
    fn default() -> Self {
        Self {
            transactions: Vec::new(),
            parts: Vec::new(),
            elements: Vec::new(),
            keys: vec![Datum::Nil],
            values: vec![Datum::Nil],
        }
    }
}

impl Transactions {
    /// No transactions; `nil` is interned as key and as value.
    pub fn new() -> Self {
        Self::default()
    }

    /// The transactions, by invocation once [`Transactions::sort`] was called.
    pub fn transactions(&self) -> &[Transaction] {
        &self.transactions
    }

    /// The parts of a transaction.
    pub fn parts(&self, transaction: &Transaction) -> &[Part] {
        &self.parts[transaction.parts.start as usize..][..transaction.parts.len as usize]
    }

    /// The elements of a list that was read.
    pub fn elements(&self, span: Span) -> &[Val] {
        &self.elements[span.start as usize..][..span.len as usize]
    }

    /// A key as it was written.
    pub fn key_name(&self, key: Key) -> &Datum {
        &self.keys[key.0 as usize]
    }

    /// A value as it was written.
    pub fn value_name(&self, value: Val) -> &Datum {
        &self.values[value.0 as usize]
    }

    /// Number of keys, `nil` included.
    pub fn key_count(&self) -> usize {
        self.keys.len()
    }

    /// Number of values, `nil` included.
    pub fn value_count(&self) -> usize {
        self.values.len()
    }

    /// Interns a key not interned before.
    pub fn add_key(&mut self, datum: Datum) -> Key {
        self.keys.push(datum);
        Key(index(self.keys.len() - 1))
    }

    /// Interns a value not interned before.
    pub fn add_value(&mut self, datum: Datum) -> Val {
        self.values.push(datum);
        Val(index(self.values.len() - 1))
    }

    /// Stores the elements of a list that was read.
    pub fn add_elements(&mut self, elements: impl IntoIterator<Item = Val>) -> Span {
        let start = self.elements.len();
        self.elements.extend(elements);
        Span { start: index(start), len: index(self.elements.len() - start) }
    }

    /// Stores the parts of a transaction.
    pub fn add_parts(&mut self, parts: &[Part]) -> Span {
        let start = self.parts.len();
        self.parts.extend_from_slice(parts);
        Span { start: index(start), len: index(parts.len()) }
    }

    /// Adds a transaction.
    pub fn push(&mut self, transaction: Transaction) {
        self.transactions.push(transaction);
    }

    /// Orders the transactions by invocation. To be called once all are there.
    pub fn sort(&mut self) {
        self.transactions.sort_by_key(|transaction| transaction.invoked);
    }

    /// A transaction in words: `T7 (process 2): append x 3, read y [1 2]`.
    pub fn describe(&self, id: u32) -> String {
        let transaction = &self.transactions[id as usize];
        let parts: Vec<String> =
            self.parts(transaction).iter().map(|part| self.describe_part(part)).collect();
        let outcome = match transaction.outcome {
            Outcome::Committed => "",
            Outcome::Aborted => ", aborted",
            Outcome::Unknown => ", outcome unknown",
        };
        format!("T{id} (process {}{outcome}): {}", transaction.process, parts.join(", "))
    }

    fn describe_part(&self, part: &Part) -> String {
        match *part {
            Part::ReadList(key, span) => {
                let names = self.elements(span).iter().map(|value| self.value_name(*value).to_string());
                format!("read {} [{}]", self.key_name(key), crate::linear::explain::list(names))
            }
            Part::Append(key, value) => format!("append {} {}", self.key_name(key), self.value_name(value)),
            Part::Read(key, value) => format!("read {}={}", self.key_name(key), self.value_name(value)),
            Part::Write(key, value) => format!("write {}={}", self.key_name(key), self.value_name(value)),
        }
    }
}

/// Histories are bounded by 2^32 distinct values, keys and elements; beyond that memory ends first.
fn index(n: usize) -> u32 {
    u32::try_from(n).expect("fewer than 2^32 interned things")
}
