//! The lab: private namespaces in which the cluster, its clients and the network between them live.
//!
//! [`enter()`] is the outside: it re-executes the program inside new namespaces and waits. Everything below
//! PID 1 of the lab ends with it, for whatever reason: no process, interface, mount or folder is left, no
//! host setting is touched, and two labs cannot see each other. [`Lab::start`] is the inside: a network
//! namespace per node, and the packet switch that holds the other end of every node's link.
//!
//! The controller that calls it is itself a node, `harness`, which no fault touches. A lab does not limit
//! CPU or memory, and it hides neither files nor the run directory.

pub mod bridged;
pub mod enter;
pub mod init;
pub mod netlink;
mod node;
pub mod probe;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::process::Command;
use std::sync::Arc;

use nemesis::switch::{Device, Layout, NodePort, Ring, Switch, SwitchError, SwitchHandle, Tun};

pub use enter::{Ended, Entry, Privilege, Running, enter};
pub use init::entry;
use netlink::{Arp, End, Mac, Netlink};
use node::Namespaces;

/// Name of the controller's own node.
pub const HARNESS: &str = "harness";
/// Its address.
pub const HARNESS_IP: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 254);
/// Prefix length of the lab's network.
const PREFIX: u8 = 24;
/// Name of a node's interface.
const INTERFACE: &str = "e0";
/// Frames that a node's interface may hold back before it drops.
const QUEUE_LEN: u32 = 2000;
/// First line of the lab's own `/etc/hosts`: without it the file is the host's, and is left alone.
const HOSTS_MARK: &str = "# lab\n";

/// A node to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeSpec {
    /// Its name, also its host name; every node can resolve it.
    pub name: String,
    /// Its address, in 10.77.0.0/24.
    pub ip: Ipv4Addr,
}

/// What holds the switch's end of a node's link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceKind {
    /// A TUN device: needs `/dev/net/tun`.
    Tun,
    /// A veth pair with a packet ring: needs nothing but the namespaces.
    Ring,
}

impl DeviceKind {
    /// TUN where it opens, else the ring.
    pub fn probe() -> Self {
        if Tun::probe().is_ok() { Self::Tun } else { Self::Ring }
    }
}

/// What a lab is started with.
#[derive(Clone, Debug)]
pub struct LabPlan {
    /// The nodes, without the harness.
    pub nodes: Vec<NodeSpec>,
    /// TCP ports on which plaintext Kafka is spoken.
    pub kafka_ports: Vec<u16>,
    /// Seed of the switch's chance.
    pub seed: u64,
    /// The device, or whichever works.
    pub device: Option<DeviceKind>,
}

