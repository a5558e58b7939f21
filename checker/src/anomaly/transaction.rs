//! Transactions: what is written together appears together, once, and only when committed.
//!
//! Kept as data so that reference, reports and `list` say the same. The example of each is judged by a test: it
//! must be found in it.

use super::{Anomaly, Entry, Source, Stage};

/// `aborted-read`.
pub(super) static ABORTED_READ: Entry = Entry {
    anomaly: Anomaly::AbortedRead,
    name: "aborted-read",
    stage: Stage::Delivery,
    definition: "A read_committed consumer was handed a record of an aborted or failed transaction.",
    example: "\
process p2 consumer isolation=read_committed
0..1 p1 begin-txn shop-1
2..3 p1 send t/0 v0 @0
4..5 p1 abort-txn
6..7 p2 poll t/0 p1:0 @0
",
    brings: &[Anomaly::LsoBreach, Anomaly::PhantomEffect],
    cause: "A transaction marker went to the wrong transaction (KAFKA-17754), or a fetch ignored the list of aborted transactions.",
    permitted_by: "none with isolation.level=read_committed; isolation.level=read_uncommitted permits it",
    change: "isolation.level=read_committed, brokers and clients with transaction.version=2 (KIP-890)",
    source: Source::Adya("G1a, aborted read"),
};

/// `precommitted-read`.
pub(super) static PRECOMMITTED_READ: Entry = Entry {
    anomaly: Anomaly::PrecommittedRead,
    name: "precommitted-read",
    stage: Stage::Delivery,
    definition: "A read_committed consumer was handed a record of a transaction whose commit had not been invoked when the poll returned.",
    example: "\
process p2 consumer isolation=read_committed
0..1 p1 begin-txn shop-1
2..3 p1 send t/0 v0 @0
4..5 p2 poll t/0 p1:0 @0
6..7 p1 commit-txn
",
    brings: &[Anomaly::LsoBreach, Anomaly::AbortedRead],
    cause: "The last stable offset passed an open transaction; a record was written outside its transaction.",
    permitted_by: "none with isolation.level=read_committed; isolation.level=read_uncommitted permits it",
    change: "isolation.level=read_committed, brokers and clients with transaction.version=2 (KIP-890)",
    source: Source::Jepsen("precommitted-read"),
};

/// `lso-breach`.
pub(super) static LSO_BREACH: Entry = Entry {
    anomaly: Anomaly::LsoBreach,
    name: "lso-breach",
    stage: Stage::Delivery,
    definition: "A read_committed poll passed an offset while an earlier transaction in that log was undecided.",
    example: "\
process p2 consumer isolation=read_committed
0..1 p1 init-txn shop-1 timeout=60000
1..2 p1 begin-txn shop-1                # left open
2..3 p1 send t/0 v0 @0
4..5 p3 send t/0 v0 @1                  # outside of transactions
6..7 p2 poll t/0 p3:0 @1
",
    brings: &[Anomaly::PrecommittedRead],
    cause: "A hanging or forgotten transaction: its marker was written early, or the log's producer state was lost.",
    permitted_by: "transaction.partition.verification.enable=false, or clients before KIP-890",
    change: "transaction.partition.verification.enable=true and transaction.version=2",
    source: Source::Kafka("KIP-98, last stable offset"),
};

/// `torn-transaction`.
pub(super) static TORN_TRANSACTION: Entry = Entry {
    anomaly: Anomaly::TornTransaction,
    name: "torn-transaction",
    stage: Stage::Log,
    definition: "After the final read some records (or the offsets) of one transaction are visible and others are not.",
    example: "\
0..1 p1 begin-txn shop-1
2..3 p1 send t/0 v0 @0
2..3 p1 send t/1 v1 @0
4..5 p1 commit-txn
9 p3 final-read t/0 p1:0 @0 end=2 isolation=read_committed
9 p3 final-read-end t/1 end=2 isolation=read_committed
",
    brings: &[Anomaly::LostWrite, Anomaly::ResurrectedAbort, Anomaly::AbortedRead],
    cause: "Markers reached some partitions and not others; a late EndTxn completed the next transaction (KAFKA-17754); data was truncated after the commit.",
    permitted_by: "transaction.state.log.min.isr=1; min.insync.replicas=1; transaction.version below 2",
    change: "transaction.state.log.min.isr=2, min.insync.replicas=2 and transaction.version=2",
    source: Source::Definition("atomicity of a transaction over its logs"),
};

