//! Whether a group has consumed everything: its committed positions, as the coordinator tells them.
//!
//! A group that keeps its positions in a sink is asked for by its sink instead.
//!
//! Asking the coordinator instead of counting records makes the answer independent of which member holds which log
//! and of how often logs change hands meanwhile. Each answer is recorded, as evidence of what was committed.

use std::io::Write;
use std::time::Duration;

use history::ids::{Nanos, TopicPartition};
use history::journal::JournalError;
use history::op::{Op, Outcome};
use rdkafka::TopicPartitionList;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer};

use super::effects::Effects;
use super::group::{Callbacks, Shared, code_of};
use crate::librdkafka;
use crate::protocol::End;

/// How often the coordinator is asked.
const ASK: Nanos = Nanos(200_000_000);
/// How long it may take to answer.
const ANSWER: Duration = Duration::from_secs(1);

/// A drain that was ordered and is not answered.
pub(super) struct Draining {
    ends: Vec<End>,
    deadline: Nanos,
    next: Nanos,
}

impl Draining {
    pub(super) fn new(ends: Vec<End>, now: Nanos, within: Duration) -> Self {
        let within = u64::try_from(within.as_nanos()).unwrap_or(u64::MAX);
        Self { ends, deadline: Nanos(now.0.saturating_add(within)), next: now }
    }

    /// Whether it is time to ask.
    pub(super) fn is_due(&mut self, now: Nanos) -> bool {
        let due = now >= self.next;
        if due {
            self.next = Nanos(now.0 + ASK.0);
        }
        due
    }

    /// Whether no more time is left.
    pub(super) fn is_over(&self, now: Nanos) -> bool {
        now >= self.deadline
    }

    /// Which logs the group has not committed to their ends, in words.
    pub(super) fn missing<Out: Write + Send>(
        &self,
        consumer: &BaseConsumer<Callbacks<Out>>,
        shared: &Shared,
    ) -> Result<String, JournalError> {
        // An empty log has nothing to commit.
        let ends: Vec<_> = self.ends.iter().filter(|end| end.end.0 > 0).collect();
        if ends.is_empty() {
            return Ok(String::new());
        }
        if let Some(effects) = shared.effects().as_mut().filter(|effects| effects.keeps_positions()) {
            return Ok(missing_in_sink(&ends, effects));
        }
        let mut asked = TopicPartitionList::with_capacity(ends.len());
        for end in &ends {
            asked.add_partition(&end.topic, end.partition);
        }
        shared.books().invoke(Op::FetchCommitted { positions: Vec::new() })?;
        match consumer.committed_offsets(asked, ANSWER) {
            Ok(answer) => {
                let mut books = shared.books();
                let positions = books.positions(&answer);
                let missing = ends.iter().filter_map(|end| {
                    let of = |position: &&history::op::Position| {
                        let name = books.name(position.log);
                        name.topic == end.topic && name.partition == end.partition
                    };
                    let at = positions.iter().find(of).map(|position| position.next);
                    shortfall(end, at)
                });
                let missing = missing.collect::<Vec<_>>().join(", ");
                books.complete(Op::FetchCommitted { positions }, Outcome::Ok { offset: None })?;
                Ok(missing)
            }
            Err(error) => {
                librdkafka::log(RDKafkaLogLevel::Error, "COMMITTED", &error.to_string());
                let cause = history::op::Cause { code: code_of(&error) as i32, message: error.to_string() };
                let ended = Outcome::Info { cause, offset: None };
                shared.books().complete(Op::FetchCommitted { positions: Vec::new() }, ended)?;
                Ok(format!("the group's committed positions are not known: {error}"))
            }
        }
    }
}

/// The same by the positions that the sink has.
fn missing_in_sink(ends: &[&End], effects: &mut Effects) -> String {
    let mut missing = Vec::new();
    for end in ends {
        match effects.position(&TopicPartition::new(&*end.topic, end.partition)) {
            Ok(at) => missing.extend(shortfall(end, Some(at))),
            Err(error) => return format!("the group's positions are not known: {error}"),
        }
    }
    missing.join(", ")
}

/// What a log lacks, in words.
fn shortfall(end: &End, at: Option<history::ids::Offset>) -> Option<String> {
    let End { topic, partition, end } = end;
    match at {
        Some(at) if at >= *end => None,
        Some(at) => Some(format!("{topic}/{partition} at {at} of {end}")),
        None => Some(format!("{topic}/{partition} at none of {end}")),
    }
}

#[cfg(test)]
mod tests {
    use history::ids::Offset;

    use super::*;

    #[test]
    fn a_log_lacks_what_lies_between_the_committed_position_and_its_end() {
        let end = End { topic: "orders".into(), partition: 2, end: Offset(40) };
        assert_eq!(shortfall(&end, Some(Offset(40))), None);
        assert_eq!(shortfall(&end, Some(Offset(17))).unwrap(), "orders/2 at 17 of 40");
        assert_eq!(shortfall(&end, None).unwrap(), "orders/2 at none of 40");
    }
}
