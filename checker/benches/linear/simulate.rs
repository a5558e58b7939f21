//! Valid histories of any size: clients that each have one operation open at a time, around linearization points.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::fmt::Write;

use checker::cycles::{Dependency, Edge};
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

/// Transactions by place in their order, each with a write, a read and an anti-dependency on one shortly before;
/// a few of them ended in another order than they took effect.
pub(crate) fn dependencies(count: u32) -> (Vec<u32>, Vec<Edge>) {
    let mut random = Random(11);
    let mut edges = Vec::new();
    for to in 1..count {
        for kind in [Dependency::Ww, Dependency::Wr, Dependency::Rw] {
            let back = 1 + u32::try_from(random.below(20)).expect("small");
            edges.push(Edge { from: to.saturating_sub(back), to, kind, detail: 0 });
        }
    }
    let mut order: Vec<u32> = (0..count).collect();
    for _ in 0..count / 100 {
        let at = usize::try_from(random.below(u64::from(count) - 1)).expect("an index");
        order.swap(at, at + 1);
    }
    (order, edges)
}

/// Invocations and completions of clients that take turns, as Jepsen writes them.
struct Text {
    text: String,
    index: u64,
}

impl Text {
    fn line(&mut self, kind: &str, process: u64, (f, value): (&str, &str)) {
        let index = self.index;
        self.index += 1;
        let time = 1_000 * index;
        writeln!(
            self.text,
            "{{:process {process}, :type :{kind}, :f :{f}, :value {value}, :index {index}, :time {time}}}"
        )
        .expect("a string takes everything");
    }
}

/// A register with unique writes, 10 processes, two operations open at a time.
pub(crate) fn register_text(ops: u64) -> String {
    let mut text = Text { text: String::new(), index: 0 };
    for n in 0..ops {
        let (f, value) = if n % 2 == 0 { ("write", n.to_string()) } else { ("read", (n - 1).to_string()) };
        let asked = if f == "read" { "nil" } else { &value };
        text.line("invoke", n % 10, (f, asked));
        text.line("ok", n % 10, (f, &value));
    }
    text.text
}

/// Sends of four records and polls of what was sent, eight keys, each read by a process of its own.
pub(crate) fn kafka_text(ops: u64) -> String {
    let mut text = Text { text: String::new(), index: 0 };
    let mut sent = [0u64; 8];
    let mut last = String::new();
    for n in 0..ops {
        let process = n % 10;
        if n % 2 == 1 {
            let process = 10 + (n / 2) % 8;
            text.line("invoke", process, ("poll", "[[:poll]]"));
            text.line("ok", process, ("poll", &format!("[[:poll {{{last}}}]]")));
            continue;
        }
        let key = usize::try_from((n / 2) % 8).expect("small");
        let (mut asked, mut answered, mut read) = (String::new(), String::new(), String::new());
        for _ in 0..4 {
            let value = sent[key];
            sent[key] += 1;
            write!(asked, "[:send {key} {value}] ").expect("a string takes everything");
            write!(answered, "[:send {key} [{value} {value}]] ").expect("a string takes everything");
            write!(read, "[{value} {value}] ").expect("a string takes everything");
        }
        last = format!("{key} [{read}]");
        text.line("invoke", process, ("send", &format!("[{asked}]")));
        text.line("ok", process, ("send", &format!("[{answered}]")));
    }
    text.text
}

/// Transactions that append to one key and read another; a key is replaced after 16 appends.
pub(crate) fn list_append(ops: u64) -> String {
    let mut random = Random(13);
    let mut text = Text { text: String::new(), index: 0 };
    let mut lists: Vec<(u64, Vec<u64>)> = (0..4).map(|key| (key, Vec::new())).collect();
    let mut next = 4;
    for n in 0..ops {
        let [a, b] = [(); 2].map(|()| usize::try_from(random.below(4)).expect("small"));
        if lists[a].1.len() == 16 {
            lists[a] = (next, Vec::new());
            next += 1;
        }
        lists[a].1.push(n);
        let read: Vec<String> = lists[b].1.iter().map(u64::to_string).collect();
        let (to, from) = (lists[a].0, lists[b].0);
        text.line("invoke", n % 10, ("txn", &format!("[[:append {to} {n}] [:r {from} nil]]")));
        text.line("ok", n % 10, ("txn", &format!("[[:append {to} {n}] [:r {from} [{}]]]", read.join(" "))));
    }
    text.text
}
