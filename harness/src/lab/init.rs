//! The inside of the door: the process that enters the namespaces, and the lab's PID 1.
//!
//! Three processes in a row. The *gate* (started by the outer process, single-threaded, so that it may enter a
//! user namespace) leaves the terminal's session, unshares and forks; its child is PID 1 of the lab, the
//! *init*, which starts the *controller*, reaps, and ends when the controller ends, when the outer process's
//! end of the control pipe closes, or with the gate. When PID 1 ends the kernel ends everything else in the
//! lab, whatever state it is in. Each link of the chain is held twice, by a parent-death signal and by the
//! pipe, because a parent may die before the signal is asked for.

#![expect(clippy::disallowed_methods, reason = "shell: starts the controller")]
#![expect(unsafe_code, reason = "fork in a single-threaded process, and a signal mask after it")]
#![expect(clippy::print_stderr, reason = "the last word of a process whose report nobody reads")]

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::sys::signal::{SigHandler, SigSet, Signal, kill, signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{
    ForkResult, Gid, Pid, Uid, fork, getegid, geteuid, sethostname, setresgid, setresuid, setsid,
};

use super::{HARNESS, HOSTS_MARK};

/// First argument of the hidden call.
pub(super) const HIDDEN: &str = "lab-init";
/// Byte in the control pipe that stands for an interrupt.
pub(super) const INTERRUPT: u8 = b'i';
/// Exit status when the lab could not be built or was cut off.
const CUT_OFF: i32 = 137;

/// The pipe by which the outer process learns what could not be done; closed as soon as the controller runs.
type Report = fs::File;

/// What could not be done, in words.
struct Failure(String);

impl Failure {
    fn of<E: std::fmt::Display>(what: &'static str) -> impl FnOnce(E) -> Self {
        move |error| Self(format!("{what}: {error}"))
    }

    /// Tells the outer process, and gives the exit status.
    fn tell((mut report, Self(message)): (Report, Self)) -> u8 {
        // Without a reader the outer process is gone, and there is nobody to tell.
        let _ = report.write_all(message.as_bytes());
        1
    }
}

/// Runs the gate and never returns, if this process was started as one. Programs that enter a lab call this
/// first thing in `main`, while they have one thread.
pub fn entry() -> Option<ExitCode> {
    let mut args = std::env::args_os().skip(1);
    if args.next()? != HIDDEN {
        return None;
    }
    let mode = args.next().unwrap_or_default();
    if mode == super::probe::PROBE {
        return Some(super::probe::inside());
    }
    let fd = args.next().and_then(|fd| fd.to_str().and_then(|fd| fd.parse::<RawFd>().ok()));
    let command: Vec<OsString> = args.collect();
    let (Some(fd), [program, arguments @ ..]) = (fd, command.as_slice()) else {
        eprintln!("{HIDDEN} is an internal command");
        return Some(ExitCode::from(64));
    };
    // SAFETY: the outer process made this descriptor for us alone and told its number.
    let report = fs::File::from(unsafe { OwnedFd::from_raw_fd(fd) });
    let code = gate(&mode, report, |report| init(report, program, arguments)).unwrap_or_else(Failure::tell);
    Some(ExitCode::from(code))
}

/// Enters the namespaces and forks; the child becomes the init.
fn gate(mode: &OsString, report: Report, init: impl FnOnce(Report) -> i32) -> Result<u8, (Report, Failure)> {
    if let Err(failure) = enter_namespaces(mode, &report) {
        return Err((report, failure));
    }
    // SAFETY: this process has one thread.
    match unsafe { fork() } {
        Ok(ForkResult::Child) => std::process::exit(init(report)),
        Ok(ForkResult::Parent { child }) => {
            drop(report);
            Ok(await_init(child))
        }
        Err(error) => Err((report, Failure(format!("fork the lab's init: {error}")))),
    }
}

fn enter_namespaces(mode: &OsString, report: &Report) -> Result<(), Failure> {
    fcntl(report, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).map_err(Failure::of("report pipe"))?;
    setsid().map_err(Failure::of("own session"))?;
    die_with_parent()?;
    if lifeline_cut() {
        return Err(Failure("the outer process is gone".to_owned()));
    }
    if mode == "user" {
        enter_user_namespace()?;
    }
    let namespaces = CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWIPC;
    unshare(namespaces).map_err(Failure::of("unshare namespaces"))
}

/// Waits for the init; when it is reaped everything in the lab is gone.
fn await_init(child: Pid) -> u8 {
    loop {
        match waitpid(child, None) {
            Err(nix::Error::EINTR) => {}
            status => {
                let code = status.ok().and_then(code_of).unwrap_or(CUT_OFF);
                return u8::try_from(code).unwrap_or(255);
            }
        }
    }
}

fn die_with_parent() -> Result<(), Failure> {
    prctl::set_pdeathsig(Signal::SIGKILL).map_err(Failure::of("parent-death signal"))
}

/// Whether the other end of the control pipe (standard input) is closed.
fn lifeline_cut() -> bool {
    let stdin = io::stdin();
    let mut fds = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
    let ready = poll(&mut fds, PollTimeout::ZERO);
    ready.is_ok_and(|n| n > 0) && fds[0].revents().is_some_and(|events| events.contains(PollFlags::POLLHUP))
}

/// Becomes root of a new user namespace that holds the caller only.
fn enter_user_namespace() -> Result<(), Failure> {
    let (uid, gid) = (geteuid(), getegid());
    unshare(CloneFlags::CLONE_NEWUSER).map_err(Failure::of("unshare user namespace"))?;
    fs::write("/proc/self/setgroups", "deny").map_err(Failure::of("deny setgroups"))?;
    fs::write("/proc/self/uid_map", format!("0 {uid} 1")).map_err(Failure::of("map user id"))?;
    fs::write("/proc/self/gid_map", format!("0 {gid} 1")).map_err(Failure::of("map group id"))?;
    let (root, group) = (Uid::from_raw(0), Gid::from_raw(0));
    setresgid(group, group, group).map_err(Failure::of("become group 0 of the namespace"))?;
    setresuid(root, root, root).map_err(Failure::of("become user 0 of the namespace"))?;
    // A change of credentials clears it.
    die_with_parent()
}

/// PID 1 of the lab.
fn init(report: Report, program: &OsString, args: &[OsString]) -> i32 {
    match start_controller(program, args) {
        Ok((controller, signals)) => {
            drop(report);
            serve(controller, &signals)
        }
        Err(failure) => i32::from(Failure::tell((report, failure))),
    }
}

fn start_controller(program: &OsString, args: &[OsString]) -> Result<(Pid, SignalFd), Failure> {
    die_with_parent()?;
    if lifeline_cut() {
        return Err(Failure("the outer process is gone".to_owned()));
    }
    furnish()?;
    let mask = SigSet::from(Signal::SIGCHLD);
    mask.thread_block().map_err(Failure::of("block SIGCHLD"))?;
    let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
    let signals = SignalFd::with_flags(&mask, flags).map_err(Failure::of("signalfd"))?;
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null());
    // SAFETY: both calls are async-signal-safe.
    unsafe {
        command.pre_exec(|| {
            // Whoever started the outer process may have had it ignored.
            signal(Signal::SIGINT, SigHandler::SigDfl)?;
            Ok(SigSet::empty().thread_set_mask()?)
        });
    }
    let controller = command.spawn().map_err(Failure::of("start the controller"))?;
    Ok((Pid::from_raw(i32::try_from(controller.id()).unwrap_or(i32::MAX)), signals))
}

