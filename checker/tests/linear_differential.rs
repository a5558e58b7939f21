//! The special cases, the search and the dependency graphs against the definitions, on small random histories.
//!
//! The long run is `cargo bench -p checker --bench differential -- 1000000`.

#[path = "random/agreement.rs"]
mod agreement;
#[path = "random/log.rs"]
mod log;
#[path = "random/objects.rs"]
mod objects;
#[path = "random/serial.rs"]
mod serial;
#[path = "random/transactions.rs"]
mod transactions;

use agreement::Tally;

const HISTORIES: u64 = 3_000;

#[test]
fn every_solver_agrees_with_the_definition() {
    for family in objects::FAMILIES {
        let tally =
            (0..HISTORIES).map(|seed| agreement::object(family, 7, seed)).fold(Tally::default(), Tally::add);
        assert!(is_mixed(tally), "{family:?}: {tally:?}");
        assert_eq!(tally.unconfirmed, 0, "{family:?}: so few operations can be tried in every order");
    }
}

#[test]
fn dependency_graphs_agree_with_the_definition() {
    for workload in transactions::WORKLOADS {
        let tallies = (0..HISTORIES).map(|seed| agreement::transactions(workload, 4, seed));
        let tally = tallies.fold(Tally::default(), Tally::add);
        assert!(is_mixed(tally), "{workload:?}: {tally:?}");
        assert!(tally.missed < HISTORIES / 100, "{workload:?}: {tally:?}");
    }
}

#[test]
fn the_log_stage_agrees_with_the_definition() {
    let tally = (0..HISTORIES).map(|seed| agreement::log(5, seed)).fold(Tally::default(), Tally::add);
    assert!(is_mixed(tally), "{tally:?}");
}

/// Whether neither verdict is rare, and unknown outcomes are not either.
fn is_mixed(tally: Tally) -> bool {
    let part = |count: u64| count > HISTORIES / 40 && count < HISTORIES * 39 / 40;
    part(tally.invalid) && part(tally.crashed)
}
