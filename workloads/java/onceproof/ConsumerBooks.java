package onceproof;

import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;

/**
 * What a group member keeps: journal, counts, the logs it holds, and which positions are committed
 * (`workloads/src/consumer/books.rs`). Whoever uses it holds its lock; the polling thread, one that processes, and the
 * client's callbacks may do so.
 */
final class ConsumerBooks {
    final Journal journal;
    final Events events;
    final Progress progress = new Progress();
    /** Whether any assignment has arrived, be it empty. */
    boolean joined;
    private final List<Log> names = new ArrayList<>();
    private final Map<TopicPartition, Integer> numbers = new HashMap<>();
    private final TreeSet<Integer> held = new TreeSet<>();
    /** Positions that are to be committed, and those that are known to be. */
    private final TreeMap<Integer, Long> wanted = new TreeMap<>();
    private final TreeMap<Integer, Long> committed = new TreeMap<>();
    /** Asynchronous commits whose answer has not come. */
    private int pending;

    ConsumerBooks(Journal journal, Events events) {
        this.journal = journal;
        this.events = events;
    }

    /** The journal's number of a log. */
    int log(TopicPartition partition) {
        Integer known = numbers.get(partition);
        if (known == null) {
            Log log = new Log(partition.topic(), partition.partition());
            known = journal.log(log);
            numbers.put(partition, known);
            names.add(log);
        }
        return known;
    }

    Log name(int log) {
        return names.get(log);
    }

    /** Logs were assigned. */
    void assigned(Collection<TopicPartition> partitions, long generation) {
        TreeSet<Integer> logs = logs(partitions);
        held.addAll(logs);
        joined = true;
        rebalanced("assigned", logs, generation);
    }

    /** Logs were taken away (`revoked` or `lost`): what was wanted of them is somebody else's now. */
    void taken(String how, Collection<TopicPartition> partitions, long generation) {
        TreeSet<Integer> logs = logs(partitions);
        held.removeAll(logs);
        wanted.keySet().removeAll(logs);
        committed.keySet().removeAll(logs);
        rebalanced(how, logs, generation);
    }

    private void rebalanced(String how, TreeSet<Integer> logs, long generation) {
        progress.rebalances++;
        progress.assigned = held.size();
        journal.event(events.rebalanced(how, logs, generation));
    }

    /** Whether the member holds a log now. */
    boolean holds(int log) {
        return held.contains(log);
    }

    /** Positions are about to be committed by the application. */
    void committing(Map<Integer, Long> positions, String mode) {
        wanted.putAll(positions);
        if (mode.equals("async")) {
            pending++;
        }
        journal.event(events.committing(mode, positions));
    }

    /** A commit was answered. Whether it succeeded. */
    boolean committed(Map<Integer, Long> positions, String mode, Exception error) {
        if (mode.equals("async")) {
            pending--;
        }
        if (error == null) {
            progress.commits++;
            committed.putAll(positions);
            journal.event(events.committed(mode, positions));
            return true;
        }
        progress.commitsFailed++;
        // Every answer to a commit is info, also a refusal: the client repeats a commit whose answer was lost, and the
        // repetition may be refused after the first was stored.
        String name = error.getClass().getSimpleName();
        journal.event(events.notCommitted(mode, positions, "info", Outcomes.code(error), name));
        return false;
    }

    /** The client's timer committed; when it asked is not visible, that it did is known from the answer. */
    void committedByTimer(Map<TopicPartition, OffsetAndMetadata> offsets) {
        Map<Integer, Long> positions = positions(offsets);
        if (!positions.isEmpty()) {
            journal.event(events.committing("auto", positions));
            progress.commits++;
            journal.event(events.committed("auto", positions));
        }
    }

    boolean awaitsAnswers() {
        return pending > 0;
    }

    /** Whether a position behind a record is known to be committed, or the log is not this member's any more. */
    boolean hasCommittedPast(int log, long offset) {
        return !held.contains(log) || committed.getOrDefault(log, 0L) > offset;
    }

    /** Whether a position behind a record is to be committed, or the log is not this member's any more. */
    boolean wantsPast(int log, long offset) {
        return !held.contains(log) || wanted.getOrDefault(log, 0L) > offset;
    }

    /** Positions that are wanted and not known to be committed. */
    Map<Integer, Long> uncommitted() {
        Map<Integer, Long> open = new TreeMap<>(wanted);
        open.entrySet().removeIf(position -> position.getValue().equals(committed.get(position.getKey())));
        return open;
    }

    /** The positions in what the client says, by log. */
    Map<Integer, Long> positions(Map<TopicPartition, OffsetAndMetadata> offsets) {
        Map<Integer, Long> positions = new TreeMap<>();
        for (Map.Entry<TopicPartition, OffsetAndMetadata> entry : offsets.entrySet()) {
            if (entry.getValue() != null) {
                positions.put(log(entry.getKey()), entry.getValue().offset());
            }
        }
        return positions;
    }

    /** Positions as the client takes them. */
    Map<TopicPartition, OffsetAndMetadata> offsets(Map<Integer, Long> positions) {
        Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
        for (Map.Entry<Integer, Long> position : positions.entrySet()) {
            Log log = name(position.getKey());
            offsets.put(new TopicPartition(log.topic, log.partition), new OffsetAndMetadata(position.getValue()));
        }
        return offsets;
    }

    private TreeSet<Integer> logs(Collection<TopicPartition> partitions) {
        TreeSet<Integer> logs = new TreeSet<>();
        for (TopicPartition partition : partitions) {
            logs.add(log(partition));
        }
        return logs;
    }
}
