package onceproof;

import java.util.Objects;

/** A topic and a partition of it. */
final class Log {
    final String topic;
    final int partition;

    Log(String topic, int partition) {
        this.topic = topic;
        this.partition = partition;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Log && ((Log) other).partition == partition && ((Log) other).topic.equals(topic);
    }

    @Override
    public int hashCode() {
        return Objects.hash(topic, partition);
    }

    @Override
    public String toString() {
        return topic + "/" + partition;
    }
}
