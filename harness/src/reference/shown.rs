//! What stored runs have shown of each delivery mode: `docs/modes.md`.
//!
//! A mode's specs are the built-in ones whose name begins with its number (`m09-…`): each shows what the mode promises, or
//! what it does not. The table counts stored runs by spec, by family of the client whose mode it is, and by version of the
//! brokers, and says how many ended as the spec expects. What nobody has run is in it as such. Nothing is
//! run here, and a run that ended otherwise is counted, never left out.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use checker::verdict::{Expectation, Judgement, Verdict};
use workloads::protocol::Role;

use crate::kafka::Source;
use crate::plan::Plan;
use crate::spec::{BUILT_IN, BuiltIn};

/// One stored run of a mode's spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModeRun {
    /// Name of the spec.
    pub spec: String,
    /// The client library, with its version where the spec names one; several where the spec compares them.
    pub family: String,
    /// Version of the brokers.
    pub kafka: String,
    /// Whether it ended as the spec expects.
    pub as_expected: bool,
    /// What the claim forbids and the run showed, with counts.
    pub seen: BTreeMap<String, u64>,
}

/// Reads a run directory; none where it is not a complete run of a mode's spec.
pub fn mode_run(folder: &Path) -> Option<ModeRun> {
    let plan = Plan::from_json(&std::fs::read_to_string(folder.join("plan.json")).ok()?).ok()?;
    let verdict: Verdict =
        serde_json::from_str(&std::fs::read_to_string(folder.join("verdict.json")).ok()?).ok()?;
    mode_of(&plan.spec)?;
    let mut families: Vec<&str> = subjects(&plan);
    families.sort_unstable();
    families.dedup();
    let as_expected = match verdict.expectation {
        Some(Expectation::Met) => true,
        Some(Expectation::Missed) => false,
        None => verdict.verdict == Judgement::Valid,
    };
    let forbidden = verdict.anomalies.iter().filter(|seen| seen.forbidden);
    Some(ModeRun {
        family: families.join(", "),
        kafka: match &plan.kafka.source {
            Source::Version(version) => version.clone(),
            Source::Home(home) => home.display().to_string(),
        },
        as_expected,
        seen: forbidden.map(|seen| (seen.name.to_string(), seen.count)).collect(),
        spec: plan.spec,
    })
}

/// Families of the clients whose mode it is: of producers up to M6, of consumers from M7 on.
fn subjects(plan: &Plan) -> Vec<&'static str> {
    let produces = mode_of(&plan.spec).is_some_and(|mode| mode.as_str() < "M07");
    let clients = plan.clients.iter().filter(|client| matches!(client.role, Role::Producer(_)) == produces);
    clients.map(|client| client.family.name()).collect()
}

/// `M09` of `m09-…`.
fn mode_of(spec: &str) -> Option<String> {
    let (number, _) = spec.strip_prefix('m')?.split_once('-')?;
    (number.len() == 2 && number.bytes().all(|byte| byte.is_ascii_digit())).then(|| format!("M{number}"))
}

/// The specs that show modes, in order.
pub fn mode_specs() -> Vec<&'static BuiltIn> {
    let mut specs: Vec<&BuiltIn> = BUILT_IN.iter().filter(|spec| mode_of(spec.name).is_some()).collect();
    specs.sort_by_key(|spec| spec.name);
    specs
}

/// The table.
pub fn shown(runs: &[ModeRun]) -> String {
    let mut text = String::from(
        "# What each delivery mode has shown\n\n\
         Generated from stored runs (`ONCEPROOF_MODES=5 cargo test --release -p harness --test acceptance mode -- --nocapture`): how many of the \
         runs ended as the spec expects, by client family and broker version. A promise ends `valid`; a limit ends with the \
         violation that the spec names, caused by one aimed fault.\n",
    );
    let mut mode = String::new();
    for spec in mode_specs() {
        let number = mode_of(spec.name).unwrap_or_default();
        if number != mode {
            let plain = number.replacen("M0", "M", 1);
            let known = workloads::mode::MODES.iter().find(|known| known.id == plain);
            let name = known.map_or("", |known| known.name);
            let _ = write!(
                text,
                "\n## {plain}: {name}\n\n| spec | shows | clients | brokers | as expected | seen |\n|---|---|---|---|---|---|\n"
            );
            mode = number;
        }
        rows(&mut text, spec, runs);
    }
    text
}

fn rows(text: &mut String, spec: &BuiltIn, runs: &[ModeRun]) {
    let shows = if spec.text.lines().any(|line| line.starts_with("expect")) { "limit" } else { "promise" };
    let mut by_place: BTreeMap<(&str, &str), Vec<&ModeRun>> = BTreeMap::new();
    for run in runs.iter().filter(|run| run.spec == spec.name) {
        by_place.entry((&run.family, &run.kafka)).or_default().push(run);
    }
    if by_place.is_empty() {
        let _ = writeln!(text, "| `{}` | {shows} | – | – | not run | |", spec.name);
    }
    for ((family, kafka), runs) in by_place {
        let met = runs.iter().filter(|run| run.as_expected).count();
        let _ = writeln!(
            text,
            "| `{}` | {shows} | {family} | {kafka} | {met} of {} | {} |",
            spec.name,
            runs.len(),
            seen(&runs)
        );
    }
}

/// What was seen over several runs: `lost-write 12 to 40`.
fn seen(runs: &[&ModeRun]) -> String {
    let mut counts: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for (name, count) in runs.iter().flat_map(|run| &run.seen) {
        counts.entry(name).or_default().push(*count);
    }
    let range = |(name, counts): (&str, Vec<u64>)| match (counts.iter().min(), counts.iter().max()) {
        (Some(least), Some(most)) if least < most => format!("{name} {least} to {most}"),
        (Some(least), _) => format!("{name} {least}"),
        (None, _) => name.to_owned(),
    };
    counts.into_iter().map(range).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_one_spec_are_counted_by_family_and_version() {
        let Some(spec) = mode_specs().first().copied() else { return };
        let run = |family: &str, as_expected: bool, lost: u64| ModeRun {
            spec: spec.name.to_owned(),
            family: family.to_owned(),
            kafka: "4.3.1".to_owned(),
            as_expected,
            seen: BTreeMap::from([("lost-write".to_owned(), lost)]),
        };
        let text = shown(&[run("java", true, 7), run("java", false, 9), run("librdkafka", true, 3)]);
        assert!(text.contains("| java | 4.3.1 | 1 of 2 | lost-write 7 to 9 |"), "{text}");
        assert!(text.contains("| librdkafka | 4.3.1 | 1 of 1 | lost-write 3 |"), "{text}");
    }

    #[test]
    fn a_mode_is_named_by_two_digits() {
        assert_eq!(mode_of("m09-redone-after-crash").as_deref(), Some("M09"));
        assert_eq!(mode_of("m9-x"), None);
        assert_eq!(mode_of("my-own"), None);
    }
}
