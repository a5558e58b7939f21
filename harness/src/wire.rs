//! Kafka's wire protocol: the harness's own client.
