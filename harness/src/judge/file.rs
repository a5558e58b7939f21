//! One file, or the journals of one run without its plan, on the way to a verdict.
//!
//! What the form cannot say must not be guessed. A history in EDN has no independent final read and no settings, so
//! the last polls stand for the end of the logs and the verdict names what was not judged. Without a claim the
//! strictest is asked that any configuration of Kafka promises: a green answer to no question would be a lie.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use checker::cycles::Consistency;
use checker::guarantee::Claim;
use checker::imported::{self, Model};
use checker::linear::Options;
use checker::linear::object::Datum;
use checker::question::Question;
use history::edn::kafka;
use history::merge::{self, MergeError, Place};
use history::merged::History;
use history::text::Parsed;
use tempfile::TempDir;

use super::{Answer, Form, JudgeError, Subject, recognise, subject};

/// What is asked about a file.
#[derive(Clone, Debug, Default)]
pub struct Ask {
    /// What is claimed: a guarantee, or the model of consistency that transactions are held to.
    pub claim: Option<String>,
    /// What a history in EDN is about.
    pub subject: Option<Subject>,
    /// What a register holds at first.
    pub initial: Option<String>,
    /// How the file is written, where that is not to be recognised.
    pub form: Option<Form>,
}

/// What a file is held to where nothing is claimed.
const STRICTEST: &str = "exactly-once, ordered, transactional";

/// A file that was read, with what is asked about it.
pub enum Opened {
    /// The history of a pipeline.
    Pipeline(Box<Pipeline>),
    /// A generic object or transactions, judged while they were read.
    Model(Box<imported::Answer>),
}

/// The history of a pipeline.
pub struct Pipeline {
    /// What happened.
    pub history: History,
    /// What is asked.
    pub question: Question,
    /// What the form of the file cannot say, where it says less than our own.
    not_judged: Option<Vec<String>>,
    /// Where merged journals are kept until they are judged.
    _scratch: Option<TempDir>,
}

impl Pipeline {
    fn opened(history: History, question: Question) -> Opened {
        Opened::Pipeline(Box::new(Self { history, question, not_judged: None, _scratch: None }))
    }

    fn judge(self) -> Result<Answer, JudgeError> {
        let mut verdict = super::judge(&self.history, &self.question)?;
        if let Some(not_judged) = self.not_judged {
            verdict.not_judged = not_judged;
        }
        Ok(Answer::Pipeline(Box::new(verdict)))
    }
}

impl Opened {
    /// A history that stays where it is.
    #[must_use]
    pub fn of(history: History, question: Question) -> Self {
        Pipeline::opened(history, question)
    }

    fn judge(self) -> Result<Answer, JudgeError> {
        match self {
            Self::Pipeline(pipeline) => pipeline.judge(),
            Self::Model(answer) => Ok(Answer::Model(answer)),
        }
    }
}

/// Judges one file.
///
/// # Errors
/// [`JudgeError`].
pub fn judge_file(path: &Path, ask: &Ask) -> Result<Answer, JudgeError> {
    open_file(path, ask)?.judge()
}

/// Judges the journals of one run, of which nothing else is known.
///
/// # Errors
/// [`JudgeError`].
pub fn judge_journals(journals: &[PathBuf], ask: &Ask) -> Result<Answer, JudgeError> {
    open_journals(journals, ask)?.judge()
}

/// Reads one file.
///
/// # Errors
/// [`JudgeError`].
pub fn open_file(path: &Path, ask: &Ask) -> Result<Opened, JudgeError> {
    let form = ask.form.map_or_else(|| recognise(path), Ok)?;
    if form != Form::Edn
        && let Some(option) = ask.only_for_edn()
    {
        let what = format!("{option} is for histories in EDN, and this is {}", form.name());
        return Err(JudgeError::Asked { path: path.to_owned(), what });
    }
    match form {
        Form::History => Ok(Pipeline::opened(History::open(path)?, ask.question(path)?)),
        Form::Journal => open_journals(&[path.to_owned()], ask),
        Form::Text => text(path, ask),
        Form::Edn => edn(path, ask),
    }
}

