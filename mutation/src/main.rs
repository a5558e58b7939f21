//! A complete mutation score of the checker: every mutant of cargo-mutants, in one build, chosen at run time.
//!
//! cargo-mutants builds the tests anew for each mutant, about 100 s of CPU time each; the checker has thousands. Here all
//! mutants are compiled at once, each behind a switch, and a mutant costs only the tests that reach it
//! (docs/decisions/0008). It takes two commands, from the root of the work tree:
//!
//! ```text
//! cargo mutants --list --json -p checker > /tmp/mutants.json
//! cargo run --manifest-path mutation/Cargo.toml -- instrument --tree . --list /tmp/mutants.json --copy /tmp/copy
//! cargo run --manifest-path mutation/Cargo.toml -- judge --copy /tmp/copy --work /tmp/judged \
//!     --tests '--release -p checker -p results' \
//!     --tests '--release -p harness --lib --test check --test command_line --test generate --test plans'
//! ```
//!
//! `judge` may be stopped and started again; mutants are taken in a shuffled order that depends on `--seed` alone, so
//! that what has been judged is a fair sample at any time, and `report` prints it. It is quickest in passes, each of which
//! goes on with what the one before missed:
//!
//! ```text
//! judge … --longest-ms 600 --without checker/hostile      most of what can be caught
//! judge … --tenth                                          tests of random histories, with a tenth of these
//! judge …                                                  everything
//! ```
//!
//! A copy needs a target folder of its own (`CARGO_TARGET_DIR`): cargo names the programs of two copies alike, and one
//! build would replace what the other is judged with. Nor may anything be built there while `judge` runs.
//!
//! A mutant is *caught* if a test fails and *timed out* if one runs into its limit of CPU time; both count. It is
//! *missed* if all tests that reach it pass, and *unreached*, which is missed as well, if none does. It is *unviable* if it
//! does not compile, and *left* to cargo-mutants if it is part of a constant or its place cannot hold a choice. It is
//! *alive* while it has survived only a part of the tests. The score is (caught + timed out) / (those + missed).
//!
//! What differs from cargo-mutants: an operator is replaced in the tree, not in the text, so that `a - b - c` with a `/`
//! for the last `-` is `(a - b) / c`; and the first panic ends the process, so that a test that expects one is no use.
//!
//! It does not test itself on the checker, and `./test` does not run it: a score is a measurement, not a gate.

#![expect(clippy::disallowed_methods, reason = "shell: runs cargo and tests, and limits their time")]

mod compile;
mod edit;
mod instrument;
mod judge;
mod mutants;
mod places;
#[cfg(test)]
mod tests;

use clap::Parser;

#[derive(Debug, Parser)]
enum Command {
    /// Write a copy of the work tree with a switch for every mutant.
    Instrument(instrument::Order),
    /// Run the tests against every mutant.
    Judge(judge::Order),
    /// Print the score of what has been judged so far.
    Report(judge::Report),
}

fn main() -> anyhow::Result<()> {
    match Command::parse() {
        Command::Instrument(order) => instrument::instrument(&order),
        Command::Judge(order) => judge::judge(&order),
        Command::Report(of) => judge::report(&of),
    }
}
