//! Faults that aim at something that exists, at a moment that can come.

use std::collections::{BTreeMap, BTreeSet};

use history::ids::{NodeId, TopicPartition};
use nemesis::fault::Fault;
use nemesis::schedule::{Condition, Heal, Moment, Steps};
use nemesis::target::{ClientRef, Target};
use workloads::mode::PRODUCER_STEPS;
use workloads::step::Step;

use super::super::client::{Client, Role};
use super::super::fault::{ACTIONS, FaultSpec};
use super::super::read::offer;
use super::{Check, MOST_PARTITIONS};

impl Check<'_> {
    pub(super) fn faults(&mut self) {
        for (index, fault) in self.spec.faults.iter().enumerate() {
            let index = index.to_string();
            self.fault(&["faults", &index], fault);
        }
        self.names();
        self.circles();
        self.storm();
    }

    fn fault(&mut self, path: &[&str], fault: &FaultSpec) {
        let actions = fault.actions();
        match actions.as_slice() {
            [(key, action)] => {
                for target in action.targets() {
                    self.target(&deeper(path, key), target);
                }
                if let Fault::Grow { topic, partitions } = action {
                    self.growth(&deeper(path, key), topic, *partitions);
                }
                self.counts(path, fault, action);
                self.heal(path, fault, action);
                self.moment(path, fault, action);
            }
            [] => self.value(
                path,
                "this fault does nothing",
                format!("say what it does with one of: {}", ACTIONS.join(", ")),
            ),
            [_, (second, _), ..] => {
                self.key(
                    &deeper(path, second),
                    "this fault does two things",
                    "write a fault of its own for each",
                );
            }
        }
    }

    /// A topic that exists, and more partitions than it has.
    fn growth(&mut self, path: &[&str], topic: &str, partitions: u16) {
        if !self.topic_known(path, topic) {
            return;
        }
        let now = self.spec.topics[topic].partitions;
        if partitions <= now {
            let message = format!("{topic} has {now} partitions already, and none can be taken away");
            self.value(path, message, format!("for instance \"{topic} to {}\"", now.saturating_add(1)));
        } else if partitions > MOST_PARTITIONS {
            let message = format!("a topic has 1 to {MOST_PARTITIONS} partitions here");
            self.value(path, message, "a few are enough to see every anomaly");
        }
    }

    fn target(&mut self, path: &[&str], target: &Target) {
        match target {
            Target::Leader(log) => self.log(path, log),
            Target::Follower(log) | Target::Followers(log) => {
                self.log(path, log);
                let copies = self
                    .spec
                    .topics
                    .get(&log.topic)
                    .map(|topic| topic.replication.unwrap_or(self.brokers().min(3)));
                if copies == Some(1) {
                    self.value(
                        path,
                        format!("{log} has one replica, and so no follower"),
                        "raise the topic's replication",
                    );
                }
            }
            Target::Broker(NodeId(id)) => {
                if !(1..=i32::from(self.brokers())).contains(id) {
                    let brokers = self.brokers();
                    self.value(
                        path,
                        format!("there is no broker {id}"),
                        format!("brokers are numbered 1 to {brokers}"),
                    );
                }
            }
            Target::Coordinator(group) => self.group(path, group),
            Target::Sink => self.sink_server(path),
            Target::Client(client) => self.client(path, client),
            Target::AnyClient(Some(name)) | Target::AllClients(Some(name)) => {
                self.client_known(path, name);
            }
            Target::AnyBroker
            | Target::AllBrokers
            | Target::Controller
            | Target::AnyClient(None)
            | Target::AllClients(None) => {}
        }
    }

    fn log(&mut self, path: &[&str], log: &TopicPartition) {
        if !self.topic_known(path, &log.topic) {
            return;
        }
        let partitions = i32::from(self.spec.topics[&log.topic].partitions);
        if log.partition >= partitions {
            let message = format!("{} has no partition {}", log.topic, log.partition);
            self.value(path, message, format!("it has {partitions}, numbered from 0"));
        }
    }

    fn sink_server(&mut self, path: &[&str]) {
        match &self.spec.sink {
            Some(sink) if sink.kind.has_server() => {}
            Some(sink) => {
                let message = format!(
                    "a sink of kind \"{}\" has no server that a fault could strike",
                    sink.kind.name()
                );
                self.value(path, message, "sinks of kind \"postgres\" and \"http\" run on the node sink");
            }
            None => self.value(path, "there is no sink", "for instance [sink] with kind = \"postgres\""),
        }
    }

    fn group(&mut self, path: &[&str], group: &str) {
        let consumers = self.spec.clients.iter().filter(|(_, client)| client.role == Role::Consumer);
        let groups: Vec<&str> =
            consumers.map(|(name, client)| client.group.as_deref().unwrap_or(name)).collect();
        if !groups.contains(&group) {
            let help = offer(group, &groups, "groups");
            self.value(path, format!("there is no consumer group \"{group}\""), help);
        }
    }

    fn client_known(&mut self, path: &[&str], name: &str) -> bool {
        let known = self.spec.clients.contains_key(name);
        if !known {
            let names: Vec<&str> = self.spec.clients.keys().map(String::as_str).collect();
            let help = offer(name, &names, "clients");
            self.value(path, format!("there is no client \"{name}\""), help);
        }
        known
    }

    fn client(&mut self, path: &[&str], client: &ClientRef) {
        if !self.client_known(path, &client.name) {
            return;
        }
        let instances = self.spec.clients[&client.name].instances();
        if client.index >= instances {
            let message = format!("there is no {client}");
            self.value(path, message, format!("{} has {instances} instances, numbered from 0", client.name));
        }
    }

    /// `nth` and `count` where they mean something.
    fn counts(&mut self, path: &[&str], fault: &FaultSpec, action: &Fault) {
        let requests = matches!(action, Fault::LoseResponse { .. } | Fault::Hold { .. });
        let steps = matches!(fault.at, Some(Moment::Step(_)));
        if fault.nth.is_some() && !requests && !steps {
            self.key(
                &deeper(path, "nth"),
                "\"nth\" means nothing here",
                "it counts client steps (at = \"polled..effect-done\") or requests (lose, hold)",
            );
        }
        if fault.nth.is_some() && requests && steps {
            self.key(
                &deeper(path, "nth"),
                "\"nth\" could count steps or requests",
                "arm the rule at a time or a condition instead",
            );
        }
        if fault.count.is_some() && !matches!(action, Fault::LoseResponse { .. }) {
            self.key(
                &deeper(path, "count"),
                "\"count\" means nothing here",
                "it says how many responses are lost",
            );
        }
        for (key, number) in [("nth", fault.nth), ("count", fault.count)] {
            if number == Some(0) {
                self.value(&deeper(path, key), format!("\"{key}\" counts from 1"), "1 is the first");
            }
        }
    }

    fn heal(&mut self, path: &[&str], fault: &FaultSpec, action: &Fault) {
        if fault.heal.is_some() && fault.release.is_some() {
            self.key(
                &deeper(path, "release"),
                "both \"heal\" and \"release\" are given",
                "they mean the same: leave one out",
            );
        }
        let key = if fault.release.is_some() { "release" } else { "heal" };
        let path = deeper(path, key);
        let Some(heal) = fault.release.as_ref().or(fault.heal.as_ref()) else { return };
        match (action, heal) {
            (Fault::LoseResponse { .. } | Fault::Grow { .. }, Heal::Itself) => {}
            (Fault::Grow { .. }, Heal::After(_) | Heal::AtEnd | Heal::When { .. }) => {
                self.value(&path, "partitions cannot be taken away again", "leave it out");
            }
            (Fault::LoseResponse { .. }, Heal::After(_) | Heal::AtEnd | Heal::When { .. }) => {
                self.value(
                    &path,
                    "lost responses need no healing",
                    "leave it out: the fault is over once all are lost",
                );
            }
            (_, Heal::Itself) => self.value(
                &path,
                "this fault does not end by itself",
                "\"after 3s\", \"at end\", or a condition",
            ),
            (_, Heal::When { condition, .. }) => self.condition(&path, condition),
            (_, Heal::After(_) | Heal::AtEnd) => {}
        }
    }

    fn moment(&mut self, path: &[&str], fault: &FaultSpec, action: &Fault) {
        let at = deeper(path, "at");
        match &fault.at {
            None => self.value(
                path,
                "this fault has no moment",
                "at = \"5s\", a condition, or two steps of a client",
            ),
            Some(Moment::Time(_)) => {}
            Some(Moment::When { condition, .. }) => self.condition(&at, condition),
            Some(Moment::Step(steps)) => {
                let client = steps.client.as_ref().or(action.client());
                match client {
                    Some(client) => self.steps(&at, steps, client),
                    None => self.value(
                        &at,
                        "whose steps?",
                        "write the client: at = \"polled..effect-done of billing[0]\"",
                    ),
                }
            }
        }
    }

    fn steps(&mut self, path: &[&str], steps: &Steps, client: &ClientRef) {
        if steps.client.is_some() {
            self.client(path, client);
        }
        let Some(spec) = self.spec.clients.get(&client.name) else { return };
        let passed = passed(spec);
        let names: Vec<&str> = passed.iter().map(|step| step.name()).collect();
        let position =
            |name: &str| Step::parse(name).and_then(|step| passed.iter().position(|other| *other == step));
        for name in [&steps.after, &steps.before] {
            if position(name).is_none() {
                let help = offer(name, &names, "its steps in order");
                self.value(path, format!("{} never passes a step \"{name}\"", client.name), help);
            }
        }
        if let (Some(after), Some(before)) = (position(&steps.after), position(&steps.before))
            && after >= before
        {
            let message = format!("{} passes \"{}\" before \"{}\"", client.name, steps.before, steps.after);
            self.value(path, message, format!("its steps in order: {}", names.join(", ")));
        }
    }

    fn condition(&mut self, path: &[&str], condition: &Condition) {
        if let Some(log) = condition.log() {
            self.log(path, log);
        }
        let Some(name) = condition.fault() else { return };
        let names: Vec<&str> = self.spec.faults.iter().filter_map(|fault| fault.name.as_deref()).collect();
        if !names.contains(&name) {
            let help = offer(name, &names, "named faults");
            self.value(path, format!("there is no fault \"{name}\""), help);
        }
    }

    fn names(&mut self) {
        let mut seen = BTreeMap::new();
        for (index, fault) in self.spec.faults.iter().enumerate() {
            let Some(name) = &fault.name else { continue };
            if seen.insert(name.as_str(), index).is_some() {
                let index = index.to_string();
                self.value(
                    &["faults", &index, "name"],
                    format!("two faults are called \"{name}\""),
                    "names tell faults apart",
                );
            }
        }
    }

    /// A fault that waits, through any number of others, for itself, would never strike or never end.
    fn circles(&mut self) {
        let faults = &self.spec.faults;
        for (index, fault) in faults.iter().enumerate() {
            let Some(name) = fault.name.as_deref() else { continue };
            for (event, key, words) in [
                (Event::Struck(name), "at", "waits for itself"),
                (Event::Healed(name), "heal", "waits for itself to heal"),
            ] {
                if needs_itself(faults, event) {
                    let index = index.to_string();
                    let help = "let one of the faults strike, or heal, at a time";
                    self.value(&["faults", &index, key], format!("the fault \"{name}\" {words}"), help);
                    break;
                }
            }
        }
    }

    fn storm(&mut self) {
        let Some(storm) = &self.spec.storm else { return };
        if storm.faults.is_empty() {
            self.value(
                &["storm", "faults"],
                "a storm without faults",
                "for instance [\"kill broker\", \"pause broker\"]",
            );
        }
        if storm.length.0 < storm.every.min + storm.lasting.min {
            let message = "the storm is over before its first fault is";
            self.value(
                &["storm", "for"],
                message,
                "it must be longer than the shortest quiet time and the shortest fault together",
            );
        }
        for (index, pattern) in storm.faults.iter().enumerate() {
            let index = index.to_string();
            let path = ["storm", "faults", &index];
            let Some(topic) = self.spec.topics.keys().next() else { return };
            let Ok(fault) = pattern.about(&TopicPartition::new(topic.clone(), 0)) else { continue };
            if let Fault::Grow { .. } = fault {
                let help = "write it as a fault of its own, with its moment";
                self.value(&path, "a storm repeats its faults, and a topic only grows", help);
            }
            for target in fault.targets() {
                self.target(&path, target);
            }
        }
    }
}

