//! Where nodes are: who makes their processes and what their addresses are.
//!
//! Two places exist. In a run it is the lab, with a network namespace per node. In development and
//! benchmarks it is loopback, where each node has an address of its own in 127.0.0.0/8; nothing can be cut
//! there, and nodes end with the `Cluster` value instead of with a PID namespace.

use std::ffi::OsStr;
use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;
use std::sync::Arc;

/// Makes processes on named nodes.
pub trait Site: Send + Sync + 'static {
    /// A command that will run `program` on the node.
    fn command(&self, node: &str, program: &OsStr) -> Command;
    /// The node's address on the cluster's network.
    fn address(&self, node: &str) -> IpAddr;
}

impl<S: Site> Site for Arc<S> {
    fn command(&self, node: &str, program: &OsStr) -> Command {
        (**self).command(node, program)
    }

    fn address(&self, node: &str) -> IpAddr {
        (**self).address(node)
    }
}

/// All nodes on this machine's loopback device. Two clusters at a time need different networks.
#[derive(Clone, Copy, Debug)]
pub struct Loopback {
    /// The middle numbers of the addresses: nodes are at `127.a.b.N`.
    pub network: (u8, u8),
}

impl Site for Loopback {
    #[expect(clippy::disallowed_methods, reason = "shell: starts nodes on loopback")]
    fn command(&self, _node: &str, program: &OsStr) -> Command {
        Command::new(program)
    }

    /// `brokerN` is at `127.a.b.N`, the controller at `127.a.b.100`.
    fn address(&self, node: &str) -> IpAddr {
        let last = node.strip_prefix("broker").and_then(|number| number.parse().ok()).unwrap_or(100);
        IpAddr::V4(Ipv4Addr::new(127, self.network.0, self.network.1, last))
    }
}
