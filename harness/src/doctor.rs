//! What this machine can do, with evidence and fixes.
