//! Which client properties a run accepts, checked before anything starts.
//!
//! The library itself says what exists, for which kind of client, and which values are possible: its own
//! documentation is read at run time, so this list is never stale. On top of that come the few properties that
//! belong to the harness, that contradict the delivery mode, or that the library takes without a word and then
//! breaks the run (`session.timeout.ms` below three heartbeats evicts a healthy member again and again). A
//! property of the other kind of client would be ignored silently: that too is refused, by name.
//! Nothing is repaired: a spec that says something else than what is run would be worse than an error.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;

use super::native;
use crate::protocol::Commit;

/// What kind of client the properties are for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Client {
    /// A producer.
    Producer,
    /// A group member.
    Consumer {
        /// When it commits.
        commit: Commit,
        /// Its group, as the harness sets it.
        group: String,
    },
}

/// Why a property is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("property {property}: {reason}")]
pub struct SettingError {
    /// Its name, as written.
    pub property: String,
    /// What is wrong, and what to write instead.
    pub reason: String,
}

impl SettingError {
    fn new(property: &str, reason: impl Into<String>) -> Self {
        Self { property: property.into(), reason: reason.into() }
    }
}

/// For which clients a property has a meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    Both,
    Producer,
    Consumer,
}

/// Properties of the Java client that librdkafka does not know, with what to use instead.
pub const JAVA_ONLY: &[(&str, &str)] = &[
    ("buffer.memory", "librdkafka's is queue.buffering.max.kbytes (and queue.buffering.max.messages)"),
    ("max.block.ms", "librdkafka does not block; a full queue is an error that the worker waits out"),
    ("max.request.size", "librdkafka's is message.max.bytes"),
    ("key.serializer", "librdkafka sends bytes as they are"),
    ("value.serializer", "librdkafka sends bytes as they are"),
    ("key.deserializer", "librdkafka hands out bytes as they are"),
    ("value.deserializer", "librdkafka hands out bytes as they are"),
    ("partitioner.class", "the workload chooses the partition itself"),
    ("partitioner.ignore.keys", "the workload chooses the partition itself"),
    ("partitioner.adaptive.partitioning.enable", "the workload chooses the partition itself"),
    ("interceptor.classes", "librdkafka has no Java interceptors"),
    ("metric.reporters", "librdkafka has no metric reporters"),
    ("default.api.timeout.ms", "librdkafka has a timeout in each call"),
    ("max.poll.records", "the worker's batch size is batch"),
    ("exclude.internal.topics", "librdkafka subscribes by name"),
    ("transaction.two.phase.commit.enable", "librdkafka does not know KIP-939"),
    ("send.buffer.bytes", "librdkafka's is socket.send.buffer.bytes"),
    ("receive.buffer.bytes", "librdkafka's is socket.receive.buffer.bytes"),
    ("ssl.truststore.location", "librdkafka's is ssl.ca.location"),
];

/// Properties that the harness sets, or without which it cannot see what happens.
const OWNED: &[(&str, &str)] = &[
    ("bootstrap.servers", "the harness sets it to the cluster of the run"),
    ("metadata.broker.list", "the harness sets it to the cluster of the run"),
    ("delivery.report.only.error", "the worker could not tell acknowledged records from lost ones"),
    ("topic.blacklist", "the worker's topics would silently disappear from it"),
];

/// Java's aliases and librdkafka's own names, as read from the library.
static KNOWN: LazyLock<BTreeMap<String, Scope>> = LazyLock::new(|| parse(&native::properties()));

