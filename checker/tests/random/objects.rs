//! Small random histories of every object: a correct run with linearization points, some of its answers changed.
//!
//! Times are small integers, so that equal moments occur; outcomes are unknown now and then, and of those some
//! took effect. Roughly half of the histories have an order.

use checker::linear::object::{Call, Datum, Key, Moment, Op, Step, Val};
use checker::linear::{History, Model, Recorder};
use history::ids::Process;

/// A seeded generator (splitmix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    /// An index below `n`.
    pub(crate) fn pick(&mut self, n: usize) -> usize {
        usize::try_from(self.below(n as u64)).expect("an index")
    }

    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// An object and how its values are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    RegisterUnique,
    RegisterRepeated,
    CasUnique,
    CasRepeated,
    Mutex,
    MultiRegister,
    QueueUnique,
    QueueRepeated,
    BagUnique,
    BagRepeated,
    Set,
    KvClear,
    KvAmbiguous,
}

pub(crate) const FAMILIES: [Family; 13] = [
    Family::RegisterUnique,
    Family::RegisterRepeated,
    Family::CasUnique,
    Family::CasRepeated,
    Family::Mutex,
    Family::MultiRegister,
    Family::QueueUnique,
    Family::QueueRepeated,
    Family::BagUnique,
    Family::BagRepeated,
    Family::Set,
    Family::KvClear,
    Family::KvAmbiguous,
];

impl Family {
    pub(crate) fn model(self) -> Model {
        match self {
            Family::RegisterUnique | Family::RegisterRepeated => Model::Register,
            Family::CasUnique | Family::CasRepeated => Model::CasRegister,
            Family::Mutex => Model::Mutex,
            Family::MultiRegister => Model::MultiRegister,
            Family::QueueUnique | Family::QueueRepeated => Model::Queue,
            Family::BagUnique | Family::BagRepeated => Model::Bag,
            Family::Set => Model::Set,
            Family::KvClear | Family::KvAmbiguous => Model::AppendKv,
        }
    }
}

/// One random history of up to `most` operations.
pub(crate) fn history(family: Family, most: u64, random: &mut Random) -> History {
    let count = 1 + random.below(most);
    let span = 2 + random.below(3 * count);
    let width = 1 + random.below(span);
    let mut points: Vec<u64> = (0..count).map(|_| random.below(span)).collect();
    points.sort_unstable();
    let mut run = Run::new(family, random);
    for point in points {
        let invoked = Moment((point + span).saturating_sub(run.random.below(width)));
        let returned = Moment(point + span + run.random.below(width));
        let crashed = run.random.chance(20);
        let (process, returned) = (Process(run.next), if crashed { Moment::NEVER } else { returned });
        run.next += 1;
        let Some(call) = run.call(crashed) else { continue };
        let key = Key::default();
        run.recorder.push(Op { invoked, returned, process, key, call });
    }
    run.recorder.finish()
}

struct Run<'a> {
    family: Family,
    random: &'a mut Random,
    recorder: Recorder,
    values: Vec<Val>,
    keys: Vec<Key>,
    fresh: usize,
    next: u32,
    /// The object: a register's value, a queue's, bag's or set's content, registers by key.
    state: Vec<Val>,
    text: String,
    texts: std::collections::HashMap<String, Val>,
}

const CLEAR: [&str; 8] = ["a.", "b.", "c.", "d.", "e.", "f.", "g.", "h."];
const AMBIGUOUS: [&str; 4] = ["a", "ab", "b", "ba"];

impl<'a> Run<'a> {
    fn new(family: Family, random: &'a mut Random) -> Self {
        let mut recorder = Recorder::new();
        let values = (1..=9).map(|n| recorder.value(Datum::Int(n))).collect();
        let multi = family == Family::MultiRegister;
        let keys: Vec<Key> =
            if multi { (0..2).map(|n| recorder.key(Datum::Int(n))).collect() } else { vec![] };
        let state = match family.model() {
            Model::MultiRegister => vec![Val::NIL; 3],
            Model::Register | Model::CasRegister | Model::Mutex => vec![Val::NIL],
            Model::Queue | Model::Bag | Model::Set | Model::AppendKv => vec![],
        };
        let texts = std::collections::HashMap::from([(String::new(), Val::NIL)]);
        let (text, fresh, next) = (String::new(), 0, 0);
        Self { family, random, recorder, values, keys, fresh, next, state, text, texts }
    }

    fn any(&mut self, among: usize) -> Val {
        match self.random.pick(among + 1) {
            0 => Val::NIL,
            at => self.values[at - 1],
        }
    }

    fn unique(&mut self) -> Val {
        self.fresh += 1;
        self.values[(self.fresh - 1) % 9]
    }

