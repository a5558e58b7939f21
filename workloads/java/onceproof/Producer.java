package onceproof;

import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.kafka.clients.producer.Callback;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.Metric;
import org.apache.kafka.common.errors.UnsupportedVersionException;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * The producer under test: pipelined, at a planned rate, with callbacks, as a Java application is.
 *
 * <p>What the application does when something goes wrong is part of the experiment, so it is fixed here, as in
 * `workloads/src/producer.rs`:
 * <ul>
 *   <li>The client's buffer is full: the call blocks for `max.block.ms`, as it does in every Java application. What it
 *       refuses then was never taken: fail, and the next record.
 *   <li>The callback has an error: what the outcome table says. With `resend = after-timeout` an unknown outcome is sent
 *       again, with the same value, until it is known or the worker is to leave.
 *   <li>The call throws: the producer is unusable. Take what callbacks come, then end; a supervisor starts a new process.
 *   <li>A stop: close the client, which sends what it holds until a deadline; what is open after that is unknown.
 * </ul>
 */
final class Producer {
    /** Most records between two looks at commands. */
    private static final int BURST = 64;
    /** Longest wait between two looks at commands. */
    private static final long LOOK = TimeUnit.MILLISECONDS.toNanos(20);
    private static final long MILLISECOND = 1_000_000;

    private final Worker worker;
    private final Config config;
    private final Config.ProducerRole role;
    private final Journal journal;
    private final Targets targets;
    private int[] logs;
    private final ProducerBooks books;
    private final KafkaProducer<byte[], byte[]> client;
    private final Metric retries;
    private final Thread application = Thread.currentThread();
    /** Records that the application is to send again, with the code of their last error. */
    private final ConcurrentLinkedQueue<int[]> again = new ConcurrentLinkedQueue<>();
    private final boolean answered;
    private int next;
    /** Whether the application is within the client's send, so that a callback means a refusal. */
    private boolean calling;
    private boolean refused;
    private volatile String lastError = "";
    /** While it warms up: when that must be over, in nanoseconds of the clock. */
    private volatile long warmBy = Long.MAX_VALUE;

    Producer(Worker worker, Journal journal) {
        this.worker = worker;
        this.config = worker.config;
        this.role = config.producer;
        this.journal = journal;
        targets = new Targets(config.topics, role);
        if (targets.logs.isEmpty() || targets.logs.size() > 65_536) {
            throw new Worker.Refused("a producer needs between 1 and 65536 logs to send to");
        }
        logs = targets.logs.stream().mapToInt(journal::log).toArray();
        answered = !config.properties.getOrDefault("acks", "all").trim().equals("0");
        Path folder = role.outbox == null ? null : Path.of(role.outbox);
        Outbox outbox = role.resend == Config.Resend.OUTBOX ? Outbox.create(folder, config.process) : null;
        books = new ProducerBooks(journal, outbox);
        Map<String, Object> properties = worker.properties();
        client = worker.refusable(() ->
                new KafkaProducer<>(properties, new ByteArraySerializer(), new ByteArraySerializer()));
        retries = client.metrics().values().stream()
                .filter(metric -> metric.metricName().name().equals("record-retry-total")
                        && metric.metricName().group().equals("producer-metrics"))
                .findFirst().orElse(null);
        // A call that blocks for longer than the worker may stay is ended by closing the client under it.
        worker.urge = () -> client.close(Duration.ZERO);
    }

    Progress run() {
        try {
            work();
        } finally {
            finish();
        }
        return books.counts();
    }

    private void work() {
        if (role.warmUpMs >= 0) {
            warmUp();
        }
        if (role.resend == Config.Resend.OUTBOX) {
            sendWhatWasLeft();
        }
        worker.link.ready();
        Pacer pacer = new Pacer(role.rate, Clock.now());
        boolean sending = true;
        while (!worker.link.leaving()) {
            Worker.Drain order = worker.orders.poll();
            if (order != null) {
                sending = false;
                drain(order);
            }
            grow();
            sendAgain();
            int wanted = sending ? pacer.take(Clock.now(), burst()) : 0;
            send(wanted);
            if (wanted == 0) {
                long untilDue = sending ? pacer.pause(Clock.now()) : LOOK;
                long look = books.outstanding() > 0 ? MILLISECOND : LOOK;
                Clock.pause(Math.min(Math.max(untilDue, MILLISECOND), look));
            }
            books.settle();
            tick();
        }
    }

