//! Which setting permits an anomaly, and the smallest change that would forbid it.
//!
//! The settings that were in effect are looked at in the order in which a change of them would help; the first that
//! permits the anomaly is named. Where none of them does, nothing is named: the reader then looks at a bug, or at a
//! fault beyond what settings promise, and saying otherwise would send them the wrong way. Without settings (a
//! history recorded elsewhere) the usual ones are named instead. Sources: Kafka's documentation of each property;
//! librdkafka's CONFIGURATION.md for its names and defaults.

use std::collections::BTreeSet;

use crate::anomaly::Anomaly;
use crate::findings::Tally;
use crate::question::ClientSettings;
use crate::scene::Scene;
use crate::verdict::{Basis, Permission};

/// The setting that permits an anomaly, given where its witnesses are.
pub fn permission(anomaly: Anomaly, tally: &Tally, scene: &Scene<'_>) -> Option<Permission> {
    if scene.settings.clients.is_empty() {
        return usual(anomaly);
    }
    let producers = || clients(tally, scene, "producer");
    let consumers = || clients(tally, scene, "consumer");
    match anomaly {
        Anomaly::LostWrite | Anomaly::InconsistentOffsets | Anomaly::LostCommit => {
            producers().into_iter().find_map(weak_acks).or_else(|| weak_replication(tally, scene))
        }
        Anomaly::DuplicateWrite => producers().into_iter().find_map(resends),
        Anomaly::ReorderedWrite | Anomaly::RealtimeInversion => producers().into_iter().find_map(overtakes),
        Anomaly::Undelivered | Anomaly::LostEffect => consumers().into_iter().find_map(commits_early),
        Anomaly::Redelivered => consumers().into_iter().find_map(commits_late),
        Anomaly::DuplicateEffect => consumers().into_iter().find_map(commits_late).or_else(|| usual(anomaly)),
        Anomaly::PollSkip | Anomaly::NonmonotonicPoll => consumers().into_iter().find_map(resets),
        Anomaly::AbortedRead | Anomaly::PrecommittedRead | Anomaly::PhantomEffect => {
            consumers().into_iter().find_map(reads_uncommitted)
        }
        Anomaly::Phantom | Anomaly::Corrupt | Anomaly::Misrouted | Anomaly::Unseen => None,
        Anomaly::StaleEnd
        | Anomaly::OffsetRegression
        | Anomaly::LsoBreach
        | Anomaly::TornTransaction
        | Anomaly::ResurrectedAbort
        | Anomaly::FencingViolation
        | Anomaly::DependencyCycle
        | Anomaly::MisorderedEffect
        | Anomaly::ZombieEffect
        | Anomaly::SkippedInput
        | Anomaly::DoubleInput
        | Anomaly::OutputMismatch
        | Anomaly::Stall => usual(anomaly),
    }
}

/// What usually permits it.
fn usual(anomaly: Anomaly) -> Option<Permission> {
    let entry = anomaly.entry();
    (!entry.permitted_by.starts_with("none")).then(|| Permission {
        basis: Basis::Usual,
        setting: entry.permitted_by.to_owned(),
        because: entry.cause.to_owned(),
        change: entry.change.to_owned(),
    })
}

/// The settings of the clients that the witnesses name; all of that role where they name none.
fn clients<'a>(tally: &Tally, scene: &Scene<'a>, role: &str) -> Vec<&'a ClientSettings> {
    let mut named: BTreeSet<(&str, &str)> = BTreeSet::new();
    for finding in tally.witnesses() {
        let senders = finding.first.iter().chain(&finding.last).map(|value| value.process);
        let seen = finding.sightings.iter().filter_map(|sighting| sighting.process());
        let of = |process| Some((scene.timeline.client(process)?, scene.timeline.family(process)?));
        named.extend(senders.chain(seen).filter_map(of));
    }
    let of_role = || scene.settings.clients.iter().filter(|(_, client)| client.role == role);
    // A client that runs on several families has settings for each: `NAME/FAMILY`.
    let is_named = |name: &str| match name.split_once('/') {
        Some(of_family) => named.contains(&of_family),
        None => named.iter().any(|(client, _)| *client == name),
    };
    let found: Vec<_> = of_role().filter(|(name, _)| is_named(name)).map(|(_, client)| client).collect();
    if found.is_empty() { of_role().map(|(_, client)| client).collect() } else { found }
}

