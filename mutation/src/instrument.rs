//! `instrument`: a copy of the work tree in which every mutant that compiles is a choice at run time.
//!
//! What does not compile is found by the compiler: each error is on the text of a mutant, which is then left out, or on
//! a place, which is then left as it was. A mutant of the first sort would not compile with cargo-mutants
//! either; one of the second sort is `left`, a debt of this tool that cargo-mutants has to judge.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};

use crate::compile::{self, Blame};
use crate::edit::{self, Edit};
use crate::mutants::{self, Mutant, Number};
use crate::places::{Places, places};

/// The module with the switch.
pub(crate) const SWITCH: &str = include_str!("switch.rs.in");
/// The file that declares it.
const ROOT: &str = "checker/src/lib.rs";
/// Lints are for people; deny-by-default ones would refuse mutants that are judged by running them.
const ALLOWED: &str = "#![allow(warnings, arithmetic_overflow, unconditional_panic, overflowing_literals)]";

/// What became of one mutant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Fate {
    /// It is in the build; the number is the one that its place asks the switch for.
    Guarded(Number),
    /// It does not compile.
    Unviable,
    /// It is evaluated while compiling.
    NoPlace,
    /// The place does not compile with a choice in it.
    Refused,
}

/// One line of `mutation.jsonl` in the copy.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Planned {
    /// Its number.
    pub(crate) number: Number,
    /// Position and description.
    pub(crate) name: String,
    /// What became of it.
    pub(crate) fate: Fate,
}

/// Where to read and write.
#[derive(Debug, clap::Args)]
pub(crate) struct Order {
    /// Root of the work tree.
    #[arg(long)]
    tree: PathBuf,
    /// What `cargo mutants --list --json -p checker` printed there.
    #[arg(long)]
    list: PathBuf,
    /// Folder for the copy.
    #[arg(long)]
    copy: PathBuf,
    /// Arguments of `cargo check`, for instance a profile.
    #[arg(last = true)]
    cargo: Vec<String>,
}

struct Source {
    file: String,
    text: String,
    edits: Vec<Edit>,
    ungrammatical: Vec<Number>,
}

/// Writes the copy and drops mutants until it compiles.
pub(crate) fn instrument(order: &Order) -> anyhow::Result<()> {
    let mutants = mutants::read(&order.list)?;
    let mut sources = find(order, &mutants)?;
    copy_tree(order, &sources)?;
    replace(&order.copy.join("checker/src/mutation.rs"), SWITCH.as_bytes())?;
    let mut fates = vec![Fate::NoPlace; mutants.len()];
    for (number, site) in sources.iter().flat_map(|source| &source.edits).flat_map(Edit::sites) {
        fates[number.0 as usize - 1] = Fate::Guarded(site);
    }
    for number in sources.iter().flat_map(|source| &source.ungrammatical) {
        fates[number.0 as usize - 1] = Fate::Unviable;
    }
    for round in 1.. {
        write(order, &sources)?;
        let report = compile::check(&order.copy, "checker", &order.cargo)?;
        let Some(blamed) = report else { break };
        let before = blamed.len();
        let dropped = drop_blamed(&mut sources, &blamed, &mut fates);
        println!("round {round}: {before} errors, {dropped} mutants dropped");
        ensure!(dropped > 0, "the copy does not compile, and no mutant is to blame");
    }
    record(order, &mutants, &fates)
}

fn find(order: &Order, mutants: &[Mutant]) -> anyhow::Result<Vec<Source>> {
    // The root of the crate declares the switch, whether or not it has a mutant.
    let mut by_file: BTreeMap<&str, Vec<(Number, &Mutant)>> = BTreeMap::from([(ROOT, Vec::new())]);
    for (number, mutant) in (1..).map(Number).zip(mutants) {
        by_file.entry(&mutant.file).or_default().push((number, mutant));
    }
    let mut sources = Vec::new();
    for (file, mutants) in by_file {
        let text = std::fs::read_to_string(order.tree.join(file)).with_context(|| file.to_owned())?;
        let mut wanted = mutants::wanted(&text, mutants.into_iter());
        let Places { edits, ungrammatical } = places(&text, &mut wanted).with_context(|| file.to_owned())?;
        sources.push(Source { file: file.to_owned(), text, edits, ungrammatical });
    }
    Ok(sources)
}

