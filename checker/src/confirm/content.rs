//! What a log holds, as far as findings name it.
//!
//! A complete final read says it. Without one it is what anybody read: the final reads before the polls, and of what was
//! polled at one offset the least value.

use std::collections::BTreeMap;

use history::ids::{LogId, Nanos, Process, Value};
use history::merged::Kind;
use history::op::Isolation;

use super::facts::Facts;
use super::rows::ok;

/// Where the content of a log is known from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum View {
    /// From a complete final read.
    Complete(Isolation),
    /// From everything that was read.
    Union,
}

impl View {
    pub(super) fn is_complete(self) -> bool {
        self != Self::Union
    }
}

/// A delivery of one record to one member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Delivery {
    pub(super) time: Nanos,
    pub(super) process: Process,
    pub(super) segment: u32,
    /// Where the poll, or the row, stands.
    pub(super) place: (u32, usize),
}

impl Facts<'_> {
    /// What a log holds, whoever may see it.
    pub(super) fn view(&self, log: LogId) -> View {
        let levels = [Isolation::ReadUncommitted, Isolation::ReadCommitted];
        let complete = levels.into_iter().find(|level| self.complete(log, *level).is_some());
        complete.map_or(View::Union, View::Complete)
    }

    /// What a log holds for a committed reader, as far as that is known.
    pub(super) fn reference(&self, log: LogId) -> View {
        match self.complete(log, Isolation::ReadCommitted) {
            Some(_) => View::Complete(Isolation::ReadCommitted),
            None => self.view(log),
        }
    }

    /// The records of a log that are known, by offset.
    pub(super) fn content(&self, log: LogId, view: View) -> BTreeMap<i64, Value> {
        let held = |level| self.held.get(&(log, level)).into_iter().flatten().copied();
        match view {
            View::Complete(level) => held(level).collect(),
            View::Union => {
                let mut content = BTreeMap::new();
                for polled in self.polls_of(log) {
                    let least = content.entry(polled.offset).or_insert(polled.value);
                    *least = (*least).min(polled.value);
                }
                for level in [Isolation::ReadCommitted, Isolation::ReadUncommitted] {
                    content.extend(held(level));
                }
                content
            }
        }
    }

    pub(super) fn at(&self, log: LogId, view: View, offset: i64) -> Option<Value> {
        self.content(log, view).get(&offset).copied()
    }

    /// Offsets at which a log holds a value.
    pub(super) fn places(&self, log: LogId, view: View, value: Value) -> Vec<i64> {
        let content = self.content(log, view);
        content.into_iter().filter(|(_, held)| *held == value).map(|(offset, _)| offset).collect()
    }

    /// First offset of a log, as far as known.
    pub(super) fn start(&self, log: LogId, view: View) -> i64 {
        let levels = [Isolation::ReadUncommitted, Isolation::ReadCommitted];
        let end = match view {
            View::Complete(level) => self.end(log, level),
            View::Union => levels.into_iter().find_map(|level| self.end(log, level)),
        };
        end.map_or(0, |end| end.start.0)
    }

    /// Position that reading of a log reached, by whomever.
    pub(super) fn reached(&self, log: LogId) -> Option<i64> {
        let levels = [Isolation::ReadUncommitted, Isolation::ReadCommitted];
        let kinds = levels.map(Kind::FinalRead).into_iter().chain([Kind::Polls]);
        let entries = kinds.flat_map(|kind| self.history.chunks(kind, log));
        let read = entries.filter(|entry| entry.records > 0).map(|entry| entry.offsets.1.saturating_add(1));
        let end = levels.into_iter().find_map(|level| self.end(log, level)).map(|end| end.reached.0);
        read.max().max(end)
    }

    /// Whether anybody read a value at an offset of a log, or anywhere in it.
    pub(super) fn was_read(&self, log: LogId, value: Value, offset: Option<i64>) -> bool {
        let here = |at: i64| offset.is_none_or(|offset| offset == at);
        let levels = [Isolation::ReadUncommitted, Isolation::ReadCommitted];
        let held = levels.into_iter().filter_map(|level| self.held.get(&(log, level))).flatten();
        let polled = self.polls_of(log).map(|polled| (polled.offset, polled.value));
        held.copied().chain(polled).any(|(at, read)| read == value && here(at))
    }

    /// The deliveries to a group of the record that a log holds at an offset, in order of time.
    pub(super) fn deliveries(&self, group: &str, log: LogId, (offset, value): (i64, Value)) -> Vec<Delivery> {
        let by_hand_over = self.hands_over(group);
        let mut deliveries = Vec::new();
        for polled in self.polls_of(log) {
            if !self.is_member(polled.reader, group) || (polled.offset, polled.value) != (offset, value) {
                continue;
            }
            let time = if by_hand_over { polled.handed } else { Some(polled.returned) };
            let (process, segment, place) = (polled.reader, polled.segment, polled.place);
            deliveries.extend(time.map(|time| Delivery { time, process, segment, place }));
        }
        for (at, event) in self.rows.iter().enumerate().filter(|_| by_hand_over) {
            let history::op::Op::EffectBegin { spans } = &event.op else { continue };
            if !ok(event) || !self.is_member(event.process, group) {
                continue;
            }
            let covers = spans
                .iter()
                .filter(|span| span.log == log && span.first.0 <= offset && offset <= span.last.0);
            let (process, segment) = (event.process, self.segment_at(at, log));
            deliveries.extend(covers.map(|_| Delivery {
                time: event.time,
                process,
                segment,
                place: (u32::MAX, at),
            }));
        }
        deliveries
            .sort_by_key(|delivery| (delivery.time, delivery.process, delivery.segment, delivery.place));
        deliveries
    }
}
