//! The story of a run, told once: plan, prepare, enter the lab, judge, report.
//!
//! This is the outer process. It has one thread until the lab is entered, never speaks to Kafka, and survives
//! whatever happens inside: when the lab is gone, for whatever reason, what was journalled is merged and judged.
//! What happens inside is `controller`'s story. `judge` is the second half alone, on a stored run.

mod prepare;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use checker::verdict::Verdict;
use results::exit::ExitCode;
use results::store::{RunDir, RunName, Store, StoreError};

use crate::controller::{self, RunFile};
use crate::judge::{self, JudgeError};
use crate::lab::{self, Ended, LabError};
use crate::plan::Plan;
pub use prepare::PrepareError;

/// First argument of the hidden call that is the controller.
pub const LAB_RUN: &str = "lab-run";

/// Exit status of a controller that the user interrupted; also that of one that died of SIGINT before it listened.
const INTERRUPTED: u8 = 130;

/// Exit status of a controller that failed and said why.
const FAILED: u8 = 1;

/// What is to be run.
#[derive(Clone, Debug)]
pub struct Order {
    /// The plan.
    pub plan: Plan,
    /// The spec as it was read: where from, and its text.
    pub spec: (String, String),
    /// Values changed by `--set`.
    pub set: Vec<String>,
    /// Where results are kept.
    pub store: PathBuf,
    /// Whether Kafka's own data is kept with them.
    pub keep_data: bool,
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// The run directory.
    pub run: RunDir,
    /// The verdict, where there was anything to judge.
    pub verdict: Option<Verdict>,
    /// How the program should end.
    pub exit: ExitCode,
}

/// Why a run could not be done or judged.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// Jars, Java, storage or archive.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// The run directory.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The lab.
    #[error(transparent)]
    Lab(#[from] LabError),
    /// Merging and judging.
    #[error(transparent)]
    Judge(#[from] JudgeError),
}

impl OrderError {
    /// How the program should end for it.
    pub fn exit(&self) -> ExitCode {
        match self {
            OrderError::Prepare(error) if error.is_unavailable() => ExitCode::Unavailable,
            OrderError::Prepare(error) if error.is_usage() => ExitCode::Usage,
            OrderError::Lab(_) => ExitCode::Unavailable,
            OrderError::Prepare(_) | OrderError::Store(_) | OrderError::Judge(_) => ExitCode::Internal,
        }
    }
}

/// Does it: from a plan to a verdict.
///
/// # Errors
/// [`OrderError`]; a run that failed inside is no error here but an [`Outcome`] with its exit code.
pub fn run(order: &Order) -> Result<Outcome, OrderError> {
    let prepared = prepare::prepare(&order.plan, &order.store)?;
    let java_workers = prepare::java_workers(&order.plan, &prepared)?;
    let file = prepare::run_file(order, prepared, java_workers)?;
    let store = Store::new(&order.store);
    let began = jiff::Timestamp::now();
    let run = store.create(RunName { spec: &order.plan.spec, began, run: file.run })?;
    run.write_json("run.json", &file)?;
    run.write_text("plan.json", &order.plan.json())?;
    let ended = enter(run.path())?;
    if !order.keep_data {
        // Whoever ended the controller kept it from doing so. What cannot be removed now is only disk space.
        let _ = std::fs::remove_dir_all(run.path().join("data"));
    }
    let verdict = match judge::judge_run(&run) {
        Ok(verdict) => verdict,
        Err(JudgeError::Nothing(_)) if ended == End::Interrupted => {
            anstream::eprintln!("interrupted before anything was recorded");
            return Ok(Outcome { run, verdict: None, exit: ExitCode::Interrupted });
        }
        Err(error) => return Err(error.into()),
    };
    let exit = match ended {
        End::Complete => ExitCode::of(&verdict),
        End::Interrupted => ExitCode::Interrupted,
        End::Failed => ExitCode::Internal,
    };
    Ok(Outcome { run, verdict: Some(verdict), exit })
}

/// How the inside of a run ended, as the outside sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// All phases were gone through.
    Complete,
    /// The user interrupted, once or twice.
    Interrupted,
    /// It failed, or was killed.
    Failed,
}

/// Runs the controller of a run directory in a lab of its own, until the lab is gone; says what the controller
/// could not say itself.
fn enter(run_dir: &Path) -> Result<End, LabError> {
    let arguments = vec![OsString::from(LAB_RUN), run_dir.as_os_str().to_owned()];
    let mut interrupts = 0;
    let ended = lab::enter(arguments, |times| {
        interrupts = times;
        if times > 1 {
            anstream::eprintln!("stopping at once; what was recorded is kept");
        }
    })?;
    let how = match ended {
        Ended::Exited(0) => return Ok(End::Complete),
        Ended::Exited(INTERRUPTED) => return Ok(End::Interrupted),
        Ended::Exited(_) | Ended::Killed(_) if interrupts > 1 => return Ok(End::Interrupted),
        Ended::Exited(FAILED) => return Ok(End::Failed),
        Ended::Exited(status) => format!("ended with status {status}"),
        Ended::Killed(signal) => format!("was killed by signal {signal}"),
    };
    anstream::eprintln!(
        "error: the inside of the run {how}; what was recorded until then is judged\n  the run directory is kept: {}",
        run_dir.display()
    );
    Ok(End::Failed)
}

/// The inside of `enter`: the controller. Returns the exit status of its process.
pub fn inside(run_dir: &Path) -> u8 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ended = match runtime {
        Ok(runtime) => runtime.block_on(controller::run(run_dir)),
        Err(error) => Err(controller::RunError::System { what: "start the runtime", error }),
    };
    match ended {
        Ok(controller::Ending::Complete) => 0,
        Ok(controller::Ending::Interrupted) => INTERRUPTED,
        Err(error) => {
            anstream::eprintln!("error: {error}\n  the run directory is kept: {}", run_dir.display());
            FAILED
        }
    }
}

/// Keeps the type in this module's documentation: what `run.json` holds.
pub type Document = RunFile;
