//! The score, from what was planned and what was judged.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::baseline::Test;
use super::choice::{Survived, reaches};
use crate::instrument::{Fate, Planned};
use crate::mutants::Number;

/// How it went for a mutant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Outcome {
    /// A test failed.
    Caught,
    /// A test did not end.
    TimedOut,
    /// All tests that reach it passed.
    Missed,
    /// No test reaches it, so it is missed as well.
    Unreached,
}

/// One line of `results.jsonl`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Judged {
    /// Which.
    pub(super) number: Number,
    /// How it went.
    pub(super) outcome: Outcome,
    /// The test that settled it.
    pub(super) test: Option<String>,
    /// What that took.
    pub(super) wall_ms: u64,
    /// What it survived, if it was missed.
    pub(super) survived: Survived,
}

/// What `instrument` wrote.
pub(super) fn planned(copy: &Path) -> anyhow::Result<Vec<Planned>> {
    lines(&copy.join("mutation.jsonl"))
}

/// What has been judged so far; what was said last of a mutant counts, and a last line that was cut short does not.
pub(super) fn read(results: &Path) -> anyhow::Result<HashMap<Number, Judged>> {
    let judged: Vec<Judged> = if results.exists() { lines(results)? } else { Vec::new() };
    Ok(judged.into_iter().map(|judged| (judged.number, judged)).collect())
}

fn lines<T: serde::de::DeserializeOwned>(path: &Path) -> anyhow::Result<Vec<T>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("{}", path.display()))?;
    Ok(text.lines().map_while(|line| serde_json::from_str(line).ok()).collect())
}

/// Prints what was missed or left, the counts and the score.
pub(super) fn print(planned: &[Planned], judged: &HashMap<Number, Judged>, tests: &[Test]) {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for planned in planned {
        let word = word(planned, judged.get(&planned.number), tests);
        *counts.entry(word).or_default() += 1;
        if PRINTED.contains(&word) {
            println!("{word:10} {}", planned.name);
        }
    }
    let count = |words: &[&str]| words.iter().filter_map(|word| counts.get(word)).sum::<usize>();
    let (caught, missed) = (count(&["caught", "timed out"]), count(&["missed", "unreached"]));
    let alive = count(&["alive"]);
    println!("{counts:?}");
    let percent = |of: usize| 100.0 * of as f64 / (caught + missed + alive).max(1) as f64;
    println!("score: {:.2} %", percent(caught));
    if alive > 0 {
        println!("at most {:.2} %: those alive have tests yet to survive", percent(caught + alive));
    }
}

const PRINTED: [&str; 4] = ["missed", "unreached", "alive", "left"];

fn word(planned: &Planned, judged: Option<&Judged>, tests: &[Test]) -> &'static str {
    match (planned.fate, judged) {
        (Fate::Unviable, _) => "unviable",
        (Fate::NoPlace | Fate::Refused, _) => "left",
        (Fate::Guarded(_), None) => "not judged",
        (Fate::Guarded(_), Some(judged)) => match judged.outcome {
            Outcome::Caught => "caught",
            Outcome::TimedOut => "timed out",
            Outcome::Unreached => "unreached",
            Outcome::Missed => {
                let tried = &judged.survived.whole;
                let is_alive =
                    tests.iter().enumerate().any(|(test, of)| reaches(of, planned) && !tried.contains(&test));
                if is_alive { "alive" } else { "missed" }
            }
        },
    }
}
