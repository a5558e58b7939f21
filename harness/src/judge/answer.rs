//! The answer about one input, whatever it was: a run's verdict, or that of a generic model.

use checker::imported;
use checker::verdict::{Judgement, Verdict};
use results::exit::ExitCode;
use results::text::{self, Style};
use serde::Serialize;

/// What is decided about one input.
#[derive(Clone, Debug)]
pub enum Answer {
    /// About a pipeline.
    Pipeline(Box<Verdict>),
    /// About a generic object, or transactions.
    Model(Box<imported::Answer>),
}

/// One line of JSON: the file it is about, then the verdict.
#[derive(Serialize)]
struct Line<'a, T> {
    file: &'a str,
    #[serde(flatten)]
    answer: &'a T,
}

impl Answer {
    /// Whether the claim held.
    pub fn judgement(&self) -> Judgement {
        match self {
            Self::Pipeline(verdict) => verdict.verdict,
            Self::Model(answer) => answer.verdict,
        }
    }

    /// How the program ends with it.
    pub fn exit(&self) -> ExitCode {
        match self {
            Self::Pipeline(verdict) => ExitCode::of(verdict),
            Self::Model(answer) => ExitCode::of_judgement(answer.verdict),
        }
    }

    /// As one line of JSON.
    ///
    /// # Errors
    /// None that is known; a verdict is plain data.
    pub fn line(&self, file: &str) -> Result<String, serde_json::Error> {
        match self {
            Self::Pipeline(verdict) => serde_json::to_string(&Line { file, answer: verdict }),
            Self::Model(answer) => serde_json::to_string(&Line { file, answer }),
        }
    }

    /// As the summary that a terminal shows.
    pub fn summary(&self, title: &str, place: Option<&str>, style: Style) -> String {
        match self {
            Self::Pipeline(verdict) => text::summary(verdict, title, place, style),
            Self::Model(answer) => text::of_model(answer, title, style),
        }
    }

    /// As one line among several.
    pub fn one_line(&self, title: &str, style: Style) -> String {
        match self {
            Self::Pipeline(verdict) => text::one_line(verdict, title, style),
            Self::Model(answer) => text::one_line_of_model(answer, title, style),
        }
    }
}
