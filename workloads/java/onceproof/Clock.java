package onceproof;

/**
 * The workers' clock: CLOCK_MONOTONIC, which every process of a run shares, whatever its namespaces.
 *
 * <p>On Linux, HotSpot's {@link System#nanoTime} is that clock, unchanged (`os::javaTimeNanos` of JDK 11 to 25). A
 * conformance test holds it to that.
 */
final class Clock {
    private Clock() {}

    /** Nanoseconds. */
    static long now() {
        return System.nanoTime();
    }

    /** Waits, as processing a record does. */
    static void pause(long nanos) {
        long until = now() + nanos;
        for (long left = nanos; left > 0; left = until - now()) {
            try {
                Thread.sleep(left / 1_000_000, (int) (left % 1_000_000));
            } catch (InterruptedException error) {
                // Nobody interrupts this thread to say anything; the time is to be waited out.
                continue;
            }
        }
    }
}
