//! Which properties a run accepts for the Java client, checked before anything starts.
//!
//! The client itself refuses impossible values when it is made, in a worker, long after the cluster was started, and
//! it only warns of names that it does not know. So its names and the forms of their values are listed here: those
//! of clients 3.9.1, 4.1.1 and 4.3.1 together (`ProducerConfig.configDef`, `ConsumerConfig.configDef`), without the
//! security that a lab has none of. As with librdkafka (`librdkafka/settings.rs`) nothing is repaired, and what the
//! client takes without a word and then breaks the run is refused with the reason.

use std::collections::BTreeMap;

use crate::librdkafka::settings::{Client, SettingError};
use crate::protocol::Commit;

/// For which clients a property has a meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    Both,
    Producer,
    Consumer,
}

/// The form of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Whole,
    Switch,
    /// In lower case; the client does not mind.
    OneOf(&'static [&'static str]),
    Text,
}

struct Row {
    name: &'static str,
    scope: Scope,
    kind: Kind,
}

const fn row(name: &'static str, scope: Scope, kind: Kind) -> Row {
    Row { name, scope, kind }
}

const ROWS: &[Row] = &[
    row("acks", Scope::Producer, Kind::OneOf(&["-1", "0", "1", "all"])),
    row("allow.auto.create.topics", Scope::Consumer, Kind::Switch),
    row("auto.commit.interval.ms", Scope::Consumer, Kind::Whole),
    row("auto.include.jmx.reporter", Scope::Both, Kind::Switch),
    row("auto.offset.reset", Scope::Consumer, Kind::Text),
    row("batch.size", Scope::Producer, Kind::Whole),
    row("bootstrap.servers", Scope::Both, Kind::Text),
    row("buffer.memory", Scope::Producer, Kind::Whole),
    row("check.crcs", Scope::Consumer, Kind::Switch),
    row(
        "client.dns.lookup",
        Scope::Both,
        Kind::OneOf(&["resolve_canonical_bootstrap_servers_only", "use_all_dns_ips"]),
    ),
    row("client.id", Scope::Both, Kind::Text),
    row("client.rack", Scope::Consumer, Kind::Text),
    row("compression.gzip.level", Scope::Producer, Kind::Whole),
    row("compression.lz4.level", Scope::Producer, Kind::Whole),
    row("compression.type", Scope::Producer, Kind::OneOf(&["gzip", "lz4", "none", "snappy", "zstd"])),
    row("compression.zstd.level", Scope::Producer, Kind::Whole),
    row("config.providers", Scope::Both, Kind::Text),
    row("connections.max.idle.ms", Scope::Both, Kind::Whole),
    row("default.api.timeout.ms", Scope::Consumer, Kind::Whole),
    row("delivery.timeout.ms", Scope::Producer, Kind::Whole),
    row("enable.auto.commit", Scope::Consumer, Kind::Switch),
    row("enable.idempotence", Scope::Producer, Kind::Switch),
    row("enable.metrics.push", Scope::Both, Kind::Switch),
    row("exclude.internal.topics", Scope::Consumer, Kind::Switch),
    row("fetch.max.bytes", Scope::Consumer, Kind::Whole),
    row("fetch.max.wait.ms", Scope::Consumer, Kind::Whole),
    row("fetch.min.bytes", Scope::Consumer, Kind::Whole),
    row("group.id", Scope::Consumer, Kind::Text),
    row("group.instance.id", Scope::Consumer, Kind::Text),
    row("group.protocol", Scope::Consumer, Kind::OneOf(&["classic", "consumer"])),
    row("group.remote.assignor", Scope::Consumer, Kind::Text),
    row("heartbeat.interval.ms", Scope::Consumer, Kind::Whole),
    row("interceptor.classes", Scope::Both, Kind::Text),
    row("internal.leave.group.on.close", Scope::Consumer, Kind::Switch),
    row("internal.throw.on.fetch.stable.offset.unsupported", Scope::Consumer, Kind::Switch),
    row("isolation.level", Scope::Consumer, Kind::OneOf(&["read_committed", "read_uncommitted"])),
    row("key.deserializer", Scope::Consumer, Kind::Text),
    row("key.serializer", Scope::Producer, Kind::Text),
    row("linger.ms", Scope::Producer, Kind::Whole),
    row("max.block.ms", Scope::Producer, Kind::Whole),
    row("max.in.flight.requests.per.connection", Scope::Producer, Kind::Whole),
    row("max.partition.fetch.bytes", Scope::Consumer, Kind::Whole),
    row("max.poll.interval.ms", Scope::Consumer, Kind::Whole),
    row("max.poll.records", Scope::Consumer, Kind::Whole),
    row("max.request.size", Scope::Producer, Kind::Whole),
    row("metadata.max.age.ms", Scope::Both, Kind::Whole),
    row("metadata.max.idle.ms", Scope::Producer, Kind::Whole),
    row("metadata.recovery.rebootstrap.trigger.ms", Scope::Both, Kind::Whole),
    row("metadata.recovery.strategy", Scope::Both, Kind::OneOf(&["none", "rebootstrap"])),
    row("metric.reporters", Scope::Both, Kind::Text),
    row("metrics.num.samples", Scope::Both, Kind::Whole),
    row("metrics.recording.level", Scope::Both, Kind::OneOf(&["debug", "info", "trace"])),
    row("metrics.sample.window.ms", Scope::Both, Kind::Whole),
    row("partition.assignment.strategy", Scope::Consumer, Kind::Text),
    row("partitioner.adaptive.partitioning.enable", Scope::Producer, Kind::Switch),
    row("partitioner.availability.timeout.ms", Scope::Producer, Kind::Whole),
    row("partitioner.class", Scope::Producer, Kind::Text),
    row("partitioner.ignore.keys", Scope::Producer, Kind::Switch),
    row("receive.buffer.bytes", Scope::Both, Kind::Whole),
    row("reconnect.backoff.max.ms", Scope::Both, Kind::Whole),
    row("reconnect.backoff.ms", Scope::Both, Kind::Whole),
    row("request.timeout.ms", Scope::Both, Kind::Whole),
    row("retries", Scope::Producer, Kind::Whole),
    row("retry.backoff.max.ms", Scope::Both, Kind::Whole),
    row("retry.backoff.ms", Scope::Both, Kind::Whole),
    row("send.buffer.bytes", Scope::Both, Kind::Whole),
    row("session.timeout.ms", Scope::Consumer, Kind::Whole),
    row("share.acknowledgement.mode", Scope::Consumer, Kind::OneOf(&["explicit", "implicit"])),
    row("share.acquire.mode", Scope::Consumer, Kind::OneOf(&["batch_optimized", "record_limit"])),
    row("socket.connection.setup.timeout.max.ms", Scope::Both, Kind::Whole),
    row("socket.connection.setup.timeout.ms", Scope::Both, Kind::Whole),
    row("transaction.timeout.ms", Scope::Producer, Kind::Whole),
    row("transaction.two.phase.commit.enable", Scope::Producer, Kind::Switch),
    row("transactional.id", Scope::Producer, Kind::Text),
    row("value.deserializer", Scope::Consumer, Kind::Text),
    row("value.serializer", Scope::Producer, Kind::Text),
];

