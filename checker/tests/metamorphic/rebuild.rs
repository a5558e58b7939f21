//! The same history told in another way.

use checker::linear::object::{Call, Datum, Key, Moment, Op, Step, Val};
use checker::linear::{History, Model, Recorder};

use super::objects::Random;

/// In which order things are interned, and what they are called.
pub(crate) struct Names {
    values: Vec<(usize, Datum)>,
    keys: Vec<(usize, Datum)>,
}

impl Names {
    fn same(history: &History) -> Self {
        let all = |names: &[Datum]| names.iter().cloned().enumerate().skip(1).collect();
        Self { values: all(history.values()), keys: all(history.keys()) }
    }

    /// Others, all different, in another order.
    pub(crate) fn random(history: &History, model: Model, random: &mut Random) -> Self {
        let mut names = Self::same(history);
        for (_, datum) in &mut names.values {
            *datum = match &*datum {
                // Pieces of strings mean what they are made of: exchange letters.
                Datum::Text(text) if model == Model::AppendKv => {
                    let other =
                        |c: char| if c.is_ascii_lowercase() { char::from(b'a' + b'z' - c as u8) } else { c };
                    Datum::Text(text.chars().map(other).collect::<String>().into())
                }
                Datum::Nil | Datum::Int(_) | Datum::Text(_) => Datum::Text(format!("value {datum}").into()),
            };
        }
        for (_, datum) in &mut names.keys {
            *datum = Datum::Text(format!("key {datum}").into());
        }
        for names in [&mut names.values, &mut names.keys] {
            for i in (1..names.len()).rev() {
                names.swap(i, random.pick(i + 1));
            }
        }
        names
    }
}

/// How to tell a history anew.
pub(crate) struct Rebuild {
    pub(crate) names: Names,
    pub(crate) time: Box<dyn Fn(Moment) -> Moment>,
    pub(crate) ops: Vec<Op>,
    /// Which elements stay in reads of sets.
    pub(crate) element: Box<dyn Fn(Val) -> bool>,
    /// Which registers stay in transactions.
    pub(crate) register: Box<dyn Fn(Key) -> bool>,
}

impl Rebuild {
    /// As it is.
    pub(crate) fn new(history: &History) -> Self {
        Self {
            names: Names::same(history),
            time: Box::new(|moment| moment),
            ops: history.ops().to_vec(),
            element: Box::new(|_| true),
            register: Box::new(|_| true),
        }
    }

    /// Changes operations, or leaves them out.
    pub(crate) fn keeping(mut self, keep: impl Fn(&Op) -> Option<Op>) -> Self {
        self.ops = self.ops.iter().filter_map(keep).collect();
        self
    }

    pub(crate) fn build(&self, history: &History) -> History {
        let mut recorder = Recorder::new();
        let mut values = vec![Val::NIL; history.values().len()];
        for (old, datum) in &self.names.values {
            values[*old] = recorder.value(datum.clone());
        }
        let mut keys = vec![Key::default(); history.keys().len()];
        for (old, datum) in &self.names.keys {
            keys[*old] = recorder.key(datum.clone());
        }
        for op in &self.ops {
            let time = |moment: Moment| if moment == Moment::NEVER { moment } else { (self.time)(moment) };
            let call = self.call(op.call, history, (&mut recorder, &values, &keys));
            let (invoked, returned) = (time(op.invoked), time(op.returned));
            recorder.push(Op { invoked, returned, process: op.process, key: keys[op.key.0 as usize], call });
        }
        recorder.finish()
    }

    fn call(
        &self,
        call: Call,
        history: &History,
        (recorder, values, keys): (&mut Recorder, &[Val], &[Key]),
    ) -> Call {
        let value = |old: Val| values[old.0 as usize];
        match call {
            Call::Read(old) => Call::Read(value(old)),
            Call::Write(old) => Call::Write(value(old)),
            Call::Cas { from, to } => Call::Cas { from: value(from), to: value(to) },
            Call::Enqueue(old) => Call::Enqueue(value(old)),
            Call::Dequeue(old) => Call::Dequeue(value(old)),
            Call::Add(old) => Call::Add(value(old)),
            Call::Get(old) => Call::Get(value(old)),
            Call::Put(old) => Call::Put(value(old)),
            Call::Append(old) => Call::Append(value(old)),
            Call::Acquire | Call::Release | Call::DequeueEmpty | Call::DequeueUnknown => call,
            Call::ReadSet(span) => {
                let kept = history.list(span).iter().filter(|old| (self.element)(**old));
                let elements: Vec<Val> = kept.map(|old| value(*old)).collect();
                Call::ReadSet(recorder.elements(&elements))
            }
            Call::Txn(span) => {
                let steps = history.steps(span).iter().filter_map(|step| match *step {
                    Step::Read(key, old) => {
                        (self.register)(key).then(|| Step::Read(keys[key.0 as usize], value(old)))
                    }
                    Step::Write(key, old) => {
                        (self.register)(key).then(|| Step::Write(keys[key.0 as usize], value(old)))
                    }
                });
                let steps: Vec<Step> = steps.collect();
                Call::Txn(recorder.steps(&steps))
            }
        }
    }
}

/// Several histories, each under a key of its own.
pub(crate) fn together(parts: &[History]) -> History {
    let mut recorder = Recorder::new();
    for (n, part) in (0u32..).zip(parts) {
        let key = recorder.key(Datum::Int(n.into()));
        let mut values = vec![Val::NIL];
        values.extend(part.values()[1..].iter().map(|datum| recorder.value(datum.clone())));
        let rebuild = Rebuild::new(part);
        for op in part.ops() {
            let call = rebuild.call(op.call, part, (&mut recorder, &values, &[]));
            recorder.push(Op { key, call, ..*op });
        }
    }
    recorder.finish()
}

/// The same invocations and returns, neighbours of one kind exchanged now and then; at one moment invocations come
/// first, because operations that touch are concurrent.
pub(crate) fn neighbours(
    times: impl Iterator<Item = (Moment, Moment)>,
    random: &mut Random,
) -> Vec<(Moment, Moment)> {
    let mut times: Vec<(Moment, Moment)> = times.collect();
    let mut events: Vec<(Moment, bool, usize)> = Vec::new();
    for (i, (invoked, returned)) in times.iter().enumerate() {
        events.push((*invoked, false, i));
        if *returned != Moment::NEVER {
            events.push((*returned, true, i));
        }
    }
    events.sort_unstable();
    for _ in 0..2 * events.len() {
        let at = random.pick(events.len().max(2) - 1);
        if events.get(at + 1).is_some_and(|next| next.1 == events[at].1) {
            events.swap(at, at + 1);
        }
    }
    for (now, (_, returns, i)) in (1u64..).zip(events) {
        if returns { times[i].1 = Moment(now) } else { times[i].0 = Moment(now) }
    }
    times
}
