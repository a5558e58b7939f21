package onceproof;

import java.util.ArrayList;
import java.util.List;

/** Which log each record goes to: a pure function of its sequence number (`workloads/src/spread.rs`). */
final class Targets {
    final List<Log> logs = new ArrayList<>();
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
    }

    /** The next record belongs to the warm-up; only before all others, and only by one thread. */
    void warmUp() {
        warmUp = warmUp + 1;
    }

    /** Index in `logs` of the log of this record. */
    int of(int sequence) {
        long seq = Integer.toUnsignedLong(sequence);
        long place = seq - warmUp;
        if (place < 0) {
            return (int) (seq % logs.size());
        }
        long block = place / Math.max(Integer.toUnsignedLong(role.spreadRun), 1);
        return (int) (role.seeded
                ? Long.remainderUnsigned(mix(role.seed ^ mix(block)), logs.size())
                : block % logs.size());
    }

    /** The finalizer of splitmix64: every bit of the input changes half of the output's. */
    static long mix(long word) {
        word += 0x9e37_79b9_7f4a_7c15L;
        word = (word ^ (word >>> 30)) * 0xbf58_476d_1ce4_e5b9L;
        word = (word ^ (word >>> 27)) * 0x94d0_49bb_1331_11ebL;
        return word ^ (word >>> 31);
    }
}
