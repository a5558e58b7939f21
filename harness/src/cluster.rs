//! A cluster of Kafka nodes in the lab.
