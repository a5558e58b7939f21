//! Defaults of the client libraries, for what is printed and for naming the setting that permits an anomaly.
//!
//! Only properties that bear on loss, duplication or order. They are never handed to a client: a client that is
//! given nothing uses its own.

use crate::spec::{Family, Role};

/// librdkafka's (2.12, CONFIGURATION.md); its defaults differ from the Java client's, which is the point.
const LIBRDKAFKA_PRODUCER: &[(&str, &str)] = &[
    ("acks", "all"),
    ("enable.idempotence", "false"),
    ("linger.ms", "5"),
    ("max.in.flight.requests.per.connection", "1000000"),
    ("message.timeout.ms", "300000"),
    ("retries", "2147483647"),
];

const LIBRDKAFKA_CONSUMER: &[(&str, &str)] = &[
    ("auto.commit.interval.ms", "5000"),
    ("auto.offset.reset", "largest"),
    ("enable.auto.offset.store", "true"),
    ("heartbeat.interval.ms", "3000"),
    ("isolation.level", "read_committed"),
    ("max.poll.interval.ms", "300000"),
    ("session.timeout.ms", "45000"),
];

/// The Java client's (4.x, ProducerConfig; before 4.0 it does not linger). Idempotence rules itself out where acks, retries
/// or the requests in flight do not allow it (KIP-679).
const JAVA_PRODUCER: &[(&str, &str)] = &[
    ("acks", "all"),
    ("delivery.timeout.ms", "120000"),
    ("enable.idempotence", "true"),
    ("linger.ms", "5"),
    ("max.in.flight.requests.per.connection", "5"),
    ("retries", "2147483647"),
];

const JAVA_CONSUMER: &[(&str, &str)] = &[
    ("auto.commit.interval.ms", "5000"),
    ("auto.offset.reset", "latest"),
    ("heartbeat.interval.ms", "3000"),
    ("isolation.level", "read_uncommitted"),
    ("max.poll.interval.ms", "300000"),
    ("max.poll.records", "500"),
    ("session.timeout.ms", "45000"),
];

/// Other names of the same property in librdkafka.
pub(super) const ALIASES: &[(&str, &str)] = &[
    ("request.required.acks", "acks"),
    ("message.send.max.retries", "retries"),
    ("delivery.timeout.ms", "message.timeout.ms"),
    ("max.in.flight", "max.in.flight.requests.per.connection"),
    ("queue.buffering.max.ms", "linger.ms"),
];

/// The defaults of a family in a role.
pub(super) fn of(family: Family, role: Role) -> &'static [(&'static str, &'static str)] {
    match (family, role) {
        (Family::Java, Role::Producer) => JAVA_PRODUCER,
        (Family::Java, Role::Consumer) => JAVA_CONSUMER,
        (Family::Librdkafka, Role::Producer) => LIBRDKAFKA_PRODUCER,
        (Family::Librdkafka, Role::Consumer) => LIBRDKAFKA_CONSUMER,
    }
}
