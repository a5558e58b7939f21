//! Commands and options, and what each command prints.
