//! From what was recorded to a verdict and its report: the pure half of a run, repeatable at any time.
//!
//! `run` ends with it, `check` is it. A run directory brings its own question (in `plan.json`); what was recorded
//! otherwise is asked what the user claims. What a file is, is recognised by its content, never by its name
//! (`form`), and each form has its way to a verdict (`file`).

mod answer;
mod file;
mod form;
mod subject;

use std::path::PathBuf;

pub use answer::Answer;
use checker::guarantee::ClaimError;
use checker::question::Question;
use checker::verdict::Verdict;
pub use file::{Ask, Opened, Pipeline, judge_file, judge_journals, open_file, open_journals};
pub use form::{Form, recognise};
use history::edn::EdnError;
use history::merge::{self, Contradiction, MergeError};
use history::merged::{History, HistoryError};
use results::store::{RunDir, StoreError};
use results::text::{self, Style};
pub use subject::Subject;

use crate::plan::{NotAPlan, Plan};

/// Why something could not be judged.
#[derive(Debug, thiserror::Error)]
pub enum JudgeError {
    /// The journals do not merge: damaged, or contradictory.
    #[error("{error}{}", advice(error))]
    Merge {
        /// What is wrong, and where.
        #[from]
        error: MergeError,
    },
    /// The history file.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// A text history.
    #[error("{path}: {error}")]
    Text {
        /// The file.
        path: PathBuf,
        /// Line, cause and fix.
        error: history::text::ReadError,
    },
    /// The question beside a history file.
    #[error("{path}: not a question: {error}")]
    Question {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: serde_json::Error,
    },
    /// A history in EDN.
    #[error(
        "{path}: {error}; a history in EDN is one map for each invocation and completion, with :type, :process, :f and \
         :value"
    )]
    Edn {
        /// The file.
        path: PathBuf,
        /// Line and cause.
        error: EdnError,
    },
    /// Operations that contradict each other.
    #[error("{path}: line {line}: {what}; {}", what.fix())]
    Contradiction {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
        /// How.
        what: Contradiction,
    },
    /// A file in no form that is known.
    #[error("{path}: {what}")]
    Unrecognised {
        /// The file.
        path: PathBuf,
        /// What it looks like, and what to do.
        what: String,
    },
    /// What was asked does not go with the file.
    #[error("{path}: {what}")]
    Asked {
        /// The file.
        path: PathBuf,
        /// Why not, and what to do.
        what: String,
    },
    /// A claim that could not be understood.
    #[error("{path}: {error}")]
    Claim {
        /// The file that it is about.
        path: PathBuf,
        /// Why.
        error: ClaimError,
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

/// What to do about recordings that do not merge, where there is something.
fn advice(error: &MergeError) -> String {
    match error {
        MergeError::Contradiction { what, .. } => format!("; {}", what.fix()),
        MergeError::Journal(_) | MergeError::Write { .. } | MergeError::History(_) => String::new(),
    }
}

/// Merges a run's journals, judges them, and writes `history`, `verdict.json` and `report.txt`.
///
/// # Errors
/// [`JudgeError`].
pub fn judge_run(run: &RunDir) -> Result<Verdict, JudgeError> {
    let (history, question) = open_run(run)?;
    let spec = plan_of(run)?.spec;
    let verdict = judge(&history, &question)?;
    run.write_json("verdict.json", &verdict)?;
    let place = run.path().display().to_string();
    run.write_text("report.txt", &text::report(&verdict, &spec, Some(&place), Style::PLAIN))?;
    Ok(verdict)
}

fn judge(history: &History, question: &Question) -> Result<Verdict, JudgeError> {
    Ok(results::verdict::of(history, question)?)
}

/// A run's history, merged again where journals are there, and its question.
///
/// # Errors
/// [`JudgeError`].
pub fn open_run(run: &RunDir) -> Result<(History, Question), JudgeError> {
    let plan = plan_of(run)?;
    let journals = run.list_journals()?;
    if !journals.is_empty() {
        merge::journals(&journals, &run.history())?;
    } else if !run.history().is_file() {
        return Err(JudgeError::Nothing(run.path().to_owned()));
    }
    Ok((History::open(run.history())?, plan.question))
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
