//! Whether a lab can be entered, as root or not, and what it can use inside.

use std::fs;

use crate::lab::Privilege;
use crate::lab::probe::probe;

use super::{Capability, State};

/// Settings that forbid user namespaces: file, forbidding value, fix.
const FORBIDDEN_BY: [(&str, &str, &str); 3] = [
    (
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
    ),
    ("/proc/sys/kernel/unprivileged_userns_clone", "0", "sudo sysctl -w kernel.unprivileged_userns_clone=1"),
    ("/proc/sys/user/max_user_namespaces", "0", "sudo sysctl -w user.max_user_namespaces=10000"),
];
const IN_CONTAINER: &str = "run as root, or give the container --privileged (or --cap-add SYS_ADMIN --cap-add \
                            NET_ADMIN --security-opt seccomp=unconfined --security-opt apparmor=unconfined)";

/// The setting that forbids user namespaces, if one does.
fn forbidding() -> Option<(String, &'static str)> {
    FORBIDDEN_BY.into_iter().find_map(|(file, forbids, fix)| {
        let value = fs::read_to_string(file).ok()?;
        (value.trim() == forbids).then(|| (format!("{file} is {forbids}"), fix))
    })
}

pub(super) fn examine() -> Vec<Capability> {
    let own = Privilege::of_this_process();
    let user = probe(Privilege::User);
    let inside = match own {
        Privilege::Root => probe(Privilege::Root),
        Privilege::User => probe(Privilege::User),
    };
    let mut all = Vec::new();
    let (state, evidence) = match own {
        Privilege::Root => (State::Ok, "uid 0 with CAP_SYS_ADMIN"),
        Privilege::User => {
            (State::Degraded, "no CAP_SYS_ADMIN; labs use user namespaces, delays are less punctual")
        }
    };
    all.push(Capability::new("root", state, evidence, None));
    let (state, evidence, fix) = match (&user, forbidding()) {
        (Ok(_), _) => (State::Ok, "entered one and mounted /proc in it".to_owned(), IN_CONTAINER),
        (Err(error), Some((setting, fix))) => (State::Degraded, format!("{error}; {setting}"), fix),
        (Err(error), None) => (State::Degraded, error.to_string(), IN_CONTAINER),
    };
    all.push(Capability::new("user namespaces", state, evidence, Some(fix)));
    let (state, evidence) = match &inside {
        Ok(_) => (State::Ok, "entered one, with a node inside".to_owned()),
        Err(error) => (State::Missing, error.to_string()),
    };
    all.push(Capability::new("lab", state, evidence, Some(fix)));
    let Ok(devices) = inside else { return all };
    let either = devices.tun || devices.ring;
    let without = if either { State::Degraded } else { State::Missing };
    let device = |name, works: bool, ok: &str, fix| {
        let (state, evidence) =
            if works { (State::Ok, ok) } else { (without, "a node with one could not be made") };
        Capability::new(name, state, evidence, Some(fix))
    };
    let tun = "sudo chmod 0666 /dev/net/tun (in a container: --device /dev/net/tun)";
    all.push(device("tun devices", devices.tun, "linked a node with one", tun));
    let ring = "load the kernel modules veth and af_packet";
    all.push(device("packet rings", devices.ring, "linked a node with one", ring));
    all
}
