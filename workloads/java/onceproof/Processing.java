package onceproof;

import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;

/**
 * What a consumer does with the records that it polled: hands them over, takes its time, makes their effects.
 *
 * <p>In the polling thread, or, with `auto-handed-over`, in a thread of its own that takes them from a queue while the
 * polling thread goes on. A hand-over is journalled where the processing thread takes a record, not where it is queued.
 */
final class Processing {
    /** How soon a sink that failed is asked again. */
    private static final long SINK_AGAIN = TimeUnit.MILLISECONDS.toNanos(100);
    /** Most records that wait for the thread that processes them. */
    private static final int WAITING = 100_000;

    private final Worker worker;
    private final Config.ConsumerRole role;
    private final ConsumerBooks books;
    /** Null where processing has no effect. */
    private final Effects effects;
    private final Runnable tick;
    private final LinkedBlockingQueue<Batch.Item> waiting = new LinkedBlockingQueue<>(WAITING);
    private final AtomicLong unprocessed = new AtomicLong();
    /** With `after-out-of-order`: by log, the record that takes longer than those behind it. */
    private final TreeMap<Integer, Batch.Item> slow = new TreeMap<>();
    private volatile RuntimeException failed;
    private volatile String sinkSaid = "";

    Processing(Worker worker, ConsumerBooks books, Effects effects, Runnable tick) {
        this.worker = worker;
        this.role = worker.config.consumer;
        this.books = books;
        this.effects = effects;
        this.tick = tick;
    }

    /** Begins to process what is handed over, in a thread of its own. */
    void start() {
        Thread thread = new Thread(this::processWhatWaits, "processing");
        thread.setDaemon(true);
        thread.start();
    }

    /** Records that were handed over and not processed. */
    long left() {
        return unprocessed.get();
    }

    boolean hasFailed() {
        return failed != null;
    }

    /** Throws what ended the processing thread, if anything did. */
    void check() {
        if (failed != null) {
            throw failed;
        }
    }

    /** Puts records where another thread takes them, and waits only for room. */
    void handOver(List<Batch.Item> items) {
        unprocessed.addAndGet(items.size());
        for (Batch.Item item : items) {
            try {
                while (!waiting.offer(item, 100, TimeUnit.MILLISECONDS)) {
                    tick.run();
                    if (worker.link.leaving()) {
                        return;
                    }
                }
            } catch (InterruptedException error) {
                throw new Worker.Unusable("interrupted: nobody does that");
            }
        }
    }

    /** The thread that processes what another polled. */
    private void processWhatWaits() {
        try {
            while (true) {
                List<Batch.Item> some = new ArrayList<>();
                some.add(waiting.take());
                if (role.processingNanos == 0 && !worker.link.gates().armed()) {
                    waiting.drainTo(some);
                }
                effect(some);
                unprocessed.addAndGet(-some.size());
            }
        } catch (InterruptedException error) {
            return;
        } catch (RuntimeException error) {
            failed = error;
        }
    }

    /** Processes records; which. All of them, unless the worker is to leave and the others can be read again. */
    List<Batch.Item> process(List<Batch.Item> items) {
        if (role.processingNanos == 0 && !worker.link.gates().armed()) {
            return effect(items);
        }
        boolean canStop = role.commit != Commit.BEFORE && !role.commit.byTimer;
        List<Batch.Item> done = new ArrayList<>();
        for (Batch.Item item : items) {
            if (canStop && worker.link.leaving()) {
                break;
            }
            if (effects != null && effects.isAstray(item.log)) {
                synchronized (books) {
                    books.progress.skipped++;
                }
                continue;
            }
            done.addAll(effect(List.of(item)));
            tick.run();
        }
        return done;
    }

    /** Gives the first record of each log to somebody slow who is free; the others. */
    List<Batch.Item> keepSlow(List<Batch.Item> items) {
        List<Batch.Item> others = new ArrayList<>();
        for (Batch.Item item : items) {
            if (slow.putIfAbsent(item.log, item) != null) {
                others.add(item);
                continue;
            }
            synchronized (books) {
                books.journal.handedOver(Batch.spans(List.of(item)), Clock.now());
            }
            worker.link.pass(Step.PROCESSING, 1);
        }
        return others;
    }

