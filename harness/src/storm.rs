//! The interpreter of the planned faults.
