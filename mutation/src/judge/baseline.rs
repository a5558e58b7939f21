//! What each test takes and reaches while no mutant is active.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};

use super::binaries::Binary;
use super::run::{Ended, Limits, Runner, Switch};
use crate::mutants::Number;

const KEPT: &str = "baseline.json";

/// A test that passes without a mutant.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Test {
    /// Index of its binary.
    pub(super) binary: usize,
    /// Its name there.
    pub(super) name: String,
    /// What it takes by the clock.
    pub(super) millis: u64,
    /// The places that it reaches, in ascending order.
    pub(super) sites: Vec<Number>,
}

#[derive(Serialize, Deserialize)]
struct Baseline {
    binaries: Vec<String>,
    tests: Vec<Test>,
}

/// The tests that were measured.
pub(super) fn known(work: &Path) -> anyhow::Result<Vec<Test>> {
    Ok(read(work)?.tests)
}

fn read(work: &Path) -> anyhow::Result<Baseline> {
    let text = std::fs::read_to_string(work.join(KEPT)).context(KEPT)?;
    serde_json::from_str(&text).context(KEPT)
}

/// All tests that reach a place, measured once and kept in `work`.
pub(super) fn tests(
    work: &Path,
    copy: &Path,
    binaries: &[Binary],
    limits: Limits,
) -> anyhow::Result<Vec<Test>> {
    let names: Vec<String> = binaries.iter().map(|binary| binary.path.display().to_string()).collect();
    if work.join(KEPT).exists() {
        let baseline = read(work)?;
        ensure!(baseline.binaries == names, "{KEPT} is of another build: remove it and results.jsonl");
        return Ok(baseline.tests);
    }
    let runner = Runner::new(copy, work.join("baseline"))?;
    let limits = Limits { least_s: 600, ..limits };
    let mut tests = Vec::new();
    for (index, binary) in binaries.iter().enumerate() {
        let (mut millis, from) = (0, tests.len());
        for name in list(binary)? {
            if let Some(test) = measure(&runner, (index, binary), name, limits)? {
                millis += test.millis;
                tests.push(test);
            }
        }
        println!("{}: {} tests that reach a mutant, {millis} ms", binary.name, tests.len() - from);
    }
    let baseline = Baseline { binaries: names, tests };
    std::fs::write(work.join(KEPT), serde_json::to_vec(&baseline)?)?;
    Ok(baseline.tests)
}

fn list(binary: &Binary) -> anyhow::Result<Vec<String>> {
    let listed = |which: &[&str]| -> anyhow::Result<BTreeSet<String>> {
        let arguments = ["--list", "--format", "terse"];
        let output =
            Command::new(&binary.path).args(arguments).args(which).current_dir(&binary.folder).output()?;
        let text = String::from_utf8(output.stdout)?;
        Ok(text.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect())
    };
    let ignored = listed(&["--ignored"])?;
    Ok(listed(&[])?.into_iter().filter(|name| !ignored.contains(name)).collect())
}

fn measure(
    runner: &Runner,
    (index, binary): (usize, &Binary),
    name: String,
    limits: Limits,
) -> anyhow::Result<Option<Test>> {
    let reached = std::env::temp_dir().join(format!("reached-{}", std::process::id()));
    let _ = std::fs::remove_file(&reached);
    runner.run(binary, (&[&name], None), &Switch::Record(reached.clone()), limits)?;
    let bytes = std::fs::read(&reached).unwrap_or_default();
    let words = bytes.chunks_exact(4).map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]));
    let sites: BTreeSet<Number> = words.map(Number).collect();
    if sites.is_empty() {
        return Ok(None);
    }
    let ran = runner.run(binary, (&[&name], None), &Switch::Nothing, limits)?;
    if ran.ended != Ended::Passed {
        println!("{}::{name} does not pass here without a mutant: left out", binary.name);
        return Ok(None);
    }
    Ok(Some(Test { binary: index, name, millis: ran.wall_ms, sites: sites.into_iter().collect() }))
}
