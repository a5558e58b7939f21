//! What is kept and shown: the run directory and the reports.
//!
//! Reports are pure functions of a verdict; only `store` touches the file system.

pub mod exit;
pub mod plain;
pub mod store;
