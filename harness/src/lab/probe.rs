//! Whether a lab can be had here, found out by having one.
//!
//! A table of kernel settings would be a guess: containers, security modules and sandboxes refuse at places
//! that no setting shows. So the probe enters a lab as a run would, starts a node with each kind of device
//! inside, and tells by its exit status what worked.

use std::net::Ipv4Addr;
use std::process::ExitCode;

use super::init::HIDDEN;
use super::{DeviceKind, Ended, Entry, Lab, LabError, LabPlan, NodeSpec, Privilege};

/// Mode of the hidden call.
pub(super) const PROBE: &str = "probe";
/// Exit status of a probe that got inside, to which the devices that work are added.
const INSIDE: u8 = 64;
const TUN: u8 = 1;
const RING: u8 = 2;

/// What works inside a lab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Devices {
    /// TUN devices.
    pub tun: bool,
    /// Packet rings.
    pub ring: bool,
}

/// Enters a lab with this program and says what works inside. The program must call [`super::entry`].
pub fn probe(privilege: Privilege) -> Result<Devices, LabError> {
    let program = std::env::current_exe().map_err(LabError::Enter)?;
    let args = vec![HIDDEN.into(), PROBE.into()];
    match (Entry { program, args, privilege }).start()?.wait(|_| {})? {
        Ended::Exited(code) if code & !(TUN | RING) == INSIDE => {
            Ok(Devices { tun: code & TUN != 0, ring: code & RING != 0 })
        }
        Ended::Exited(code) => Err(LabError::Closed(format!("the probe ended with status {code}"))),
        Ended::Killed(signal) => Err(LabError::Closed(format!("the probe was killed by signal {signal}"))),
    }
}

/// The probe's controller.
pub(super) fn inside() -> ExitCode {
    let works = |device| {
        let node = NodeSpec { name: "probe".to_owned(), ip: Ipv4Addr::new(10, 77, 0, 1) };
        let plan = LabPlan { nodes: vec![node], kafka_ports: vec![], seed: 0, device: Some(device) };
        Lab::start(&plan).is_ok()
    };
    // The ring comes last: the kernel takes its interfaces away only some time after they were closed.
    let tun = if works(DeviceKind::Tun) { TUN } else { 0 };
    let ring = if works(DeviceKind::Ring) { RING } else { 0 };
    ExitCode::from(INSIDE | tun | ring)
}
