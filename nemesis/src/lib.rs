//! What goes wrong: faults, targets, the seeded schedule, the ledger, and the injectors.

pub mod duration;
pub mod fault;
pub mod ledger;
pub mod phrase;
pub mod schedule;
pub mod switch;
pub mod target;
