//! How a lab ends: by itself, by an interrupt, by SIGKILL of any of its processes. Each time nothing is left.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{Way, outer};

/// A test of an end: of the lab that `program` enters in a given way.
type Test = fn(&Path, Way);

pub(crate) const ALL: &[(&str, Test)] = &[
    ("an-interrupt-reaches-the-controller-only-through-the-outer-process", interrupt),
    ("the-status-of-a-failed-controller-is-the-status-of-the-lab", status),
    ("nothing-is-left-after-kill-9-of-the-outer-process", |program, way| killed(program, way, 0)),
    ("nothing-is-left-after-kill-9-of-the-gate", |program, way| killed(program, way, 1)),
    ("nothing-is-left-after-kill-9-of-the-init", |program, way| killed(program, way, 2)),
    ("nothing-is-left-after-kill-9-of-the-controller", |program, way| killed(program, way, 3)),
    ("nothing-is-left-after-kill-9-at-any-moment", any_moment),
];

/// What could be left behind: processes of this program, namespaces, mounts, interfaces, folders.
#[derive(Debug, PartialEq)]
struct Traces {
    processes: BTreeSet<String>,
    namespaces: BTreeSet<String>,
    mounts: String,
    interfaces: BTreeSet<String>,
    folders: BTreeSet<String>,
}

impl Traces {
    /// As they are now, `ours` being the name of the program.
    fn now(program: &Path) -> Self {
        let (mut processes, mut namespaces) = (BTreeSet::new(), BTreeSet::new());
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let path = entry.path();
            let Ok(command) = std::fs::read(path.join("cmdline")) else { continue };
            let ours = String::from_utf8_lossy(&command).contains(&*program.to_string_lossy());
            if ours {
                processes.insert(format!("{} {}", path.display(), String::from_utf8_lossy(&command)));
                for kind in ["net", "mnt", "pid", "user"] {
                    let link = std::fs::read_link(path.join("ns").join(kind));
                    namespaces.extend(link.map(|link| link.display().to_string()));
                }
            }
        }
        let names = |folder: &str| {
            let entries = std::fs::read_dir(folder).unwrap().flatten();
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
        };
        Self {
            processes,
            namespaces,
            mounts: std::fs::read_to_string("/proc/self/mountinfo").unwrap(),
            interfaces: names("/sys/class/net"),
            folders: names("/tmp"),
        }
    }
}

/// Waits until everything is as it was, up to five seconds.
fn all_gone(program: &Path, before: &Traces) {
    let start = Instant::now();
    loop {
        let now = Traces::now(program);
        // Other programs of the machine may use the temporary folder: only new folders of labs count.
        let new: Vec<_> =
            now.folders.difference(&before.folders).filter(|name| name.contains("lab")).collect();
        let gone = now.processes.is_empty()
            && now.namespaces.is_empty()
            && now.mounts == before.mounts
            && now.interfaces == before.interfaces
            && new.is_empty();
        if gone {
            return;
        }
        assert!(start.elapsed() < Duration::from_secs(5), "left behind: {now:#?}, new folders {new:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Starts a lab; returns when its scenario waits.
fn start(program: &Path, way: Way, scenario: &str) -> Child {
    let mut command = outer(program, way, &["inside", scenario, way.device]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "waiting\n");
    child
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).unwrap())
}

/// The first child of a process.
fn child_of(pid: Pid) -> Pid {
    let path = format!("/proc/{pid}/task/{pid}/children");
    let children = std::fs::read_to_string(path).unwrap();
    Pid::from_raw(children.split_whitespace().next().unwrap().parse().unwrap())
}

fn interrupt(program: &Path, way: Way) {
    let before = Traces::now(program);
    let mut child = start(program, way, "wait");
    let gate = child_of(pid_of(&child));
    let session = |pid: Pid| nix::unistd::getsid(Some(pid)).unwrap();
    assert_ne!(session(gate), session(pid_of(&child)), "the lab shares the terminal's session");
    // The other signal that stands for an interrupt, because some drivers start their children with SIGINT ignored.
    kill(pid_of(&child), Signal::SIGTERM).unwrap();
    // SIGINT ended the controller, as a shell tells it.
    assert_eq!(child.wait().unwrap().code(), Some(130));
    all_gone(program, &before);
}

fn status(program: &Path, way: Way) {
    let before = Traces::now(program);
    let mut command = outer(program, way, &["inside", "no such scenario", way.device]);
    assert_eq!(command.stderr(Stdio::null()).status().unwrap().code(), Some(101));
    all_gone(program, &before);
}

/// Kills the process that many steps below the outer one.
fn killed(program: &Path, way: Way, depth: u32) {
    let before = Traces::now(program);
    let mut child = start(program, way, "crowd");
    let victim = (0..depth).fold(pid_of(&child), |pid, _| child_of(pid));
    kill(victim, Signal::SIGKILL).unwrap();
    child.wait().unwrap();
    all_gone(program, &before);
}

/// Kills the outer process ever later after its start, so that every step of the way in is hit.
fn any_moment(program: &Path, way: Way) {
    let before = Traces::now(program);
    for moment in 0..25 {
        let mut command = outer(program, way, &["inside", "crowd", way.device]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_micros(moment * moment * 300));
        child.kill().unwrap();
        child.wait().unwrap();
        all_gone(program, &before);
    }
}
