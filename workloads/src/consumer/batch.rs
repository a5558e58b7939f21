//! Records that were polled and not yet processed, and how they are told to the journal: as runs, spans, positions.

use std::collections::BTreeMap;

use history::ids::{LogId, Offset, Value};
use history::op::{Position, Run, Span};

/// A record that poll returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) log: LogId,
    pub(super) offset: Offset,
    /// None where the payload is not one of ours.
    pub(super) value: Option<Value>,
}

/// What was returned, in the order of delivery. Foreign records have no value and are recorded elsewhere.
pub(super) fn runs(records: &[Record]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for record in records {
        let Some(value) = record.value else { continue };
        match runs.last_mut() {
            Some(run) if continues(run, record, value) => run.count += 1,
            _ => runs.push(Run { log: record.log, offset: record.offset, first: value, count: 1 }),
        }
    }
    runs
}

fn continues(run: &Run, record: &Record, value: Value) -> bool {
    run.log == record.log
        && run.offset.0 + i64::from(run.count) == record.offset.0
        && run.first.process == value.process
        && run.first.seq.0.checked_add(run.count) == Some(value.seq.0)
}

/// The same by offset, in the order of delivery.
pub(super) fn spans(records: &[Record]) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    for record in records {
        match spans.last_mut() {
            Some(span) if span.log == record.log && span.last < record.offset => span.last = record.offset,
            _ => spans.push(Span { log: record.log, first: record.offset, last: record.offset }),
        }
    }
    spans
}

/// The positions after these records.
pub(super) fn positions(records: &[Record]) -> Vec<Position> {
    let mut next = BTreeMap::new();
    for record in records {
        next.insert(record.log, Offset(record.offset.0 + 1));
    }
    next.into_iter().map(|(log, next)| Position { log, next }).collect()
}

#[cfg(test)]
mod tests {
    use history::ids::{Process, Seq};

    use super::*;

    fn record(log: u16, offset: i64, seq: u32) -> Record {
        let value = Some(Value { process: Process(3), seq: Seq(seq) });
        Record { log: LogId(log), offset: Offset(offset), value }
    }

    #[test]
    fn runs_break_where_log_offset_or_sequence_jumps() {
        let foreign = Record { value: None, ..record(0, 12, 0) };
        let records = [
            record(0, 10, 5),
            record(0, 11, 6),
            foreign,
            record(0, 13, 8),
            record(1, 14, 9),
            record(1, 15, 9),
        ];
        let shape: Vec<_> =
            runs(&records).iter().map(|run| (run.log.0, run.offset.0, run.first.seq.0, run.count)).collect();
        assert_eq!(shape, [(0, 10, 5, 2), (0, 13, 8, 1), (1, 14, 9, 1), (1, 15, 9, 1)]);
    }

    #[test]
    fn spans_leap_over_gaps_but_never_go_back() {
        let records =
            [record(0, 10, 0), record(0, 17, 1), record(1, 3, 2), record(0, 18, 3), record(0, 10, 0)];
        let shape: Vec<_> =
            spans(&records).iter().map(|span| (span.log.0, span.first.0, span.last.0)).collect();
        assert_eq!(shape, [(0, 10, 17), (1, 3, 3), (0, 18, 18), (0, 10, 10)]);
    }

    #[test]
    fn the_position_is_after_the_last_record_delivered() {
        let records = [record(1, 3, 0), record(0, 17, 1), record(0, 10, 2)];
        let shape: Vec<_> = positions(&records).iter().map(|at| (at.log.0, at.next.0)).collect();
        assert_eq!(shape, [(0, 11), (1, 4)]);
    }
}
