package onceproof;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** Records that were polled and not yet processed, and how they are told to the journal: as runs, spans, positions. */
final class Batch {
    private Batch() {}

    /** A record that poll returned. */
    static final class Item {
        final int log;
        final long offset;
        /** Whether the payload is one of ours; then whose. */
        final boolean ours;
        final int process;
        final int seq;

        Item(int log, long offset, boolean ours, int process, int seq) {
            this.log = log;
            this.offset = offset;
            this.ours = ours;
            this.process = process;
            this.seq = seq;
        }
    }

    /** Consecutive sequence numbers of one process at consecutive offsets of one log. */
    static final class Run {
        final int log;
        final long offset;
        final int process;
        final int seq;
        int count;

        Run(int log, long offset, int process, int seq, int count) {
            this.log = log;
            this.offset = offset;
            this.process = process;
            this.seq = seq;
            this.count = count;
        }
    }

    /** Consecutive records of one log, by offset. */
    static final class Span {
        final int log;
        final long first;
        long last;

        Span(int log, long first, long last) {
            this.log = log;
            this.first = first;
            this.last = last;
        }
    }

    /** What was returned, in the order of delivery. Foreign records have no value and are recorded elsewhere. */
    static List<Run> runs(List<Item> items) {
        List<Run> runs = new ArrayList<>();
        Run last = null;
        for (Item item : items) {
            if (!item.ours) {
                continue;
            }
            if (last != null && last.log == item.log && last.offset + last.count == item.offset
                    && last.process == item.process && last.seq + last.count == item.seq) {
                last.count++;
                continue;
            }
            last = new Run(item.log, item.offset, item.process, item.seq, 1);
            runs.add(last);
        }
        return runs;
    }

    /** The same by offset, in the order of delivery. */
    static List<Span> spans(List<Item> items) {
        List<Span> spans = new ArrayList<>();
        Span last = null;
        for (Item item : items) {
            if (last != null && last.log == item.log && last.last < item.offset) {
                last.last = item.offset;
                continue;
            }
            last = new Span(item.log, item.offset, item.offset);
            spans.add(last);
        }
        return spans;
    }

    /** The positions after these records. */
    static Map<Integer, Long> positions(List<Item> items) {
        Map<Integer, Long> next = new TreeMap<>();
        for (Item item : items) {
            next.put(item.log, item.offset + 1);
        }
        return next;
    }
}