/// Merges the journals of one run.
///
/// # Errors
/// [`JudgeError`].
pub fn open_journals(journals: &[PathBuf], ask: &Ask) -> Result<Opened, JudgeError> {
    let place = journals.first().map_or_else(PathBuf::new, PathBuf::clone);
    if let Some(option) = ask.only_for_edn() {
        let what = format!("{option} is for histories in EDN, and this is a journal");
        return Err(JudgeError::Asked { path: place, what });
    }
    let failed = |error| JudgeError::File { path: place.clone(), error };
    let scratch = tempfile::tempdir().map_err(failed)?;
    let merged = scratch.path().join("history");
    merge::journals(journals, &merged)?;
    let (history, question) = (History::open(&merged)?, ask.question(&place)?);
    Ok(Opened::Pipeline(Box::new(Pipeline { history, question, not_judged: None, _scratch: Some(scratch) })))
}

fn text(path: &Path, ask: &Ask) -> Result<Opened, JudgeError> {
    let file = File::open(path).map_err(|error| JudgeError::File { path: path.to_owned(), error })?;
    let read = Parsed::read(BufReader::new(file));
    let (parsed, lines) = read.map_err(|error| JudgeError::Text { path: path.to_owned(), error })?;
    let history = merge::events(&parsed.logs, &parsed.events).map_err(|error| match error {
        MergeError::Contradiction { place: Place::Event { index }, what } => {
            let line = lines.get(index).or(lines.last()).copied().unwrap_or(1);
            JudgeError::Contradiction { path: path.to_owned(), line, what }
        }
        other @ (MergeError::Journal(_)
        | MergeError::Write { .. }
        | MergeError::History(_)
        | MergeError::Contradiction { .. }) => other.into(),
    })?;
    Ok(Pipeline::opened(history, ask.question(path)?))
}

fn edn(path: &Path, ask: &Ask) -> Result<Opened, JudgeError> {
    let subject = ask.subject.map_or_else(|| subject::guess(path), Ok)?;
    let file = File::open(path).map_err(|error| JudgeError::File { path: path.to_owned(), error })?;
    let malformed = |error| JudgeError::Edn { path: path.to_owned(), error };
    match subject {
        Subject::Kafka => {
            let mut question = ask.question(path)?;
            question.polls_are_the_end = true;
            let kafka::Imported { logs, events, notes } = kafka::read(file).map_err(malformed)?;
            let history = merge::events(&logs, &events).map_err(|error| {
                let what = format!("{error}{}", super::advice(&error));
                JudgeError::Unrecognised { path: path.to_owned(), what }
            })?;
            let not_judged = Some(not_judged(&notes));
            Ok(Opened::Pipeline(Box::new(Pipeline { history, question, not_judged, _scratch: None })))
        }
        Subject::Model(model) => {
            let mut options = Options::default();
            if let Some(initial) = &ask.initial {
                options.initial = Datum::parse(initial);
            }
            let claim = ask.consistency(path, model)?;
            let answer = imported::judge(file, model, &options, claim).map_err(malformed)?;
            Ok(Opened::Model(Box::new(answer)))
        }
    }
}

/// What a history in EDN cannot say, and what of it has no meaning for the check.
fn not_judged(notes: &kafka::Notes) -> Vec<String> {
    let mut lines: Vec<String> = notes.not_judged.iter().map(|what| (*what).to_owned()).collect();
    lines.extend(ignored(&notes.ignored));
    if notes.unfinished > 0 {
        lines.push(format!("{} operations never returned: their outcome is unknown", notes.unfinished));
    }
    if notes.raised_times > 0 {
        lines.push(format!("{} times went back: the order of the lines was believed", notes.raised_times));
    }
    lines
}

