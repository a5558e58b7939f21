//! What is kept and shown: the run directory and the reports.
//!
//! Reports are pure functions of a verdict, which is a pure function of a history; only `store` touches the file
//! system. Nothing here decides anything: what counts as a violation is the checker's business.

pub mod exit;
pub mod latency;
pub mod plain;
pub mod store;
pub mod text;
pub mod verdict;
