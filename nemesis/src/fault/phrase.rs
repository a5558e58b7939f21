//! Faults in words: `kill leader of orders/0`, `5 % loss on A <-> B`, `lose response of Produce to shop[0]`.
//!
//! A spec gives the verb as a key (`kill = "leader of orders/0"`), a storm gives the whole phrase; both are
//! read here. What a fault is called in plans, ledgers and sentences is its `Display`, which reads back.

use std::fmt;
use std::time::Duration;

use super::{Api, Fault, Rate, Scope};
use crate::duration;
use crate::phrase::{Grammar, Misunderstood, normal};
use crate::target::Target;

/// One kind of fault, for the reference (`docs/faults.md`, `onceproof list faults`).
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// Key in a spec.
    pub key: &'static str,
    /// What it is called in errors.
    pub noun: &'static str,
    /// The forms of its value.
    pub forms: &'static [&'static str],
    /// What it does.
    pub does: &'static str,
    /// What undoes it.
    pub heals: &'static str,
    /// What the ledger wants to see before it says that the fault bit.
    pub bites: &'static str,
    /// An example.
    pub example: &'static str,
}

/// Every kind of fault that a spec may name.
pub const KINDS: &[Kind] = &[
    Kind {
        key: "kill",
        noun: "target",
        forms: &["TARGET"],
        does: "SIGKILL to the process. Page cache survives, sockets are closed by the kernel.",
        heals: "the process is started again; a client comes back as a new process with a new identity",
        bites: "every targeted process was found gone",
        example: "kill = \"leader of orders/0\"",
    },
    Kind {
        key: "pause",
        noun: "target",
        forms: &["TARGET"],
        does: "SIGSTOP to the process: it holds its sockets and its memory and does nothing.",
        heals: "SIGCONT",
        bites: "every targeted process was found stopped",
        example: "pause = \"billing[0]\"",
    },
    Kind {
        key: "isolate",
        noun: "target",
        forms: &["TARGET"],
        does: "Drops every frame between the target and all other nodes, both ways.",
        heals: "the rule is removed",
        bites: "at least one frame was dropped",
        example: "isolate = \"any broker\"",
    },
    Kind {
        key: "partition",
        noun: "partition",
        forms: &["A <-> B", "A -> B", "halves"],
        does: "Drops every frame between two targets, both ways or one way. `halves` splits the brokers; \
               the controller stays with the larger half and clients reach both.",
        heals: "the rule is removed",
        bites: "at least one frame was dropped",
        example: "partition = \"leader of orders/0 <-> followers of orders/0\"",
    },
    Kind {
        key: "loss",
        noun: "loss",
        forms: &["P % on A <-> B", "P % on A -> B", "P % on TARGET"],
        does: "Drops each wire packet with this probability (large frames are segmented first).",
        heals: "the rule is removed",
        bites: "at least one frame was dropped",
        example: "loss = \"5 % on all clients <-> all brokers\"",
    },
    Kind {
        key: "delay",
        noun: "delay",
        forms: &["D on A <-> B", "D ± J on A -> B", "D on TARGET"],
        does: "Delays each frame by D, more or less by J, uniformly; frames of a link keep their order.",
        heals: "the rule is removed; what was delayed still arrives",
        bites: "at least one frame was delayed",
        example: "delay = \"100ms ± 20ms on broker 1 -> controller\"",
    },
    Kind {
        key: "lose",
        noun: "lost response",
        forms: &["response of API", "response of API to TARGET"],
        does: "Lets the request through, waits until it was executed and answered, and loses the answer; the \
               connection is then reset. `nth` says which request is the first, `count` how many in a row.",
        heals: "by itself, once all are lost",
        bites: "exactly as many responses were lost as planned",
        example: "lose = \"response of Produce to shop[0]\"",
    },
    Kind {
        key: "hold",
        noun: "held request",
        forms: &["API from TARGET"],
        does: "Holds the nth such request, and everything behind it on its connection, on the way to the broker.",
        heals: "what was held is released in order; it is executed even if its sender has gone",
        bites: "at least one request was held",
        example: "hold = \"Fetch from followers of orders/0\"",
    },
    Kind {
        key: "grow",
        noun: "growth",
        forms: &["TOPIC to N"],
        does: "The topic has N partitions from then on; the new ones are empty. Producers use them as soon as their library \
               knows them; consumers find them by themselves, when they next refresh what they know of the topic.",
        heals: "by itself, that is never: no partition can be taken away",
        bites: "every broker that runs shows N partitions, each with a leader",
        example: "grow = \"orders to 6\"",
    },
];

/// The forms of a fault, for errors.
pub const FORMS: &[&str] = &[
    "kill TARGET",
    "pause TARGET",
    "isolate TARGET",
    "partition A <-> B",
    "partition A -> B",
    "partition halves",
    "P % loss on A <-> B",
    "D ± J delay on A <-> B",
    "lose response of API to TARGET",
    "hold API from TARGET",
    "grow TOPIC to N",
];