/// Operations without a meaning, by name.
fn ignored(ignored: &BTreeMap<String, u64>) -> Option<String> {
    let names: Vec<String> = ignored.iter().map(|(name, count)| format!("{count} × {name}")).collect();
    (!names.is_empty()).then(|| format!("operations without a meaning for this check: {}", names.join(", ")))
}

impl Ask {
    /// An option that was given: none of them goes with a stored run, which brings its own question.
    #[must_use]
    pub fn given(&self) -> Option<&'static str> {
        let options = [
            ("--claim", self.claim.is_some()),
            ("--model", self.subject.is_some()),
            ("--initial", self.initial.is_some()),
            ("--format", self.form.is_some()),
        ];
        options.into_iter().find(|(_, given)| *given).map(|(option, _)| option)
    }

    /// An option that makes sense for histories in EDN only.
    fn only_for_edn(&self) -> Option<&'static str> {
        let model = self.subject.map(|_| "--model");
        model.or(self.initial.as_ref().map(|_| "--initial"))
    }

    /// The question about a pipeline.
    fn question(&self, path: &Path) -> Result<Question, JudgeError> {
        let wrong = |error| JudgeError::Claim { path: path.to_owned(), error };
        if self.initial.is_some() {
            let what = "--initial is for registers, and a pipeline has none".to_owned();
            return Err(JudgeError::Asked { path: path.to_owned(), what });
        }
        let beside = question_beside(path)?;
        let claimed_by_default = self.claim.is_none() && beside.is_none();
        let mut question = beside.unwrap_or_default();
        if let Some(claim) = self.claim.as_deref().or(claimed_by_default.then_some(STRICTEST)) {
            question.claim = claim.parse::<Claim>().map_err(wrong)?;
        }
        if question.reproduce.is_empty() {
            let claimed = self.claim.as_ref().map_or(String::new(), |claim| format!(" --claim \"{claim}\""));
            question.reproduce = format!("onceproof check {}{claimed}", path.display());
        }
        question.claimed_by_default = claimed_by_default;
        Ok(question)
    }

    /// What transactions are held to; objects are to be linearizable, which nobody needs to claim.
    fn consistency(&self, path: &Path, model: Model) -> Result<Consistency, JudgeError> {
        let Some(claim) = &self.claim else { return Ok(Consistency::StrictSerializable) };
        let known = match model {
            Model::ListAppend | Model::RwRegister => {
                CONSISTENCIES.into_iter().find(|known| known.name() == claim)
            }
            Model::Register
            | Model::CasRegister
            | Model::Mutex
            | Model::MultiRegister
            | Model::Queue
            | Model::Bag
            | Model::Set
            | Model::Kv => Some(Consistency::StrictSerializable).filter(|_| claim == "linearizable"),
        };
        known.ok_or_else(|| {
            let names = match model {
                Model::ListAppend | Model::RwRegister => CONSISTENCIES.map(Consistency::name).join(", "),
                Model::Register
                | Model::CasRegister
                | Model::Mutex
                | Model::MultiRegister
                | Model::Queue
                | Model::Bag
                | Model::Set
                | Model::Kv => "linearizable".to_owned(),
            };
            let what =
                format!("--claim \"{claim}\" makes no sense for {}; it is one of {names}", model.name());
            JudgeError::Asked { path: path.to_owned(), what }
        })
    }
}

/// What a file is asked by `FILE.question.json`, which `generate` writes, where that is there.
fn question_beside(path: &Path) -> Result<Option<Question>, JudgeError> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".question.json");
    let path = PathBuf::from(beside);
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            serde_json::from_str(&text).map(Some).map_err(|error| JudgeError::Question { path, error })
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(JudgeError::File { path, error }),
    }
}

/// What transactions can be held to, the weakest first.
const CONSISTENCIES: [Consistency; 6] = [
    Consistency::ReadUncommitted,
    Consistency::ReadCommitted,
    Consistency::SnapshotIsolation,
    Consistency::Serializable,
    Consistency::StrongSessionSerializable,
    Consistency::StrictSerializable,
];
