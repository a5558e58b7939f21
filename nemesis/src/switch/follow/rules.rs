//! Which requests a rule means, and how far it has got.

use std::collections::HashSet;

use super::Key;
use super::flow::{Group, Pending};
use crate::switch::counters::{Counters, KafkaCounters};
use crate::switch::kafka::{RequestHeader, answers, plain_error};
use crate::switch::rule::{Api, HoldRequest, LoseResponse, Requests};

/// Which requests are meant, with nodes by number.
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    pub(crate) requests: Requests,
    pub(crate) client: Option<usize>,
    pub(crate) broker: Option<usize>,
}

/// A rule about Kafka requests.
#[derive(Clone, Debug)]
pub(crate) enum KafkaRule {
    Lose(Filter, LoseResponse),
    Hold(Filter, HoldRequest),
}

#[derive(Debug)]
struct Active {
    rule: KafkaRule,
    /// Requests of its kind so far.
    matched: u32,
    /// Of these, those that it was applied to.
    taken: u32,
    counters: Counters,
    unfollowed: HashSet<Key>,
    /// It changes nothing any more.
    retired: bool,
}

/// What is to be done with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    Pass,
    /// The body is needed to decide.
    AskBody,
    /// It is held back for this rule.
    Hold(usize),
    /// Its response is to be lost for this rule; `last` if no further one is.
    Join {
        rule: usize,
        last: bool,
    },
}

/// What is known of a request when it is decided.
pub(super) struct Question<'a> {
    pub(super) key: Key,
    pub(super) header: &'a RequestHeader,
    /// Whether it commits, once the body is known.
    pub(super) commits: Option<bool>,
    /// The rule for which the connection loses responses already.
    pub(super) group: Option<usize>,
}

/// All rules about Kafka requests.
#[derive(Debug, Default)]
pub(super) struct Rules {
    rules: Vec<Option<Active>>,
}

impl Filter {
    fn sees(&self, key: Key) -> bool {
        self.client.is_none_or(|client| client == key.client)
            && self.broker.is_none_or(|broker| broker == key.broker)
    }

    fn means(&self, question: &Question<'_>) -> bool {
        let wanted = &self.requests;
        self.sees(question.key)
            && wanted.api == question.header.api
            && wanted.client_id.as_ref().is_none_or(|id| *id == question.header.client_id)
    }
}

impl Active {
    fn filter(&self) -> &Filter {
        match &self.rule {
            KafkaRule::Lose(filter, _) | KafkaRule::Hold(filter, _) => filter,
        }
    }

    /// Whether it may still act.
    fn is_armed(&self) -> bool {
        !self.retired
            && match &self.rule {
                KafkaRule::Lose(_, lose) => self.taken < lose.count,
                KafkaRule::Hold(_, hold) => self.taken < hold.count,
            }
    }

    /// Counts a request that it means, and decides.
    fn decide(&mut self, id: usize, group: Option<usize>) -> Decision {
        self.matched = self.matched.saturating_add(1);
        self.counters.kafka.requests_matched += 1;
        match &self.rule {
            KafkaRule::Hold(_, hold) if self.matched >= hold.nth => {
                self.taken += 1;
                self.counters.kafka.requests_held += 1;
                Decision::Hold(id)
            }
            KafkaRule::Lose(_, lose) if self.matched >= lose.nth && group.is_none_or(|group| group == id) => {
                self.taken += 1;
                Decision::Join { rule: id, last: self.taken == lose.count }
            }
            KafkaRule::Hold(..) | KafkaRule::Lose(..) => Decision::Pass,
        }
    }
}

impl Rules {
    pub(super) fn install(&mut self, rule: KafkaRule) -> usize {
        let (counters, unfollowed) = (Counters::default(), HashSet::new());
        self.rules.push(Some(Active { rule, matched: 0, taken: 0, counters, unfollowed, retired: false }));
        self.rules.len() - 1
    }

    fn active(&mut self) -> impl Iterator<Item = (usize, &mut Active)> {
        let rules = self.rules.iter_mut().enumerate();
        rules.filter_map(|(id, rule)| rule.as_mut().map(|rule| (id, rule)))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rules.iter().all(Option::is_none)
    }

    pub(super) fn counters(&self, id: usize) -> Counters {
        let Some(active) = self.rules[id].as_ref() else { return Counters::default() };
        let mut counters = active.counters.clone();
        counters.kafka.unfollowed = u64::try_from(active.unfollowed.len()).unwrap_or(u64::MAX);
        counters
    }

