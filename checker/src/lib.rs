//! What is proved: guarantees, anomalies and the finders that decide a history.

pub mod anomaly;
pub mod attribute;
pub mod closeup;
pub mod confirm;
pub mod cycles;
pub mod explain;
pub mod findings;
pub mod guarantee;
pub mod imported;
pub mod judge;
pub mod linear;
pub mod log;
pub mod membership;
pub mod permission;
pub mod plant;
pub mod question;
pub mod risk;
pub mod scene;
pub mod simulate;
pub mod timeline;
pub mod transaction;
pub mod vacuity;
pub mod verdict;
pub mod witness;

mod delivery;
mod effect;
