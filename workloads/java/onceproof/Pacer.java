package onceproof;

/** The planned rate: how many records are due at a given moment (`workloads/src/pace.rs`, which is tested). */
final class Pacer {
    /** Longest time whose records are sent late rather than not at all. */
    private static final long CATCH_UP = 200_000_000;

    /** Records per nanosecond; 0 is without limit. */
    private final double rate;
    private long start;
    private long granted;

    Pacer(double perSecond, long start) {
        this.rate = perSecond / 1e9;
        this.start = start;
    }

    /** How many records may be sent now, at most `most`. They count as sent. */
    int take(long now, int most) {
        if (rate == 0) {
            return most;
        }
        long due = due(now);
        long bound = Math.max((long) (rate * CATCH_UP), 1);
        if (due > bound) {
            // Forget what is older than the bound: move the start, so that exactly `bound` are due.
            start = now - CATCH_UP;
            granted = 0;
            due = Math.max(due(now), 1);
        }
        int taken = (int) Math.min(due, most);
        granted += taken;
        return taken;
    }

    /** How long until the next record is due; 0 where one is due now. */
    long pause(long now) {
        return rate == 0 ? 0 : Math.max(start + (long) Math.ceil((granted + 1) / rate) - now, 0);
    }

    private long due(long now) {
        // The small addition keeps a record that is due exactly now from being rounded away.
        return Math.max((long) ((now - start) * rate + 1e-6) - granted, 0);
    }
}
