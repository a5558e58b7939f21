//! The exit codes of the program: one enum, documented, stable.
//!
//! They are what a nightly job reads, so they say what was decided, not how the program felt: a violated claim and a
//! demonstration that failed to demonstrate are both 1; a run that proves nothing is 2 and never 0.

use checker::verdict::{Expectation, Judgement, Verdict};

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// Every expectation met.
    Met = 0,
    /// A claim was violated, or a violation that was expected did not appear.
    Violated = 1,
    /// Unknown or vacuous.
    Unknown = 2,
    /// Usage or spec error.
    Usage = 64,
    /// This machine lacks a capability that the spec needs.
    Unavailable = 69,
    /// Internal error.
    Internal = 70,
    /// Interrupted; what was recorded so far is saved and checkable.
    Interrupted = 130,
}

impl ExitCode {
    /// The code that a verdict stands for.
    pub fn of(verdict: &Verdict) -> ExitCode {
        match (verdict.expectation, verdict.verdict) {
            (Some(Expectation::Met), _) | (None, Judgement::Valid) => ExitCode::Met,
            // A demonstration that could not be judged has not failed.
            (Some(Expectation::Missed) | None, Judgement::Unknown) => ExitCode::Unknown,
            (Some(Expectation::Missed), Judgement::Valid | Judgement::Invalid)
            | (None, Judgement::Invalid) => ExitCode::Violated,
        }
    }

    /// The code that a judgement without expectations stands for.
    pub fn of_judgement(judgement: Judgement) -> ExitCode {
        match judgement {
            Judgement::Valid => ExitCode::Met,
            Judgement::Unknown => ExitCode::Unknown,
            Judgement::Invalid => ExitCode::Violated,
        }
    }

    /// The code of several verdicts together: violated outranks unknown, unknown outranks met.
    pub fn worst(self, other: ExitCode) -> ExitCode {
        let rank = |code: ExitCode| match code {
            ExitCode::Met => 0,
            ExitCode::Unknown => 1,
            ExitCode::Violated => 2,
            ExitCode::Unavailable => 3,
            ExitCode::Usage => 4,
            ExitCode::Internal => 5,
            ExitCode::Interrupted => 6,
        };
        if rank(other) > rank(self) { other } else { self }
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        std::process::ExitCode::from(code as u8)
    }
}
