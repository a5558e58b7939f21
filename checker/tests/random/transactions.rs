//! Small random histories of transactions over lists or registers: a serial run, some of its answers changed.
//!
//! Every value is written once. Outcomes are unknown or failed now and then; of the unknown ones half took effect.

use checker::cycles::transactions::{Outcome, Part};
use checker::cycles::{Transaction, Transactions};
use checker::linear::object::{Datum, Key, Moment, Val};
use history::ids::Process;

use super::objects::Random;

/// What transactions do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Workload {
    /// They append to lists and read them.
    Lists,
    /// They write registers blindly, and read them.
    Registers,
    /// They read every register before they write it.
    Updates,
}

pub(crate) const WORKLOADS: [Workload; 3] = [Workload::Lists, Workload::Registers, Workload::Updates];

/// One random history of up to `most` transactions.
pub(crate) fn history(workload: Workload, most: u64, random: &mut Random) -> Transactions {
    let count = 1 + random.below(most);
    let span = 2 + random.below(3 * count);
    let width = 1 + random.below(span);
    let mut points: Vec<u64> = (0..count).map(|_| random.below(span)).collect();
    points.sort_unstable();
    let mut run = Run::new(workload, random);
    for point in points {
        let invoked = Moment((point + span).saturating_sub(run.random.below(width)));
        let returned = Moment(point + span + run.random.below(width));
        run.transaction(invoked, returned);
    }
    run.history.sort();
    run.history
}

struct Run<'a> {
    workload: Workload,
    random: &'a mut Random,
    history: Transactions,
    keys: Vec<Key>,
    /// By key: what was written, oldest first.
    state: Vec<Vec<Val>>,
    /// Everything written to a key by anybody.
    written: Vec<Vec<Val>>,
    next: i64,
    /// By process: when its last transaction returned.
    free: Vec<Moment>,
}

impl<'a> Run<'a> {
    fn new(workload: Workload, random: &'a mut Random) -> Self {
        let mut history = Transactions::new();
        let keys: Vec<Key> = (1..=3).map(|n| history.add_key(Datum::Int(n))).collect();
        let empty = vec![Vec::new(); keys.len()];
        let (state, written) = (empty.clone(), empty);
        Self { workload, random, history, keys, state, written, next: 1, free: Vec::new() }
    }

    fn transaction(&mut self, invoked: Moment, returned: Moment) {
        let outcome = match self.random.below(100) {
            0..75 => Outcome::Committed,
            75..85 => Outcome::Aborted,
            _ => Outcome::Unknown,
        };
        let effective = match outcome {
            Outcome::Committed => true,
            Outcome::Aborted => self.random.chance(3),
            Outcome::Unknown => self.random.chance(50),
        };
        let mut state = self.state.clone();
        let mut parts = Vec::new();
        for _ in 0..1 + self.random.below(3) {
            let at = self.random.pick(self.keys.len());
            if self.random.chance(50) {
                self.write(at, (&mut state, &mut parts));
            } else {
                let read = self.read(at, &state[at]);
                parts.push(read);
            }
        }
        if effective {
            self.state = state;
        }
        if outcome != Outcome::Committed {
            // Nobody knows what it read.
            parts.retain(|part| matches!(part, Part::Append(..) | Part::Write(..)));
        }
        let returned = if outcome == Outcome::Unknown { Moment::NEVER } else { returned };
        let process = self.process(invoked, returned);
        let parts = self.history.add_parts(&parts);
        self.history.push(Transaction { process, invoked, returned, outcome, parts });
    }

    /// A process that is free, or a new one.
    fn process(&mut self, invoked: Moment, returned: Moment) -> Process {
        let free = self.free.iter().position(|free| *free < invoked).filter(|_| self.random.chance(40));
        let at = free.unwrap_or_else(|| {
            self.free.push(Moment(0));
            self.free.len() - 1
        });
        self.free[at] = returned;
        Process(u32::try_from(at).expect("few processes"))
    }

    fn write(&mut self, at: usize, (state, parts): (&mut [Vec<Val>], &mut Vec<Part>)) {
        if self.workload == Workload::Updates {
            parts.push(self.read(at, &state[at]));
        }
        let value = self.history.add_value(Datum::Int(self.next));
        self.next += 1;
        state[at].push(value);
        self.written[at].push(value);
        let key = self.keys[at];
        parts.push(match self.workload {
            Workload::Lists => Part::Append(key, value),
            Workload::Registers | Workload::Updates => Part::Write(key, value),
        });
    }

    /// The right answer, or now and then an old one or one that mixes things up.
    fn read(&mut self, at: usize, right: &[Val]) -> Part {
        let mut list = right.to_vec();
        match self.random.below(100) {
            0..75 => {}
            75..90 => list.truncate(self.random.pick(list.len() + 1)),
            90..95 => list.extend(self.written[at].last().filter(|value| !right.contains(value))),
            95..98 if list.len() > 1 => {
                let last = list.len() - 1;
                list.swap(last - 1, last);
            }
            _ => {}
        }
        let key = self.keys[at];
        match self.workload {
            Workload::Lists => Part::ReadList(key, self.history.add_elements(list)),
            Workload::Registers | Workload::Updates => {
                Part::Read(key, list.last().copied().unwrap_or(Val::NIL))
            }
        }
    }
}
