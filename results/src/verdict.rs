//! A run's verdict as it is stored: judged, measured, and written to `verdict.json`.
//!
//! The document's JSON Schema is generated from its types into `docs/verdict.schema.json`; a test fails when that
//! file is stale. What `--message-format json` prints is the same document on one line.

use checker::question::Question;
use checker::verdict::Verdict;
use history::merged::{History, HistoryError};

use crate::latency;

/// Judges a history and measures its latencies.
///
/// # Errors
/// Whatever the history's chunks refuse.
pub fn of(history: &History, question: &Question) -> Result<Verdict, HistoryError> {
    let mut verdict = checker::judge::judge(history, question)?;
    latency::measure(history, &mut verdict)?;
    Ok(verdict)
}

/// The JSON Schema of `verdict.json`, pretty-printed.
pub fn schema() -> String {
    let mut text = serde_json::to_string_pretty(&schemars::schema_for!(Verdict)).unwrap_or_default();
    text.push('\n');
    text
}

/// The verdict as one line of JSON.
pub fn line(verdict: &Verdict) -> Result<String, serde_json::Error> {
    serde_json::to_string(verdict)
}
