//! A complete mutation score of the checker.

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
}

fn main() -> anyhow::Result<()> {
    match Command::parse() {
        Command::Instrument(order) => instrument::instrument(&order),
        Command::Judge(order) => judge::judge(&order),
    }
}
