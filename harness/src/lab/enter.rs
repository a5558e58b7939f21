//! The outside of the door: starting a lab and waiting for its end.
//!
//! The outer process re-executes the program as the hidden `lab-init`, which enters the namespaces and starts
//! the controller. It keeps the write end of the control pipe: a byte passes an interrupt on, its closing
//! (also by SIGKILL) ends the lab. Terminal signals reach only the outer process, because the lab has its own
//! session. The outer process must have one thread when it calls this.

#![expect(clippy::disallowed_methods, reason = "shell: starts the lab")]
#![expect(unsafe_code, reason = "pidfd_open, and a descriptor that the child is to inherit")]

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::waitpid;
use nix::unistd::{geteuid, pipe2};

use super::LabError;
use super::init::{HIDDEN, INTERRUPT};

/// What to run as the controller of a lab. Its `program` plays both parts.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The program, which must call [`super::entry`] first thing in `main`; also the controller.
    pub program: PathBuf,
    /// The controller's arguments.
    pub args: Vec<OsString>,
    /// How the namespaces are entered.
    pub privilege: Privilege,
}

/// How the namespaces are entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Privilege {
    /// As root: no user namespace.
    Root,
    /// As anybody: in a user namespace that maps the caller to root.
    User,
}

impl Privilege {
    /// Root where this process may administer the system, else a user namespace.
    pub fn of_this_process() -> Self {
        if geteuid().is_root() && may_administer() { Self::Root } else { Self::User }
    }
}

/// Whether CAP_SYS_ADMIN is effective; root in a container often lacks it.
fn may_administer() -> bool {
    const CAP_SYS_ADMIN: u64 = 21;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> CAP_SYS_ADMIN & 1 == 1)
}

/// How a lab ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The controller ended with this exit status (128 + n for signal n).
    Exited(u8),
    /// The lab itself was killed by this signal.
    Killed(i32),
}

/// Enters a lab with this program as its controller, waits for its end, and passes interrupts on: the first
/// SIGINT, SIGTERM or SIGHUP asks the controller (by SIGINT) to stop in good order, the second ends the lab
/// at once. `on_interrupt` is told of each, for a message to the user.
pub fn enter(args: Vec<OsString>, on_interrupt: impl FnMut(u32)) -> Result<Ended, LabError> {
    let program = std::env::current_exe().map_err(LabError::Enter)?;
    let privilege = Privilege::of_this_process();
    Entry { program, args, privilege }.start()?.wait(on_interrupt)
}

/// A lab that runs; dropping it ends it.
#[derive(Debug)]
pub struct Running {
    gate: Child,
    control: Option<File>,
    signals: SignalFd,
    before: SigSet,
}

impl Entry {
    /// Starts the lab; returns once its controller runs.
    pub fn start(self) -> Result<Running, LabError> {
        let (control_read, control_write) = pipe2(OFlag::O_CLOEXEC).map_err(enter_failed)?;
        let (report_read, report_write) = pipe2(OFlag::O_CLOEXEC).map_err(enter_failed)?;
        prctl::set_child_subreaper(true).map_err(enter_failed)?;
        let mask = interrupts();
        let before = mask.thread_swap_mask(SigmaskHow::SIG_BLOCK).map_err(enter_failed)?;
        let signals = SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC).map_err(enter_failed)?;
        let mode = match self.privilege {
            Privilege::Root => "root",
            Privilege::User => "user",
        };
        let inherited = report_write.as_raw_fd();
        let mut command = Command::new(&self.program);
        command.arg(HIDDEN).arg(mode).arg(inherited.to_string()).arg(&self.program).args(&self.args);
        command.stdin(Stdio::from(control_read));
        // SAFETY: fcntl and sigprocmask are async-signal-safe; the descriptor is open until after the spawn.
        unsafe {
            command.pre_exec(move || {
                let fd = std::os::fd::BorrowedFd::borrow_raw(inherited);
                fcntl(fd, FcntlArg::F_SETFD(FdFlag::empty()))?;
                Ok(SigSet::empty().thread_set_mask()?)
            });
        }
        let gate = command.spawn().map_err(LabError::Enter)?;
        drop(report_write);
        drop(command);
        let mut running = Running { gate, control: Some(control_write.into()), signals, before };
        let mut report = String::new();
        File::from(report_read).read_to_string(&mut report).map_err(LabError::Enter)?;
        if report.is_empty() {
            return Ok(running);
        }
        running.end();
        Err(LabError::Closed(report))
    }
}

impl Running {
    /// Process id of the gate, whose child is PID 1 of the lab.
    pub fn pid(&self) -> u32 {
        self.gate.id()
    }

    /// Asks the controller to stop in good order.
    pub fn interrupt(&mut self) {
        if let Some(control) = &mut self.control {
            // A lab that has just ended cannot be interrupted, which its status will say.
            let _ = control.write_all(&[INTERRUPT]);
        }
    }

    /// Ends the lab at once; when this returns nothing of it is left.
    fn end(&mut self) {
        self.control = None;
        let _ = self.gate.wait();
    }

    /// Waits for the end of the lab, passing interrupts on.
    pub fn wait(mut self, mut on_interrupt: impl FnMut(u32)) -> Result<Ended, LabError> {
        let gate = pidfd(self.gate.id()).map_err(LabError::Enter)?;
        let mut interrupts = 0;
        loop {
            let mut fds = [
                PollFd::new(gate.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
            ];
            match poll(&mut fds, PollTimeout::NONE) {
                Ok(_) | Err(nix::Error::EINTR) => {}
                Err(error) => return Err(enter_failed(error)),
            }
            let ready = |fd: &PollFd<'_>| fd.revents().is_some_and(|events| !events.is_empty());
            let (ended, signalled) = (ready(&fds[0]), ready(&fds[1]));
            if ended {
                let status = self.gate.wait().map_err(LabError::Enter)?;
                if status.signal().is_some() {
                    await_orphans();
                }
                let code = status.code().map(|code| Ended::Exited(u8::try_from(code).unwrap_or(255)));
                return Ok(code.unwrap_or(Ended::Killed(status.signal().unwrap_or(0))));
            }
            if signalled && self.signals.read_signal().is_ok_and(|signal| signal.is_some()) {
                interrupts += 1;
                on_interrupt(interrupts);
                match interrupts {
                    1 => self.interrupt(),
                    _ => self.control = None,
                }
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
        // The mask was valid when it was read.
        let _ = self.before.thread_set_mask();
    }
}

/// The signals that stand for an interrupt, without those that are ignored on purpose (`nohup`).
fn interrupts() -> SigSet {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    let heard = |signal: &Signal| ignored >> (*signal as u32 - 1) & 1 == 0;
    [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP].into_iter().filter(heard).collect()
}

/// Waits for the init of a lab whose gate was killed: this process has adopted it, and when it is reaped everything
/// in the lab is gone. The lab was the only child.
fn await_orphans() {
    while !matches!(waitpid(None, None), Err(error) if error != nix::Error::EINTR) {}
}

fn pidfd(pid: u32) -> io::Result<OwnedFd> {
    // SAFETY: no pointers; the process is our child and not yet waited for.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    match i32::try_from(fd) {
        // SAFETY: just made, owned by nobody else.
        Ok(fd) if fd >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        Ok(_) | Err(_) => Err(io::Error::last_os_error()),
    }
}

fn enter_failed(error: nix::Error) -> LabError {
    LabError::Enter(error.into())
}
