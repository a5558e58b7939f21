//! `onceproof check` as a user calls it: every form of history, every model, several files at once, bad input.
//!
//! The histories here are written from the description of the forms alone. None needs a cluster.

#![expect(clippy::unwrap_used, reason = "test code: a failure is a panic")]
#![expect(clippy::disallowed_methods, reason = "shell: starts the program")]

#[path = "check/answer.rs"]
mod answer;
#[path = "check/bad_input.rs"]
mod bad_input;
#[path = "check/explain.rs"]
mod explain;
#[path = "check/kafka.rs"]
mod kafka;
#[path = "check/models.rs"]
mod models;
#[path = "check/several.rs"]
mod several;
