//! What an error says about a send: the one table that maps error codes to outcomes.
//!
//! Ok means the record is in the log (or, with `acks=0`, was handed over: acknowledged *to the application*,
//! without an offset, which is exactly what at-most-once means). Fail means it is not and never will be. Info
//! means unknown. A code that is not in the table is info: calling an unknown a fail invents phantom records,
//! calling a known failure info only weakens the check.
//!
//! A code alone is not enough for fail. A client that retries reports the *last* attempt's error, and an earlier
//! attempt may have landed: "not authorized" after a lost acknowledgement says nothing about the first attempt.
//! librdkafka keeps per record whether any attempt may have reached a log
//! (`rd_kafka_message_status`, CONFIGURATION and rdkafka.h of 2.12), so fail needs both: the row and that.
//!
//! ```text
//! attempt 1   Produce ->  appended at 17, response lost        (possibly persisted)
//! attempt 2   Produce ->  TOPIC_AUTHORIZATION_FAILED           row says fail
//! reported    TopicAuthorizationFailed                         info, or the record at 17 would be a phantom
//! ```

use rdkafka::error::RDKafkaErrorCode as Code;

/// What an error says about a send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The record is not in the log and never will be.
    Fail,
    /// Unknown.
    Info,
}

/// What the client library knows about a record's attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persisted {
    /// No attempt can have reached a log.
    No,
    /// Some attempt may have.
    Possibly,
}

/// One error that can end a send.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The client library's code: Kafka's own where positive.
    pub code: Code,
    /// What it says, if no earlier attempt can have landed.
    pub outcome: Outcome,
    /// Why, in one line.
    pub reason: &'static str,
    /// Where that is written.
    pub citation: &'static str,
}

const fn fail(code: Code, reason: &'static str, citation: &'static str) -> Row {
    Row { code, outcome: Outcome::Fail, reason, citation }
}

const fn info(code: Code, reason: &'static str, citation: &'static str) -> Row {
    Row { code, outcome: Outcome::Info, reason, citation }
}

const LOCAL: &str = "librdkafka 2.12 rdkafka.h";
const BROKER: &str = "Kafka protocol guide, error codes";
const RESPONSE: &str = "librdkafka 2.12 rdkafka_request.c, rd_kafka_handle_Produce_error";
const APPEND: &str = "Kafka 4.1 ReplicaManager.appendRecords, UnifiedLog.append";

