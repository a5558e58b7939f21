//! What clients do: producers and consumers in their delivery modes, run by worker processes.
//!
//! A worker is a separate OS process that behaves as a real application does: it pipelines, polls, processes
//! and commits by itself, at a planned rate, and journals what it does. So killing or pausing one means what
//! it means in production. The controller speaks to it in [`protocol`]; it decides nothing about the data.
//!
//! The plan side (modes, outcomes, pacing, spread) is pure; the workers are not. Nothing here
//! knows the checker: a checker that knew what was meant would excuse what was done.

mod clock;
mod consumer;
pub mod gate;
pub mod java;
pub mod librdkafka;
pub mod mode;
pub mod outcome;
pub mod pace;
mod producer;
pub mod protocol;
pub mod sink;
pub mod spread;
pub mod step;
pub mod worker;
