//! What a reader finds in a journal, and how a journal can end.
//!
//! Groups borrow from the reader, so that reading a poll allocates nothing.

use super::{SendRun, Unresolved};
use crate::ids::{LogId, Nanos, Offset, TopicPartition};
use crate::op::{Event, Isolation, Run, Span};

/// One thing that the journal's process wrote.
#[derive(Debug, PartialEq)]
pub enum Entry<'a> {
    /// From here on `id` stands for `log`. Ids count up from 0.
    Log {
        /// The journal's own number.
        id: LogId,
        /// The log.
        log: TopicPartition,
    },
    /// Records were about to be handed to the client library.
    Sends {
        /// Which.
        run: SendRun,
        /// Before the first of them.
        time: Nanos,
    },
    /// Records were acknowledged.
    Acked {
        /// Which.
        run: SendRun,
        /// Offset of the first; the others follow it.
        offset: Option<Offset>,
        /// After the acknowledgement.
        time: Nanos,
    },
    /// Sends failed or their fate is unknown.
    Unresolved {
        /// Which.
        run: SendRun,
        /// Failed or unknown.
        how: Unresolved,
        /// The client library's error code.
        code: i32,
        /// After the error.
        time: Nanos,
    },
    /// A poll returned records.
    Poll {
        /// Before the call.
        invoked: Nanos,
        /// After it.
        returned: Nanos,
        /// What it returned, in order.
        runs: &'a [Run],
    },
    /// Records were about to be handed over to processing.
    HandedOver {
        /// Which.
        spans: &'a [Span],
        /// Before that.
        time: Nanos,
    },
    /// The independent reader read records.
    FinalRead {
        /// Whether it sees records of open and aborted transactions.
        isolation: Isolation,
        /// What it read.
        runs: &'a [Run],
        /// After the read.
        time: Nanos,
    },
    /// Any other event; its log ids are the journal's own.
    Event(Box<Event>),
    /// The journal ends here. Returned again by every further call.
    End(Tail),
}

/// How a journal ends. Offsets and sizes in bytes of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// With the end mark of [`super::Writer::close`].
    Closed,
    /// Without it, and with room for more: the writer was killed, and nothing that it published is missing.
    Open,
    /// Likewise, but the writer was killed while it wrote a frame or a group. That one is cut off: it was
    /// never published.
    Torn {
        /// Where it begins.
        at: u64,
        /// How much of it there is.
        bytes: u64,
    },
    /// The file was shortened after it was written; how much is missing is not known.
    Truncated {
        /// Where the last whole entry ends.
        at: u64,
        /// Bytes after it, too few to be read.
        bytes: u64,
    },
}
