//! What goes wrong: faults, targets, the seeded schedule, the ledger, and the injectors.
