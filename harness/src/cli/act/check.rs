//! `check`: one verdict, or one for each of several inputs with a summary.

use std::path::{Path, PathBuf};

use checker::verdict::Judgement;
use results::exit::ExitCode;
use results::store::RunDir;

use super::super::terminal::{print, say};
use super::super::{Check, Format};
use super::Session;
use super::story::chain;
use crate::judge::{self, Answer, Ask, Form, JudgeError};

/// Something to judge.
enum Input {
    /// A stored run, with its spec's name.
    Run(Box<RunDir>, String),
    /// A file.
    File(PathBuf),
    /// Journals of one run, without its plan.
    Journals(u64, Vec<PathBuf>),
}

/// An input, and what it is called in the answer.
struct Named {
    title: String,
    input: Input,
}

/// How many of each there were.
#[derive(Default)]
struct Tally {
    valid: u64,
    unknown: u64,
    invalid: u64,
    refused: u64,
}

impl Session {
    pub(super) fn check(&self, args: &Check) -> ExitCode {
        let ask = args.asked.ask();
        let mut inputs: Vec<Result<Named, (String, String)>> = Vec::new();
        for what in &args.what {
            match self.input(what, args) {
                Ok(named) => add(&mut inputs, named),
                Err(error) => inputs.push(Err((what.clone(), error))),
            }
        }
        let alone = inputs.len() == 1;
        let (mut tally, mut worst) = (Tally::default(), ExitCode::Met);
        for input in inputs {
            let code = match input {
                Ok(named) => self.judge(named, &ask, (alone, &mut tally)),
                Err((what, error)) => self.refused((&what, &error), alone, &mut tally),
            };
            worst = worst.worst(code);
        }
        if !alone && self.format == Format::Human {
            let Tally { valid, unknown, invalid, refused } = tally;
            let all = valid + unknown + invalid + refused;
            let refused = if refused > 0 { format!(", {refused} not judged") } else { String::new() };
            let text =
                format!("{all} judged: {valid} valid, {unknown} unknown, {invalid} invalid{refused}\n");
            worst = worst.worst(print(&text));
        }
        worst
    }

    /// What a word of the command line means.
    fn input(&self, what: &str, args: &Check) -> Result<Named, String> {
        let (path, title) = (Path::new(what), what.to_owned());
        if path.is_file() {
            let is_journal = match args.asked.format {
                Some(form) => form == Form::Journal,
                None => judge::recognise(path).map_err(|error| chain(&error))? == Form::Journal,
            };
            if is_journal {
                let run = run_of(path)?;
                return Ok(Named { title, input: Input::Journals(run, vec![path.to_owned()]) });
            }
            return Ok(Named { title, input: Input::File(path.to_owned()) });
        }
        if path.is_dir() && !path.join("plan.json").is_file() {
            let journals = journals(path);
            if let Some(first) = journals.first() {
                return Ok(Named { title, input: Input::Journals(run_of(first)?, journals) });
            }
        }
        let (run, spec) = self.find(what, &args.kept).map_err(|error| chain(&*error))?;
        Ok(Named { title: what.to_owned(), input: Input::Run(Box::new(run), spec) })
    }

    /// Judges one input and shows the answer.
    fn judge(
        &self,
        Named { title, input }: Named,
        ask: &Ask,
        (alone, tally): (bool, &mut Tally),
    ) -> ExitCode {
        let (name, place) = match &input {
            Input::Run(run, spec) => (spec.clone(), Some(run.path().display().to_string())),
            Input::File(_) | Input::Journals(..) => (title.clone(), None),
        };
        let answer = match input {
            Input::Run(run, _) => judge_stored(run, ask.given()),
            Input::File(path) => judge::judge_file(&path, ask).map_err(|error| chain(&error)),
            Input::Journals(_, journals) => {
                judge::judge_journals(&journals, ask).map_err(|error| chain(&error))
            }
        };
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => return self.refused((&title, &error), alone, tally),
        };
        match answer.judgement() {
            Judgement::Valid => tally.valid += 1,
            Judgement::Unknown => tally.unknown += 1,
            Judgement::Invalid => tally.invalid += 1,
        }
        let shown = match (self.format, alone) {
            (Format::Json, _) => match answer.line(&title) {
                Ok(line) => print(&format!("{line}\n")),
                Err(error) => {
                    self.error(&format!("the verdict cannot be written: {error}"), ExitCode::Internal)
                }
            },
            (Format::Human, true) => print(&answer.summary(&name, place.as_deref(), self.terminal.out)),
            (Format::Human, false) => print(&format!("{}\n", answer.one_line(&title, self.terminal.out))),
        };
        shown.worst(answer.exit())
    }

    /// Says why an input cannot be judged; several of them get a line each, so that none is overlooked.
    fn refused(&self, (title, error): (&str, &str), alone: bool, tally: &mut Tally) -> ExitCode {
        tally.refused += 1;
        say(&format!("error: {error}"));
        if self.format == Format::Json && !alone {
            let nothing: [u8; 0] = [];
            let line = serde_json::json!({
                "file": title, "verdict": null, "anomalies": nothing, "error": error,
            });
            return print(&format!("{line}\n")).worst(ExitCode::Usage);
        }
        ExitCode::Usage
    }
}

/// Adds an input; journals of a run that is there already join it.
fn add(inputs: &mut Vec<Result<Named, (String, String)>>, named: Named) {
    if let Input::Journals(run, journals) = &named.input {
        for known in inputs.iter_mut().flatten() {
            if let Input::Journals(other, all) = &mut known.input
                && other == run
            {
                known.title = format!("{} {}", known.title, named.title);
                all.extend(journals.iter().cloned());
                return;
            }
        }
    }
    inputs.push(Ok(named));
}

fn judge_stored(mut run: Box<RunDir>, given: Option<&'static str>) -> Result<Answer, String> {
    if let Some(option) = given {
        return Err(format!("{option} is for history files: a run brings its own claim"));
    }
    run.lock().map_err(|error| chain(&error))?;
    let judged: Result<_, JudgeError> = judge::judge_run(&run);
    judged.map(|verdict| Answer::Pipeline(Box::new(verdict))).map_err(|error| chain(&error))
}

/// Which run a journal is of.
fn run_of(path: &Path) -> Result<u64, String> {
    history::journal::Reader::open(path).map(|reader| reader.header().run).map_err(|error| chain(&error))
}

/// The journals in a directory, or in its `journals`, in order of their names.
pub(super) fn journals(path: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in [path.to_owned(), path.join("journals")] {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let paths = entries.map(|entry| entry.path());
        found.extend(paths.filter(|path| path.extension().is_some_and(|extension| extension == "journal")));
    }
    found.sort();
    found
}