impl ClientSettings {
    /// The first of several names of a property that is set.
    fn get(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| self.properties.get(*name)).map(String::as_str)
    }

    /// Whether the producer is idempotent: librdkafka's default is false, the Java client's is true unless another
    /// setting rules it out (KIP-679).
    fn is_idempotent(&self) -> bool {
        if self.get(&["transactional.id"]).is_some() {
            return true;
        }
        match self.get(&["enable.idempotence"]) {
            Some(value) => value == "true",
            None => self.family == "java" && self.acks() == "all" && self.get(&["retries"]) != Some("0"),
        }
    }

    /// `0`, `1` or `all`.
    fn acks(&self) -> &str {
        match self.get(&["acks", "request.required.acks"]) {
            None | Some("-1" | "all") => "all",
            Some(other) => other,
        }
    }
}

/// Acknowledged by fewer than all replicas in sync.
fn weak_acks(client: &ClientSettings) -> Option<Permission> {
    let because = match client.acks() {
        "0" => "the client reports success without waiting for any broker",
        "1" => {
            "the leader acknowledges alone, and what its followers have not fetched dies with its leadership"
        }
        _ => return None,
    };
    Some(Permission {
        basis: Basis::InEffect,
        setting: format!("acks={}", client.acks()),
        because: because.to_owned(),
        change: "set acks=all with min.insync.replicas=2".to_owned(),
    })
}

/// Acknowledged by all replicas in sync, of which there may be one; or elected from outside of them.
fn weak_replication(tally: &Tally, scene: &Scene<'_>) -> Option<Permission> {
    let topics = tally.logs.keys().filter_map(|log| scene.logs.get(usize::from(log.0)));
    let topics: BTreeSet<&str> = topics.map(|log| log.topic.as_str()).collect();
    let effective = |name: &str| {
        let of_topic = topics.iter().filter_map(|topic| scene.settings.topics.get(*topic));
        of_topic.filter_map(|topic| topic.get(name)).chain(scene.settings.brokers.get(name)).next()
    };
    if effective("unclean.leader.election.enable").is_some_and(|value| value == "true") {
        return Some(Permission {
            basis: Basis::InEffect,
            setting: "unclean.leader.election.enable=true".to_owned(),
            because: "a replica that was not in sync may lead, and the others truncate to what it has"
                .to_owned(),
            change: "set unclean.leader.election.enable=false with min.insync.replicas=2".to_owned(),
        });
    }
    let least = effective("min.insync.replicas").map_or("1", String::as_str);
    (least == "1").then(|| Permission {
        basis: Basis::InEffect,
        setting: "min.insync.replicas=1".to_owned(),
        because: "with the in-sync set shrunk to the leader, acks=all is the leader's word alone".to_owned(),
        change: "set min.insync.replicas=2 with a replication factor of 3".to_owned(),
    })
}

/// Sends again what may already be in the log.
fn resends(client: &ClientSettings) -> Option<Permission> {
    let retries = client.get(&["retries", "message.send.max.retries"]);
    (!client.is_idempotent() && retries != Some("0")).then(|| Permission {
        basis: Basis::InEffect,
        setting: match client.get(&["enable.idempotence"]) {
            Some(_) => "enable.idempotence=false with retries".to_owned(),
            None => format!("enable.idempotence unset (false in {}) with retries", family(client)),
        },
        because: "a batch whose acknowledgement is lost is sent again, and the broker cannot recognise it"
            .to_owned(),
        change: "set enable.idempotence=true".to_owned(),
    })
}

