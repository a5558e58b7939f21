//! Released Kafka versions, resolved into the cache.
