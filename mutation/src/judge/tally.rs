//! The score, from what was planned and what was judged.

use std::collections::HashMap;
use std::path::Path;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::instrument::{Fate, Planned};
use crate::mutants::Number;

/// How it went for a mutant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
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
pub struct Judged {
    /// Which.
    pub number: Number,
    /// How it went.
    pub outcome: Outcome,
    /// The test that settled it.
    pub test: Option<String>,
    /// What that took.
    pub wall_ms: u64,
    /// Tests up to this length were tried.
    pub tried_ms: u64,
}

/// What `instrument` wrote.
pub fn planned(copy: &Path) -> anyhow::Result<Vec<Planned>> {
    lines(&copy.join("mutation.jsonl"))
}

/// What has been judged so far; a last line that was cut short does not count.
pub fn read(results: &Path) -> anyhow::Result<Vec<Judged>> {
    if results.exists() { lines(results) } else { Ok(Vec::new()) }
}

fn lines<T: serde::de::DeserializeOwned>(path: &Path) -> anyhow::Result<Vec<T>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("{}", path.display()))?;
    Ok(text.lines().map_while(|line| serde_json::from_str(line).ok()).collect())
}

/// Prints the missed mutants, the counts and the score.
pub fn print(planned: &[Planned], judged: &[Judged]) -> anyhow::Result<()> {
    let judged: HashMap<Number, &Judged> = judged.iter().map(|judged| (judged.number, judged)).collect();
    let count = |outcome| judged.values().filter(|judged| judged.outcome == outcome).count();
    let fate = |fate| planned.iter().filter(|planned| planned.fate == fate).count();
    for planned in planned {
        match judged.get(&planned.number).map(|judged| judged.outcome) {
            Some(Outcome::Missed) => println!("missed     {}", planned.name),
            Some(Outcome::Unreached) => println!("unreached  {}", planned.name),
            _ if matches!(planned.fate, Fate::NoPlace | Fate::Refused) => {
                println!("left       {}", planned.name)
            }
            Some(Outcome::Caught | Outcome::TimedOut) | None => {}
        }
    }
    let (caught, timed_out) = (count(Outcome::Caught), count(Outcome::TimedOut));
    let (missed, unreached) = (count(Outcome::Missed), count(Outcome::Unreached));
    let viable = caught + timed_out + missed + unreached;
    println!(
        "{caught} caught, {timed_out} timed out, {missed} missed, {unreached} missed because no test reaches them"
    );
    println!(
        "{} do not compile, {} left to cargo-mutants, {} not judged yet",
        fate(Fate::Unviable),
        fate(Fate::NoPlace) + fate(Fate::Refused),
        planned
            .iter()
            .filter(
                |planned| matches!(planned.fate, Fate::Guarded(_)) && !judged.contains_key(&planned.number)
            )
            .count(),
    );
    println!("score: {:.2} %", 100.0 * (caught + timed_out) as f64 / viable.max(1) as f64);
    Ok(())
}