/// `lost-commit`.
pub(super) static LOST_COMMIT: Entry = Entry {
    anomaly: Anomaly::LostCommit,
    name: "lost-commit",
    stage: Stage::Log,
    definition: "A transaction acknowledged as committed shows nothing.",
    example: "\
0..1 p1 begin-txn shop-1
2..3 p1 send t/0 v0 @0
4..5 p1 commit-txn
9 p3 final-read-end t/0 end=2 isolation=read_committed
",
    brings: &[Anomaly::LostWrite],
    cause: "The coordinator failed over and forgot the commit, or an abort completed in its place.",
    permitted_by: "transaction.state.log.replication.factor=1 or transaction.state.log.min.isr=1",
    change: "transaction.state.log.replication.factor=3 and transaction.state.log.min.isr=2",
    source: Source::Definition("durability of an acknowledged commit"),
};

/// `resurrected-abort`.
pub(super) static RESURRECTED_ABORT: Entry = Entry {
    anomaly: Anomaly::ResurrectedAbort,
    name: "resurrected-abort",
    stage: Stage::Log,
    definition: "A transaction acknowledged as aborted shows something: a record to a committed reader, or a position that only it had sent to whoever reads back what is committed.",
    example: "\
0..1 p1 begin-txn shop-1
2..3 p1 send t/0 v0 @0
4..5 p1 abort-txn
9 p3 final-read t/0 p1:0 @0 end=2 isolation=read_committed
",
    brings: &[Anomaly::AbortedRead, Anomaly::TornTransaction],
    cause: "A delayed EndTxn(commit) was applied to the transaction (KAFKA-17754).",
    permitted_by: "transaction.version below 2, or clients before 4.0",
    change: "transaction.version=2 (KIP-890) with clients of 4.0 or later",
    source: Source::Definition("an acknowledged abort is final"),
};

/// `fencing-violation`.
pub(super) static FENCING_VIOLATION: Entry = Entry {
    anomaly: Anomaly::FencingViolation,
    name: "fencing-violation",
    stage: Stage::Log,
    definition: "After a newer epoch was granted to a transactional id, a transaction of an older epoch commits visibly.",
    example: "\
0..1 p1 begin-txn shop-1 epoch=0
2..3 p1 send t/0 v0 @0
4..5 p2 begin-txn shop-1 epoch=1        # p1 is fenced from here on
6..7 p1 commit-txn
9 p3 final-read t/0 p1:0 @0 end=2 isolation=read_committed
",
    brings: &[],
    cause: "A zombie producer's write or commit was accepted after its successor had initialised.",
    permitted_by: "a transactional.id of its own for each instance, which fences nobody",
    change: "one stable transactional.id per task, or the group's metadata in the transaction (KIP-447)",
    source: Source::Kafka("KIP-98 and KIP-447, zombie fencing"),
};

/// `dependency-cycle`.
pub(super) static DEPENDENCY_CYCLE: Entry = Entry {
    anomaly: Anomaly::DependencyCycle,
    name: "dependency-cycle",
    stage: Stage::Log,
    definition: "A cycle of write-write, write-read and read-write edges between transactions (G0, G1c, G-single, G2, with realtime variants); the version order is the order of offsets. Kafka does not isolate writes: a cycle with write-write edges is information unless serializability is claimed.",
    example: "\
0..1 p1 begin-txn shop-1                # G0: p1 comes first in t/0, p2 in t/1
0..1 p2 begin-txn shop-2
2..3 p1 send t/0 v0 @0
2..3 p2 send t/0 v0 @1
4..5 p2 send t/1 v1 @0
4..5 p1 send t/1 v1 @1
6..7 p1 commit-txn
6..7 p2 commit-txn
9 p3 final-read t/0 p1:0 @0 p2:0 @1 end=4 isolation=read_committed
9 p3 final-read t/1 p2:1 @0 p1:1 @1 end=4 isolation=read_committed
",
    brings: &[],
    cause: "Two transactions write to two logs in opposite orders; Kafka takes no locks.",
    permitted_by: "always: Kafka's transactions are atomic, not isolated",
    change: "one writer per log",
    source: Source::Adya("G0, G1c, G-single and G2"),
};
