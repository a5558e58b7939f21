//! The faults: what can be done to a cluster and its clients.
//!
//! A [`Fault`] is what is planned: an action and a target in roles. [`Fault::strike`] turns it into a
//! [`Strike`], what is really done: concrete places and directed links. The interpreter performs strikes and
//! nothing else, so a new fault is a variant here, an arm in `strike`, and whatever the injectors lack.
//! Every fault has an inverse ([`Fault::heals_by`]).

pub mod api;
mod phrase;
mod strike;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use api::Api;
pub use phrase::{
    FORMS, KINDS, Kind, read_delay, read_growth, read_hold, read_loss, read_partition, read_response,
};
pub use strike::{Link, NetworkEffect, Strike};

use crate::target::{ClientRef, Target};

/// A planned fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "kebab-case")]
pub enum Fault {
    /// SIGKILL. Several targets are killed in the order in which the target names them.
    Kill {
        /// Brokers, controllers or clients.
        target: Target,
    },
    /// SIGSTOP.
    Pause {
        /// Brokers, controllers or clients.
        target: Target,
    },
    /// No frame passes.
    Cut {
        /// Which links.
        scope: Scope,
    },
    /// Each wire packet is dropped with this probability.
    Loss {
        /// Probability.
        rate: Rate,
        /// Which links.
        scope: Scope,
    },
    /// Each frame is delayed.
    Delay {
        /// By this much on average.
        #[serde(with = "crate::duration")]
        delay: Duration,
        /// More or less, uniformly.
        #[serde(with = "crate::duration")]
        jitter: Duration,
        /// Which links.
        scope: Scope,
    },
    /// Requests are delivered and executed; their responses never reach the client (`switch.md`).
    LoseResponse {
        /// Which request.
        api: Api,
        /// Whose; every client's where nothing is said.
        client: Option<Target>,
        /// The first one that loses its response, counted from 1 from the moment the fault is armed.
        nth: u32,
        /// How many in a row lose theirs.
        count: u32,
    },
    /// Requests are held back, and everything behind them on their connection; released by healing.
    Hold {
        /// Which request.
        api: Api,
        /// Whose.
        from: Target,
        /// The first one that is held, counted from 1 from the moment the fault is armed.
        nth: u32,
    },
    /// A topic gets more partitions, which are empty. Nothing undoes it.
    Grow {
        /// The topic.
        topic: String,
        /// How many it has from then on.
        partitions: u16,
    },
}

/// Which links of the lab's network a fault is on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// All links of these nodes, both ways.
    Around(Target),
    /// Between two ends, both ways.
    Between(Target, Target),
    /// From the first to the second.
    OneWay(Target, Target),
    /// Between two halves of the brokers, drawn from the seed; the controller stays with the larger half,
    /// clients reach both.
    Halves,
}

/// A probability, in parts per million.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Rate(pub u32);

/// How a fault ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inverse {
    /// The process is started again (a client as a new process).
    Restart,
    /// SIGCONT.
    Resume,
    /// The rule is taken off the links.
    Uncover,
    /// It is over once it has happened.
    Itself,
    /// What was held is let go.
    Release,
}

impl Fault {
    /// What undoes it.
    pub fn heals_by(&self) -> Inverse {
        match self {
            Self::Kill { .. } => Inverse::Restart,
            Self::Pause { .. } => Inverse::Resume,
            Self::Cut { .. } | Self::Loss { .. } | Self::Delay { .. } => Inverse::Uncover,
            Self::LoseResponse { .. } | Self::Grow { .. } => Inverse::Itself,
            Self::Hold { .. } => Inverse::Release,
        }
    }

    /// The one client that it is aimed at: whose steps are meant where a moment does not say.
    pub fn client(&self) -> Option<&ClientRef> {
        match self.targets().as_slice() {
            [Target::Client(client)] => Some(client),
            _ => None,
        }
    }

    /// The targets it names, for checking them against what exists.
    pub fn targets(&self) -> Vec<&Target> {
        match self {
            Self::Kill { target } | Self::Pause { target } | Self::Hold { from: target, .. } => vec![target],
            Self::Cut { scope } | Self::Loss { scope, .. } | Self::Delay { scope, .. } => match scope {
                Scope::Around(target) => vec![target],
                Scope::Between(a, b) | Scope::OneWay(a, b) => vec![a, b],
                Scope::Halves => Vec::new(),
            },
            Self::LoseResponse { client, .. } => client.iter().collect(),
            Self::Grow { .. } => Vec::new(),
        }
    }
}