/// Checks what a spec says about a client.
///
/// # Errors
/// Everything that is wrong, in the order of the properties' names.
pub fn check(client: &Client, properties: &BTreeMap<String, String>) -> Result<(), Vec<SettingError>> {
    let mut errors: Vec<_> =
        properties.iter().filter_map(|(name, value)| one(client, name, value).err()).collect();
    if errors.is_empty() {
        errors = together(client, properties);
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

/// Every property that the library documents for this kind of client.
pub fn known(client: &Client) -> Vec<&'static str> {
    let fits = |scope: Scope| {
        matches!((scope, client), (Scope::Both, _) | (Scope::Producer, Client::Producer))
            || matches!((scope, client), (Scope::Consumer, Client::Consumer { .. }))
    };
    KNOWN.iter().filter(|(_, scope)| fits(**scope)).map(|(name, _)| name.as_str()).collect()
}

fn one(client: &Client, name: &str, value: &str) -> Result<(), SettingError> {
    if let Some((_, reason)) = OWNED.iter().find(|(owned, _)| *owned == name) {
        return Err(SettingError::new(name, *reason));
    }
    accepted(name, value)?;
    let scope = KNOWN.get(name).copied().unwrap_or(Scope::Both);
    match (client, scope) {
        (Client::Consumer { .. }, Scope::Producer) => {
            Err(SettingError::new(name, "is a producer's property, a consumer ignores it"))
        }
        (Client::Producer, Scope::Consumer) => {
            Err(SettingError::new(name, "is a consumer's property, a producer ignores it"))
        }
        (Client::Producer, Scope::Both | Scope::Producer) => for_producer(name),
        (Client::Consumer { commit, group }, Scope::Both | Scope::Consumer) => {
            for_consumer(*commit, group, (name, value))
        }
    }
}

/// What the library itself says about a name and a value.
fn accepted(name: &str, value: &str) -> Result<(), SettingError> {
    let mut config = ClientConfig::new();
    config.set(name, value);
    let Err(error) = config.create_native_config() else { return Ok(()) };
    let unknown = !KNOWN.contains_key(name);
    if unknown && let Some((_, instead)) = JAVA_ONLY.iter().find(|(java, _)| *java == name) {
        return Err(SettingError::new(name, format!("is the Java client's; {instead}")));
    }
    if unknown {
        let near = nearest(name).map_or_else(String::new, |near| format!("; did you mean {near}?"));
        return Err(SettingError::new(name, format!("librdkafka has no such property{near}")));
    }
    let said = if let KafkaError::ClientConfig(_, said, _, _) = error { said } else { error.to_string() };
    Err(SettingError::new(name, format!("librdkafka refuses the value {value:?}: {said}")))
}

fn for_producer(name: &str) -> Result<(), SettingError> {
    if name == "transactional.id" {
        return Err(SettingError::new(name, "this workload sends outside transactions"));
    }
    Ok(())
}

fn for_consumer(commit: Commit, group: &str, (name, value): (&str, &str)) -> Result<(), SettingError> {
    let contradicts = |(implied, wanted): &(&str, &str)| *implied == name && *wanted != value;
    if let Some((_, wanted)) = commit.implied().iter().find(|implied| contradicts(implied)) {
        let reason = format!("commit = {:?} means {wanted}: leave it out", commit.name());
        return Err(SettingError::new(name, reason));
    }
    let turns_off = matches!(value, "false" | "f" | "0");
    match (name, commit) {
        ("group.id", _) if value != group => {
            Err(SettingError::new(name, format!("the client's group is {group:?}: set it there")))
        }
        ("enable.auto.commit", _) if turns_off && commit.is_automatic() => {
            Err(SettingError::new(name, format!("commit = {:?} would never commit anything", commit.name())))
        }
        ("enable.auto.offset.store", _) if turns_off && commit.commits_what_is_handed_out() => {
            Err(SettingError::new(
                name,
                "commit = \"auto\" would have nothing to commit; \"auto-stored\" stores offsets after processing",
            ))
        }
        _ => Ok(()),
    }
}

/// Properties that are right one by one and wrong together; defaults count.
fn together(client: &Client, properties: &BTreeMap<String, String>) -> Vec<SettingError> {
    let mut config = ClientConfig::new();
    config.extend(properties.iter().map(|(name, value)| (name.clone(), value.clone())));
    let Ok(native) = config.create_native_config() else { return Vec::new() };
    let value = |name: &str| native.get(name).unwrap_or_default();
    // None also for a topic-level property that is not set: the library keeps its default elsewhere.
    let number = |name: &str| value(name).parse::<i64>().ok();
    match client {
        Client::Producer if value("enable.idempotence") == "true" => idempotent(number),
        Client::Producer => Vec::new(),
        Client::Consumer { .. } if value("group.protocol") == "consumer" => by_broker(properties),
        Client::Consumer { .. } => membership(number),
    }
}

fn idempotent(number: impl Fn(&str) -> Option<i64>) -> Vec<SettingError> {
    let mut errors = Vec::new();
    let mut refuse = |name: &str, needed: &str| {
        errors.push(SettingError::new(name, format!("enable.idempotence needs {needed}")));
    };
    if number("request.required.acks").is_some_and(|acks| acks != -1) {
        refuse("acks", "acks = all");
    }
    if number("message.send.max.retries").is_some_and(|retries| retries < 1) {
        refuse("retries", "retries of at least 1");
    }
    // The library lowers its own default of 1,000,000 to 5 by itself, but refuses a larger value that is given.
    let in_flight = number("max.in.flight.requests.per.connection");
    if in_flight.is_some_and(|in_flight| in_flight > 5 && in_flight != 1_000_000) {
        refuse("max.in.flight.requests.per.connection", "at most 5 requests in flight");
    }
    errors
}

/// With the newer group protocol; the library refuses these too, but only when the client is made.
fn by_broker(properties: &BTreeMap<String, String>) -> Vec<SettingError> {
    let decided = [
        "session.timeout.ms",
        "heartbeat.interval.ms",
        "partition.assignment.strategy",
        "group.protocol.type",
    ];
    let given = decided.into_iter().filter(|name| properties.contains_key(*name));
    let reason = "with group.protocol = consumer the broker decides it (group.consumer.session.timeout.ms, \
                  group.consumer.heartbeat.interval.ms, group.remote.assignor); librdkafka refuses both";
    given.map(|name| SettingError::new(name, reason)).collect()
}

fn membership(number: impl Fn(&str) -> Option<i64>) -> Vec<SettingError> {
    let numbers = ["session.timeout.ms", "heartbeat.interval.ms", "max.poll.interval.ms"].map(number);
    let [Some(session), Some(heartbeat), Some(poll)] = numbers else { return Vec::new() };
    let mut errors = Vec::new();
    if session < 3 * heartbeat {
        let reason = format!(
            "{session} ms is less than three heartbeats of {heartbeat} ms: a healthy member would be evicted \
             again and again; set heartbeat.interval.ms to {} or less",
            session / 3
        );
        errors.push(SettingError::new("session.timeout.ms", reason));
    }
    if poll < session {
        let reason =
            format!("{poll} ms is less than session.timeout.ms = {session}; librdkafka refuses that");
        errors.push(SettingError::new("max.poll.interval.ms", reason));
    }
    errors
}

fn nearest(name: &str) -> Option<&'static str> {
    let score = |known: &&String| strsim::damerau_levenshtein(name, known);
    let near = KNOWN.keys().min_by_key(score)?;
    (score(&near) <= 2 + name.len() / 5).then_some(near.as_str())
}

