//! The parts of a Kafka operation: `[:send k v]`, `[:send k [offset v]]`, `[:poll]`, `[:poll {k [[offset v] …]}]`.

use super::values::{Values, Written};
use crate::edn::{EdnError, View};
use crate::ids::{LogId, Offset};

/// A part of an operation.
#[derive(Clone, Debug)]
pub(super) enum Micro {
    /// A record was sent.
    Send {
        log: LogId,
        value: Written,
        /// Whether it was acknowledged, and its offset if the acknowledgement said so.
        acknowledged: Option<Option<Offset>>,
    },
    /// Records were returned, log by log.
    Poll(Vec<(LogId, Offset, Written)>),
}

/// Reads one part.
pub(super) fn read(part: View<'_>, values: &mut Values, line: u64) -> Result<Micro, EdnError> {
    let wrong = |cause: &str| EdnError::meaningless(line, cause);
    let mut items = part.items();
    match items.next().and_then(|word| word.word()) {
        Some("send") => {
            let (Some(key), Some(value)) = (items.next(), items.next()) else {
                return Err(wrong("a send is [:send key value] or [:send key [offset value]]"));
            };
            let log = values.log(key, line)?;
            if !value.is_sequence() {
                return Ok(Micro::Send { log, value: values.written(log, value), acknowledged: None });
            }
            let (offset, value) = pair(value, line)?;
            Ok(Micro::Send { log, value: values.written(log, value), acknowledged: Some(offset) })
        }
        Some("poll") => {
            let mut read = Vec::new();
            let Some(logs) = items.next() else { return Ok(Micro::Poll(read)) };
            if !logs.is_map() && !logs.is_nil() {
                return Err(wrong("a poll is [:poll] or [:poll {key [[offset value] …]}]"));
            }
            for (key, records) in logs.entries() {
                let log = values.log(key, line)?;
                for record in records.items() {
                    let (offset, value) = pair(record, line)?;
                    let offset = offset.ok_or_else(|| wrong("a record was read without an offset"))?;
                    read.push((log, offset, values.written(log, value)));
                }
            }
            Ok(Micro::Poll(read))
        }
        _ => Err(wrong("a part of an operation is [:send …] or [:poll …]")),
    }
}

/// `[offset value]`; the offset may be nil.
fn pair(pair: View<'_>, line: u64) -> Result<(Option<Offset>, View<'_>), EdnError> {
    let mut items = pair.items();
    let (Some(offset), Some(value), None) = (items.next(), items.next(), items.next()) else {
        return Err(EdnError::meaningless(line, "a record is [offset value]"));
    };
    if offset.is_nil() {
        return Ok((None, value));
    }
    match offset.int() {
        Some(offset) if offset >= 0 => Ok((Some(Offset(offset)), value)),
        Some(_) | None => Err(EdnError::meaningless(line, "an offset is a number from 0, or nil")),
    }
}
