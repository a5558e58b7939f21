//! Children that end with this process: Maven and Kafka's storage tool, which run outside the lab.
//!
//! In the lab everything ends with PID 1, whatever happens to the harness. Before it is entered there is no such
//! PID 1, and a program that was started there would go on after SIGKILL of the harness, writing into a cache
//! that somebody else already uses. The parent-death signal belongs to the thread that forks, so only a
//! caller that waits for its child may use this.

#![expect(unsafe_code, reason = "code between fork and exec")]

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::getppid;

/// Binds the life of the command's process to that of the calling thread. It survives the change of programs
/// within that process, as in a script that ends with `exec`.
pub(crate) fn to_this_life(command: &mut Command) -> &mut Command {
    let parent = std::process::id();
    // SAFETY: both calls are async-signal-safe; the error carries no allocation.
    unsafe {
        command.pre_exec(move || {
            prctl::set_pdeathsig(Signal::SIGKILL)?;
            // The parent may have died before the signal was asked for.
            if u32::try_from(getppid().as_raw()) == Ok(parent) {
                Ok(())
            } else {
                Err(io::Error::from(io::ErrorKind::BrokenPipe))
            }
        })
    }
}