    /** Records that take longer than those behind them. */
    List<Batch.Item> slow() {
        return List.copyOf(slow.values());
    }

    /** Makes the effect of such a record, or finds that it must not be tried again; it, where that is so. */
    List<Batch.Item> endSlow(Batch.Item item) {
        slow.remove(item.log);
        worker.link.pass(Step.EFFECT_BEGUN, 1);
        List<Batch.Item> done = store(List.of(item));
        synchronized (books) {
            books.progress.processed += done.size();
        }
        worker.link.pass(Step.EFFECT_DONE, 1);
        return done;
    }

    /** Hands records over and makes their effects; those whose effect is made, or must not be tried again. */
    private List<Batch.Item> effect(List<Batch.Item> items) {
        synchronized (books) {
            books.journal.handedOver(Batch.spans(items), Clock.now());
        }
        worker.link.pass(Step.PROCESSING, items.size());
        if (role.processingNanos > 0) {
            Clock.pause(role.processingNanos);
        }
        worker.link.pass(Step.EFFECT_BEGUN, items.size());
        List<Batch.Item> done = store(items);
        synchronized (books) {
            books.progress.processed += done.size();
            books.progress.skipped += items.size() - done.size();
        }
        worker.link.pass(Step.EFFECT_DONE, items.size());
        return done;
    }

    /** Makes the effects of records in the sink. Without a sink there are none, and no `effect` is recorded. */
    private List<Batch.Item> store(List<Batch.Item> items) {
        if (effects == null) {
            return items;
        }
        List<Batch.Item> done = new ArrayList<>();
        for (List<Batch.Item> slice : effects.slices(items)) {
            if (!effects.isAstray(slice.get(0).log) && storeSlice(slice)) {
                done.addAll(slice);
            }
        }
        return done;
    }

    /** Whether the slice is dealt with: the sink holds its effects, or they must not be tried again. */
    private boolean storeSlice(List<Batch.Item> slice) {
        int log = slice.get(0).log;
        Log name;
        synchronized (books) {
            name = books.name(log);
        }
        List<Batch.Span> spans = slice.get(0).ours ? Batch.spans(slice) : List.of();
        while (true) {
            try {
                long position = effects.make(name, slice);
                synchronized (books) {
                    if (position == Sink.HELD) {
                        if (!spans.isEmpty()) {
                            books.journal.event(books.events.effect(spans));
                        }
                        return true;
                    }
                    books.journal.event(books.events.noEffect(spans, "fail", "the position is " + position));
                    books.progress.sinkErrors++;
                }
                effects.overtaken(log, position);
                return false;
            } catch (Sink.Failed error) {
                boolean again = sinkFailed(error, spans);
                if (!again || worker.link.leaving()) {
                    return !again;
                }
                Clock.pause(SINK_AGAIN);
                tick.run();
            }
        }
    }

    /** The sink did not answer. Whether it is to be asked again. */
    private boolean sinkFailed(Sink.Failed error, List<Batch.Span> spans) {
        if (!sinkSaid.equals(error.getMessage())) {
            sinkSaid = error.getMessage();
            Worker.log("sink: " + sinkSaid);
        }
        synchronized (books) {
            books.progress.sinkErrors++;
            if (error.unknown) {
                books.journal.event(books.events.noEffect(spans, "info", sinkSaid));
            }
        }
        return effects.triesAgain(error);
    }

    /** The sink's position in a log; it is asked again until it answers. Negative when the worker is to leave. */
    long positionInSink(Log log) {
        while (true) {
            try {
                return effects.position(log);
            } catch (Sink.Failed error) {
                if (!sinkSaid.equals(error.getMessage())) {
                    sinkSaid = error.getMessage();
                    Worker.log("sink: " + sinkSaid);
                }
            }
            if (worker.link.leaving()) {
                return -1;
            }
            Clock.pause(SINK_AGAIN);
        }
    }
}