/// The client family by name.
fn family(client: &ClientSettings) -> &str {
    if client.family.is_empty() { "this client" } else { &client.family }
}

/// Lets a later request overtake an earlier one.
fn overtakes(client: &ClientSettings) -> Option<Permission> {
    let in_flight = client.get(&["max.in.flight.requests.per.connection", "max.in.flight"]);
    let retries = client.get(&["retries", "message.send.max.retries"]);
    (!client.is_idempotent() && in_flight != Some("1") && retries != Some("0")).then(|| Permission {
        basis: Basis::InEffect,
        setting: format!(
            "max.in.flight.requests.per.connection={} without enable.idempotence",
            in_flight.unwrap_or("its default, above 1")
        ),
        because: "a request that is sent again lands behind one that was in flight beside it".to_owned(),
        change: "set enable.idempotence=true, or max.in.flight.requests.per.connection=1".to_owned(),
    })
}

/// Commits positions of records that are not yet processed.
fn commits_early(client: &ClientSettings) -> Option<Permission> {
    let commit = client.commit.as_deref().unwrap_or_default();
    if commit == "commit-before" {
        return Some(Permission {
            basis: Basis::InEffect,
            setting: "positions committed before processing (commit-before)".to_owned(),
            because: "what is committed is not read again by the member that takes over".to_owned(),
            change: "commit after processing".to_owned(),
        });
    }
    if commit.starts_with("auto") {
        return Some(Permission {
            basis: Basis::InEffect,
            setting: "enable.auto.commit=true".to_owned(),
            because: "the timer commits positions of records that are handed over and not yet processed"
                .to_owned(),
            change:
                "set enable.auto.offset.store=false and store offsets after processing, or commit after it"
                    .to_owned(),
        });
    }
    (client.get(&["auto.offset.reset"]).is_none_or(|reset| reset == "latest" || reset == "largest")).then(
        || Permission {
            basis: Basis::InEffect,
            setting: "auto.offset.reset=latest".to_owned(),
            because: "a position that is missing or out of range is replaced by the end of the log"
                .to_owned(),
            change: "set auto.offset.reset=earliest".to_owned(),
        },
    )
}

/// Commits positions only after the records are processed.
fn commits_late(client: &ClientSettings) -> Option<Permission> {
    let commit = client.commit.as_deref().unwrap_or_default();
    let setting = match commit {
        "commit-after" => "positions committed after processing (commit-after)",
        _ if commit.starts_with("auto") => "enable.auto.commit=true",
        _ => return None,
    };
    Some(Permission {
        basis: Basis::InEffect,
        setting: setting.to_owned(),
        because: "what was processed and not yet committed is read again by the member that takes over"
            .to_owned(),
        change: "make the effect idempotent; committing before processing gives up at-least-once".to_owned(),
    })
}

/// Resets a position that is out of range.
fn resets(client: &ClientSettings) -> Option<Permission> {
    let reset = client.get(&["auto.offset.reset"]).unwrap_or("latest");
    (reset != "none" && reset != "error").then(|| Permission {
        basis: Basis::InEffect,
        setting: format!("auto.offset.reset={reset}"),
        because: "a position that a truncated log no longer has is replaced without the application noticing".to_owned(),
        change: "forbid the truncation (acks=all, min.insync.replicas=2, no unclean election), or set auto.offset.reset=none"
            .to_owned(),
    })
}

/// Reads what is not committed.
fn reads_uncommitted(client: &ClientSettings) -> Option<Permission> {
    let isolation = client.get(&["isolation.level"]);
    let reads = isolation.map_or(client.family != "librdkafka", |level| level == "read_uncommitted");
    reads.then(|| Permission {
        basis: Basis::InEffect,
        setting: "isolation.level=read_uncommitted".to_owned(),
        because: "records of open and aborted transactions are returned".to_owned(),
        change: "set isolation.level=read_committed".to_owned(),
    })
}
