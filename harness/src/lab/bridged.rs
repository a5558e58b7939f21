//! Nodes joined by the kernel's own bridge: what the switch is compared with, and nothing else.
//!
//! Same namespaces, same veth pairs, same programs; only the middle differs. It has no faults.

use std::ffi::OsStr;
use std::os::fd::AsFd;
use std::process::Command;
use std::sync::Arc;

use super::netlink::{Arp, End, Netlink};
use super::node::Namespaces;
use super::{INTERFACE, LabError, NodeSpec, configure, write_hosts};

/// Nodes on a kernel bridge, in the controller of a lab that was entered.
#[derive(Debug)]
pub struct Bridged {
    nodes: Vec<(String, Arc<Namespaces>)>,
    /// Holds the bridge.
    _backbone: Namespaces,
}

impl Bridged {
    /// Makes the nodes and the bridge. The controller itself is not on it.
    pub fn start(specs: &[NodeSpec]) -> Result<Self, LabError> {
        write_hosts(specs)?;
        let backbone = Namespaces::make_bare("bridge")?;
        let bridge = backbone.with_network(|| {
            let netlink = Netlink::open()?;
            netlink.bridge("br")?;
            let index = Netlink::index("br")?;
            netlink.up(index, Arp::Kept)?;
            Ok(index)
        })?;
        let mut nodes = Vec::new();
        for spec in specs {
            let node = Namespaces::make(&spec.name)?;
            let number = spec.ip.octets()[3];
            backbone.with_network(|| {
                let name = format!("p{number}");
                let netlink = Netlink::open()?;
                let near = End { name: INTERFACE, mac: [2, 1, 10, 77, 0, number] };
                netlink.veth(End { name: &name, mac: [2, 0, 10, 77, 0, number] }, near, node.net.as_fd())?;
                let index = Netlink::index(&name)?;
                netlink.enslave(index, bridge)?;
                netlink.up(index, Arp::Kept)
            })?;
            node.with_network(|| configure(spec.ip, Arp::Kept))?;
            nodes.push((spec.name.clone(), Arc::new(node)));
        }
        Ok(Self { nodes, _backbone: backbone })
    }

    /// A command that will run in a node.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn command(&self, node: &str, program: impl AsRef<OsStr>) -> Command {
        let found = self.nodes.iter().find(|(name, _)| name == node);
        let (_, namespaces) = found.unwrap_or_else(|| panic!("no node `{node}` on the bridge"));
        namespaces.command(program.as_ref())
    }
}
