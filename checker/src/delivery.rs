//! The delivery stage: what is in the log against what each group's members were handed.
//!
//! The log is swept once, window by window (a window is a chunk of it). Each chunk of polls is merged with the window it
//! overlaps: slices that agree are passed over whole and become an interval of *ranks* (the how-manieth record of the
//! log). Within a window each group's intervals must cover every rank once: a gap is `undelivered` where the group went
//! on behind it, an overlap is `redelivered`. Within one segment of one process the steps from record to record must
//! not leave out a rank (`poll-skip`) nor go back (`nonmonotonic-poll`).
//!
//! A group that records hand-overs to processing is judged on these, any other on its polls. What was polled and is
//! not in the log at that place is no matter of delivery: it is handed to the log stage as a claim.
//!
//! | count of | is the number of |
//! |---|---|
//! | `undelivered` | records of the committed log, for each group |
//! | `redelivered` | deliveries beyond the first, for each group; the cause is that of the later of two in time |
//! | `offset-regression` | fetches that read a committed position back too low |
//! | `poll-skip`, `nonmonotonic-poll` | steps from one polled record to the next within one segment |

pub(crate) mod cause;
pub(crate) mod context;
pub(crate) mod coverage;
pub(crate) mod piece;
pub(crate) mod positions;
pub(crate) mod sweep;