/// Every error that can end a send, with what it says.
pub const SEND_ERRORS: &[Row] = &[
    // Refused before the library took the record, or before any attempt.
    fail(Code::QueueFull, "never taken into the library's queue", LOCAL),
    fail(Code::InvalidArgument, "refused by the call", LOCAL),
    fail(Code::UnknownTopic, "the library found no such topic, nothing was sent", LOCAL),
    fail(Code::UnknownPartition, "the library found no such partition, nothing was sent", LOCAL),
    fail(Code::Fatal, "the producer had failed before, the record was not taken", LOCAL),
    fail(Code::State, "the producer may not send now (transaction not begun), not taken", LOCAL),
    fail(Code::KeySerialization, "never became a record", LOCAL),
    fail(Code::ValueSerialization, "never became a record", LOCAL),
    fail(Code::PurgeQueue, "purged by the application before it was sent", LOCAL),
    fail(Code::TimedOutQueue, "timed out in the request queue, not in flight", LOCAL),
    fail(Code::BadCompression, "the batch could not be built", LOCAL),
    fail(Code::UnsupportedFeature, "the broker lacks a feature that the batch needs, not sent", LOCAL),
    fail(Code::GaplessGuarantee, "withdrawn, because an earlier record failed", LOCAL),
    // Refused by the broker before it appends.
    fail(
        Code::MessageSizeTooLarge,
        "larger than message.max.bytes of client or broker; checked before the append",
        APPEND,
    ),
    fail(Code::MessageBatchTooLarge, "larger than a segment; checked before the append", APPEND),
    fail(Code::InvalidMessage, "checksum or format refused before the append", APPEND),
    fail(Code::InvalidMessageSize, "refused while the request was read", BROKER),
    fail(Code::InvalidRecord, "validation refused the whole batch", "KIP-467"),
    fail(
        Code::InvalidDifferentRecord,
        "another record of the batch was invalid, the batch was refused",
        "KIP-467",
    ),
    fail(Code::InvalidTimestamp, "validation refused the whole batch", BROKER),
    fail(Code::InvalidTopic, "no log can have this name", BROKER),
    fail(Code::InvalidRequiredAcks, "the request was refused as a whole", BROKER),
    fail(Code::InvalidRequest, "the request was refused as a whole", BROKER),
    fail(Code::UnsupportedVersion, "the request was refused as a whole", BROKER),
    fail(Code::UnsupportedForMessageFormat, "the request was refused as a whole", BROKER),
    fail(Code::UnsupportedCompressionType, "the request was refused as a whole", BROKER),
    fail(Code::PolicyViolation, "refused by the broker's policy before the append", BROKER),
    fail(Code::NotEnoughReplicas, "too few in-sync replicas before the append", APPEND),
    fail(Code::TopicAuthorizationFailed, "not authorized; checked before the append", BROKER),
    fail(Code::ClusterAuthorizationFailed, "not authorized; checked before the append", BROKER),
    fail(Code::TransactionalIdAuthorizationFailed, "not authorized; checked before the append", BROKER),
    fail(Code::SaslAuthenticationFailed, "no connection to send on", BROKER),
    fail(Code::Authentication, "no connection to send on", LOCAL),
    // The producer's epoch or sequence is refused: this batch is not appended.
    fail(Code::ProducerFenced, "a newer producer of the same transactional id exists", "KIP-360, KIP-588"),
    fail(Code::Fenced, "the library learned that this producer is fenced", "KIP-360, KIP-588"),
    fail(Code::InvalidProducerEpoch, "older epoch; checked before the append", "KIP-360, KIP-588"),
    fail(Code::OutOfOrderSequenceNumber, "sequence gap; this batch was not appended", "KIP-98"),
    fail(Code::InvalidProducerIdMapping, "producer id and transactional id do not belong together", "KIP-98"),
    fail(Code::InvalidTransactionalState, "no open transaction holds this log", "KIP-98, KIP-890"),
    // Timeouts of every kind.
    info(
        Code::MessageTimedOut,
        "delivery.timeout.ms passed; the last attempt may be in flight or in the log",
        LOCAL,
    ),
    info(Code::OperationTimedOut, "no answer in time; the request may have been executed", RESPONSE),
    info(
        Code::RequestTimedOut,
        "appended by the leader, not replicated in time",
        "KIP-19; Kafka protocol guide",
    ),
    // Connections.
    info(Code::BrokerTransportFailure, "connection lost; the request may have been executed", RESPONSE),
    info(Code::NetworkException, "connection lost; the request may have been executed", BROKER),
    info(Code::AllBrokersDown, "an earlier attempt may have landed", LOCAL),
    info(
        Code::BrokerDestroy,
        "the library gave up the connection, perhaps with the request on its way",
        LOCAL,
    ),
    info(
        Code::DestroyBroker,
        "the library gave up the connection, perhaps with the request on its way",
        LOCAL,
    ),
    info(Code::PurgeInflight, "purged by the application while it was in flight", LOCAL),
    info(Code::BadMessage, "the answer could not be read", LOCAL),
    info(Code::Underflow, "the answer could not be read", LOCAL),
    info(Code::Retry, "withdrawn for another attempt that was never made", RESPONSE),
    // Leadership: can be reported for a record that landed.
    info(Code::NotLeaderForPartition, "can be reported for a send that landed", "KAFKA-13574"),
    info(
        Code::LeaderNotAvailable,
        "can be reported for a send that landed on the former leader",
        "KAFKA-13574",
    ),
    info(
        Code::UnknownTopicOrPartition,
        "a broker that lost or not yet has the log says so; the record may be in another copy",
        "KAFKA-13574",
    ),
    info(Code::UnknownTopicId, "as for an unknown topic", "KIP-516"),
    info(Code::ReplicaNotAvailable, "the state of the log is not known", BROKER),
    info(Code::FencedLeaderEpoch, "leadership moved; the record may have landed", "KIP-320"),
    info(Code::UnknownLeaderEpoch, "leadership moved; the record may have landed", "KIP-320"),
    info(Code::BrokerNotAvailable, "the state of the request is not known", BROKER),
    // Appended, or perhaps appended.
    info(Code::NotEnoughReplicasAfterAppend, "the leader has it, too few followers do", APPEND),
    info(Code::ISRInsufficient, "fewer in-sync replicas than required, before or after the append", LOCAL),
    info(Code::KafkaStorageError, "the disk failed while appending", "KIP-112"),
    info(
        Code::DuplicateSequenceNumber,
        "stored by an earlier attempt, at an offset that is not known",
        "KIP-98",
    ),
    info(
        Code::UnknownProducerId,
        "the log forgot this producer; what it holds of it is not known",
        "KIP-360",
    ),
    info(Code::ConcurrentTransactions, "the transaction's state is changing", "KIP-890"),
    info(Code::Unknown, "the broker failed in an unknown place", BROKER),
    info(Code::Fail, "the library failed in an unknown place", LOCAL),
    info(Code::Inconsistent, "the library lost track of the producer's state", LOCAL),
    info(Code::CriticalSystemResource, "the library failed in an unknown place", LOCAL),
    info(Code::ThrottlingQuotaExceeded, "delayed; whether it was executed is not known", BROKER),
];

