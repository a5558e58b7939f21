//! The test programs of the copy.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use serde_json::Value;

/// Need brokers, another root or the network, or enter namespaces: no part of a score that is to be had anywhere.
const OUTSIDE: [&str; 7] = ["acceptance", "real_kafka", "bad_luck", "java", "lab", "sink_service", "tidy"];

/// A test program.
#[derive(Clone, Debug)]
pub(super) struct Binary {
    /// Package and target, for instance `checker/vectors`.
    pub(super) name: String,
    /// The program.
    pub(super) path: PathBuf,
    /// The folder of its package.
    pub(super) folder: PathBuf,
    /// The variable that says how many random cases there are, and a tenth of what is usual.
    pub(super) random: Option<(&'static str, &'static str)>,
}

fn random(name: &str) -> Option<(&'static str, &'static str)> {
    match name {
        "checker/brute_force" => Some(("ONCEPROOF_BRUTE_CASES", "2000")),
        "checker/transactions" => Some(("ONCEPROOF_TXN_CASES", "2000")),
        "checker/changed" => Some(("ONCEPROOF_CHANGED_PAIRS", "0")),
        "checker/effects_brute_force" => Some(("ONCEPROOF_EFFECT_CASES", "2000")),
        "checker/metamorphic" => Some(("ONCEPROOF_METAMORPHIC_CASES", "200")),
        _ => None,
    }
}

/// Builds the tests of each selection and says where they are.
pub(super) fn build(copy: &Path, selections: &[String]) -> anyhow::Result<Vec<Binary>> {
    let mut binaries = Vec::new();
    for selection in selections {
        let output = Command::new("cargo")
            .args(["test", "--no-run", "--message-format=json-render-diagnostics"])
            .args(selection.split_whitespace())
            .current_dir(copy)
            .stderr(Stdio::inherit())
            .output()
            .context("cargo")?;
        ensure!(output.status.success(), "the tests do not compile");
        let text = String::from_utf8_lossy(&output.stdout);
        let artifacts = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        binaries.extend(artifacts.filter_map(|artifact| binary(&artifact)));
    }
    binaries.sort_by(|one, other| one.name.cmp(&other.name));
    binaries.dedup_by(|one, other| one.path == other.path);
    Ok(binaries)
}

fn binary(artifact: &Value) -> Option<Binary> {
    let path = PathBuf::from(artifact["executable"].as_str()?);
    let target = artifact["target"]["name"].as_str()?;
    if artifact["profile"]["test"] != true
        || OUTSIDE.contains(&target)
        || artifact["target"]["kind"][0] == "bench"
    {
        return None;
    }
    let folder = Path::new(artifact["manifest_path"].as_str()?).parent()?.to_owned();
    let name = format!("{}/{target}", folder.file_name()?.to_str()?);
    Some(Binary { random: random(&name), name, path, folder })
}