fn drop_blamed(sources: &mut [Source], blamed: &BTreeSet<Blame>, fates: &mut [Fate]) -> usize {
    let mut dropped = BTreeSet::new();
    for edit in sources.iter().flat_map(|source| &source.edits) {
        for (number, site) in edit.sites() {
            let place = edit.numbers().min().unwrap_or(site);
            if blamed.contains(&Blame::Mutant(number)) {
                fates[number.0 as usize - 1] = Fate::Unviable;
                dropped.insert(number);
            } else if blamed.contains(&Blame::Arm(number))
                || (blamed.contains(&Blame::Place(place)) && edit.is_suspect(number))
            {
                fates[number.0 as usize - 1] = Fate::Refused;
                dropped.insert(number);
            }
        }
    }
    for source in &mut *sources {
        source.edits.retain_mut(|edit| edit.retain(|number| !dropped.contains(&number)));
    }
    // The places of those that stay may be asked for by another number now.
    for (number, site) in sources.iter().flat_map(|source| &source.edits).flat_map(Edit::sites) {
        fates[number.0 as usize - 1] = Fate::Guarded(site);
    }
    dropped.len()
}

fn write(order: &Order, sources: &[Source]) -> anyhow::Result<()> {
    for source in sources {
        let text = edit::render(&source.text, &source.edits);
        let text = if source.file == ROOT { with_switch(&text) } else { text };
        replace(&order.copy.join(&source.file), text.as_bytes())?;
    }
    Ok(())
}

fn with_switch(root: &str) -> String {
    let docs: usize =
        root.split_inclusive('\n').take_while(|line| line.starts_with("//!")).map(str::len).sum();
    format!("{}{ALLOWED}\n{}\nmod mutation;\n", &root[..docs], &root[docs..])
}

/// Copies what git knows or would add, and leaves what is the same untouched, so that cargo does not build it again.
fn copy_tree(order: &Order, sources: &[Source]) -> anyhow::Result<()> {
    let (tree, copy) = (&order.tree, &order.copy);
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(tree)
        .output()
        .context("git")?;
    ensure!(listed.status.success(), "git ls-files: {}", String::from_utf8_lossy(&listed.stderr));
    let names = String::from_utf8(listed.stdout)?;
    for name in names.split('\0').filter(|name| !name.is_empty() && tree.join(name).is_file()) {
        if sources.iter().any(|source| source.file == name) {
            continue;
        }
        let content = std::fs::read(tree.join(name)).with_context(|| name.to_owned())?;
        replace(&copy.join(name), &content)?;
        std::fs::set_permissions(copy.join(name), std::fs::metadata(tree.join(name))?.permissions())?;
    }
    Ok(())
}

fn replace(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    if std::fs::read(path).is_ok_and(|there| there == content) {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(path, content).with_context(|| format!("{}", path.display()))
}

fn record(order: &Order, mutants: &[Mutant], fates: &[Fate]) -> anyhow::Result<()> {
    let mut lines = String::new();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for ((number, mutant), fate) in (1..).map(Number).zip(mutants).zip(fates) {
        let planned = Planned { number, name: mutant.name.clone(), fate: *fate };
        lines += &serde_json::to_string(&planned)?;
        lines.push('\n');
        let name = match fate {
            Fate::Guarded(_) => "guarded",
            Fate::Unviable => "unviable",
            Fate::NoPlace => "without a place",
            Fate::Refused => "refused",
        };
        *counts.entry(name).or_default() += 1;
    }
    println!("{} mutants: {counts:?}", mutants.len());
    replace(&order.copy.join("mutation.jsonl"), lines.as_bytes())
}
