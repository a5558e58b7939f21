//! The same transactions told in another way.

use checker::cycles::transactions::Part;
use checker::cycles::{Transaction, Transactions};
use checker::linear::object::{Datum, Key, Val};
use history::ids::Process;

use super::objects::Random;
use super::rebuild::neighbours;

/// Tells a history again: other names, other order of interning, parts left out, times changed.
struct Retold<'a> {
    from: &'a Transactions,
    to: Transactions,
    values: Vec<Val>,
    keys: Vec<Key>,
}

impl<'a> Retold<'a> {
    fn new(from: &'a Transactions, mut shuffle: impl FnMut(&mut [u32])) -> Self {
        let mut to = Transactions::new();
        let mut order: Vec<u32> = (1..u32::try_from(from.key_count()).expect("few keys")).collect();
        shuffle(&mut order);
        let mut keys = vec![Key::default(); from.key_count()];
        for old in order {
            keys[old as usize] = to.add_key(Datum::Text(format!("key {old}").into()));
        }
        let mut order: Vec<u32> = (1..u32::try_from(from.value_count()).expect("few values")).collect();
        shuffle(&mut order);
        let mut values = vec![Val::NIL; from.value_count()];
        for old in order {
            values[old as usize] = to.add_value(Datum::Text(format!("value {old}").into()));
        }
        Self { from, to, values, keys }
    }

    fn push(&mut self, transaction: Transaction, keep: impl Fn(Key) -> bool) {
        let mut parts = Vec::new();
        for part in self.from.parts(&transaction) {
            let (key, part) = self.part(*part);
            if keep(key) {
                parts.push(part);
            }
        }
        let parts = self.to.add_parts(&parts);
        self.to.push(Transaction { parts, ..transaction });
    }

    /// A part, and the key it had.
    fn part(&mut self, part: Part) -> (Key, Part) {
        let (keys, values) = (&self.keys, &self.values);
        let value = |old: Val| values[old.0 as usize];
        match part {
            Part::Append(key, old) => (key, Part::Append(keys[key.0 as usize], value(old))),
            Part::Read(key, old) => (key, Part::Read(keys[key.0 as usize], value(old))),
            Part::Write(key, old) => (key, Part::Write(keys[key.0 as usize], value(old))),
            Part::ReadList(key, span) => {
                let list: Vec<Val> = self.from.elements(span).iter().map(|old| value(*old)).collect();
                (key, Part::ReadList(keys[key.0 as usize], self.to.add_elements(list)))
            }
        }
    }

    fn finish(mut self) -> Transactions {
        self.to.sort();
        self.to
    }
}

/// Other names for processes, keys and values, interned in another order.
pub(crate) fn renamed(history: &Transactions, random: &mut Random) -> Transactions {
    let mut retold = Retold::new(history, |order| {
        for i in (1..order.len()).rev() {
            order.swap(i, random.pick(i + 1));
        }
    });
    for transaction in history.transactions() {
        let process = Process(1000 - transaction.process.0);
        retold.push(Transaction { process, ..*transaction }, |_| true);
    }
    retold.finish()
}

/// Events that real time does not order exchanged.
pub(crate) fn moved(history: &Transactions, random: &mut Random) -> Transactions {
    let mut retold = Retold::new(history, |_| {});
    let all = history.transactions();
    let times = neighbours(all.iter().map(|transaction| (transaction.invoked, transaction.returned)), random);
    for (transaction, (invoked, returned)) in all.iter().zip(times) {
        retold.push(Transaction { invoked, returned, ..*transaction }, |_| true);
    }
    retold.finish()
}

/// Without a key.
pub(crate) fn without(history: &Transactions, gone: Key) -> Transactions {
    let mut retold = Retold::new(history, |_| {});
    for transaction in history.transactions() {
        retold.push(*transaction, |key| key != gone);
    }
    retold.finish()
}