    /**
     * A topic has more partitions. The client looks for one that it does not know when a record is sent there, and the call
     * waits for that.
     */
    private void grow() {
        for (Worker.Growth growth = worker.growths.poll(); growth != null; growth = worker.growths.poll()) {
            int known = logs.length;
            targets.grow(growth.topic, growth.partitions, next);
            logs = Arrays.copyOf(logs, targets.logs.size());
            for (int i = known; i < logs.length; i++) {
                logs[i] = books.log(targets.logs.get(i));
            }
        }
    }

    /** Sends a record to every log, again and again, until each log has acknowledged one. */
    private void warmUp() {
        warmBy = Clock.now() + TimeUnit.MILLISECONDS.toNanos(role.warmUpMs);
        Thread watch = new Thread(this::endWarmUp, "warm-up");
        watch.setDaemon(true);
        watch.start();
        while (!worker.link.leaving()) {
            StringBuilder cold = new StringBuilder();
            for (int i = 0; i < logs.length; i++) {
                if (!books.hasAcknowledged(logs[i])) {
                    cold.append(cold.length() == 0 ? "" : ", ").append(targets.logs.get(i));
                }
            }
            if (cold.length() == 0) {
                warmBy = Long.MAX_VALUE;
                return;
            }
            if (Clock.now() > warmBy || lastError.startsWith(UnsupportedVersionException.class.getSimpleName())) {
                throw cold(cold);
            }
            if (books.outstanding() == 0) {
                try {
                    for (int i = 0; i < logs.length; i++) {
                        targets.warmUp();
                        send(1);
                    }
                } catch (Worker.Unusable error) {
                    throw Clock.now() > warmBy ? cold(cold) : error;
                }
            }
            sendAgain();
            Clock.pause(MILLISECOND);
            books.settle();
            tick();
        }
    }

    private Worker.Cold cold(CharSequence logs) {
        String why = lastError.isEmpty() ? "" : "; the client said: " + lastError;
        return new Worker.Cold("no record was acknowledged within " + role.warmUpMs + " ms by " + logs + why);
    }

    /** A client that finds no broker blocks in its first call for `max.block.ms`: close it when the warm-up is over. */
    private void endWarmUp() {
        Clock.pause(Math.max(warmBy - Clock.now(), 0));
        if (warmBy != Long.MAX_VALUE) {
            worker.urge.run();
        }
    }

    /** Sends what earlier incarnations undertook and have no acknowledgement of, and waits for the answers. */
    private void sendWhatWasLeft() {
        List<Outbox.Left> left = Outbox.left(Path.of(role.outbox), config.process);
        AtomicInteger open = new AtomicInteger(left.size());
        for (Outbox.Left entry : left) {
            Log target = targets.logs.get(entry.log);
            byte[] payload = Payload.encode(config.run, entry.process, entry.seq, target, role.recordSize);
            books.again();
            client.send(new ProducerRecord<>(target.topic, target.partition, null, payload), (metadata, error) -> {
                if (error == null) {
                    entry.settle();
                }
                open.decrementAndGet();
            });
        }
        while (open.get() > 0 && !worker.link.leaving()) {
            Clock.pause(MILLISECOND);
            tick();
        }
    }

    /** Hands `count` records to the client. */
    private void send(int count) {
        int left = count;
        while (left > 0 && !worker.link.leaving()) {
            int first = next;
            int target = targets.of(first);
            int most = worker.link.gates().armed() ? 1 : left;
            int burst = 1;
            while (burst < most && targets.of(first + burst) == target) {
                burst++;
            }
            if (first + burst < 0) {
                throw new Worker.Refused("a Java producer process sends at most 2^31 - 1 records");
            }
            next = first + burst;
            left -= burst;
            // One frame for the burst: whatever of it is not handed over before a kill is unknown, which is true.
            books.sending(logs[target], first, burst, Clock.now());
            for (int seq = first; seq < first + burst; seq++) {
                handOver(seq, target, Journal.Unresolved.FAIL);
            }
        }
    }

