//! A disk that fills up in the middle of a run: said clearly, and what there is can be judged once there is room.
//!
//! The store is a tmpfs in a mount namespace of its own, which a holder keeps until the test is over. It is not
//! filled with bytes but shrunk to what is in use, which takes no memory and refuses every further block just so.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::stage::{PATIENCE, Playing, Stage, ended, turn};
use super::traces::Before;

/// Size at first: what a run wants to find free, and some.
const ROOMY: &str = "600m";

/// Keeps the namespace with the small disk, as root of it.
struct Holder {
    child: Child,
    disk: PathBuf,
}

impl Holder {
    fn start(stage: &Stage) -> Self {
        let disk = stage.path().join("disk");
        std::fs::create_dir(&disk).unwrap();
        let root = nix::unistd::geteuid().is_root();
        let mut command = Command::new("unshare");
        command.arg("--mount").args(if root { &[][..] } else { &["--user", "--map-root-user"][..] });
        // Elsewhere than the stage, so that the holder is no trace of the run.
        command.args([
            "sh",
            "-c",
            &format!("mount -t tmpfs -o size={ROOMY} disk \"$0\" && echo up && exec cat"),
        ]);
        command.arg(&disk).current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        let mut out = std::io::BufReader::new(child.stdout.as_mut().unwrap());
        std::io::BufRead::read_line(&mut out, &mut line).unwrap();
        assert_eq!(line, "up\n");
        Self { child, disk }
    }

    /// A command that runs in the namespace.
    fn within(&self, stage: &Stage, command: &Command) -> Command {
        let mut inside = Command::new("nsenter");
        let root = nix::unistd::geteuid().is_root();
        inside.args(if root { &[][..] } else { &["--user", "--preserve-credentials"][..] });
        inside.args(["--target", &self.child.id().to_string(), "--mount", "--"]);
        inside
            .args(["sh", "-c", "cd \"$0\" && exec \"$@\""])
            .arg(stage.path())
            .arg(command.get_program())
            .args(command.get_args());
        for (name, value) in command.get_envs() {
            if let Some(value) = value {
                inside.env(name, value);
            }
        }
        inside.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        inside
    }

    /// Gives the disk another size; whether it has it now.
    fn resize(&self, stage: &Stage, size: &str) -> bool {
        let mut mount = Command::new("mount");
        mount.arg("-o").arg(format!("remount,size={size}")).arg(&self.disk);
        ended(self.within(stage, &mount)).exit == 0
    }

    /// Shrinks the disk to what is used, until nothing is left: the run goes on meanwhile and uses more.
    fn fill(&self, stage: &Stage) {
        let began = Instant::now();
        loop {
            let mut df = Command::new("df");
            df.args(["--block-size=1024", "--output=used"]).arg(&self.disk);
            let said = ended(self.within(stage, &df)).out;
            let used: u64 = said.lines().nth(1).unwrap_or_else(|| panic!("{said}")).trim().parse().unwrap();
            if self.resize(stage, &format!("{}k", used + 256)) {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "the disk is never full");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // The namespace and its disk end with it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_full_disk_is_named_and_what_was_recorded_is_judged_when_there_is_room_again() {
    let _turn = turn();
    let stage = Stage::new();
    let holder = Holder::start(&stage);
    let before = Before::look();
    let store = holder.disk.join("store").to_str().unwrap().to_owned();
    // Fast and large, so that the little that is left does not last.
    let arguments = [
        "run",
        "short.toml",
        "--store",
        &store,
        "--set",
        "phases.storm=1h",
        "--set",
        "clients.shop.record-size=4096",
        "--set",
        "clients.shop.rate=1000/s",
    ];
    let command = stage.command(&arguments);
    let mut playing = Playing::start(holder.within(&stage, &command));
    assert!(playing.reaches("strikes: "), "{:#?}", playing.said);
    holder.fill(&stage);
    let ended = playing.ended();
    assert!(holder.resize(&stage, ROOMY));
    assert_eq!(ended.exit, 70, "{ended:?}");
    for words in ["error: no space left on device", "free some", "the run directory is kept"] {
        assert!(ended.err.contains(words), "{words:?} is missing: {}", ended.err);
    }
    assert!(!ended.err.contains("panicked"), "{}", ended.err);
    before.all_gone_but(&stage, &holder.child.id().to_string());
    let check = stage.command(&["check", "latest", "--store", &store, "--message-format", "json"]);
    let judged = super::stage::ended(holder.within(&stage, &check));
    assert_eq!(judged.exit, 2, "{judged:?}");
    let verdict: serde_json::Value = serde_json::from_str(judged.out.trim()).unwrap();
    assert_eq!(verdict["verdict"], "unknown");
    assert!(verdict["counts"]["sent"].as_u64().is_some_and(|sent| sent > 100), "{verdict:#}");
}
