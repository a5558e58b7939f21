//! The lab on the real kernel: namespaces, both devices, every link fault, and nothing left behind.
//!
//! This program is its own test runner, because a lab is entered by a process with one thread; and it plays
//! every part: outer process, controller (`inside SCENARIO DEVICE`) and the programs in the nodes (`node …`).
//! Each scenario runs with each device, as root where the tests are root, and as an unprivileged user.

#![expect(clippy::disallowed_methods, reason = "shell: starts labs and looks at clocks")]
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test: a panic is a failure")]

mod ends;
mod program;
mod scenarios;

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use harness::doctor::{self, State};
use harness::lab::{self, DeviceKind, Ended, Entry, Privilege};

/// How long a scenario may take; the longest takes 3 s on a quiet machine.
const PATIENCE: Duration = Duration::from_secs(120);
/// The user and group `nobody`.
const NOBODY: u32 = 65534;

fn main() -> ExitCode {
    if let Some(code) = lab::entry() {
        return code;
    }
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["inside", scenario, device] => scenarios::run(scenario, device_named(device)),
        ["outside", privilege, rest @ ..] => outside(privilege, rest),
        ["node", rest @ ..] => program::run(rest),
        ["examine"] => examine(),
        _ => run_all(&words),
    }
}

fn device_named(name: &str) -> DeviceKind {
    match name {
        "tun" => DeviceKind::Tun,
        "ring" => DeviceKind::Ring,
        _ => panic!("no device {name}"),
    }
}

/// The outer process of one lab, in a process of its own.
fn outside(privilege: &str, inside: &[&str]) -> ExitCode {
    let privilege = if privilege == "root" { Privilege::Root } else { Privilege::User };
    let args = inside.iter().map(OsString::from).collect();
    let entry = Entry { program: std::env::current_exe().unwrap(), args, privilege };
    match entry.start().unwrap().wait(|_| {}).unwrap() {
        Ended::Exited(code) => ExitCode::from(code),
        Ended::Killed(signal) => panic!("the lab was killed by signal {signal}"),
    }
}

/// The doctor must find that labs, which the other tests enter, can be entered.
fn examine() -> ExitCode {
    let here = PathBuf::from("/");
    let capabilities = doctor::examine(&doctor::Places { store: here.clone(), cache: here });
    let ok = |name: &str| capabilities.iter().any(|found| found.name == name && found.state == State::Ok);
    let all = ["user namespaces", "lab", "packet rings", "processors", "clock"].into_iter().all(ok);
    if !all {
        println!("{}", doctor::table(&capabilities, 120));
    }
    ExitCode::from(u8::from(!all))
}

/// Which way a lab is entered and what holds its links.
#[derive(Clone, Copy)]
struct Way {
    privilege: &'static str,
    device: &'static str,
}

/// The ways that this machine offers.
fn ways() -> Vec<Way> {
    let root = nix::unistd::geteuid().is_root();
    let tun = DeviceKind::probe() == DeviceKind::Tun;
    let mut ways = Vec::new();
    if root {
        ways.push(Way { privilege: "root", device: "ring" });
        assert!(tun, "root without /dev/net/tun: the TUN path would go untested");
        ways.push(Way { privilege: "root", device: "tun" });
    }
    ways.push(Way { privilege: "user", device: "ring" });
    if tun && !root {
        ways.push(Way { privilege: "user", device: "tun" });
    }
    ways
}

/// A folder that everybody may read, with a copy of this program: `nobody` cannot look into home folders.
struct Folder(PathBuf);

impl Folder {
    fn make() -> Self {
        let path = std::env::temp_dir().join(format!("lab-test-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        let copy = path.join("lab-test");
        std::fs::copy(std::env::current_exe().unwrap(), &copy).unwrap();
        std::fs::set_permissions(&copy, PermissionsExt::from_mode(0o755)).unwrap();
        Self(path)
    }

    fn program(&self) -> PathBuf {
        self.0.join("lab-test")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Left behind it is only a file in the temporary folder.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The command for the outer process of a lab.
fn outer(program: &Path, way: Way, inside: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.arg("outside").arg(way.privilege).args(inside).current_dir("/");
    as_way(&mut command, way);
    command
}

/// Gives up root where the way is without.
fn as_way(command: &mut Command, way: Way) -> &mut Command {
    if way.privilege == "user" && nix::unistd::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

/// Whether a scenario succeeds in good time: one that waits for what never comes is a failure, and does not hold up the rest.
fn ends_well(mut scenario: Command) -> bool {
    let mut running = scenario.spawn().unwrap();
    let start = Instant::now();
    loop {
        match running.try_wait().unwrap() {
            Some(status) => return status.success(),
            None if start.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(10)),
            None => {
                println!("not ended after {PATIENCE:?}: killed");
                running.kill().unwrap();
                running.wait().unwrap();
                return false;
            }
        }
    }
}

fn run_all(words: &[&str]) -> ExitCode {
    let wanted = |name: &str| {
        let filters: Vec<_> = words.iter().filter(|word| !word.starts_with("--")).collect();
        filters.is_empty() || filters.iter().any(|filter| name.contains(*filter))
    };
    let folder = Folder::make();
    let mut failed = 0;
    let mut check = |name: String, test: &dyn Fn() -> bool| {
        if wanted(&name) {
            let start = Instant::now();
            let passed = test();
            let verdict = if passed { "ok" } else { "FAILED" };
            println!("test {name} ... {verdict} ({:.1} s)", start.elapsed().as_secs_f64());
            failed += u32::from(!passed);
        }
    };
    for way in ways() {
        for scenario in scenarios::ALL {
            let name = format!("{}/{}/{scenario}", way.privilege, way.device);
            check(name, &|| {
                let inside = ["inside", scenario, way.device];
                ends_well(outer(&folder.program(), way, &inside))
            });
        }
        // Once for each privilege: it tries all devices by itself.
        let skip = way.device != "ring";
        check(format!("{}/the-doctor-finds-what-the-tests-use", way.privilege), &|| {
            let mut command = Command::new(folder.program());
            skip || as_way(command.arg("examine").current_dir("/"), way).status().unwrap().success()
        });
        for (end, test) in ends::ALL {
            check(format!("{}/{}/{end}", way.privilege, way.device), &|| {
                std::panic::catch_unwind(|| test(&folder.program(), way)).is_ok()
            });
        }
    }
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
