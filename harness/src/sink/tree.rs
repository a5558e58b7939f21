//! A process with all its descendants, as one thing to be stopped, resumed or killed.
//!
//! A database server is many processes, and most of them leave the process group of the first. They are found by their
//! parents in `/proc`. To kill them all they are stopped first, so that none is started while the others die.

use std::collections::BTreeMap;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::time::{sleep, timeout};

use crate::cluster::thread_states;

/// A process and its descendants, the process first.
fn members(root: i32) -> Vec<i32> {
    let Ok(listed) = std::fs::read_dir("/proc") else { return vec![root] };
    let pids = listed.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let mut children: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    for pid in pids {
        if let Some(parent) = parent(pid) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut all = vec![root];
    let mut next = 0;
    while let Some(pid) = all.get(next) {
        all.extend(children.remove(pid).unwrap_or_default());
        next += 1;
    }
    all
}

fn parent(pid: i32) -> Option<i32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything.
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}

/// Whether a process stands still, or is gone.
fn is_still(pid: i32) -> bool {
    thread_states(pid).iter().all(|state| matches!(state, 'T' | 'Z' | 'X'))
}

fn is_gone(pid: i32) -> bool {
    thread_states(pid).iter().all(|state| matches!(state, 'Z' | 'X'))
}

/// Sends a signal; to whoever has ended meanwhile it is none.
fn send(all: &[i32], signal: Signal) {
    for pid in all {
        let _ = kill(Pid::from_raw(*pid), signal);
    }
}

/// Stops them all, and says whether they stand still in time; which they are.
pub(super) async fn stop(root: i32, patience: Duration) -> Option<Vec<i32>> {
    let all = timeout(patience, async {
        loop {
            let all = members(root);
            send(&all, Signal::SIGSTOP);
            if all.iter().all(|pid| is_still(*pid)) && members(root) == all {
                return all;
            }
            sleep(Duration::from_millis(1)).await;
        }
    });
    all.await.ok()
}

/// Lets them all go on, and says whether they do in time.
pub(super) async fn resume(root: i32, patience: Duration) -> bool {
    let all = members(root);
    send(&all, Signal::SIGCONT);
    let moving = async {
        while all.iter().any(|pid| thread_states(*pid).contains(&'T')) {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(patience, moving).await.is_ok()
}

/// Kills them all, and says whether they are gone in time.
pub(super) async fn end(root: i32, patience: Duration) -> bool {
    let Some(all) = stop(root, patience).await else { return false };
    send(&all, Signal::SIGKILL);
    let gone = async {
        while !all.iter().all(|pid| is_gone(*pid)) {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(patience, gone).await.is_ok()
}