    pub(super) fn remove(&mut self, id: usize) -> Counters {
        let counters = self.counters(id);
        self.rules[id] = None;
        counters
    }

    /// The rule acts no more; its counters stay.
    pub(super) fn retire(&mut self, id: usize) {
        if let Some(active) = self.rules[id].as_mut() {
            active.retired = true;
        }
    }

    /// Whether a rule may yet act on this connection: then no byte may pass undecided.
    pub(super) fn armed(&self, key: Key) -> bool {
        self.rules.iter().flatten().any(|active| active.is_armed() && active.filter().sees(key))
    }

    /// A connection that a rule means is not followed.
    pub(super) fn unfollowed(&mut self, key: Key) {
        for (_, active) in self.active() {
            if active.is_armed() && active.filter().sees(key) {
                active.unfollowed.insert(key);
            }
        }
    }

    /// What is to be done with a request. The first rule that acts wins; all that mean it count it.
    pub(super) fn decide(&mut self, question: &Question<'_>) -> Decision {
        let mut decision = Decision::Pass;
        for (id, active) in self.active() {
            if !active.is_armed() || !active.filter().means(question) {
                continue;
            }
            let own = match (active.filter().requests.commits, question.commits) {
                (Some(_), None) => Decision::AskBody,
                (Some(wanted), Some(commits)) if wanted != commits => Decision::Pass,
                // Decided by its header already.
                (None, Some(_)) => Decision::Pass,
                (Some(_), Some(_)) | (None, None) => active.decide(id, question.group),
            };
            if decision == Decision::Pass || (decision == Decision::AskBody && own != Decision::Pass) {
                decision = own;
            }
        }
        decision
    }

    fn kafka(&mut self, id: usize) -> Option<&mut KafkaCounters> {
        self.rules[id].as_mut().map(|active| &mut active.counters.kafka)
    }

    pub(super) fn patience(&self, id: usize) -> Option<(u64, u64)> {
        match &self.rules[id].as_ref()?.rule {
            KafkaRule::Lose(_, lose) => {
                let nanos =
                    |time: std::time::Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX / 4);
                Some((nanos(lose.grace), nanos(lose.patience)))
            }
            KafkaRule::Hold(..) => None,
        }
    }

    /// The answer to a request of a group was seen and lost.
    pub(super) fn lost(&mut self, id: usize, pending: &Pending, message: Option<&[u8]>) {
        let Some(counters) = self.kafka(id) else { return };
        counters.responses_lost += 1;
        let code = if pending.api == Api::PRODUCE {
            let records: u64 = pending.batches.iter().map(|batch| batch.records).sum();
            counters.records_lost += records;
            let codes = message.and_then(|message| answers(message, pending.version, &pending.batches));
            for (batch, code) in pending.batches.iter().zip(codes.iter().flatten()) {
                if *code == Some(0) {
                    counters.records_taken += batch.records;
                }
            }
            codes.and_then(|codes| codes.into_iter().flatten().reduce(|a, b| if a == 0 { b } else { a }))
        } else {
            message.and_then(|message| plain_error(message, pending.api, pending.version))
        };
        if let Some(code) = code {
            *counters.errors.entry(code).or_default() += 1;
        }
    }

    /// An answer that belongs to no group was lost with it.
    pub(super) fn also_lost(&mut self, id: usize) {
        self.kafka(id).into_iter().for_each(|counters| counters.also_lost += 1);
    }

    /// A group ends although answers are missing.
    pub(super) fn timed_out(&mut self, group: &Group) {
        if group.in_flight > 0 {
            self.kafka(group.rule).into_iter().for_each(|counters| counters.group_timeouts += 1);
        }
    }

    /// A group ends although the client has not acknowledged all earlier answers.
    pub(super) fn unacked(&mut self, id: usize) {
        self.kafka(id).into_iter().for_each(|counters| counters.unacked += 1);
    }

    /// Resets were forged.
    pub(super) fn reset(&mut self, id: usize, ends: u64) {
        if let Some(active) = self.rules[id].as_mut() {
            active.counters.resets += ends;
        }
    }

    /// Held requests are delivered.
    pub(super) fn released(&mut self, id: usize, requests: u64) {
        self.kafka(id).into_iter().for_each(|counters| counters.requests_released += requests);
    }
}
