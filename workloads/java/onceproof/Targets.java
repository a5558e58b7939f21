package onceproof;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Which log each record goes to: a pure function of its sequence number (`workloads/src/spread.rs`). */
final class Targets {
    final List<Log> logs = new ArrayList<>();
    /** Since which record how many of the logs are used: pairs, the newest last. */
    private long[] eras;
    private final Config.ProducerRole role;
    /** Records at the beginning that visit one log after the other, whatever the spread. */
    private volatile long warmUp;

    Targets(List<Config.Topic> topics, Config.ProducerRole role) {
        this.role = role;
        for (Config.Topic topic : topics) {
            for (int partition = 0; partition < topic.partitions; partition++) {
                logs.add(new Log(topic.name, partition));
            }
        }
        eras = new long[] {0, logs.size()};
    }

    /** A topic has more partitions: the records from this one on are spread over them too. The thread that sends. */
    void grow(String topic, int partitions, int from) {
        int known = (int) logs.stream().filter(log -> log.topic.equals(topic)).count();
        for (int partition = known; partition < partitions; partition++) {
            logs.add(new Log(topic, partition));
        }
        eras = Arrays.copyOf(eras, eras.length + 2);
        eras[eras.length - 2] = Integer.toUnsignedLong(from);
        eras[eras.length - 1] = logs.size();
    }

    /** The next record belongs to the warm-up; only before all others, and only by one thread. */
    void warmUp() {
        warmUp = warmUp + 1;
    }

    /** Index in `logs` of the log of this record. */
    int of(int sequence) {
        long seq = Integer.toUnsignedLong(sequence);
        int era = eras.length - 2;
        while (eras[era] > seq) {
            era -= 2;
        }
        long count = eras[era + 1];
        long place = seq - warmUp;
        if (place < 0) {
            return (int) (seq % count);
        }
        long block = place / Math.max(Integer.toUnsignedLong(role.spreadRun), 1);
        return (int) (role.seeded
                ? Long.remainderUnsigned(mix(role.seed ^ mix(block)), count)
                : block % count);
    }

    /** The finalizer of splitmix64: every bit of the input changes half of the output's. */
    static long mix(long word) {
        word += 0x9e37_79b9_7f4a_7c15L;
        word = (word ^ (word >>> 30)) * 0xbf58_476d_1ce4_e5b9L;
        word = (word ^ (word >>> 27)) * 0x94d0_49bb_1331_11ebL;
        return word ^ (word >>> 31);
    }
}
