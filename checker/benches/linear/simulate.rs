//! Valid histories of any size: clients that each have one operation open at a time, around linearization points.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use checker::linear::object::{Call, Datum, Key, Moment, Op, Val};
use checker::linear::{History, Recorder};
use history::ids::Process;

/// A seeded generator (splitmix64).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
}

/// Runs `clients`: each invokes, takes effect and returns after random times, then invokes again.
fn run(ops: usize, clients: u64, mut effect: impl FnMut(&mut Recorder, &mut Random) -> Call) -> History {
    let mut random = Random(7);
    let mut recorder = Recorder::new();
    // (linearization point, client, invocation)
    let mut open: BinaryHeap<Reverse<(u64, u64, u64)>> = BinaryHeap::new();
    for client in 0..clients {
        let invoked = random.below(100);
        open.push(Reverse((invoked + 1 + random.below(100), client, invoked)));
    }
    for _ in 0..ops {
        let Some(Reverse((point, client, invoked))) = open.pop() else { break };
        let call = effect(&mut recorder, &mut random);
        let returned = point + 1 + random.below(100);
        recorder.push(Op {
            invoked: Moment(invoked),
            returned: Moment(returned),
            process: Process(u32::try_from(client).expect("few clients")),
            key: Key::default(),
            call,
        });
        let again = returned + 1 + random.below(20);
        open.push(Reverse((again + 1 + random.below(100), client, again)));
    }
    recorder.finish()
}

/// Values for writes: all different, or one of a few.
struct Inputs {
    few: Option<u64>,
    made: Vec<Val>,
}

impl Inputs {
    fn next(&mut self, recorder: &mut Recorder, random: &mut Random) -> Val {
        match self.few {
            Some(few) if self.made.len() as u64 == few => {
                self.made[usize::try_from(random.below(few)).expect("few values")]
            }
            _ => {
                let value = recorder.value(Datum::Int(i64::try_from(self.made.len()).expect("fits") + 1));
                self.made.push(value);
                value
            }
        }
    }
}

pub(crate) fn register(ops: usize, clients: u64, few: Option<u64>) -> History {
    let mut inputs = Inputs { few, made: Vec::new() };
    let mut held = Val::NIL;
    run(ops, clients, move |recorder, random| {
        if random.below(2) == 0 {
            return Call::Read(held);
        }
        held = inputs.next(recorder, random);
        Call::Write(held)
    })
}

pub(crate) fn cas(ops: usize, clients: u64, few: Option<u64>) -> History {
    let mut inputs = Inputs { few, made: Vec::new() };
    let mut held = Val::NIL;
    run(ops, clients, move |recorder, random| match random.below(3) {
        0 => Call::Read(held),
        1 => {
            held = inputs.next(recorder, random);
            Call::Write(held)
        }
        _ => {
            let from = std::mem::replace(&mut held, inputs.next(recorder, random));
            Call::Cas { from, to: held }
        }
    })
}

pub(crate) fn queue(ops: usize, clients: u64) -> History {
    let mut inputs = Inputs { few: None, made: Vec::new() };
    let mut held = VecDeque::new();
    run(ops, clients, move |recorder, random| {
        if random.below(2) == 0 {
            let value = inputs.next(recorder, random);
            held.push_back(value);
            return Call::Enqueue(value);
        }
        held.pop_front().map_or(Call::DequeueEmpty, Call::Dequeue)
    })
}

pub(crate) fn mutex(ops: usize, clients: u64) -> History {
    let mut held = false;
    run(ops, clients, move |_, _| {
        held = !held;
        if held { Call::Acquire } else { Call::Release }
    })
}

pub(crate) fn set(ops: usize, clients: u64) -> History {
    let mut inputs = Inputs { few: None, made: Vec::new() };
    let (mut done, every) = (0, ops / 8);
    run(ops, clients, move |recorder, random| {
        done += 1;
        if done % every == 0 {
            return Call::ReadSet(recorder.elements(&inputs.made));
        }
        Call::Add(inputs.next(recorder, random))
    })
}
