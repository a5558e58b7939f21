//! What is proved: guarantees, anomalies and the finders that decide a history.

pub mod anomaly;
pub mod findings;
pub mod guarantee;
pub mod linear;
pub mod question;
pub mod verdict;
