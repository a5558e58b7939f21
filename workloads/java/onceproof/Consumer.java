package onceproof;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.InvalidOffsetException;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.AuthenticationException;
import org.apache.kafka.common.errors.AuthorizationException;
import org.apache.kafka.common.errors.FencedInstanceIdException;
import org.apache.kafka.common.errors.UnsupportedVersionException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * The consumer under test: a member of a group that polls, processes and commits in its delivery mode, as
 * `workloads/src/consumer.rs` does.
 *
 * <p>What is Java's own: the client's batch (`max.poll.records`), callbacks within poll, a commit by timer that is made
 * within poll and covers what the *previous* polls returned, and therefore two ways of using it: process in the polling
 * thread (`auto`), or hand the records over to another thread and poll on (`auto-handed-over`). What a sink does when it
 * fails or refuses is in {@link Effects}.
 */
final class Consumer {
    /** Longest wait for records between two looks at commands. */
    private static final Duration LOOK = Duration.ofMillis(100);
    /** How soon a commit that did not succeed is tried again when no further record comes. */
    private static final long COMMIT_AGAIN = TimeUnit.MILLISECONDS.toNanos(500);
    /** How often the coordinator is asked while the group drains, and how long it may take to answer. */
    private static final long ASK = TimeUnit.MILLISECONDS.toNanos(200);
    private static final Duration ANSWER = Duration.ofSeconds(1);

    private final Worker worker;
    private final Config config;
    private final Config.ConsumerRole role;
    private final ConsumerBooks books;
    /** Null where processing has no effect. */
    private final Effects effects;
    private final Processing processing;
    private final KafkaConsumer<byte[], byte[]> client;
    private long committedAt;
    private Worker.Drain draining;
    private long drainUntil;
    private long nextAsk;
    private boolean ready;
    private String lastError = "";

