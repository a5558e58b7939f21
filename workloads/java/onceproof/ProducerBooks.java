package onceproof;

import java.util.BitSet;

/**
 * What a producer keeps while it sends: journal, counts, latencies, and which records are still open
 * (`workloads/src/producer/books.rs`).
 *
 * <p>Two threads use it: the application's sends, the client's network thread acknowledges. So every method holds the
 * lock of the books, which is taken twice for a burst of records and once for each acknowledgement.
 */
final class ProducerBooks {
    private final Journal journal;
    private final Progress progress = new Progress();
    private final BitSet open = new BitSet();
    private final BitSet reached = new BitSet();
    private final Outbox outbox;
    /** The run of acknowledgements that is not yet written: log, or -1 for none. */
    private int runLog = -1;
    private int runFirst;
    private int runCount;
    private long runOffset;
    private Journal.Unwritable failed;

    ProducerBooks(Journal journal, Outbox outbox) {
        this.journal = journal;
        this.outbox = outbox;
        progress.latencies = new Latencies();
    }

    /** The journal's number of a log that is new. */
    synchronized int log(Log log) {
        return journal.log(log);
    }

    /** Records are about to be handed to the client. */
    synchronized void sending(int log, int first, int count, long now) {
        journal.sends(log, first, count, now);
        if (outbox != null) {
            outbox.put(first, count, log);
        }
        progress.sent += count;
        open.set(first, first + count);
    }

    /** A record was acknowledged; `offset` is negative where the protocol gives none. */
    synchronized void acked(int log, int seq, long offset, long latencyMicros) {
        if (!open.get(seq)) {
            return;
        }
        open.clear(seq);
        progress.acked++;
        progress.latencies.note(latencyMicros);
        if (runLog == log && runFirst + runCount == seq && offset == (runOffset < 0 ? -1 : runOffset + runCount)) {
            runCount++;
            return;
        }
        writeRun();
        reached.set(log);
        runLog = log;
        runFirst = seq;
        runCount = 1;
        runOffset = offset;
    }

    /** A record's send ended otherwise. */
    synchronized void unresolved(int log, int seq, Journal.Unresolved how, int code) {
        if (!open.get(seq)) {
            return;
        }
        open.clear(seq);
        writeRun();
        if (how == Journal.Unresolved.FAIL) {
            progress.failed++;
        } else {
            progress.unknown++;
        }
        try {
            journal.unresolved(log, seq, 1, how, code, Clock.now());
            if (outbox != null && how == Journal.Unresolved.FAIL) {
                outbox.settle(seq, 1);
            }
        } catch (Journal.Unwritable error) {
            note(error);
        }
    }

    /** The application sends a record again. */
    synchronized void again() {
        progress.resent++;
    }

    /** Writes what is known and not yet written; the first error of the journal since the last call. */
    synchronized void settle() {
        writeRun();
        if (failed != null) {
            Journal.Unwritable error = failed;
            failed = null;
            throw error;
        }
    }

    synchronized void writeRun() {
        if (runLog < 0) {
            return;
        }
        int log = runLog;
        runLog = -1;
        try {
            journal.acked(log, runFirst, runCount, runOffset, Clock.now());
            if (outbox != null) {
                outbox.settle(runFirst, runCount);
            }
        } catch (Journal.Unwritable error) {
            note(error);
        }
    }

    synchronized boolean hasAcknowledged(int log) {
        return reached.get(log);
    }

    /** Records whose outcome has not come. */
    synchronized long outstanding() {
        return progress.sent - progress.acked - progress.failed - progress.unknown;
    }

    /** Sequence numbers whose outcome has not come, in order. */
    synchronized int[] openSends() {
        return open.stream().toArray();
    }

    synchronized StringBuilder progress() {
        return progress.fields(new StringBuilder());
    }

    synchronized void drained(Link link, String missing) {
        link.drained(missing, progress);
    }

    Progress counts() {
        return progress;
    }

    private void note(Journal.Unwritable error) {
        if (failed == null) {
            failed = error;
        }
    }
}
