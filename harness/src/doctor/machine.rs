//! How much of everything there is: processors, memory, disk, and a clock.

use std::fs;
use std::path::Path;

use nix::sys::statvfs::statvfs;

use super::{Capability, Places, State};

const MIB: u64 = 1 << 20;
/// A controller and three brokers with their clients; below, brokers are killed for want of memory.
const MEMORY_MIN: u64 = 2048 * MIB;
const MEMORY_GOOD: u64 = 4096 * MIB;
/// The jars of a Kafka version, its class archive, and the logs of a run.
const DISK_MIN: u64 = 1024 * MIB;
const DISK_GOOD: u64 = 5 * 1024 * MIB;

pub(super) fn examine(places: &Places) -> Vec<Capability> {
    vec![
        processors(),
        memory(),
        disk("disk for runs", &places.store),
        disk("disk for Kafka", &places.cache),
        clock(),
    ]
}

fn processors() -> Capability {
    let count = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let state = if count >= 2 { State::Ok } else { State::Degraded };
    let fix = "two processors or more: with one, pauses of the harness look like pauses of the cluster";
    Capability::new("processors", state, format!("{count} usable"), Some(fix))
}

fn grade(amount: u64, good: u64, least: u64) -> State {
    if amount >= good {
        State::Ok
    } else if amount >= least {
        State::Degraded
    } else {
        State::Missing
    }
}

fn memory() -> Capability {
    let info = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = info.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    let bytes = kib.unwrap_or(0) * 1024;
    let fix = "free memory until 4 GiB are available, or use fewer brokers";
    let state = grade(bytes, MEMORY_GOOD, MEMORY_MIN);
    Capability::new("memory", state, format!("{} MiB available", bytes / MIB), Some(fix))
}

/// Space where a folder is or will be.
fn disk(name: &str, folder: &Path) -> Capability {
    let Some(existing) = folder.ancestors().find(|folder| folder.exists()) else {
        return Capability::new(name, State::Missing, format!("no folder above {}", folder.display()), None);
    };
    match statvfs(existing) {
        Ok(stat) => {
            let bytes = stat.blocks_available() * stat.fragment_size();
            let evidence = format!("{} MiB free at {}", bytes / MIB, folder.display());
            let state = grade(bytes, DISK_GOOD, DISK_MIN);
            Capability::new(name, state, evidence, Some("free space until 5 GiB are left there"))
        }
        Err(error) => Capability::new(name, State::Missing, format!("{}: {error}", folder.display()), None),
    }
}

/// Every event is stamped with CLOCK_MONOTONIC: it must be fine and quick to read.
fn clock() -> Capability {
    let source = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    let source = fs::read_to_string(source).unwrap_or_else(|_| "unknown".to_owned());
    let resolution = nix::time::clock_getres(nix::time::ClockId::CLOCK_MONOTONIC);
    let nanos = resolution.map_or(i64::MAX, |time| time.tv_sec() * 1_000_000_000 + time.tv_nsec());
    let slow = matches!(source.trim(), "acpi_pm" | "jiffies");
    let state = if nanos > 1000 || slow { State::Degraded } else { State::Ok };
    let evidence = format!("monotonic, {nanos} ns, from {}", source.trim());
    Capability::new("clock", state, evidence, Some("boot with another clock source (tsc, kvm-clock)"))
}
