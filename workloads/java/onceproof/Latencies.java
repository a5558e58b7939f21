package onceproof;

/** Latencies in microseconds, counted in classes whose width is at most one percent of the value. */
final class Latencies {
    /** Classes for each power of two. */
    private static final int HALF = 128;

    private final long[] counts = new long[HALF * 40];
    private long total;
    private long max;

    void note(long micros) {
        long value = Math.max(micros, 0);
        counts[Math.min(place(value), counts.length - 1)]++;
        total++;
        max = Math.max(max, value);
    }

    StringBuilder fields(StringBuilder out) {
        out.append("\"p50_us\":").append(quantile(0.5)).append(",\"p99_us\":").append(quantile(0.99));
        return out.append(",\"p999_us\":").append(quantile(0.999)).append(",\"max_us\":").append(max);
    }

    /** The class of a value: its highest eight bits, and how far they are shifted. */
    private static int place(long value) {
        int shift = Math.max(0, 64 - Long.numberOfLeadingZeros(value) - 8);
        return shift * HALF + (int) (value >>> shift);
    }

    private long quantile(double share) {
        long wanted = (long) Math.ceil(total * share);
        long seen = 0;
        for (int at = 0; at < counts.length; at++) {
            seen += counts[at];
            if (seen >= wanted && seen > 0) {
                int shift = Math.max(0, at / HALF - 1);
                long highest = ((long) (at - shift * HALF) + 1 << shift) - 1;
                return Math.min(highest, max);
            }
        }
        return 0;
    }
}
