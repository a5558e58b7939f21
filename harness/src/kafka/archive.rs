//! Class archives: what halves the start of a node, made once per release, Java and flags.