    /// A value to put in.
    fn input(&mut self) -> Val {
        match self.family {
            Family::RegisterUnique | Family::CasUnique | Family::QueueUnique | Family::BagUnique => {
                self.unique()
            }
            Family::Set if self.random.chance(60) => self.unique(),
            Family::RegisterRepeated
            | Family::CasRepeated
            | Family::Mutex
            | Family::MultiRegister
            | Family::QueueRepeated
            | Family::BagRepeated
            | Family::Set
            | Family::KvClear
            | Family::KvAmbiguous => self.values[self.random.pick(3)],
        }
    }

    /// The answer of a correct object, or now and then another.
    fn answer(&mut self, right: Val) -> Val {
        if self.random.chance(85) { right } else { self.any(4) }
    }

    fn call(&mut self, crashed: bool) -> Option<Call> {
        // Of the unknown ones, half took effect.
        let effective = !crashed || self.random.chance(50);
        match self.family.model() {
            Model::Register | Model::CasRegister => Some(self.register(effective)),
            Model::Mutex => {
                let call = if self.random.chance(50) { Call::Acquire } else { Call::Release };
                let right = if self.state[0] == Val::NIL { Call::Acquire } else { Call::Release };
                let call = if self.random.chance(80) { right } else { call };
                if effective {
                    self.state[0] = Val(1 - self.state[0].0);
                }
                Some(call)
            }
            Model::MultiRegister => Some(self.transaction(crashed, effective)),
            Model::Queue | Model::Bag => self.queue(crashed, effective),
            Model::Set => Some(self.set(effective)),
            Model::AppendKv => Some(self.kv(effective)),
        }
    }

    fn register(&mut self, effective: bool) -> Call {
        let held = self.state[0];
        let cas = self.family.model() == Model::CasRegister;
        match self.random.below(if cas { 4 } else { 2 }) {
            0 => Call::Read(self.answer(held)),
            1 => {
                let value = self.input();
                if effective {
                    self.state[0] = value;
                }
                Call::Write(value)
            }
            _ => {
                let (from, to) = (self.answer(held), self.input());
                if effective && from == held {
                    self.state[0] = to;
                }
                Call::Cas { from, to }
            }
        }
    }

    fn transaction(&mut self, crashed: bool, effective: bool) -> Call {
        let mut steps = Vec::new();
        for _ in 0..1 + self.random.below(3) {
            let at = self.random.pick(2);
            let key = self.keys[at];
            if self.random.chance(50) {
                let value = self.answer(self.state[at + 1]);
                if !crashed {
                    steps.push(Step::Read(key, value));
                }
            } else {
                let value = self.values[self.random.pick(2)];
                steps.push(Step::Write(key, value));
                if effective {
                    self.state[at + 1] = value;
                }
            }
        }
        Call::Txn(self.recorder.steps(&steps))
    }

    fn queue(&mut self, crashed: bool, effective: bool) -> Option<Call> {
        if self.random.chance(50) {
            let value = self.input();
            if effective {
                self.state.push(value);
            }
            return Some(Call::Enqueue(value));
        }
        let lifo = self.random.chance(if self.family.model() == Model::Bag { 50 } else { 10 });
        let at = if lifo { self.state.len().saturating_sub(1) } else { 0 };
        let taken = if effective && !self.state.is_empty() { Some(self.state.remove(at)) } else { None };
        if crashed {
            return Some(Call::DequeueUnknown);
        }
        match taken {
            Some(value) if self.random.chance(90) => Some(Call::Dequeue(value)),
            _ if self.random.chance(70) => Some(Call::DequeueEmpty),
            _ => Some(Call::Dequeue(self.values[self.random.pick(4)])),
        }
    }

    fn set(&mut self, effective: bool) -> Call {
        if self.random.chance(55) {
            let value = self.input();
            if effective && !self.state.contains(&value) {
                self.state.push(value);
            }
            return Call::Add(value);
        }
        let mut read = self.state.clone();
        if self.random.chance(15) {
            read.pop();
        } else if self.random.chance(5) {
            read.push(self.values[self.random.pick(4)]);
        }
        Call::ReadSet(self.recorder.elements(&read))
    }

    fn string(&mut self, text: &str) -> Val {
        if let Some(value) = self.texts.get(text) {
            return *value;
        }
        let value = self.recorder.value(Datum::Text(text.into()));
        self.texts.insert(text.to_owned(), value);
        value
    }

    fn kv(&mut self, effective: bool) -> Call {
        if self.random.chance(45) {
            let mut read = self.text.clone();
            if self.random.chance(12) {
                read.truncate(read.len() / 4 * 2);
            } else if self.random.chance(5) {
                read.push_str(CLEAR[self.random.pick(3)]);
            }
            return Call::Get(self.string(&read));
        }
        let piece = if self.family == Family::KvClear {
            self.fresh += 1;
            CLEAR[(self.fresh - 1) % CLEAR.len()]
        } else {
            AMBIGUOUS[self.random.pick(4)]
        };
        let put = self.random.chance(25);
        if effective {
            if put {
                self.text.clear();
            }
            self.text.push_str(piece);
        }
        let value = self.string(piece);
        if put { Call::Put(value) } else { Call::Append(value) }
    }
}
