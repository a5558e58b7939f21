//! One Kafka node: its properties, storage, JVM and archive.
