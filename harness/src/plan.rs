//! The plan: what a spec and a seed resolve to.
