//! Asks the compiler, and reads whom its errors blame.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};
use serde_json::Value;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use crate::mutants::Number;

/// Who is to blame for an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Blame {
    /// The text of a mutant.
    Mutant(Number),
    /// A place as a whole, by the least of its mutants.
    Place(Number),
    /// The deletion of an arm, in a match that needs one of its arms.
    Arm(Number),
}

/// Compiles the package; `None` if that works, else everything that is to blame.
pub(crate) fn check(
    copy: &Path,
    package: &str,
    arguments: &[String],
) -> anyhow::Result<Option<BTreeSet<Blame>>> {
    let output = Command::new("cargo")
        .args(["check", "--lib", "--message-format=json", "-p", package])
        .args(arguments)
        .current_dir(copy)
        .output()
        .context("cargo")?;
    if output.status.success() {
        return Ok(None);
    }
    let mut blamed = BTreeSet::new();
    let mut texts = HashMap::new();
    let mut others = Vec::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let Ok(line) = serde_json::from_str::<Value>(line) else { continue };
        let message = &line["message"];
        if message["level"] != "error" {
            continue;
        }
        let found = blame(copy, message, &mut texts);
        if found.is_empty() {
            others.push(message["rendered"].as_str().unwrap_or_default().to_owned());
        }
        blamed.extend(found);
    }
    if blamed.is_empty() {
        bail!("{}\n{}", others.join("\n"), String::from_utf8_lossy(&output.stderr));
    }
    Ok(Some(blamed))
}

/// Mutants on the error's own lines; without any, mutants on lines that it points to; without any, the place.
fn blame(copy: &Path, message: &Value, texts: &mut HashMap<String, String>) -> BTreeSet<Blame> {
    let spans = message["spans"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut found: Vec<(bool, Blame)> = Vec::new();
    for span in spans {
        let Some(file) = span["file_name"].as_str() else { continue };
        let text = texts
            .entry(file.to_owned())
            .or_insert_with(|| std::fs::read_to_string(copy.join(file)).unwrap_or_default());
        let at = span["byte_start"].as_u64().and_then(|at| usize::try_from(at).ok()).unwrap_or(0);
        if message["code"]["code"] == "E0004" {
            return arms(text, at);
        }
        if let Some(blame) = around(text, at) {
            found.push((span["is_primary"] == true, blame));
        }
    }
    let select = |wanted: &dyn Fn(&(bool, Blame)) -> bool| -> BTreeSet<Blame> {
        found.iter().filter(|found| wanted(found)).map(|(_, blame)| *blame).collect()
    };
    let is_mutant = |blame: &Blame| matches!(blame, Blame::Mutant(_));
    let primary = select(&|(primary, blame)| *primary && is_mutant(blame));
    if !primary.is_empty() {
        return primary;
    }
    let pointed = select(&|(_, blame)| is_mutant(blame));
    if !pointed.is_empty() {
        return pointed;
    }
    let primary = select(&|(primary, _)| *primary);
    if primary.is_empty() { select(&|_| true) } else { primary }
}

/// The arms that can be deleted of the match whose operand starts at a byte.
fn arms(text: &str, at: usize) -> BTreeSet<Blame> {
    struct Arms<'t>(&'t str, usize, BTreeSet<Blame>);
    impl<'a> Visit<'a> for Arms<'_> {
        fn visit_expr_match(&mut self, of: &'a syn::ExprMatch) {
            if of.expr.span().byte_range().start == self.1 {
                for (_, guard) in of.arms.iter().filter_map(|arm| arm.guard.as_ref()) {
                    let guard = &self.0[guard.span().byte_range()];
                    let number =
                        guard.strip_prefix("(crate::mutation::at(").and_then(|rest| rest.split(')').next());
                    self.2.extend(
                        number
                            .and_then(|number| number.parse().ok())
                            .map(|number| Blame::Arm(Number(number))),
                    );
                }
            }
            visit::visit_expr_match(self, of);
        }
    }
    let mut arms = Arms(text, at, BTreeSet::new());
    if let Ok(file) = syn::parse_file(text) {
        arms.visit_file(&file);
    }
    arms.2
}

/// What the byte belongs to, by the comments that the text was written with.
pub(crate) fn around(text: &str, at: usize) -> Option<Blame> {
    let mut open: Vec<Blame> = Vec::new();
    let before = text.get(..at)?;
    let mut rest = before;
    while let Some(start) = rest.find("/*") {
        rest = &rest[start + 2..];
        let Some(end) = rest.find("*/") else { break };
        let comment = &rest[..end];
        if let Some(number) = comment.strip_prefix('[').and_then(|number| number.parse().ok()) {
            open.push(Blame::Place(Number(number)));
        } else if let Some(number) = comment.strip_prefix('m').and_then(|number| number.parse().ok()) {
            open.push(Blame::Mutant(Number(number)));
        } else if comment == "m"
            || comment.strip_suffix(']').is_some_and(|number| number.parse::<u32>().is_ok())
        {
            open.pop();
        } else {
            continue;
        }
        rest = &rest[end + 2..];
    }
    open.pop()
}
