//! The independent final read.