const GRAMMAR: Grammar<Fault> = Grammar {
    what: "fault",
    alternatives: FORMS,
    words: &[
        "kill",
        "pause",
        "isolate",
        "partition",
        "halves",
        "loss",
        "on",
        "delay",
        "lose",
        "response",
        "of",
        "to",
        "hold",
        "from",
        "grow",
        "leader",
        "follower",
        "followers",
        "broker",
        "brokers",
        "any",
        "all",
        "controller",
        "coordinator",
        "group",
        "client",
        "clients",
        "produce",
        "fetch",
    ],
    read,
};

fn read(phrase: &str) -> Option<Fault> {
    if let Some((verb, rest)) = phrase.split_once(' ') {
        let fault = match verb {
            "kill" => rest.parse().ok().map(|target| Fault::Kill { target }),
            "pause" => rest.parse().ok().map(|target| Fault::Pause { target }),
            "isolate" => rest.parse().ok().map(|target| Fault::Cut { scope: Scope::Around(target) }),
            "partition" => partition(rest),
            "lose" => lost_response(rest),
            "hold" => hold(rest),
            "grow" => growth(rest),
            _ => None,
        };
        if fault.is_some() {
            return fault;
        }
    }
    let (what, scope) = phrase.split_once(" on ")?;
    match (what.strip_suffix(" loss"), what.strip_suffix(" delay")) {
        (Some(rate), _) => loss(rate, scope),
        (_, Some(delay)) => delayed(delay, scope),
        (None, None) => None,
    }
}

fn partition(phrase: &str) -> Option<Fault> {
    match phrase {
        "halves" => Some(Fault::Cut { scope: Scope::Halves }),
        link => match scope(link)? {
            Scope::Around(_) => None,
            scope @ (Scope::Between(..) | Scope::OneWay(..) | Scope::Halves) => Some(Fault::Cut { scope }),
        },
    }
}

fn scope(phrase: &str) -> Option<Scope> {
    let targets =
        |(a, b): (&str, &str)| Some((a.trim().parse::<Target>().ok()?, b.trim().parse::<Target>().ok()?));
    if let Some(ends) = phrase.split_once("<->") {
        return targets(ends).map(|(a, b)| Scope::Between(a, b));
    }
    if let Some(ends) = phrase.split_once("->") {
        return targets(ends).map(|(a, b)| Scope::OneWay(a, b));
    }
    phrase.parse().ok().map(Scope::Around)
}

fn loss(rate: &str, on: &str) -> Option<Fault> {
    let percent = rate.strip_suffix('%')?.trim_end();
    let (whole, fraction) = percent.split_once('.').unwrap_or((percent, "0"));
    let digits = |text: &str| !text.is_empty() && text.len() <= 4 && text.chars().all(|c| c.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return None;
    }
    let scale = 10_u32.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let ppm = whole.parse::<u32>().ok()? * 10_000 + fraction.parse::<u32>().ok()? * 10_000 / scale;
    (1..=1_000_000).contains(&ppm).then_some(())?;
    Some(Fault::Loss { rate: Rate(ppm), scope: scope(on)? })
}

fn delayed(delay: &str, on: &str) -> Option<Fault> {
    let (delay, jitter) = delay.split_once('±').or_else(|| delay.split_once("+-")).unwrap_or((delay, "0s"));
    let (delay, jitter) = (duration::parse(delay).ok()?, duration::parse(jitter).ok()?);
    (jitter <= delay && delay > Duration::ZERO).then_some(())?;
    Some(Fault::Delay { delay, jitter, scope: scope(on)? })
}

fn lost_response(phrase: &str) -> Option<Fault> {
    let what = phrase.strip_prefix("response of ").or_else(|| phrase.strip_prefix("responses of "))?;
    let (api, client) = match what.split_once(" to ").or_else(|| what.split_once(" from ")) {
        Some((api, client)) => (api, Some(client.parse().ok()?)),
        None => (what, None),
    };
    Some(Fault::LoseResponse { api: Api::named(api)?, client, nth: 1, count: 1 })
}

fn hold(phrase: &str) -> Option<Fault> {
    let (api, from) = phrase.split_once(" from ").or_else(|| phrase.split_once(" of "))?;
    Some(Fault::Hold { api: Api::named(api)?, from: from.parse().ok()?, nth: 1 })
}

fn growth(phrase: &str) -> Option<Fault> {
    let (topic, partitions) = phrase.rsplit_once(" to ")?;
    let partitions = crate::phrase::number(partitions.trim_end_matches(" partitions"))?;
    let is_name = !topic.is_empty() && !topic.contains(' ');
    is_name.then_some(())?;
    Some(Fault::Grow { topic: topic.to_owned(), partitions })
}

