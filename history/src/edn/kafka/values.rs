//! Keys become logs, and what was sent under a key becomes (process, sequence).

use std::collections::HashMap;

use crate::edn::{EdnError, View};
use crate::ids::{LogId, Process, Seq, TopicPartition, Value};

/// Index of a (log, value as written) pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Written(u32);

/// Both tables.
#[derive(Default)]
pub(super) struct Values {
    logs: Vec<TopicPartition>,
    numbered: HashMap<i64, LogId>,
    named: HashMap<String, LogId>,
    ints: HashMap<(LogId, i64), Written, Fast>,
    texts: HashMap<(LogId, String), Written>,
    /// What was sent, and on which line; by [`Written`].
    sent: Vec<Option<(Value, u64)>>,
    /// Records that a process has sent.
    next: HashMap<Process, u32>,
}

/// Jepsen's values are small counters: hashed by multiplication.
type Fast = std::hash::BuildHasherDefault<Multiply>;

#[derive(Default)]
pub(super) struct Multiply(u64);

impl std::hash::Hasher for Multiply {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u16(&mut self, n: u16) {
        self.write_u64(n.into());
    }

    fn write_i64(&mut self, n: i64) {
        self.write_u64(n.cast_unsigned());
    }

    fn write_u64(&mut self, n: u64) {
        self.0 = (self.0.rotate_left(29) ^ n).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }
}

impl Values {
    /// The log that a key means.
    pub(super) fn log(&mut self, key: View<'_>, line: u64) -> Result<LogId, EdnError> {
        let number = key.int();
        if let Some(log) = number.and_then(|number| self.numbered.get(&number)) {
            return Ok(*log);
        }
        let name = key.canonical();
        if let Some(log) = self.named.get(&name) {
            return Ok(*log);
        }
        let log = u16::try_from(self.logs.len())
            .map(LogId)
            .map_err(|_| EdnError::meaningless(line, "more than 65,536 keys"))?;
        self.logs.push(match number.and_then(|number| i32::try_from(number).ok()) {
            Some(number) => TopicPartition::new("key", number),
            None => TopicPartition::new(name.trim_start_matches(':'), 0),
        });
        match number {
            Some(number) => self.numbered.insert(number, log),
            None => self.named.insert(name, log),
        };
        Ok(log)
    }

    /// A value under a key, sent or read.
    pub(super) fn written(&mut self, log: LogId, value: View<'_>) -> Written {
        let new = Written(u32::try_from(self.sent.len()).expect("fewer than 2^32 values"));
        let known = match value.int() {
            Some(int) => *self.ints.entry((log, int)).or_insert(new),
            None => *self.texts.entry((log, value.canonical())).or_insert(new),
        };
        if known == new {
            self.sent.push(None);
        }
        known
    }

    /// Numbers a value that a process sends.
    pub(super) fn sent(
        &mut self,
        (log, written): (LogId, Written),
        process: Process,
        line: u64,
    ) -> Result<Value, EdnError> {
        let next = self.next.entry(process).or_default();
        let value = Value { process: super::emit::ours(process), seq: Seq(*next) };
        *next += 1;
        let slot = &mut self.sent[written.0 as usize];
        if let Some((_, first)) = slot.replace((value, line)) {
            let log = &self.logs[log.0 as usize];
            let cause =
                format!("a value is sent to {log} that was sent on line {first}: values must be unique");
            return Err(EdnError::meaningless(line, cause));
        }
        Ok(value)
    }

    /// What a written value is; none if nobody sent it.
    pub(super) fn value(&self, written: Written) -> Option<Value> {
        self.sent[written.0 as usize].map(|(value, _)| value)
    }

    pub(super) fn into_logs(self) -> Vec<TopicPartition> {
        self.logs
    }
}