/// Something that other faults can wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event<'s> {
    Struck(&'s str),
    Healed(&'s str),
}

/// What must have happened before this can: the condition it waits for, and for a heal the strike.
fn needs<'s>(faults: &'s [FaultSpec], event: Event<'s>) -> Vec<Event<'s>> {
    let (Event::Struck(name) | Event::Healed(name)) = event;
    let Some(fault) = faults.iter().find(|fault| fault.name.as_deref() == Some(name)) else {
        return Vec::new();
    };
    let (condition, first) = match event {
        Event::Struck(_) => match &fault.at {
            Some(Moment::When { condition, .. }) => (Some(condition), None),
            Some(Moment::Time(_) | Moment::Step(_)) | None => (None, None),
        },
        Event::Healed(_) => match fault.heal.as_ref().or(fault.release.as_ref()) {
            Some(Heal::When { condition, .. }) => (Some(condition), Some(Event::Struck(name))),
            Some(Heal::After(_) | Heal::AtEnd | Heal::Itself) | None => (None, Some(Event::Struck(name))),
        },
    };
    let awaited = match condition {
        Some(Condition::FaultStruck(name)) => Some(Event::Struck(name.as_str())),
        Some(Condition::FaultHealed(name)) => Some(Event::Healed(name.as_str())),
        Some(
            Condition::IsrLeaderOnly(_)
            | Condition::IsrAtMost(..)
            | Condition::IsrFull(_)
            | Condition::IsrFullEverywhere,
        )
        | None => None,
    };
    first.into_iter().chain(awaited).collect()
}

fn needs_itself<'s>(faults: &'s [FaultSpec], event: Event<'s>) -> bool {
    let mut open = needs(faults, event);
    let mut seen = BTreeSet::new();
    while let Some(next) = open.pop() {
        if next == event {
            return true;
        }
        if seen.insert(next) {
            open.extend(needs(faults, next));
        }
    }
    false
}

/// The steps that a client passes, in order.
pub(in crate::spec) fn passed(client: &Client) -> &'static [Step] {
    match client.role {
        Role::Producer => PRODUCER_STEPS,
        Role::Consumer => client.commits().steps(),
    }
}

fn deeper<'p>(path: &[&'p str], key: &'p str) -> Vec<&'p str> {
    path.iter().copied().chain([key]).collect()
}
