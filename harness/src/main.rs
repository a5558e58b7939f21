//! The `onceproof` program.

fn main() {}
