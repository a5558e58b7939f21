//! A run's verdict as it is stored: judged, measured, and written to `verdict.json`.
//!
//! The document's JSON Schema is generated from its types into `docs/verdict.schema.json`; a test fails when that
//! file is stale. What `--message-format json` prints is the same document on one line.

use checker::confirm::confirm;
use checker::judge;
use checker::question::Question;
use checker::timeline::Timeline;
use checker::verdict::Verdict;
use history::merged::{History, HistoryError};

use crate::latency;

/// Judges a history and measures its latencies, both at once.
///
/// # Errors
/// Whatever the history's chunks refuse.
pub fn of(history: &History, question: &Question) -> Result<Verdict, HistoryError> {
    let around = || {
        let timeline = Timeline::of(history)?;
        let measured = latency::measure(history, &judge::faults(&timeline, question))?;
        Ok((timeline, measured))
    };
    let (findings, around) = rayon::join(|| judge::find(history), around);
    let (timeline, measured) = around?;
    let findings = findings?;
    let confirmations = confirm(history, &findings)?;
    let mut verdict = judge::weigh(history, (&findings, &confirmations, &timeline), question)?;
    measured.write_into(&mut verdict);
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