/// What `code` says about a send that the library had taken.
pub fn of_send(code: Code, persisted: Persisted) -> Outcome {
    match (row(code).map(|row| row.outcome), persisted) {
        (Some(Outcome::Fail), Persisted::No) => Outcome::Fail,
        (Some(Outcome::Fail), Persisted::Possibly) | (Some(Outcome::Info) | None, _) => Outcome::Info,
    }
}

/// What `code` says about a commit of positions. Every answer from a coordinator is info, also a refusal: the
/// library repeats a commit whose answer was lost, and the repetition may be refused after the first was stored.
pub fn of_offset_commit(code: Code) -> Outcome {
    const NOTHING_WAS_SENT: [Code; 4] =
        [Code::NoOffset, Code::InvalidArgument, Code::UnknownGroup, Code::UnknownPartition];
    if NOTHING_WAS_SENT.contains(&code) { Outcome::Fail } else { Outcome::Info }
}

/// The row of a code, if it has one.
pub fn row(code: Code) -> Option<&'static Row> {
    SEND_ERRORS.iter().find(|row| row.code == code)
}

#[cfg(test)]
mod tests {
    use rdkafka::types::RDKafkaRespErr;

    use super::*;

    /// Codes that never end a send: answers to other requests and signals inside the library. They are info by
    /// default; a code that is neither here nor in the table is new and has to be judged.
    const NOT_ABOUT_SENDS: &[i32] = &[
        -200, -193, -191, -189, -182, -181, -180, -179, -178, -177, -176, -175, -174, -173, -171, -170, -168,
        -167, -164, -163, -160, -159, -158, -157, -156, -154, -147, -146, -145, -143, -142, -141, -140, -139,
        -100, 0, 1, 11, 12, 14, 15, 16, 22, 23, 24, 25, 26, 27, 28, 30, 33, 34, 36, 37, 38, 39, 40, 41, 50,
        52, 54, 55, 57, 60, 61, 62, 63, 64, 65, 66, 67, 68, 69, 70, 71, 72, 73, 77, 78, 79, 80, 81, 82, 83,
        84, 85, 86, 88, 91, 92, 93, 94, 95, 96, 97, 110, 111, 112, 113, 117, 118, 129, 130,
    ];

    #[test]
    fn every_error_of_the_library_has_a_row_or_is_named_as_not_about_sends() {
        let mut seen = 0;
        for number in i32::from(i16::MIN)..=i32::from(i16::MAX) {
            let Ok(native) = RDKafkaRespErr::try_from(number) else { continue };
            seen += 1;
            let code = Code::from(native);
            let named = NOT_ABOUT_SENDS.contains(&number);
            assert!(
                row(code).is_some() || named,
                "{code:?} ({number}) is new: give it a row or name it here"
            );
            assert!(row(code).is_none() || !named, "{code:?} ({number}) is in both");
        }
        assert!(seen > 150, "the library's enum was not walked");
    }

    #[test]
    fn no_code_has_two_rows_and_each_says_why() {
        for (index, row) in SEND_ERRORS.iter().enumerate() {
            assert!(SEND_ERRORS[index + 1..].iter().all(|other| other.code != row.code), "{:?}", row.code);
            assert!(!row.reason.is_empty());
            assert!(!row.citation.is_empty());
        }
    }

    #[test]
    fn a_failure_that_may_follow_a_landed_attempt_is_unknown() {
        assert_eq!(of_send(Code::TopicAuthorizationFailed, Persisted::No), Outcome::Fail);
        assert_eq!(of_send(Code::TopicAuthorizationFailed, Persisted::Possibly), Outcome::Info);
        assert_eq!(of_send(Code::MessageTimedOut, Persisted::No), Outcome::Info);
        assert_eq!(of_send(Code::NotLeaderForPartition, Persisted::No), Outcome::Info);
    }

    #[test]
    fn an_unknown_code_is_unknown() {
        assert_eq!(of_send(Code::RebootstrapRequired, Persisted::No), Outcome::Info);
    }

    #[test]
    fn a_refused_commit_may_have_been_stored_by_an_earlier_attempt() {
        assert_eq!(of_offset_commit(Code::IllegalGeneration), Outcome::Info);
        assert_eq!(of_offset_commit(Code::NoOffset), Outcome::Fail);
    }
}
