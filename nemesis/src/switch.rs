//! The network between the nodes: a program that decides every frame.
//!
//! One thread holds every node's device and forwards by destination address; rules, installed and removed at
//! any time, make frames vanish, wait or reset their connection, or act on single Kafka requests, which the
//! switch follows inside plaintext connections. So a fault needs no kernel module, touches no host firewall,
//! may be one-way, and is counted frame by frame.
//!
//! Plain thread and epoll, no async: a frame's way through takes microseconds and must not wait behind
//! anything. It does not terminate TCP, encrypt, or alter what an application sends.

mod counters;
mod fabric;
mod follow;
mod frame;
mod kafka;
mod port;
mod priority;
mod queue;
mod ring;
mod rule;
#[cfg(test)]
mod simulation;
mod tcp;
mod thread;
mod tun;

use std::net::Ipv4Addr;
use std::sync::Arc;

pub use counters::{Counters, KafkaCounters, Lateness};
pub use port::Device;
pub use ring::Ring;
pub use rule::{
    Action, Api, HoldRequest, Link, LinkRule, Links, LoseResponse, Order, Ports, Requests, Reset, Rule,
};
pub use tun::Tun;

use thread::Control;

/// What a switch is started with.
#[derive(Debug)]
pub struct Layout {
    /// The nodes and the switch's ends of their links.
    pub ports: Vec<NodePort>,
    /// TCP ports on which plaintext Kafka is spoken: connections to them are followed from their first frame.
    pub kafka_ports: Vec<u16>,
    /// Seed of all chance.
    pub seed: u64,
}

/// A node and the switch's end of its link.
#[derive(Debug)]
pub struct NodePort {
    /// Its name, by which rules speak of it.
    pub name: String,
    /// Its address.
    pub ip: Ipv4Addr,
    /// Whether no rule may touch it (the harness).
    pub exempt: bool,
    /// The device.
    pub device: Device,
}

/// What happened to all frames of a switch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Frames sent on.
    pub frames: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Frames from or to nobody: other protocols, foreign addresses. None are expected.
    pub strays: u64,
    /// Frames that a device did not take: unplanned losses.
    pub refused: u64,
    /// Whether the switch runs with real-time priority, which keeps delays punctual on a busy machine.
    pub realtime: bool,
}

/// Why a switch did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum SwitchError {
    /// A device or the thread could not be set up.
    #[error("packet switch: {0}")]
    Io(#[from] std::io::Error),
    /// A rule names a node that is not on the switch, or one that rules may not touch.
    #[error("packet switch: no node `{0}` that rules apply to")]
    UnknownNode(String),
    /// A rule names no link at all, and so can do nothing.
    #[error("packet switch: rule without links")]
    NoLinks,
    /// The switch thread has ended or does not answer.
    #[error("packet switch: its thread does not answer")]
    Gone,
}

/// A running switch; the last handle or guard that goes ends it.
#[derive(Clone, Debug)]
pub struct SwitchHandle {
    control: Arc<Control>,
}

/// A packet switch.
#[derive(Debug)]
pub struct Switch;

impl Switch {
    /// Starts the thread that forwards between the given ports.
    pub fn start(layout: Layout) -> Result<SwitchHandle, SwitchError> {
        Ok(SwitchHandle { control: Arc::new(thread::start(layout)?) })
    }
}

impl SwitchHandle {
    /// Puts a rule in force. Returns once the switch has answered: from then on every frame meets it.
    pub fn install(&self, rule: Rule) -> Result<Guard, SwitchError> {
        let id = self.control.install(rule)?;
        Ok(Guard { control: Arc::clone(&self.control), id, ended: false })
    }

    /// What happened to all frames so far.
    pub fn totals(&self) -> Result<Totals, SwitchError> {
        self.control.totals()
    }
}

/// A rule in force; dropping it ends the rule.
#[derive(Debug)]
pub struct Guard {
    control: Arc<Control>,
    id: RuleId,
    ended: bool,
}

impl Guard {
    /// What the rule did so far.
    pub fn counters(&self) -> Result<Counters, SwitchError> {
        self.control.counters(self.id)
    }

    /// Ends the rule and says what it did. Delayed and held frames are delivered now, in order.
    pub fn remove(mut self) -> Result<Counters, SwitchError> {
        self.ended = true;
        self.control.remove(self.id)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if !self.ended {
            // Nobody is left to tell; a switch that is gone has no rules either.
            let _ = self.control.remove(self.id);
        }
    }
}

/// A rule's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RuleId {
    /// A link rule of the fabric.
    Link(usize),
    /// A rule of the follower.
    Kafka(usize),
}