    Consumer(Worker worker, Journal journal) {
        this.worker = worker;
        this.config = worker.config;
        this.role = config.consumer;
        if (config.identity.group == null || config.identity.group.isEmpty()) {
            throw new Worker.Refused("a consumer needs a group");
        }
        books = new ConsumerBooks(journal, new Events(config.process, Clock::now));
        effects = Effects.open(config);
        processing = new Processing(worker, books, effects, this::tick);
        Map<String, Object> properties = worker.properties();
        if (role.commit.byTimer) {
            CommitObserver.told = offsets -> {
                synchronized (books) {
                    books.committedByTimer(offsets);
                }
            };
            properties.put("interceptor.classes", CommitObserver.class.getName());
        }
        client = worker.refusable(() ->
                new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer()));
        List<String> topics = config.topics.stream().map(topic -> topic.name).collect(Collectors.toList());
        client.subscribe(topics, new Rebalances());
        // The only call that another thread may make.
        worker.urge = client::wakeup;
    }

    Progress run() {
        try {
            work();
        } finally {
            finish();
        }
        return books.progress;
    }

    private void work() {
        long began = Clock.now();
        if (role.commit == Commit.AUTO_HANDED_OVER) {
            processing.start();
        }
        while (!worker.link.leaving()) {
            if (!ready) {
                ready = isReady(began);
            }
            Worker.Drain order = worker.orders.poll();
            if (order != null) {
                draining = order;
                drainUntil = Clock.now() + TimeUnit.MILLISECONDS.toNanos(order.deadlineMs);
                nextAsk = 0;
            }
            List<Batch.Item> items = poll();
            endWhatTookLong(items.isEmpty());
            if (items.isEmpty()) {
                commitAgain();
            } else {
                handle(items);
            }
            findTheWay();
            drain();
            tick();
            processing.check();
        }
    }

    /** Says that the member works, once it does. */
    private boolean isReady(long began) {
        if (role.warmUpMs >= 0 && !books.joined) {
            if (Clock.now() - began > TimeUnit.MILLISECONDS.toNanos(role.warmUpMs)) {
                String why = lastError.isEmpty() ? "" : "; the client said: " + lastError;
                throw new Worker.Cold("the group gave no assignment within " + role.warmUpMs + " ms" + why);
            }
            return false;
        }
        worker.link.ready();
        return true;
    }

    /** Polls a batch. */
    private List<Batch.Item> poll() {
        List<Batch.Item> items = new ArrayList<>();
        long invoked = Clock.now();
        ConsumerRecords<byte[], byte[]> records;
        try {
            records = client.poll(LOOK);
        } catch (KafkaException error) {
            pollFailed(error);
            return items;
        }
        if (records.isEmpty()) {
            return items;
        }
        synchronized (books) {
            for (TopicPartition partition : records.partitions()) {
                int log = books.log(partition);
                Log name = books.name(log);
                for (ConsumerRecord<byte[], byte[]> record : records.records(partition)) {
                    items.add(item(log, name, record));
                }
            }
            books.journal.poll(invoked, Clock.now(), Batch.runs(items));
            books.progress.polled += items.size();
        }
        worker.link.pass(Step.POLLED, items.size());
        return items;
    }

    private Batch.Item item(int log, Log name, ConsumerRecord<byte[], byte[]> record) {
        byte[] bytes = record.value() == null ? new byte[0] : record.value();
        Payload.Read read = Payload.decode(bytes, config.run, name);
        if (read.foreign != null) {
            books.journal.event(books.events.foreign(log, record.offset(), read.foreign));
        }
        return new Batch.Item(log, record.offset(), read.foreign == null, read.process, read.seq);
    }

    /** An error of poll: mostly news of something that the client repairs by itself. */
    private void pollFailed(KafkaException error) {
        lastError = error.getClass().getSimpleName() + ": " + error.getMessage();
        Worker.log("poll: " + error);
        if (error instanceof UnsupportedVersionException && !ready) {
            throw new Worker.Cold("this client cannot talk to the brokers: " + lastError);
        }
        if (error instanceof FencedInstanceIdException || error instanceof InvalidOffsetException
                || error instanceof AuthorizationException || error instanceof AuthenticationException
                || error instanceof UnsupportedVersionException) {
            throw new Worker.Unusable("the consumer is unusable: " + lastError);
        }
        Clock.pause(LOOK.toNanos() / 10);
    }

    /** Does with a batch what the delivery mode says. */
    private void handle(List<Batch.Item> items) {
        switch (role.commit) {
            case AFTER_SYNC:
                commitAndWait(Batch.positions(processing.process(items)));
                break;
            case AFTER_ASYNC:
                commitWithoutWaiting(Batch.positions(processing.process(items)));
                break;
            case AFTER_OUT_OF_ORDER:
                List<Batch.Item> others = processing.keepSlow(items);
                if (!others.isEmpty()) {
                    commitWithoutWaiting(Batch.positions(processing.process(others)));
                }
                break;
            case BEFORE:
                if (commitAndWait(Batch.positions(items))) {
                    processing.process(items);
                } else {
                    synchronized (books) {
                        books.progress.skipped += items.size();
                    }
                }
                break;
            case AUTO: case IN_SINK:
                processing.process(items);
                break;
            case AUTO_HANDED_OVER:
                processing.handOver(items);
                break;
            default:
                throw new IllegalStateException(role.commit.text);
        }
    }

    /**
     * Makes the effects of records that took long (`workloads/src/consumer/out_of_order.rs`): of those that something behind
     * is known to be committed, or of all when nothing comes any more.
     */
    private void endWhatTookLong(boolean all) {
        for (Batch.Item item : processing.slow()) {
            boolean due;
            synchronized (books) {
                due = all || books.hasCommittedPast(item.log, item.offset);
            }
            if (!due) {
                continue;
            }
            List<Batch.Item> done = processing.endSlow(item);
            boolean covered;
            synchronized (books) {
                covered = books.wantsPast(item.log, item.offset);
            }
            if (!covered) {
                commitWithoutWaiting(Batch.positions(done));
            }
        }
    }

    /** Goes to the sink's position in the logs where somebody else has moved it. */
    private void findTheWay() {
        if (effects == null) {
            return;
        }
        for (Map.Entry<Integer, Long> astray : effects.astray().entrySet()) {
            goTo(astray.getKey(), astray.getValue());
        }
    }

    private void goTo(int log, long position) {
        Log name;
        synchronized (books) {
            name = books.name(log);
        }
        try {
            client.seek(new TopicPartition(name.topic, name.partition), position);
        } catch (IllegalStateException error) {
            // The log is not ours any more: the next poll tells.
            Worker.log("seek: " + error);
            return;
        }
        effects.begins(log, position);
        synchronized (books) {
            books.journal.event(books.events.seek(log, position));
        }
    }

    /** Commits and waits for the answer. Whether the positions are known to be committed. */
    private boolean commitAndWait(Map<Integer, Long> positions) {
        if (positions.isEmpty()) {
            return true;
        }
        committedAt = Clock.now();
        Map<TopicPartition, OffsetAndMetadata> offsets;
        synchronized (books) {
            books.committing(positions, "sync");
            offsets = books.offsets(positions);
        }
        KafkaException[] failed = new KafkaException[1];
        Runnable commit = () -> {
            try {
                client.commitSync(offsets);
            } catch (KafkaException error) {
                failed[0] = error;
            }
        };
        if (worker.link.gates().armed()) {
            // The call is under way while the application stands at the gate.
            Thread call = new Thread(commit, "commit");
            call.start();
            worker.link.pass(Step.COMMIT_SENT, 1);
            join(call);
        } else {
            commit.run();
        }
        boolean known;
        synchronized (books) {
            known = books.committed(positions, "sync", failed[0]);
        }
        if (failed[0] != null) {
            Worker.log("commit: " + failed[0]);
        }
        worker.link.pass(Step.COMMIT_KNOWN, 1);
        return known;
    }

    private static void join(Thread thread) {
        try {
            thread.join();
        } catch (InterruptedException error) {
            throw new Worker.Unusable("interrupted: nobody does that");
        }
    }

    private void commitWithoutWaiting(Map<Integer, Long> positions) {
        if (positions.isEmpty()) {
            return;
        }
        committedAt = Clock.now();
        Map<TopicPartition, OffsetAndMetadata> offsets;
        synchronized (books) {
            books.committing(positions, "async");
            offsets = books.offsets(positions);
        }
        try {
            client.commitAsync(offsets, (asked, error) -> {
                synchronized (books) {
                    books.committed(positions, "async", error);
                }
                worker.link.pass(Step.COMMIT_KNOWN, 1);
            });
        } catch (KafkaException error) {
            synchronized (books) {
                books.committed(positions, "async", error);
            }
        }
        worker.link.pass(Step.COMMIT_SENT, 1);
    }

    /** Commits what is not committed, when no record comes that would bring the next commit. */
    private void commitAgain() {
        if (!role.commit.explicit || Clock.now() < committedAt + COMMIT_AGAIN) {
            return;
        }
        Map<Integer, Long> open;
        boolean awaits;
        synchronized (books) {
            open = books.uncommitted();
            awaits = books.awaitsAnswers();
        }
        if (role.commit != Commit.AFTER_ASYNC && role.commit != Commit.AFTER_OUT_OF_ORDER) {
            commitAndWait(open);
        } else if (!awaits) {
            commitWithoutWaiting(open);
        }
    }

    /** Looks whether the group is done, while it is to drain. */
    private void drain() {
        long now = Clock.now();
        if (draining == null || now < nextAsk) {
            return;
        }
        nextAsk = now + ASK;
        String missing = missing();
        if (missing.isEmpty() || now >= drainUntil) {
            draining = null;
            synchronized (books) {
                worker.link.drained(missing, books.progress);
            }
        }
    }

    /** Which logs the group has not committed to their ends, in words. */
    private String missing() {
        // An empty log has nothing to commit.
        List<Worker.End> ends = draining.ends.stream().filter(end -> end.end > 0).collect(Collectors.toList());
        Set<TopicPartition> asked = new HashSet<>();
        for (Worker.End end : ends) {
            asked.add(new TopicPartition(end.log.topic, end.log.partition));
        }
        StringBuilder missing = new StringBuilder();
        if (effects != null && effects.keepsPositions()) {
            try {
                for (Worker.End end : ends) {
                    shortfall(missing, end, new OffsetAndMetadata(effects.position(end.log)));
                }
            } catch (Sink.Failed error) {
                return "the group's positions are not known: " + error.getMessage();
            }
        } else if (!ends.isEmpty()) {
            synchronized (books) {
                books.journal.event(books.events.fetching());
            }
            try {
                Map<TopicPartition, OffsetAndMetadata> answer = client.committed(asked, ANSWER);
                synchronized (books) {
                    books.journal.event(books.events.fetched(books.positions(answer)));
                }
                for (Worker.End end : ends) {
                    shortfall(missing, end, answer.get(new TopicPartition(end.log.topic, end.log.partition)));
                }
            } catch (KafkaException error) {
                synchronized (books) {
                    books.journal.event(books.events.notFetched(Outcomes.code(error), error.toString()));
                }
                return "the group's committed positions are not known: " + error;
            }
        }
        long left = processing.left();
        if (left > 0) {
            missing.append(missing.length() == 0 ? "" : ", ").append(left).append(" records not processed");
        }
        return missing.toString();
    }

    private static void shortfall(StringBuilder out, Worker.End end, OffsetAndMetadata at) {
        if (at == null || at.offset() < end.end) {
            out.append(out.length() == 0 ? "" : ", ").append(end.log).append(" at ");
            out.append(at == null ? "none" : Long.toString(at.offset())).append(" of ").append(end.end);
        }
    }

    private void tick() {
        worker.tick(() -> {
            synchronized (books) {
                return books.progress.fields(new StringBuilder());
            }
        });
    }

    /** Commits what was processed, leaves the group and ends the client. */
    private void finish() {
        long until = Clock.now() + worker.link.patience();
        while (processing.left() > 0 && Clock.now() < until && !processing.hasFailed()) {
            Clock.pause(TimeUnit.MILLISECONDS.toNanos(1));
        }
        try {
            if (role.commit.explicit && worker.link.leaving()) {
                endWhatTookLong(true);
                Map<Integer, Long> open;
                synchronized (books) {
                    open = books.uncommitted();
                }
                commitAndWait(open);
            }
            close(Duration.ofNanos(Math.max(until - Clock.now(), TimeUnit.MILLISECONDS.toNanos(500))));
        } catch (KafkaException error) {
            Worker.log("closing the consumer: " + error);
        }
    }

    /** Leaves the group. What 4.1 offers instead of this call, clients before it do not have. */
    @SuppressWarnings("deprecation")
    private void close(Duration patience) {
        client.close(patience);
    }

    /** Rebalances, recorded when they happen, within poll. The assignment itself is left to the client. */
    private final class Rebalances implements ConsumerRebalanceListener {
        @Override
        public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
            synchronized (books) {
                books.assigned(partitions, generation());
            }
            if (effects == null || !effects.keepsPositions()) {
                return;
            }
            for (TopicPartition partition : partitions) {
                int log;
                Log name;
                synchronized (books) {
                    log = books.log(partition);
                    name = books.name(log);
                }
                long position = processing.positionInSink(name);
                if (position < 0) {
                    return;
                }
                goTo(log, position);
            }
        }

        @Override
        public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
            taken("revoked", partitions);
        }

        @Override
        public void onPartitionsLost(Collection<TopicPartition> partitions) {
            taken("lost", partitions);
        }

        private void taken(String how, Collection<TopicPartition> partitions) {
            synchronized (books) {
                books.taken(how, partitions, generation());
                for (TopicPartition partition : partitions) {
                    if (effects != null) {
                        effects.ends(books.log(partition));
                    }
                }
            }
        }

        /** Generation, or with the newer group protocol member epoch; below 0 where the client does not know it. */
        private long generation() {
            return client.groupMetadata().generationId();
        }
    }
}