/// Properties of librdkafka that the Java client does not know, with what to use instead.
const LIBRDKAFKA_ONLY: &[(&str, &str)] = &[
    ("enable.auto.offset.store", "commit = \"auto-handed-over\" is what comes near to it"),
    ("max.in.flight", "the Java client's is max.in.flight.requests.per.connection"),
    ("message.max.bytes", "the Java client's is max.request.size"),
    ("message.send.max.retries", "the Java client's is retries"),
    ("message.timeout.ms", "the Java client's is delivery.timeout.ms"),
    ("queue.buffering.max.kbytes", "the Java client's is buffer.memory, in bytes"),
    ("queue.buffering.max.messages", "the Java client's is buffer.memory, in bytes"),
    ("queue.buffering.max.ms", "the Java client's is linger.ms"),
    ("request.required.acks", "the Java client's is acks"),
    ("socket.timeout.ms", "the Java client's is request.timeout.ms"),
];

/// Properties that the worker sets, or without which it cannot see what happens.
const OWNED: &[(&str, &str)] = &[
    ("bootstrap.servers", "the harness sets it to the cluster of the run"),
    ("key.serializer", "the worker sends bytes as they are"),
    ("value.serializer", "the worker sends bytes as they are"),
    ("key.deserializer", "the worker takes bytes as they are"),
    ("value.deserializer", "the worker takes bytes as they are"),
    ("interceptor.classes", "the worker hears of commits by its own"),
    ("partitioner.class", "the workload chooses the partition itself"),
    ("metric.reporters", "there is no class of yours on the worker's class path"),
    ("config.providers", "there is no class of yours on the worker's class path"),
    ("transactional.id", "this workload sends outside transactions"),
];

