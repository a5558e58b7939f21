//! What could be left behind by a run: processes, namespaces, mounts, network devices, temporary files.

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant};

use super::stage::Stage;

/// Links in `/proc/PID/ns` that make a lab.
const KINDS: [&str; 5] = ["net", "mnt", "pid", "uts", "ipc"];

/// The labs of a stage at some moment. A namespace lives as long as somebody is in it; its number says little
/// afterwards, because the kernel gives it to the next one.
#[derive(Debug, Default)]
pub(crate) struct Labs {
    pub(crate) namespaces: usize,
    /// When each process started, and its id: ids are used again as well.
    members: BTreeSet<(u64, String)>,
}

/// The machine before a run.
pub(crate) struct Before {
    mounts: BTreeSet<String>,
    devices: BTreeSet<String>,
    own: BTreeSet<String>,
}

impl Before {
    pub(crate) fn look() -> Self {
        let own = namespaces(Path::new("/proc/self")).into_iter().collect();
        Self { mounts: mounts(), devices: devices(), own }
    }

    /// The namespaces that the processes of a stage have made, and everybody in them.
    pub(crate) fn labs(&self, stage: &Stage) -> Labs {
        let within = |pid: &String| namespaces(Path::new(&format!("/proc/{pid}")));
        let made: BTreeSet<String> = processes_of(stage.path())
            .iter()
            .flat_map(within)
            .filter(|link| !self.own.contains(link))
            .collect();
        let lives = |pid: &String| within(pid).iter().any(|link| made.contains(link));
        let members = all_processes().into_iter().filter(lives);
        let members = members.filter_map(|pid| Some((started(&pid)?, pid))).collect();
        Labs { namespaces: made.len(), members }
    }

    /// Waits until nothing is left of a stage and its labs, up to five seconds.
    pub(crate) fn all_gone(&self, stage: &Stage, labs: &Labs) {
        self.wait(stage, labs, None);
    }

    /// The same, save a process of the test itself.
    pub(crate) fn all_gone_but(&self, stage: &Stage, ours: &str) {
        self.wait(stage, &Labs::default(), Some(ours));
    }

    fn wait(&self, stage: &Stage, labs: &Labs, ours: Option<&str>) {
        let began = Instant::now();
        loop {
            let mut left = self.left(stage, labs);
            left.retain(|trace| ours.is_none_or(|pid| !trace.starts_with(&format!("process {pid}:"))));
            if left.is_empty() {
                return;
            }
            assert!(began.elapsed() < Duration::from_secs(5), "left behind: {left:#?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn left(&self, stage: &Stage, labs: &Labs) -> Vec<String> {
        let mut left: Vec<String> = Vec::new();
        left.extend(
            processes_of(stage.path()).into_iter().map(|pid| format!("process {pid}: {}", command(&pid))),
        );
        left.extend(mounts().difference(&self.mounts).map(|mount| format!("mount {mount}")));
        left.extend(devices().difference(&self.devices).map(|device| format!("device {device}")));
        left.extend(stage.temporary().iter().map(|path| format!("temporary file {}", path.display())));
        let still = |(start, pid): &&(u64, String)| started(pid) == Some(*start);
        let members = labs.members.iter().filter(still);
        left.extend(members.map(|(_, pid)| format!("member {pid} of the lab: {}", command(pid))));
        left
    }
}

/// Every process that a stage has to do with: by its arguments, its environment, or where it works.
pub(crate) fn processes_of(folder: &Path) -> Vec<String> {
    let name = folder.file_name().unwrap().as_bytes();
    let ours = |pid: &String| {
        let read = |file: &str| std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
        let cwd = std::fs::read_link(format!("/proc/{pid}/cwd")).unwrap_or_default();
        let texts = [read("cmdline"), read("environ"), cwd.as_os_str().as_bytes().to_vec()];
        texts.iter().any(|text| text.windows(name.len()).any(|window| window == name))
    };
    all_processes().into_iter().filter(ours).collect()
}

/// When a process started, in ticks since boot, unless it is gone. One that waits to be reaped is gone.
fn started(pid: &str) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut words = stat.rsplit_once(") ")?.1.split(' ');
    let alive = words.next()? != "Z";
    words.nth(18)?.parse().ok().filter(|_| alive)
}

/// The command line of a process.
pub(crate) fn command(pid: &str) -> String {
    let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words = bytes.split(|byte| *byte == 0).take(8).map(String::from_utf8_lossy);
    words.collect::<Vec<_>>().join(" ").trim_end().to_owned()
}

fn all_processes() -> Vec<String> {
    let names = std::fs::read_dir("/proc").unwrap().flatten();
    let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.bytes().all(|byte| byte.is_ascii_digit())).collect()
}

fn namespaces(process: &Path) -> Vec<String> {
    let links = KINDS.iter().filter_map(|kind| std::fs::read_link(process.join("ns").join(kind)).ok());
    links.map(|link| link.display().to_string()).collect()
}

fn mounts() -> BTreeSet<String> {
    std::fs::read_to_string("/proc/self/mounts").unwrap().lines().map(str::to_owned).collect()
}

fn devices() -> BTreeSet<String> {
    let entries = std::fs::read_dir("/sys/class/net").unwrap().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}
