//! The merged history: one columnar file per run, the only form that the checker reads.
//!
//! ```text
//!   magic version | chunk chunk chunk … | directory | facts | trailer
//! ```
//! Records are stored by (process, log), sorted as they were sent, and by (reader, log), as they were read. That is
//! the idea that makes checking cheap: it is a merge of sorted streams, without any table, and memory and time follow
//! the number of records, never their offsets. A stream is cut into chunks of about 16,000 records; the directory
//! knows each chunk's stream, counts, bounds, position and xxh3, so a checker reads only what it needs, and a flipped
//! bit is an error that names the file and the place. What happens rarely (rebalances, commits, faults, observations) is
//! stored as plain rows, in order of time; transactions, which may be many, are columns by process. Times of records are kept in microseconds, an invocation
//! rounded down and a completion rounded up, which can only widen an operation and so never invents an order.
//!
//! The same bytes live in a file or in memory. [`History`] reads, [`Writer`] writes chunks; `merge` decides what
//! goes into them.

mod batches;
mod codec;
mod directory;
mod history;
mod pack;
mod reads;
mod rows;
mod segment;
mod sends;
mod source;
mod transactions;
mod writer;

pub use batches::BatchChunk;
pub use codec::Malformed;
pub use directory::{Entry, Kind};
pub use history::{Buffer, Facts, FinalReadEnd, History, HistoryError, ProcessFacts, VERSION};
pub use reads::{PollSpan, ReadChunk, ReadRun};
pub use rows::Events;
pub use segment::Segments;
pub use sends::{SendChunk, SendOutcome, SendRun};
pub use transactions::{TxnChunk, TxnEnd, TxnOffset, TxnSpan};
pub use writer::Writer;

/// Number of records after which a chunk is closed.
pub const CHUNK_RECORDS: usize = 16 * 1024;

/// The most records (or runs, polls, batches) that a chunk may hold; more is malformed. Bounds what a damaged file can make a
/// reader allocate.
pub const CHUNK_RECORDS_MAX: usize = 256 * 1024;
