//! The commands that end in a verdict: run, check, report; and doctor, which says whether there can be one.

use std::error::Error;
use std::path::Path;

use checker::verdict::Verdict;
use results::exit::ExitCode;
use results::store::{RunDir, Store};
use results::text;

use super::super::terminal::{print, say};
use super::super::{Check, Format, Kept, Report, Run};
use super::{Session, random_seed};
use crate::judge::{self, JudgeError};
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

    pub(super) fn check(&self, args: &Check) -> ExitCode {
        let path = Path::new(&args.what);
        if path.is_file() {
            let mut question = match judge::question_of_file(path) {
                Ok(question) => question,
                Err(error) => return self.error(&error.to_string(), ExitCode::Usage),
            };
            if let Some(claim) = &args.claim {
                question.claim = claim.clone();
            }
            if question.reproduce.is_empty() {
                question.reproduce = format!("onceproof check {}", args.what);
            }
            return self.judged(judge::judge_file(path, &question), &args.what, None);
        }
        if args.claim.is_some() {
            return self.error("--claim is for history files: a run brings its own claim", ExitCode::Usage);
        }
        match self.stored(&args.what, &args.kept) {
            Ok((mut run, title)) => match run.lock() {
                Ok(()) => self.judged(judge::judge_run(&run), &title, Some(run.path())),
                Err(error) => self.error(&chain(&error), ExitCode::Usage),
            },
            Err(code) => code,
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

    /// A stored run and the name of its spec.
    fn stored(&self, name: &str, kept: &Kept) -> Result<(RunDir, String), ExitCode> {
        let run = Store::new(&kept.store)
            .find(name)
            .map_err(|error| self.error(&chain(&error), ExitCode::Usage))?;
        let plan = judge::plan_of(&run).map_err(|error| self.error(&chain(&error), ExitCode::Usage))?;
        Ok((run, plan.spec))
    }

    fn judged(&self, judged: Result<Verdict, JudgeError>, title: &str, place: Option<&Path>) -> ExitCode {
        match judged {
            Ok(verdict) => {
                let shown = self.verdict(&verdict, title, place);
                if shown == ExitCode::Met { ExitCode::of(&verdict) } else { shown }
            }
            Err(error) => self.error(&chain(&error), ExitCode::Usage),
        }
    }

    /// Shows a verdict: a summary, or one line of JSON as the last line of standard output.
    fn verdict(&self, verdict: &Verdict, title: &str, place: Option<&Path>) -> ExitCode {
        let place = place.map(|path| path.display().to_string());
        match self.format {
            Format::Human => print(&text::summary(verdict, title, place.as_deref(), self.terminal.out)),
            Format::Json => self.line(verdict),
        }
    }

    fn line(&self, verdict: &Verdict) -> ExitCode {
        match results::verdict::line(verdict) {
            Ok(line) => print(&format!("{}\n", line.trim_end())),
            Err(error) => self.error(&format!("the verdict cannot be written: {error}"), ExitCode::Internal),
        }
    }
}

/// An error with its causes, each said once.
fn chain(error: &dyn Error) -> String {
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
