//! Rows of one recorder, put in order of time as they come.
//!
//! A recorder may write an event a little after a later one (an answer's time is taken before it is written), so rows
//! are sorted within a window. An event that is older than what left the window already is a contradiction.

use std::io::Write;

use super::builder::Trouble;
use super::contradiction::Contradiction;
use crate::ids::Process;
use crate::merged::Writer;
use crate::op::Event;

const WINDOW: usize = 1 << 16;
const CHUNK: usize = 1 << 12;

#[derive(Debug, Default)]
pub(super) struct RowStream {
    rows: Vec<Event>,
    written_until: u64,
    chunks: u32,
}

impl RowStream {
    pub(super) fn push<W: Write>(
        &mut self,
        recorder: Process,
        event: Event,
        out: &mut Writer<W>,
    ) -> Result<(), Trouble> {
        if event.time.0 < self.written_until {
            let what = format!("{} is recorded long after later events", event.op.name());
            return Err(Contradiction::TimeWentBack { process: recorder, what }.into());
        }
        self.rows.push(event);
        if self.rows.len() >= 2 * WINDOW { self.write(recorder, WINDOW, out) } else { Ok(()) }
    }

    pub(super) fn finish<W: Write>(mut self, recorder: Process, out: &mut Writer<W>) -> Result<(), Trouble> {
        let count = self.rows.len();
        self.write(recorder, count, out)
    }

    /// Writes the oldest `count` rows.
    fn write<W: Write>(
        &mut self,
        recorder: Process,
        count: usize,
        out: &mut Writer<W>,
    ) -> Result<(), Trouble> {
        self.rows.sort_by_key(|event| event.time);
        let oldest: Vec<Event> = self.rows.drain(..count).collect();
        if let Some(last) = oldest.last() {
            self.written_until = last.time.0;
        }
        for chunk in oldest.chunks(CHUNK) {
            out.rows(recorder, self.chunks, chunk)?;
            self.chunks += 1;
        }
        Ok(())
    }
}
