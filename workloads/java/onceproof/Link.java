package onceproof;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.ReentrantLock;

/**
 * The worker's side of the conversation with the controller: what every part of a worker may say and ask.
 *
 * <p>Reports are whole lines under one lock. A closed stdout means that nobody listens any more: that is a shutdown, not
 * an error. Whoever waits here (at a gate) is released by a shutdown.
 */
final class Link {
    /** How long a worker whose controller is gone may take to leave: nobody will read what it still does. */
    static final long ORPHAN_DEADLINE_MS = 3000;

    private final OutputStream console;
    private final ReentrantLock lock = new ReentrantLock();
    private final Gates gates = new Gates();
    /** When the worker must be gone, in nanoseconds of the clock; 0 while it may stay. */
    private final AtomicLong leaveBy = new AtomicLong();

    Link(OutputStream console) {
        this.console = console;
    }

    Gates gates() {
        return gates;
    }

    /** Says something: one line of JSON. */
    void report(CharSequence json) {
        lock.lock();
        try {
            write(json);
        } finally {
            lock.unlock();
        }
    }

    /** Says something if nobody else is stuck in saying something. */
    void tryReport(CharSequence json) {
        if (lock.tryLock()) {
            write(json);
            lock.unlock();
        }
    }

    private void write(CharSequence json) {
        try {
            console.write((json + "\n").getBytes(StandardCharsets.UTF_8));
            console.flush();
        } catch (IOException error) {
            leave(ORPHAN_DEADLINE_MS);
        }
    }

    /** The client has made `step` for `count` records; a gate may hold it here. */
    void pass(Step step, int count) {
        gates.pass(step, count, gate -> {
            StringBuilder line = new StringBuilder("{\"report\":\"gate-reached\",\"id\":");
            line.append(Integer.toUnsignedString(gate.id)).append(",\"step\":\"").append(step.text);
            report(line.append("\",\"nth\":").append(Integer.toUnsignedString(gate.nth)).append('}'));
        });
    }

    void ready() {
        report(Json.string(new StringBuilder("{\"report\":\"ready\",\"version\":"), Worker.version()).append('}'));
    }

    void drained(String missing, Progress progress) {
        StringBuilder line = new StringBuilder("{\"report\":\"drained\",\"complete\":").append(missing.isEmpty());
        Json.string(line.append(",\"missing\":"), missing).append(",\"progress\":{");
        report(progress.fields(line).append("}}"));
    }

    /** The worker is to leave in good order within `deadline`. The first deadline counts. */
    void leave(long deadlineMs) {
        leaveBy.compareAndSet(0, Clock.now() + TimeUnit.MILLISECONDS.toNanos(deadlineMs));
        gates.disarm();
    }

    boolean leaving() {
        return leaveBy.get() != 0;
    }

    /** How long the worker may still wait for others, in nanoseconds: most of what is left until it must be gone. */
    long patience() {
        return Math.max(leaveBy.get() - Clock.now(), 0) / 4 * 3;
    }
}
