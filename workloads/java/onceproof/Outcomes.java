package onceproof;

import java.util.Set;
import org.apache.kafka.common.protocol.Errors;

/**
 * What an error says about a send. The table is `workloads/src/outcome.rs`, with the reasons and citations; the codes
 * below are its rows that say fail and that a broker can answer, and a test holds the two to each other.
 *
 * <p>A code alone is not enough for fail: the Java client reports the last attempt's error, and an earlier attempt may
 * have landed. It does not tell how often a record was tried, only how many it tried again at all
 * (`record-retry-total`); so fail is believed only of a producer that never tried anything again. A record that the call
 * itself refused was never taken: that is fail whatever the code.
 */
final class Outcomes {
    /** Kafka's error codes that mean: not appended, and never will be. */
    private static final Set<Integer> FAIL = Set.of(
            2, // CORRUPT_MESSAGE
            4, // INVALID_FETCH_SIZE
            10, // MESSAGE_TOO_LARGE
            17, // INVALID_TOPIC_EXCEPTION
            18, // RECORD_LIST_TOO_LARGE
            19, // NOT_ENOUGH_REPLICAS
            21, // INVALID_REQUIRED_ACKS
            29, // TOPIC_AUTHORIZATION_FAILED
            31, // CLUSTER_AUTHORIZATION_FAILED
            32, // INVALID_TIMESTAMP
            35, // UNSUPPORTED_VERSION
            42, // INVALID_REQUEST
            43, // UNSUPPORTED_FOR_MESSAGE_FORMAT
            44, // POLICY_VIOLATION
            45, // OUT_OF_ORDER_SEQUENCE_NUMBER
            47, // INVALID_PRODUCER_EPOCH
            48, // INVALID_TXN_STATE
            49, // INVALID_PRODUCER_ID_MAPPING
            53, // TRANSACTIONAL_ID_AUTHORIZATION_FAILED
            58, // SASL_AUTHENTICATION_FAILED
            76, // UNSUPPORTED_COMPRESSION_TYPE
            87, // INVALID_RECORD
            90); // PRODUCER_FENCED

    private Outcomes() {}

    /** Kafka's code of an exception; -1, as Kafka's own unknown error, where it has none. */
    static int code(Throwable error) {
        return Errors.forException(error).code();
    }

    /** What `code` says about a send that the client had taken, if no attempt of an earlier one can have landed. */
    static Journal.Unresolved ofSend(int code, boolean neverTriedAgain) {
        return neverTriedAgain && FAIL.contains(code) ? Journal.Unresolved.FAIL : Journal.Unresolved.INFO;
    }
}
