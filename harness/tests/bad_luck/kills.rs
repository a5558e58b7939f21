//! `kill -9` at any moment, of the outer process and of what is inside: nothing is left, and what was recorded can
//! be judged.
//!
//! Moments are drawn from a seed: a phase of the run, and a time after its beginning. So they are spread over the
//! whole run on fast and slow machines alike. `ONCEPROOF_KILLS` sets how many there are, `ONCEPROOF_KILL_SEED` the
//! seed.

use std::path::Path;
use std::time::Duration;

use history::journal::{Entry, Reader};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::draw::Draw;
use super::stage::{Playing, Stage, turn};
use super::traces::{self, Before};

/// Phases, what says that one began, and how long it lasts in milliseconds at most.
const PHASES: [(&str, &str, u64); 9] = [
    ("provision", "phase provision", 4_000),
    ("storm", "phase storm", 20_000),
    ("drain", "phase drain", 400),
    ("stop and judging", "phase stop", 800),
    ("start", " with seed ", 300),
    ("warm-up", "phase warm-up", 1_500),
    ("final read", "phase final-read", 200),
    ("heal", "phase heal", 2_500),
    ("topics", "the cluster is ready", 300),
];

fn setting(name: &str, default: u64) -> u64 {
    std::env::var_os(name).map_or(default, |value| value.to_str().unwrap().parse().unwrap())
}

/// Entries of every journal of a run, each readable to its end.
fn entries(run: &Path) -> (usize, u64) {
    let (mut journals, mut entries) = (0, 0);
    for file in std::fs::read_dir(run.join("journals")).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "journal") {
            continue;
        }
        journals += 1;
        let mut reader = Reader::open(&path).unwrap_or_else(|error| panic!("{error}"));
        while !matches!(reader.next_entry().unwrap_or_else(|error| panic!("{error}")), Entry::End(_)) {
            entries += 1;
        }
    }
    (journals, entries)
}

/// What the journals of a run that was cut off say: every one is readable, and the verdict is one of these.
fn judged(stage: &Stage, expected: &[&str]) -> String {
    let Some(run) = stage.latest() else { return "no run directory yet".to_owned() };
    let (journals, entries) = entries(&run);
    let ended = stage.call(&["check", run.to_str().unwrap(), "--message-format", "json"]);
    assert!(!ended.err.contains("panicked"), "{}", ended.err);
    if journals == 0 {
        assert!(ended.exit == 64 && ended.err.contains("error: "), "{ended:?}");
        return "no journal yet".to_owned();
    }
    let verdict: serde_json::Value = serde_json::from_str(ended.out.trim())
        .unwrap_or_else(|error| panic!("no verdict of {} ({error}): {ended:?}", run.display()));
    let word = verdict["verdict"].as_str().unwrap().to_owned();
    assert!(expected.contains(&word.as_str()), "{verdict:#}");
    assert_eq!(ended.exit, if word == "unknown" { 2 } else { 0 }, "{ended:?}");
    format!("{word} from {entries} entries in {journals} journals")
}

#[test]
fn nothing_is_left_and_everything_is_readable_after_kill_9_at_any_moment() {
    let (kills, seed) = (setting("ONCEPROOF_KILLS", 4), setting("ONCEPROOF_KILL_SEED", 1));
    let mut draw = Draw(seed);
    let mut survived = 0;
    for number in 0..kills {
        let _turn = turn();
        let at = usize::try_from(number).unwrap();
        // Phases take turns; of nine kills in a row each hits another.
        let (phase, words, longest) = PHASES[at % PHASES.len()];
        let quick = at % 4 == 1;
        let (spec, longest) =
            if quick { ("quickstart", longest) } else { ("short.toml", longest.min(3_000)) };
        let delay = Duration::from_millis(draw.below(longest));
        let (stage, before) = (Stage::new(), Before::look());
        let run_seed = number.to_string();
        let mut playing = Playing::start(stage.command(&["run", spec, "--seed", &run_seed]));
        assert!(playing.reaches(words), "{:#?}", playing.said);
        let playing_on = playing.plays_on_for(delay);
        let labs = before.labs(&stage);
        if playing_on {
            playing.signal(Signal::SIGKILL);
        }
        let said = playing.said.join("\n");
        let exit = playing.ended().exit;
        before.all_gone(&stage, &labs);
        // One that was killed while it stopped or judged, or after, may have gone through (a short run may be over before
        // a long delay is): the same verdict is had again.
        let through = phase == "stop and judging" || said.contains("phase stop");
        let expected: &[&str] = if through { &["unknown", "valid"] } else { &["unknown"] };
        let story = judged(&stage, expected);
        survived += u32::from(exit == 137);
        println!(
            "kill {number}: {spec}, {delay:?} into {phase}, exit {exit}, {} namespaces gone, {story}",
            labs.namespaces
        );
    }
    println!(
        "kill -9: {kills} runs (seed {seed}), {survived} killed, nothing left after any, every journal readable"
    );
}

/// The first child of a process.
fn child_of(pid: i32) -> i32 {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    children.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn what_was_recorded_is_judged_when_the_inside_is_killed() {
    for (who, depth) in [("gate", 1), ("init", 2), ("controller", 3)] {
        let _turn = turn();
        let (stage, before) = (Stage::new(), Before::look());
        let mut playing = Playing::start(stage.command(&["run", "short.toml", "--message-format", "json"]));
        assert!(playing.reaches("phase storm"), "{:#?}", playing.said);
        let labs = before.labs(&stage);
        assert!(labs.namespaces > 5, "{who}: {labs:?}");
        let victim = (0..depth).fold(playing.pid(), |pid, _| child_of(pid));
        kill(Pid::from_raw(victim), Signal::SIGKILL).unwrap();
        let ended = playing.ended();
        before.all_gone(&stage, &labs);
        assert_eq!(ended.exit, 70, "{who}: {ended:?}");
        assert!(ended.err.contains("error: the inside of the run"), "{who}: {ended:?}");
        assert!(ended.err.contains("the run directory is kept"), "{who}: {ended:?}");
        let verdict: serde_json::Value = serde_json::from_str(ended.out.trim()).unwrap();
        assert_eq!(verdict["verdict"], "unknown", "{who}");
        let run = stage.latest().unwrap();
        assert!(run.join("verdict.json").is_file() && !run.join("data").exists(), "{who}");
        judged(&stage, &["unknown"]);
    }
}

#[test]
fn maven_ends_with_the_program() {
    let (stage, before) = (Stage::new(), Before::look());
    let tools = stage.path().join("bin");
    std::fs::create_dir(&tools).unwrap();
    // Stands for a Maven that waits for its network: it says so and never comes back.
    let words = stage.path().join("words");
    super::executable(&tools.join("mvn"), &format!("echo $$ > {}; exec sleep 1000", words.display()));
    let path = format!("{}:/usr/bin:/bin", tools.display());
    let mut command = stage.command(&["run", "short.toml"]);
    command.env("PATH", path).env("XDG_CACHE_HOME", stage.path().join("cache"));
    let playing = Playing::start(command);
    let began = std::time::Instant::now();
    while !std::fs::read_to_string(&words).is_ok_and(|text| text.ends_with('\n')) {
        assert!(began.elapsed() < super::stage::PATIENCE, "Maven was never called");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(traces::processes_of(stage.path()).len() > 1);
    playing.signal(Signal::SIGKILL);
    playing.ended();
    before.all_gone(&stage, &traces::Labs::default());
}
