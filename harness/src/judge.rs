//! From what was recorded to a verdict and its report: the pure half of a run, repeatable at any time.
//!
//! `run` ends with it, `check` is it. A run directory brings its own question (in `plan.json`); a single file is asked
//! what the user claims. What a file is, is recognised by its content, never by its name.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use checker::question::Question;
use checker::verdict::Verdict;
use history::merge::{self, MergeError};
use history::merged::{History, HistoryError};
use history::text::Parsed;
use results::store::{RunDir, StoreError};
use results::text::{self, Style};

use crate::plan::{NotAPlan, Plan};

/// Why something could not be judged.
#[derive(Debug, thiserror::Error)]
pub enum JudgeError {
    /// The journals do not merge: damaged, or contradictory.
    #[error(transparent)]
    Merge(#[from] MergeError),
    /// The history file.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// A text history.
    #[error("{path}: {error}")]
    Text {
        /// The file.
        path: PathBuf,
        /// Line and cause.
        error: history::text::TextError,
    },
    /// The question beside a history file.
    #[error("{path}: not a question: {error}")]
    Question {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: serde_json::Error,
    },
    /// The run directory.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The plan in it.
    #[error("{path}: {error}")]
    Plan {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: NotAPlan,
    },
    /// A file.
    #[error("{path}: {error}")]
    File {
        /// Which.
        path: PathBuf,
        /// What went wrong.
        error: std::io::Error,
    },
    /// Nothing to judge.
    #[error("{0}: no journal was written, so there is nothing to judge")]
    Nothing(PathBuf),
}

/// Merges a run's journals, judges them, and writes `history`, `verdict.json` and `report.txt`.
///
/// # Errors
/// [`JudgeError`].
pub fn judge_run(run: &RunDir) -> Result<Verdict, JudgeError> {
    let plan = plan_of(run)?;
    let journals = run.list_journals()?;
    if !journals.is_empty() {
        merge::journals(&journals, &run.history())?;
    } else if !run.history().is_file() {
        return Err(JudgeError::Nothing(run.path().to_owned()));
    }
    let history = History::open(run.history())?;
    let verdict = judge(&history, &plan.question)?;
    run.write_json("verdict.json", &verdict)?;
    let place = run.path().display().to_string();
    run.write_text("report.txt", &text::report(&verdict, &plan.spec, Some(&place), Style::PLAIN))?;
    Ok(verdict)
}

/// What a history file is asked: what `FILE.question.json` says, which `generate` writes, or nothing in particular.
///
/// # Errors
/// When there is such a file and it is no question.
pub fn question_of_file(path: &Path) -> Result<Question, JudgeError> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".question.json");
    let path = PathBuf::from(beside);
    match std::fs::read_to_string(&path) {
        Ok(text) => serde_json::from_str(&text).map_err(|error| JudgeError::Question { path, error }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Question::default()),
        Err(error) => Err(JudgeError::File { path, error }),
    }
}

/// Judges one file: a history, a journal, or a history in the text form.
///
/// # Errors
/// [`JudgeError`].
pub fn judge_file(path: &Path, question: &Question) -> Result<Verdict, JudgeError> {
    let failed = |error| JudgeError::File { path: path.to_owned(), error };
    let mut head = [0; 64];
    let read = File::open(path).and_then(|mut file| file.read(&mut head)).map_err(failed)?;
    if History::is_history(&head[..read]) {
        return judge(&History::open(path)?, question);
    }
    if history::journal::is_journal(&head[..read]) {
        let scratch = tempfile::tempdir().map_err(failed)?;
        let merged = scratch.path().join("history");
        merge::journals(&[path.to_owned()], &merged)?;
        return judge(&History::open(&merged)?, question);
    }
    let text = std::fs::read_to_string(path).map_err(failed)?;
    let parsed = Parsed::parse(&text).map_err(|error| JudgeError::Text { path: path.to_owned(), error })?;
    judge(&merge::events(&parsed.logs, &parsed.events)?, question)
}

fn judge(history: &History, question: &Question) -> Result<Verdict, JudgeError> {
    Ok(results::verdict::of(history, question)?)
}

/// The plan of a run directory.
///
/// # Errors
/// When it is not there or not a plan of this version.
pub fn plan_of(run: &RunDir) -> Result<Plan, JudgeError> {
    let path = run.path().join("plan.json");
    let text =
        std::fs::read_to_string(&path).map_err(|error| JudgeError::File { path: path.clone(), error })?;
    Plan::from_json(&text).map_err(|error| JudgeError::Plan { path, error })
}