/// Why there is no lab.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// The outer process could not start it.
    #[error("failed to enter the lab: {0}")]
    Enter(#[source] io::Error),
    /// The namespaces could not be entered or furnished; the text is the inner process's.
    #[error("failed to enter the lab: {0} (`onceproof doctor` tells what is missing)")]
    Closed(String),
    /// A node's namespaces could not be made.
    #[error("failed to make node `{node}`: {what}: {source}")]
    Node {
        /// The node.
        node: String,
        /// The step.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
    /// An interface could not be configured.
    #[error("failed to configure the lab's network: {what}: {source}")]
    Network {
        /// The step or the interface.
        what: String,
        /// Why.
        source: io::Error,
    },
    /// The switch could not be started.
    #[error(transparent)]
    Switch(#[from] SwitchError),
    /// Two nodes share a name or address, or an address is outside 10.77.0.0/24.
    #[error("node `{0}` has a name or address that is taken or outside 10.77.0.0/24")]
    Conflict(String),
    /// This process is not inside a lab, where its own network would be changed.
    #[error("not inside a lab: /etc/hosts is not the lab's own")]
    Outside,
}

/// A lab with its nodes and the switch between them; dropping it stops the switch.
#[derive(Debug)]
pub struct Lab {
    nodes: BTreeMap<String, Arc<Namespaces>>,
    addresses: BTreeMap<String, Ipv4Addr>,
    switch: SwitchHandle,
    device: DeviceKind,
}

impl Lab {
    /// Makes the nodes and starts the switch, in the controller of a lab that was entered.
    pub fn start(plan: &LabPlan) -> Result<Self, LabError> {
        let mut specs = plan.nodes.clone();
        specs.push(NodeSpec { name: HARNESS.to_owned(), ip: HARNESS_IP });
        write_hosts(&specs)?;
        let device = plan.device.unwrap_or_else(DeviceKind::probe);
        node::quiet(HARNESS)?;
        let own = Namespaces::current().map_err(|error| node::failed(HARNESS, "hold namespaces", error))?;
        let backbone = Namespaces::make_bare("switch")?;
        let mut nodes = BTreeMap::new();
        let mut ports = Vec::new();
        let mut own = Some(own);
        for spec in &specs {
            let exempt = spec.name == HARNESS;
            let namespaces = match own.take_if(|_| exempt) {
                Some(own) => own,
                None => Namespaces::make(&spec.name)?,
            };
            let device = connect(&namespaces, &backbone, spec, device)?;
            ports.push(NodePort { name: spec.name.clone(), ip: spec.ip, exempt, device });
            nodes.insert(spec.name.clone(), Arc::new(namespaces));
        }
        let layout = Layout { ports, kafka_ports: plan.kafka_ports.clone(), seed: plan.seed };
        let switch = Switch::start(layout)?;
        let addresses = specs.into_iter().map(|spec| (spec.name, spec.ip)).collect();
        Ok(Self { nodes, addresses, switch, device })
    }

    /// A command that will run in a node: its network, host name and mounts, and a process group of its own.
    /// What it inherits otherwise is as for any [`Command`].
    ///
    /// # Panics
    /// If there is no such node: nodes come from the plan.
    pub fn command(&self, node: &str, program: impl AsRef<OsStr>) -> Command {
        let namespaces = self.nodes.get(node).unwrap_or_else(|| panic!("the lab has no node `{node}`"));
        namespaces.command(program.as_ref())
    }

    /// The packet switch between the nodes.
    pub fn switch(&self) -> &SwitchHandle {
        &self.switch
    }

    /// Address of a node.
    pub fn ip(&self, node: &str) -> Option<Ipv4Addr> {
        self.addresses.get(node).copied()
    }

    /// The device that was chosen.
    pub fn device(&self) -> DeviceKind {
        self.device
    }
}

/// Checks names and addresses, and writes them where every node finds them.
fn write_hosts(specs: &[NodeSpec]) -> Result<(), LabError> {
    let mut text = format!("{HOSTS_MARK}127.0.0.1 localhost\n");
    for (index, spec) in specs.iter().enumerate() {
        let taken = specs[..index].iter().any(|other| other.name == spec.name || other.ip == spec.ip);
        if taken || spec.ip.octets()[..3] != HARNESS_IP.octets()[..3] {
            return Err(LabError::Conflict(spec.name.clone()));
        }
        text.push_str(&format!("{} {}\n", spec.ip, spec.name));
    }
    let hosts = "/etc/hosts";
    if !fs::read_to_string(hosts).unwrap_or_default().starts_with(HOSTS_MARK) {
        return Err(LabError::Outside);
    }
    fs::write(hosts, text).map_err(|error| node::failed(HARNESS, "write /etc/hosts", error))
}

/// Links a node to the switch: device, loopback, address.
fn connect(
    node: &Namespaces,
    backbone: &Namespaces,
    spec: &NodeSpec,
    kind: DeviceKind,
) -> Result<Device, LabError> {
    let failed = |error| node::failed(&spec.name, "open the device of its link", error);
    match kind {
        DeviceKind::Tun => node.with_network(|| {
            let tun = Tun::open(INTERFACE).map_err(failed)?;
            configure(spec.ip, Arp::Kept)?;
            Ok(Device::Tun(tun))
        }),
        DeviceKind::Ring => {
            let number = spec.ip.octets()[3];
            let (far, near): (Mac, Mac) = ([2, 0, 10, 77, 0, number], [2, 1, 10, 77, 0, number]);
            let ring = backbone.with_network(|| {
                let name = format!("p{number}");
                let netlink = Netlink::open()?;
                let ends = (End { name: &name, mac: far }, End { name: INTERFACE, mac: near });
                netlink.veth(ends.0, ends.1, node.net.as_fd())?;
                let index = Netlink::index(&name)?;
                netlink.up(index, Arp::Off)?;
                Ring::open(index, far, near).map_err(failed)
            })?;
            node.with_network(|| configure(spec.ip, Arp::Off))?;
            Ok(Device::Ring(ring))
        }
    }
}

/// Brings loopback and the node's interface up, in the calling thread's network namespace.
fn configure(ip: Ipv4Addr, arp: Arp) -> Result<(), LabError> {
    let netlink = Netlink::open()?;
    netlink.up(Netlink::index("lo")?, Arp::Kept)?;
    let index = Netlink::index(INTERFACE)?;
    netlink.queue_len(index, QUEUE_LEN)?;
    netlink.address(index, ip, PREFIX)?;
    netlink.up(index, arp)
}