/// Checks what a spec says about a client.
///
/// # Errors
/// Everything that is wrong, in the order of the properties' names.
pub fn check(client: &Client, properties: &BTreeMap<String, String>) -> Result<(), Vec<SettingError>> {
    let mut errors: Vec<_> =
        properties.iter().filter_map(|(name, value)| one(client, name, value).err()).collect();
    if errors.is_empty() {
        errors = match client {
            Client::Producer => producer(properties),
            Client::Consumer { .. } => membership(properties),
        };
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

fn refuse(property: &str, reason: impl Into<String>) -> SettingError {
    SettingError { property: property.into(), reason: reason.into() }
}

fn one(client: &Client, name: &str, value: &str) -> Result<(), SettingError> {
    if let Some((_, reason)) = OWNED.iter().find(|(owned, _)| *owned == name) {
        return Err(refuse(name, *reason));
    }
    let Some(row) = ROWS.iter().find(|row| row.name == name) else { return Err(unknown(name)) };
    if let Some(expected) = row.kind.misses(value) {
        return Err(refuse(
            name,
            format!("the Java client refuses the value {value:?}: it takes {expected}"),
        ));
    }
    match (client, row.scope) {
        (Client::Consumer { .. }, Scope::Producer) => {
            Err(refuse(name, "is a producer's property, a consumer ignores it"))
        }
        (Client::Producer, Scope::Consumer) => {
            Err(refuse(name, "is a consumer's property, a producer ignores it"))
        }
        (Client::Producer, Scope::Both | Scope::Producer) => Ok(()),
        (Client::Consumer { commit, group }, Scope::Both | Scope::Consumer) => {
            for_consumer(*commit, group, (name, value))
        }
    }
}

impl Kind {
    /// What a value should be, where it is not.
    fn misses(self, value: &str) -> Option<String> {
        let value = value.trim().to_lowercase();
        match self {
            Self::Whole => value.parse::<i64>().is_err().then(|| "a whole number".to_owned()),
            Self::Switch => {
                (!["true", "false"].contains(&value.as_str())).then(|| "true or false".to_owned())
            }
            Self::OneOf(words) => (!words.contains(&value.as_str())).then(|| words.join(", ")),
            Self::Text => None,
        }
    }
}

fn unknown(name: &str) -> SettingError {
    if let Some((_, instead)) = LIBRDKAFKA_ONLY.iter().find(|(other, _)| *other == name) {
        return refuse(name, format!("is librdkafka's; {instead}"));
    }
    let score = |row: &&Row| strsim::damerau_levenshtein(name, row.name);
    let near = ROWS.iter().min_by_key(score).filter(|row| score(row) <= 2 + name.len() / 5);
    let near = near.map_or_else(String::new, |row| format!("; did you mean {}?", row.name));
    refuse(name, format!("the Java client has no such property{near}"))
}

fn for_consumer(commit: Commit, group: &str, (name, value): (&str, &str)) -> Result<(), SettingError> {
    let contradicts = |(implied, wanted): &(&str, &str)| *implied == name && *wanted != value;
    if let Some((_, wanted)) = commit.implied().iter().find(|implied| contradicts(implied)) {
        let reason = format!("commit = {:?} means {wanted}: leave it out", commit.name());
        return Err(refuse(name, reason));
    }
    match name {
        "group.id" if value != group => {
            Err(refuse(name, format!("the client's group is {group:?}: set it there")))
        }
        "enable.auto.commit" if commit.is_automatic() && value == "false" => {
            Err(refuse(name, format!("commit = {:?} would never commit anything", commit.name())))
        }
        _ => Ok(()),
    }
}

fn number(properties: &BTreeMap<String, String>, name: &str) -> Option<i64> {
    properties.get(name)?.trim().parse().ok()
}

/// What idempotence needs, where it is asked for; and that a record's time holds an attempt.
fn producer(properties: &BTreeMap<String, String>) -> Vec<SettingError> {
    let mut errors = Vec::new();
    let is = |name: &str, value: &str| properties.get(name).is_some_and(|given| given.trim() == value);
    if is("enable.idempotence", "true") {
        if is("acks", "0") || is("acks", "1") {
            errors.push(refuse("acks", "enable.idempotence = true needs acks = all"));
        }
        if number(properties, "retries") == Some(0) {
            errors.push(refuse("retries", "enable.idempotence = true needs at least 1"));
        }
        let in_flight = "max.in.flight.requests.per.connection";
        if number(properties, in_flight).is_some_and(|given| given > 5) {
            errors.push(refuse(in_flight, "enable.idempotence = true needs at most 5 requests in flight"));
        }
    }
    let request = number(properties, "request.timeout.ms").unwrap_or(30_000);
    let linger = number(properties, "linger.ms").unwrap_or(0);
    if let Some(delivery) = number(properties, "delivery.timeout.ms")
        && delivery < request.saturating_add(linger)
    {
        let reason = format!(
            "{delivery} ms is less than linger.ms + request.timeout.ms = {}: the Java client refuses that; \
             lower request.timeout.ms too",
            request.saturating_add(linger)
        );
        errors.push(refuse("delivery.timeout.ms", reason));
    }
    errors
}

fn membership(properties: &BTreeMap<String, String>) -> Vec<SettingError> {
    let newer = properties.get("group.protocol").is_some_and(|name| name.eq_ignore_ascii_case("consumer"));
    if newer {
        let by_broker = ["session.timeout.ms", "heartbeat.interval.ms", "partition.assignment.strategy"];
        let given = by_broker.into_iter().filter(|name| properties.contains_key(*name));
        let reason = "with group.protocol = consumer the broker decides it (group.consumer.session.timeout.ms, \
                      group.consumer.heartbeat.interval.ms, group.remote.assignor); the Java client refuses both";
        return given.map(|name| refuse(name, reason)).collect();
    }
    let session = number(properties, "session.timeout.ms").unwrap_or(45_000);
    let heartbeat = number(properties, "heartbeat.interval.ms").unwrap_or(3_000);
    if session >= heartbeat.saturating_mul(3) {
        return Vec::new();
    }
    let reason = format!(
        "{session} ms is less than three heartbeats of {heartbeat} ms: a healthy member would be evicted again and \
         again; set heartbeat.interval.ms to {} or less",
        session / 3
    );
    vec![refuse("session.timeout.ms", reason)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(client: &Client, pairs: &[(&str, &str)]) -> String {
        let properties = pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let errors = check(client, &properties).unwrap_err();
        assert_eq!(errors.len(), 1, "{errors:?}");
        errors[0].to_string()
    }

    fn accepted(client: &Client, pairs: &[(&str, &str)]) {
        let properties = pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        assert_eq!(check(client, &properties), Ok(()));
    }

    fn consumer(commit: Commit) -> Client {
        Client::Consumer { commit, group: "billing".into() }
    }

    #[test]
    fn the_table_is_in_order_and_names_nothing_twice() {
        assert!(ROWS.windows(2).all(|pair| pair[0].name < pair[1].name));
    }

    #[test]
    fn ordinary_settings_are_accepted() {
        accepted(&Client::Producer, &[("acks", "1"), ("retries", "0"), ("compression.type", "lz4")]);
        let short = [("delivery.timeout.ms", "3000"), ("request.timeout.ms", "1000"), ("linger.ms", "0")];
        accepted(&Client::Producer, &short);
        let member = [("session.timeout.ms", "6000"), ("heartbeat.interval.ms", "2000")];
        accepted(&consumer(Commit::AfterSync), &member);
        accepted(
            &consumer(Commit::Auto),
            &[("group.protocol", "consumer"), ("auto.offset.reset", "earliest")],
        );
    }

    #[test]
    fn unknown_names_and_impossible_values_are_refused_with_what_is_meant() {
        assert!(refused(&Client::Producer, &[("lingr.ms", "1")]).contains("did you mean linger.ms?"));
        assert!(refused(&Client::Producer, &[("message.timeout.ms", "1")]).contains("delivery.timeout.ms"));
        assert!(refused(&Client::Producer, &[("acks", "2")]).contains("all"));
        assert!(refused(&Client::Producer, &[("linger.ms", "soon")]).contains("a whole number"));
        assert!(refused(&consumer(Commit::Auto), &[("acks", "all")]).contains("a consumer ignores it"));
        assert!(refused(&Client::Producer, &[("value.serializer", "x")]).contains("as they are"));
    }

    #[test]
    fn settings_that_contradict_each_other_or_the_mode_are_refused() {
        let idempotent = |pair| [("enable.idempotence", "true"), pair];
        assert!(refused(&Client::Producer, &idempotent(("acks", "1"))).contains("acks = all"));
        assert!(refused(&Client::Producer, &idempotent(("retries", "0"))).contains("at least 1"));
        let many = ("max.in.flight.requests.per.connection", "6");
        assert!(refused(&Client::Producer, &idempotent(many)).contains("at most 5"));
        assert!(refused(&Client::Producer, &[("delivery.timeout.ms", "3000")]).contains("30000"));
        let session = [("session.timeout.ms", "2000")];
        assert!(refused(&consumer(Commit::AfterSync), &session).contains("heartbeats of 3000 ms"));
        let newer = [("group.protocol", "consumer"), ("session.timeout.ms", "9000")];
        assert!(refused(&consumer(Commit::AfterSync), &newer).contains("the broker decides it"));
        let never = [("enable.auto.commit", "false")];
        assert!(refused(&consumer(Commit::AutoHandedOver), &never).contains("never commit"));
        assert!(
            refused(&consumer(Commit::AfterSync), &[("enable.auto.commit", "true")]).contains("after-sync")
        );
    }
}
