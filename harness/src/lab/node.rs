//! One node's namespaces: network, mounts and host name, held by file descriptors alone.
//!
//! A namespace needs no process to live, only an open descriptor, so a node is made on a thread that enters
//! it and ends. Commands enter it between fork and exec. They get no parent-death signal: that signal belongs
//! to the forking *thread*, and threads of a pool end while their children must live; PID 1 of the lab ends
//! them all with the controller anyway.

#![expect(clippy::disallowed_methods, reason = "shell: starts programs in nodes")]
#![expect(unsafe_code, reason = "code between fork and exec")]

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Arc;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::signal::SigSet;
use nix::unistd::sethostname;

use super::LabError;

/// Longest working directory that survives the change of mount namespace.
const PATH_LEN: usize = 4096;

/// A node's namespaces.
#[derive(Debug)]
pub(super) struct Namespaces {
    pub(super) net: File,
    mounts: File,
    uts: File,
}

impl Namespaces {
    /// Makes the namespaces of node `name`.
    pub(super) fn make(name: &str) -> Result<Self, LabError> {
        on_thread(|| {
            let all = CloneFlags::CLONE_FS
                | CloneFlags::CLONE_NEWNET
                | CloneFlags::CLONE_NEWNS
                | CloneFlags::CLONE_NEWUTS;
            unshare(all).map_err(|error| failed(name, "unshare namespaces", error.into()))?;
            sethostname(name).map_err(|error| failed(name, "set host name", error.into()))?;
            let nothing: Option<&str> = None;
            let plain = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
            // A container that masks parts of /sys refuses this; then /sys shows the host's interfaces,
            // which programs of the lab only look at.
            let _ = mount(Some("sysfs"), "/sys", Some("sysfs"), plain, nothing);
            quiet(name)?;
            Self::current().map_err(|error| failed(name, "hold namespaces", error))
        })
    }

    /// A network namespace with nothing else, for the switch's ends of veth pairs.
    pub(super) fn make_bare(name: &str) -> Result<Self, LabError> {
        on_thread(|| {
            unshare(CloneFlags::CLONE_NEWNET)
                .map_err(|error| failed(name, "unshare network namespace", error.into()))?;
            quiet(name)?;
            Self::current().map_err(|error| failed(name, "hold namespaces", error))
        })
    }

    /// Those of the calling thread.
    pub(super) fn current() -> io::Result<Self> {
        let open = |name: &str| File::open(format!("/proc/thread-self/ns/{name}"));
        Ok(Self { net: open("net")?, mounts: open("mnt")?, uts: open("uts")? })
    }

    /// Runs `work` on a thread inside the network namespace.
    pub(super) fn with_network<T: Send>(
        &self,
        work: impl FnOnce() -> Result<T, LabError> + Send,
    ) -> Result<T, LabError> {
        on_thread(|| {
            setns(&self.net, CloneFlags::CLONE_NEWNET)
                .map_err(|error| failed("node", "enter network namespace", error.into()))?;
            work()
        })
    }

    /// Enters all of them. Async-signal-safe; the process must have one thread.
    fn enter(&self) -> io::Result<()> {
        let mut folder = [0_u8; PATH_LEN];
        // SAFETY: the pointer and the length belong together.
        let known = unsafe { !libc::getcwd(folder.as_mut_ptr().cast(), PATH_LEN).is_null() };
        setns(&self.net, CloneFlags::CLONE_NEWNET)?;
        setns(&self.uts, CloneFlags::CLONE_NEWUTS)?;
        setns(&self.mounts, CloneFlags::CLONE_NEWNS)?;
        // Entering a mount namespace moves to its root: go back to where the command was to run.
        // SAFETY: getcwd ended the path with a zero.
        if known && unsafe { libc::chdir(folder.as_ptr().cast()) } != 0 {
            return Err(io::Error::last_os_error());
        }
        SigSet::empty().thread_set_mask()?;
        Ok(())
    }

    /// A command that runs inside, in a process group of its own.
    pub(super) fn command(self: &Arc<Self>, program: &OsStr) -> Command {
        let namespaces = Arc::clone(self);
        let mut command = Command::new(program);
        command.process_group(0);
        // SAFETY: `enter` makes system calls only; it neither allocates nor takes locks.
        unsafe {
            command.pre_exec(move || namespaces.enter());
        }
        command
    }
}

/// IPv6 off before any link is up, so that no frame is sent that nobody asked for; no reverse-path filter.
pub(super) fn quiet(name: &str) -> Result<(), LabError> {
    for scope in ["all", "default"] {
        let ipv6 = format!("/proc/sys/net/ipv6/conf/{scope}/disable_ipv6");
        if fs::exists(&ipv6).unwrap_or(false) {
            fs::write(&ipv6, "1").map_err(|error| failed(name, "switch IPv6 off", error))?;
        }
        fs::write(format!("/proc/sys/net/ipv4/conf/{scope}/rp_filter"), "0")
            .map_err(|error| failed(name, "set rp_filter", error))?;
    }
    same_congestion_control();
    Ok(())
}

/// The same TCP on every machine: CUBIC, Linux's default, or where the host does not allow it here Reno, which every kernel
/// allows. A host set to BBR would have each connection pace itself by timers, in a lab whose delays are to be the plan's.
fn same_congestion_control() {
    // What none of the two can be set for stays as the host has it.
    let _ = ["cubic", "reno"]
        .into_iter()
        .any(|name| fs::write("/proc/sys/net/ipv4/tcp_congestion_control", name).is_ok());
}

/// Runs `work` on a new thread, whose namespaces it may change: they end with the thread.
fn on_thread<T: Send>(work: impl FnOnce() -> Result<T, LabError> + Send) -> Result<T, LabError> {
    std::thread::scope(|scope| scope.spawn(work).join())
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

pub(super) fn failed(node: &str, what: &'static str, source: io::Error) -> LabError {
    LabError::Node { node: node.to_owned(), what, source }
}