    /** Hands one journalled record to the client; `whenRefused` is what it means if the call does not take it. */
    private void handOver(int seq, int target, Journal.Unresolved whenRefused) {
        Log log = targets.logs.get(target);
        byte[] payload = Payload.encode(config.run, config.process, seq, log, role.recordSize);
        worker.link.pass(Step.SENDING, 1);
        calling = true;
        refused = false;
        try {
            client.send(new ProducerRecord<>(log.topic, log.partition, null, payload),
                    new Delivery(seq, logs[target], Clock.now(), whenRefused));
        } catch (RuntimeException error) {
            // Unusable, or closed by the worker's own urge: whether this record was taken is not known.
            books.unresolved(logs[target], seq, Journal.Unresolved.INFO, Outcomes.code(error));
            if (!worker.link.leaving()) {
                throw new Worker.Unusable("the producer is unusable: " + error);
            }
        } finally {
            calling = false;
        }
        if (refused) {
            // An application that gets errors without delay would otherwise spin.
            Clock.pause(10 * MILLISECOND);
        } else {
            worker.link.pass(Step.SENT, 1);
        }
    }

    /** The end of one attempt to send a record. */
    private final class Delivery implements Callback {
        private final int seq;
        private final int log;
        private final long handedOver;
        private final Journal.Unresolved whenRefused;

        Delivery(int seq, int log, long handedOver, Journal.Unresolved whenRefused) {
            this.seq = seq;
            this.log = log;
            this.handedOver = handedOver;
            this.whenRefused = whenRefused;
        }

        @Override
        public void onCompletion(RecordMetadata metadata, Exception error) {
            boolean refusal = calling && Thread.currentThread() == application;
            if (!refusal) {
                worker.link.gates().standStill();
            }
            if (error == null) {
                long offset = answered && metadata.hasOffset() ? metadata.offset() : -1;
                books.acked(log, seq, offset, (Clock.now() - handedOver) / 1000);
            } else {
                failed(refusal, error);
            }
            if (worker.link.gates().armed()) {
                // What a client at a gate knows is in its journal.
                books.writeRun();
            }
        }

        private void failed(boolean refusal, Exception error) {
            int code = Outcomes.code(error);
            lastError = error.getClass().getSimpleName() + ": " + error.getMessage();
            if (refusal) {
                refused = true;
                books.unresolved(log, seq, whenRefused, code);
                return;
            }
            boolean neverTriedAgain = retries != null && ((Number) retries.metricValue()).doubleValue() == 0;
            Journal.Unresolved outcome = Outcomes.ofSend(code, neverTriedAgain);
            if (outcome == Journal.Unresolved.INFO && role.resend == Config.Resend.AFTER_TIMEOUT
                    && !worker.link.leaving()) {
                again.add(new int[] {seq, code});
            } else {
                books.unresolved(log, seq, outcome, code);
            }
        }
    }

    /** What the application sends again; a send in the history ends as its last attempt does. */
    private void sendAgain() {
        for (int[] entry = again.poll(); entry != null; entry = again.poll()) {
            books.again();
            // An earlier attempt may have landed, so that a refusal of this one decides nothing.
            handOver(entry[0], targets.of(entry[0]), Journal.Unresolved.INFO);
        }
    }

    /** The most records to send before the next look around. */
    private int burst() {
        return (int) Math.min(BURST, Math.max(role.records - next, 0));
    }

    private void tick() {
        worker.tick(books::progress);
    }

    /** Takes every answer that is to come. */
    private void drain(Worker.Drain order) {
        long deadline = Clock.now() + TimeUnit.MILLISECONDS.toNanos(order.deadlineMs);
        while (books.outstanding() > 0 && Clock.now() < deadline && !worker.link.leaving()) {
            sendAgain();
            Clock.pause(MILLISECOND);
            books.settle();
            tick();
        }
        long open = books.outstanding();
        books.drained(worker.link, open == 0 ? "" : open + " records without an answer");
    }

    /** Ends the client and every send that is open. */
    private void finish() {
        Duration patience = Duration.ofNanos(Math.max(worker.link.patience(), 500 * MILLISECOND));
        try {
            client.close(patience);
        } catch (RuntimeException error) {
            Worker.log("closing the producer: " + error);
        }
        for (int[] entry = again.poll(); entry != null; entry = again.poll()) {
            books.unresolved(logs[targets.of(entry[0])], entry[0], Journal.Unresolved.INFO, entry[1]);
        }
        for (int seq : books.openSends()) {
            books.unresolved(logs[targets.of(seq)], seq, Journal.Unresolved.INFO, 0);
        }
        books.settle();
    }
}
