//! What the switch can be told to do: rules, as plain data.
//!
//! A rule names directed links between nodes and an action, or one kind of Kafka request. It carries no state
//! and no handle: state lives in the switch, the end of a rule in its [`Guard`](super::Guard). Nodes that the
//! layout calls exempt (the harness) match no rule at all.

use std::collections::BTreeSet;
use std::time::Duration;

/// One direction between two nodes, by the names that the switch was started with.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Link {
    /// Where the frame comes from (decided by the device it came in on, never by its address).
    pub from: String,
    /// Where it goes.
    pub to: String,
}

/// A set of directed links.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Links(pub BTreeSet<Link>);

impl Links {
    /// Every link from one of `from` to one of `to`.
    pub fn one_way<A: AsRef<str>, B: AsRef<str>>(from: &[A], to: &[B]) -> Self {
        let mut links = BTreeSet::new();
        for a in from {
            for b in to.iter().filter(|b| b.as_ref() != a.as_ref()) {
                links.insert(Link { from: a.as_ref().to_owned(), to: b.as_ref().to_owned() });
            }
        }
        Self(links)
    }

    /// Every link between one of `a` and one of `b`, in both directions.
    pub fn both_ways<A: AsRef<str>, B: AsRef<str>>(a: &[A], b: &[B]) -> Self {
        let mut links = Self::one_way(a, b);
        links.0.extend(Self::one_way(b, a).0);
        links
    }
}

/// Which frames of a link are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Ports {
    /// Every frame, whatever its protocol.
    #[default]
    Any,
    /// TCP frames with one of these ports at either end, so that both directions of a connection match.
    These(BTreeSet<u16>),
}

/// What happens to matching frames of some links.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkRule {
    /// Directed links.
    pub links: Links,
    /// Which of their frames.
    pub ports: Ports,
    /// What happens to them.
    pub action: Action,
}

/// What happens to a matching frame.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// It vanishes.
    Drop,
    /// It vanishes with this probability. Large frames are segmented first: a loss is one packet on the wire.
    Loss {
        /// From 0 to 1.
        probability: f64,
    },
    /// It arrives later.
    Delay {
        /// The middle of the delay.
        base: Duration,
        /// The delay is uniform in `base ± jitter`.
        jitter: Duration,
        /// Whether frames may overtake each other.
        order: Order,
    },
    /// Its TCP connection is reset at both ends.
    Reset(Reset),
}

/// Whether delayed frames of one link may overtake each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// First in, first out: jitter never reorders.
    #[default]
    Fifo,
    /// Each frame arrives at its own time.
    Free,
}

/// Which connections a reset rule resets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reset {
    /// Those that were open when the rule was installed; new ones live.
    #[default]
    Established,
    /// All, also attempts to connect while the rule lasts.
    All,
}

/// Lose the answers to chosen Kafka requests: requests `nth … nth + count − 1` of this kind are executed and
/// answered, the answers never reach the client, earlier answers are delivered, and later requests on the
/// connection never reach the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoseResponse {
    /// Which requests count.
    pub requests: Requests,
    /// The first that loses its answer, from 1.
    pub nth: u32,
    /// How many in a row lose their answers, at least 1.
    pub count: u32,
    /// How long the client's kernel gets to hand earlier answers to the application before the reset.
    pub grace: Duration,
    /// How long to wait for the broker's answers, and for the client's acknowledgement of earlier ones.
    pub patience: Duration,
}

impl LoseResponse {
    /// Loses the answer of the first such request, with 300 ms of grace and 30 s of patience.
    pub fn first(requests: Requests) -> Self {
        let (grace, patience) = (Duration::from_millis(300), Duration::from_secs(30));
        Self { requests, nth: 1, count: 1, grace, patience }
    }
}

/// Hold chosen Kafka requests back, with everything behind them on their connections, until the rule ends;
/// then they are delivered in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoldRequest {
    /// Which requests count.
    pub requests: Requests,
    /// The first that is held, from 1.
    pub nth: u32,
    /// How many are held; `u32::MAX` holds all from the nth on.
    pub count: u32,
}

/// A kind of Kafka request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requests {
    /// The API.
    pub api: Api,
    /// Node that sends it, or any.
    pub client: Option<String>,
    /// Node that answers it, or any.
    pub broker: Option<String>,
    /// The `client.id` in the request header, or any.
    pub client_id: Option<String>,
    /// For `EndTxn` only: whether it commits (`true`) or aborts, or any.
    pub commits: Option<bool>,
}

impl Requests {
    /// All requests of one API.
    pub fn of(api: Api) -> Self {
        Self { api, client: None, broker: None, client_id: None, commits: None }
    }
}

/// Kafka's API key, as in the protocol guide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Api(pub i16);

impl Api {
    /// Produce.
    pub const PRODUCE: Self = Self(0);
    /// Fetch, of consumers and of followers.
    pub const FETCH: Self = Self(1);
    /// OffsetCommit.
    pub const OFFSET_COMMIT: Self = Self(8);
    /// AddPartitionsToTxn.
    pub const ADD_PARTITIONS_TO_TXN: Self = Self(24);
    /// EndTxn.
    pub const END_TXN: Self = Self(26);
    /// TxnOffsetCommit.
    pub const TXN_OFFSET_COMMIT: Self = Self(28);
}

/// One thing that the switch does until its guard ends it.
#[derive(Clone, Debug, PartialEq)]
pub enum Rule {
    /// Something happens to frames of some links.
    Link(LinkRule),
    /// Answers to Kafka requests are lost.
    LoseResponse(LoseResponse),
    /// Kafka requests are held back.
    HoldRequest(HoldRequest),
}

impl Rule {
    /// All frames of `links` vanish.
    pub fn drop(links: Links) -> Self {
        Self::Link(LinkRule { links, ports: Ports::Any, action: Action::Drop })
    }

    /// Frames of `links` vanish with `probability`.
    pub fn loss(links: Links, probability: f64) -> Self {
        Self::Link(LinkRule { links, ports: Ports::Any, action: Action::Loss { probability } })
    }

    /// Frames of `links` arrive later by `base ± jitter`, in order.
    pub fn delay(links: Links, base: Duration, jitter: Duration) -> Self {
        let action = Action::Delay { base, jitter, order: Order::Fifo };
        Self::Link(LinkRule { links, ports: Ports::Any, action })
    }

    /// Connections over `links` are reset.
    pub fn reset(links: Links, reset: Reset) -> Self {
        Self::Link(LinkRule { links, ports: Ports::Any, action: Action::Reset(reset) })
    }

    /// The same rule for TCP frames with one of `ports` only. Kafka rules know their ports already.
    #[must_use]
    pub fn on_ports(mut self, ports: impl IntoIterator<Item = u16>) -> Self {
        if let Self::Link(rule) = &mut self {
            rule.ports = Ports::These(ports.into_iter().collect());
        }
        self
    }
}
