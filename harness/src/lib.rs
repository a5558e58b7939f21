//! The shell around the pure crates: spec and plan, the lab, the Kafka cluster, supervision, the run.

mod bound;
pub mod cli;
pub mod clock;
pub mod cluster;
pub mod controller;
pub mod doctor;
pub mod fetch;
pub mod inject;
pub mod javac;
pub mod judge;
pub mod kafka;
pub mod lab;
pub mod observer;
pub mod plan;
pub mod progress;
pub mod reader;
pub mod reference;
pub mod run;
pub mod sink;
pub mod spec;
pub mod storm;
pub mod supervise;
pub mod wire;