/// Mounts, names and the loopback device of the lab, before anything else runs in it.
fn furnish() -> Result<(), Failure> {
    let nothing: Option<&str> = None;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(nothing, "/", nothing, private, nothing).map_err(Failure::of("make mounts private"))?;
    let plain = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), "/proc", Some("proc"), plain, nothing)
        .map_err(Failure::of("mount /proc (is it masked, as in an unprivileged container?)"))?;
    sethostname(HARNESS).map_err(Failure::of("set host name"))?;
    names()
}

/// Covers the files that name resolution reads, in memory: no process of the lab sees the host's, and no
/// folder is left behind. The text of `hosts` comes when the nodes are known.
fn names() -> Result<(), Failure> {
    let nothing: Option<&str> = None;
    let shelf = "/tmp";
    mount(Some("lab"), shelf, Some("tmpfs"), MsFlags::MS_NOSUID, Some("size=1m,mode=755"))
        .map_err(Failure::of("mount a tmpfs"))?;
    let hosts = format!("{HOSTS_MARK}127.0.0.1 localhost\n");
    let files =
        [("hosts", hosts.as_str()), ("nsswitch.conf", "hosts: files\n"), ("resolv.conf", "# no resolver\n")];
    for (name, text) in files {
        let (source, target) = (format!("{shelf}/{name}"), format!("/etc/{name}"));
        fs::write(&source, text).map_err(Failure::of("write name files"))?;
        if fs::exists(&target).unwrap_or(false) {
            mount(Some(source.as_str()), target.as_str(), nothing, MsFlags::MS_BIND, nothing)
                .map_err(Failure::of("bind name files over those in /etc"))?;
        } else if name == "hosts" {
            return Err(Failure("/etc/hosts does not exist, so names cannot be given: create it".to_owned()));
        }
    }
    umount2(shelf, MntFlags::MNT_DETACH).map_err(Failure::of("put the tmpfs away"))
}

/// Reaps and listens until the controller ends or the lifeline is cut.
fn serve(controller: Pid, signals: &SignalFd) -> i32 {
    let stdin = io::stdin();
    loop {
        let mut fds =
            [PollFd::new(stdin.as_fd(), PollFlags::POLLIN), PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
        if poll(&mut fds, PollTimeout::NONE).is_err_and(|error| error != nix::Error::EINTR) {
            return CUT_OFF;
        }
        let control = fds[0].revents().is_some_and(|events| !events.is_empty());
        while let Ok(Some(_)) = signals.read_signal() {}
        if let Some(code) = reap(controller) {
            return code;
        }
        if control {
            let mut byte = [0];
            match io::stdin().read(&mut byte) {
                Ok(1) if byte[0] == INTERRUPT => {
                    // It may have ended this moment; then it is reaped in the next turn.
                    let _ = kill(controller, Signal::SIGINT);
                }
                Ok(1) => {}
                Ok(_) | Err(_) => return CUT_OFF,
            }
        }
    }
}

/// Reaps every process that has ended; the controller's exit status if it is among them.
fn reap(controller: Pid) -> Option<i32> {
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(status) if status.pid() == Some(controller) => {
                if let Some(code) = code_of(status) {
                    return Some(code);
                }
            }
            Ok(WaitStatus::StillAlive) | Err(_) => return None,
            Ok(_) => {}
        }
    }
}

/// Exit status as a shell gives it.
fn code_of(status: WaitStatus) -> Option<i32> {
    match status {
        WaitStatus::Exited(_, code) => Some(code),
        WaitStatus::Signaled(_, signal, _) => Some(128 + signal as i32),
        WaitStatus::Stopped(..)
        | WaitStatus::PtraceEvent(..)
        | WaitStatus::PtraceSyscall(..)
        | WaitStatus::Continued(_)
        | WaitStatus::StillAlive => None,
    }
}