/// The value of a spec's `grow`: `orders to 6`.
///
/// # Errors
/// When it cannot be understood.
pub fn read_growth(value: &str) -> Result<Fault, Misunderstood> {
    value_of("grow", value, growth, &|fault| without(fault, "grow "))
}

/// The value of a spec's `partition`: `A <-> B`, `A -> B` or `halves`.
///
/// # Errors
/// When it cannot be understood.
pub fn read_partition(value: &str) -> Result<Fault, Misunderstood> {
    value_of("partition", value, partition, &|fault| without(fault, "partition "))
}

/// The value of a spec's `loss`: `5 % on A <-> B`.
///
/// # Errors
/// When it cannot be understood.
pub fn read_loss(value: &str) -> Result<Fault, Misunderstood> {
    let read = |value: &str| value.split_once(" on ").and_then(|(rate, on)| loss(rate, on));
    value_of("loss", value, read, &|fault| fault.replacen(" loss on ", " on ", 1))
}

/// The value of a spec's `delay`: `100ms ± 20ms on A <-> B`.
///
/// # Errors
/// When it cannot be understood.
pub fn read_delay(value: &str) -> Result<Fault, Misunderstood> {
    let read = |value: &str| value.split_once(" on ").and_then(|(delay, on)| delayed(delay, on));
    value_of("delay", value, read, &|fault| fault.replacen(" delay on ", " on ", 1))
}

/// The value of a spec's `lose`: `response of Produce to shop[0]`.
///
/// # Errors
/// When it cannot be understood.
pub fn read_response(value: &str) -> Result<Fault, Misunderstood> {
    value_of("lose", value, lost_response, &|fault| without(fault, "lose "))
}

/// The value of a spec's `hold`: `Fetch from followers of orders/0`.
///
/// # Errors
/// When it cannot be understood.
pub fn read_hold(value: &str) -> Result<Fault, Misunderstood> {
    value_of("hold", value, hold, &|fault| without(fault, "hold "))
}

fn without(fault: &str, verb: &str) -> String {
    fault.strip_prefix(verb).unwrap_or(fault).to_owned()
}

/// Reads the value of one key. A suggestion is a value again, not the phrase with its verb.
fn value_of(
    key: &str,
    value: &str,
    read: impl Fn(&str) -> Option<Fault>,
    as_value: &dyn Fn(&str) -> String,
) -> Result<Fault, Misunderstood> {
    let normal = normal(value);
    if let Some(fault) = read(&normal) {
        return Ok(fault);
    }
    let kind = KINDS.iter().find(|kind| kind.key == key);
    let meant = read(&GRAMMAR.respelt(&normal));
    Err(Misunderstood {
        what: kind.map_or("fault", |kind| kind.noun),
        phrase: value.to_owned(),
        alternatives: kind.map_or(FORMS, |kind| kind.forms),
        suggestion: meant.map(|fault| as_value(&fault.to_string())),
    })
}

impl std::str::FromStr for Fault {
    type Err = Misunderstood;

    fn from_str(phrase: &str) -> Result<Self, Misunderstood> {
        GRAMMAR.parse(phrase)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Around(target) => target.fmt(f),
            Self::Between(a, b) => write!(f, "{a} <-> {b}"),
            Self::OneWay(a, b) => write!(f, "{a} -> {b}"),
            Self::Halves => f.write_str("halves"),
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, fraction) = (self.0 / 10_000, format!("{:04}", self.0 % 10_000));
        match fraction.trim_end_matches('0') {
            "" => write!(f, "{whole} %"),
            fraction => write!(f, "{whole}.{fraction} %"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill { target } => write!(f, "kill {target}"),
            Self::Pause { target } => write!(f, "pause {target}"),
            Self::Cut { scope: Scope::Around(target) } => write!(f, "isolate {target}"),
            Self::Cut { scope } => write!(f, "partition {scope}"),
            Self::Loss { rate, scope } => write!(f, "{rate} loss on {scope}"),
            Self::Delay { delay, jitter, scope } if jitter.is_zero() => {
                write!(f, "{} delay on {scope}", duration::words(*delay))
            }
            Self::Delay { delay, jitter, scope } => {
                write!(f, "{} ± {} delay on {scope}", duration::words(*delay), duration::words(*jitter))
            }
            Self::LoseResponse { api, client: None, .. } => write!(f, "lose response of {api}"),
            Self::LoseResponse { api, client: Some(client), .. } => {
                write!(f, "lose response of {api} to {client}")
            }
            Self::Hold { api, from, .. } => write!(f, "hold {api} from {from}"),
            Self::Grow { topic, partitions } => write!(f, "grow {topic} to {partitions}"),
        }
    }
}