/// Reads the table that the library prints: `name | C/P | range | …`.
fn parse(documentation: &str) -> BTreeMap<String, Scope> {
    let row = |line: &str| {
        let mut columns = line.split('|').map(str::trim);
        let (name, scope) = (columns.next()?, columns.next()?);
        let scope = match scope {
            "*" => Scope::Both,
            "P" => Scope::Producer,
            "C" => Scope::Consumer,
            _ => return None,
        };
        Some((name.to_owned(), scope))
    };
    documentation.lines().filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn properties(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
    }

    fn consumer(commit: Commit) -> Client {
        Client::Consumer { commit, group: "billing".into() }
    }

    /// The reason why one property is refused.
    fn refused(client: &Client, pairs: &[(&str, &str)]) -> String {
        let errors = check(client, &properties(pairs)).unwrap_err();
        assert_eq!(errors.len(), 1, "{errors:?}");
        errors[0].to_string()
    }

    #[test]
    fn the_library_tells_its_properties() {
        assert!(KNOWN.len() > 150, "{}", KNOWN.len());
        assert_eq!(KNOWN["acks"], Scope::Producer);
        assert_eq!(KNOWN["isolation.level"], Scope::Consumer);
        assert_eq!(KNOWN["socket.timeout.ms"], Scope::Both);
        assert!(known(&Client::Producer).contains(&"linger.ms"));
        assert!(!known(&Client::Producer).contains(&"group.id"));
    }

    #[test]
    fn defaults_and_ordinary_settings_are_accepted() {
        let commits = [Commit::AfterSync, Commit::AfterAsync, Commit::Before, Commit::Auto];
        for client in commits.map(consumer).iter().chain([&Client::Producer]) {
            assert_eq!(check(client, &properties(&[])), Ok(()));
        }
        let producer = [("acks", "1"), ("retries", "0"), ("delivery.timeout.ms", "3000"), ("linger.ms", "0")];
        assert_eq!(check(&Client::Producer, &properties(&producer)), Ok(()));
        assert_eq!(check(&Client::Producer, &properties(&[("enable.idempotence", "true")])), Ok(()));
        let member = [
            ("session.timeout.ms", "6000"),
            ("heartbeat.interval.ms", "2000"),
            ("auto.offset.reset", "earliest"),
        ];
        assert_eq!(check(&consumer(Commit::AfterSync), &properties(&member)), Ok(()));
        assert_eq!(
            check(&consumer(Commit::AfterSync), &properties(&[("enable.auto.commit", "false")])),
            Ok(())
        );
    }

    #[test]
    fn an_unknown_property_is_named_with_the_nearest_known_one() {
        assert!(refused(&Client::Producer, &[("lingr.ms", "1")]).contains("did you mean linger.ms?"));
        assert!(refused(&Client::Producer, &[("buffer.memory", "1")]).contains("queue.buffering.max.kbytes"));
        assert!(!refused(&Client::Producer, &[("x", "1")]).contains("did you mean"));
    }

    #[test]
    fn an_impossible_value_is_refused_in_the_librarys_words() {
        assert!(refused(&Client::Producer, &[("acks", "5000")]).contains("\"5000\""));
        assert!(refused(&Client::Producer, &[("compression.type", "brotli")]).contains("brotli"));
    }

    #[test]
    fn a_property_of_the_other_kind_of_client_is_refused() {
        assert!(refused(&consumer(Commit::Auto), &[("acks", "all")]).contains("a consumer ignores it"));
        assert!(
            refused(&Client::Producer, &[("auto.offset.reset", "earliest")])
                .contains("a producer ignores it")
        );
    }

    #[test]
    fn a_session_below_three_heartbeats_is_refused_also_with_the_default_heartbeat() {
        let reason = refused(&consumer(Commit::AfterSync), &[("session.timeout.ms", "2000")]);
        assert!(reason.contains("heartbeats of 3000 ms"), "{reason}");
        assert!(reason.contains("heartbeat.interval.ms to 666 or less"), "{reason}");
    }

    #[test]
    fn what_the_broker_decides_in_the_newer_protocol_is_refused() {
        let newer = |pair| [("group.protocol", "consumer"), pair];
        let of = consumer(Commit::AfterSync);
        assert!(refused(&of, &newer(("session.timeout.ms", "9000"))).contains("the broker decides it"));
        assert!(refused(&of, &newer(("heartbeat.interval.ms", "9"))).contains("the broker decides it"));
        assert_eq!(check(&of, &properties(&newer(("group.remote.assignor", "uniform")))), Ok(()));
    }

    #[test]
    fn settings_that_contradict_the_mode_or_hide_the_outcome_are_refused() {
        let (after, auto) = (consumer(Commit::AfterSync), consumer(Commit::Auto));
        assert!(refused(&after, &[("enable.auto.commit", "true")]).contains("after-sync"));
        assert!(refused(&auto, &[("enable.auto.commit", "false")]).contains("never commit"));
        assert!(refused(&auto, &[("enable.auto.offset.store", "false")]).contains("nothing to commit"));
        assert!(refused(&after, &[("group.id", "other")]).contains("billing"));
        assert!(refused(&Client::Producer, &[("bootstrap.servers", "x:1")]).contains("harness"));
        assert!(
            refused(&Client::Producer, &[("delivery.report.only.error", "true")]).contains("acknowledged")
        );
        assert!(refused(&Client::Producer, &[("transactional.id", "t")]).contains("outside transactions"));
        let idempotent = |pair| [("enable.idempotence", "true"), pair];
        assert!(refused(&Client::Producer, &idempotent(("acks", "1"))).contains("acks = all"));
        assert!(refused(&Client::Producer, &idempotent(("retries", "0"))).contains("at least 1"));
        let many = ("max.in.flight.requests.per.connection", "6");
        assert!(refused(&Client::Producer, &idempotent(many)).contains("at most 5"));
    }
}
