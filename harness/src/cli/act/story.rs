//! The commands that make a run, or show one: run and report.

use std::error::Error;
use std::path::Path;

use checker::verdict::Verdict;
use results::exit::ExitCode;
use results::store::{RunDir, Store};
use results::text;

use super::super::terminal::{print, say};
use super::super::{Format, Kept, Report, Run};
use super::{Session, random_seed};
use crate::judge;
use crate::plan;
use crate::run::{self, Order};

impl Session {
    pub(super) fn run(&self, args: &Run) -> ExitCode {
        let loaded = match self.spec(&args.chosen) {
            Ok(loaded) => loaded,
            Err(code) => return code,
        };
        let plan = plan::plan(&loaded, args.chosen.seed.unwrap_or_else(random_seed));
        say(&format!("{} with seed {}", plan.spec, plan.seed));
        let order = Order {
            spec: (loaded.source.name.clone(), loaded.source.text.clone()),
            set: loaded.sets.clone(),
            store: args.kept.store.clone(),
            keep_data: args.keep_data,
            plan,
        };
        match run::run(&order) {
            Ok(outcome) => {
                let shown = match &outcome.verdict {
                    Some(verdict) => self.verdict(verdict, &order.plan.spec, Some(outcome.run.path())),
                    None => ExitCode::Met,
                };
                if shown == ExitCode::Met { outcome.exit } else { shown }
            }
            Err(error) => self.error(&chain(&error), error.exit()),
        }
    }

    pub(super) fn report(&self, args: &Report) -> ExitCode {
        let (run, title) = match self.stored(&args.run, &args.kept) {
            Ok(found) => found,
            Err(code) => return code,
        };
        let verdict: Verdict = match run.read_json("verdict.json") {
            Ok(verdict) => verdict,
            Err(error) => {
                say(&format!("hint: `onceproof check {}` judges a run that has no verdict yet", args.run));
                return self.error(&error.to_string(), ExitCode::Usage);
            }
        };
        match self.format {
            Format::Json => self.line(&verdict),
            Format::Human => {
                let place = run.path().display().to_string();
                print(&text::report(&verdict, &title, Some(&place), self.terminal.out))
            }
        }
    }

    /// A stored run and the name of its spec, or why there is none.
    pub(super) fn find(&self, name: &str, kept: &Kept) -> Result<(RunDir, String), Box<dyn Error>> {
        let run = Store::new(&kept.store).find(name)?;
        let plan = judge::plan_of(&run)?;
        Ok((run, plan.spec))
    }

    /// A stored run and the name of its spec; an error is said.
    pub(super) fn stored(&self, name: &str, kept: &Kept) -> Result<(RunDir, String), ExitCode> {
        self.find(name, kept).map_err(|error| self.error(&chain(&*error), ExitCode::Usage))
    }

    /// Shows a verdict: a summary, or one line of JSON as the last line of standard output.
    fn verdict(&self, verdict: &Verdict, title: &str, place: Option<&Path>) -> ExitCode {
        let place = place.map(|path| path.display().to_string());
        match self.format {
            Format::Human => print(&text::summary(verdict, title, place.as_deref(), self.terminal.out)),
            Format::Json => self.line(verdict),
        }
    }

    /// Shows a document as one line of JSON.
    pub(super) fn line(&self, document: &impl serde::Serialize) -> ExitCode {
        match serde_json::to_string(document) {
            Ok(line) => print(&format!("{line}\n")),
            Err(error) => self.error(&format!("the answer cannot be written: {error}"), ExitCode::Internal),
        }
    }
}

/// An error with its causes, each said once.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = error.source();
    }
    text
}
