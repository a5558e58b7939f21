//! From a journal's own numbers of logs to those of the merged history.

use super::contradiction::Contradiction;
use crate::ids::LogId;
use crate::op::{Op, Run, Span};

type Global<'g> = &'g dyn Fn(LogId) -> Result<LogId, Contradiction>;

pub(super) fn runs(runs: &[Run], global: Global<'_>) -> Result<Vec<Run>, Contradiction> {
    runs.iter().map(|run| Ok(Run { log: global(run.log)?, ..*run })).collect()
}

pub(super) fn spans(spans: &[Span], global: Global<'_>) -> Result<Vec<Span>, Contradiction> {
    spans.iter().map(|span| Ok(Span { log: global(span.log)?, ..*span })).collect()
}

pub(super) fn op(op: &mut Op, global: Global<'_>) -> Result<(), Contradiction> {
    match op {
        Op::Send { log, .. }
        | Op::Seek { log, .. }
        | Op::FinalReadEnd { log, .. }
        | Op::Foreign { log, .. } => *log = global(*log)?,
        Op::Batch(batch) => batch.log = global(batch.log)?,
        Op::Observe(observation) => observation.log = global(observation.log)?,
        Op::Assigned(assignment) | Op::Revoked(assignment) | Op::Lost(assignment) => {
            for log in &mut assignment.logs {
                *log = global(*log)?;
            }
        }
        Op::Poll { runs } | Op::FinalRead { runs, .. } | Op::SinkRead { runs } => {
            for run in runs {
                run.log = global(run.log)?;
            }
        }
        Op::EffectBegin { spans } | Op::Effect { spans } | Op::Derive { spans, .. } => {
            for span in spans {
                span.log = global(span.log)?;
            }
        }
        Op::CommitOffsets { positions, .. }
        | Op::FetchCommitted { positions }
        | Op::EndOffsets { positions } => {
            for position in positions {
                position.log = global(position.log)?;
            }
        }
        Op::Open(_)
        | Op::Close
        | Op::Crash { .. }
        | Op::InitTxn { .. }
        | Op::BeginTxn { .. }
        | Op::CommitTxn
        | Op::AbortTxn
        | Op::SinkReadEnd { .. }
        | Op::Fault { .. }
        | Op::Heal { .. }
        | Op::Phase { .. } => {}
    }
    Ok(())
}
