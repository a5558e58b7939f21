//! Who says what about leaders and in-sync replicas.
