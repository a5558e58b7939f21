package onceproof;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentSkipListMap;

/**
 * A group member's dealings with its sink: what it stores with each effect, and what it remembers of that. The policy is
 * that of `workloads/src/consumer/effects.rs`: a sink that fails is asked again until it answers, but where records are
 * committed before their effect an unknown outcome is not tried again; a sink that refuses has seen somebody else write,
 * so what was polled of that log is dropped and the member goes on from the sink's position. The polling thread and one that
 * processes may both use it.
 */
final class Effects {
    final Sink sink;
    private final String mode;
    private final Config config;
    /** Where this member left the position of each log that it holds. */
    private final Map<Integer, Long> left = new ConcurrentHashMap<>();
    /** Logs in which the member has to go to the sink's position before it handles another record. */
    private final Map<Integer, Long> astray = new ConcurrentSkipListMap<>();
    /** What had an effect before, where keys are kept in memory. */
    private final Set<Long> seen = new HashSet<>();

    private Effects(Sink sink, Config config) {
        this.sink = sink;
        this.config = config;
        this.mode = config.consumer.effect;
    }

    /** The sink of a member; null where processing has no effect. */
    static Effects open(Config config) {
        Config.ConsumerRole role = config.consumer;
        if (role.effect == null && config.sink == null) {
            return null;
        }
        if (role.effect == null || config.sink == null) {
            throw new Worker.Refused(role.effect == null
                    ? "a sink needs an effect mode" : "effect = \"" + role.effect + "\" needs a sink");
        }
        boolean inSink = role.effect.equals("offset-in-sink") || role.effect.equals("offset-in-sink-unchecked");
        if (inSink != (role.commit == Commit.IN_SINK)) {
            throw new Worker.Refused(
                    "effect = \"" + role.effect + "\" does not go with commit = \"" + role.commit.text + "\"");
        }
        switch (role.effect) {
            case "plain": case "offset-in-sink": case "offset-in-sink-unchecked": case "deduplicated":
            case "deduplicated-in-memory": case "deduplicated-expiring":
                break;
            default:
                throw new Worker.Refused("unknown variant `" + role.effect + "` of effect");
        }
        try {
            return new Effects(Sink.open(config.sink, config.process, role.effect), config);
        } catch (Sink.Failed error) {
            throw new Worker.Refused(error.getMessage());
        }
    }

    /** Whether the group's positions are in the sink. */
    boolean keepsPositions() {
        return config.consumer.commit == Commit.IN_SINK;
    }

    /** Whether an effect that failed is made again. */
    boolean triesAgain(Sink.Failed error) {
        return !error.unknown || config.consumer.commit != Commit.BEFORE || mode.equals("deduplicated");
    }

    long position(Log log) throws Sink.Failed {
        return sink.position(config.identity.group, log);
    }

    /** The member was assigned a log, or has gone to another place in it. */
    void begins(int log, long at) {
        left.put(log, at);
        astray.remove(log);
    }

    /** The member does not hold the log any more. */
    void ends(int log) {
        left.remove(log);
        astray.remove(log);
    }

    /** Somebody else has moved the position. */
    void overtaken(int log, long at) {
        astray.put(log, at);
    }

    boolean isAstray(int log) {
        return astray.containsKey(log);
    }

    /** Where the member has to go, before it handles another record. */
    Map<Integer, Long> astray() {
        return new TreeMap<>(astray);
    }

    /** Consecutive records of one log, as many as the sink takes at once. */
    List<List<Batch.Item>> slices(List<Batch.Item> items) {
        List<List<Batch.Item>> slices = new ArrayList<>();
        int from = 0;
        for (int i = 1; i <= items.size(); i++) {
            boolean together = i < items.size() && sink.takesBatches() && items.get(i).log == items.get(from).log
                    && items.get(i).ours && items.get(i - 1).ours;
            if (!together) {
                slices.add(items.subList(from, i));
                from = i;
            }
        }
        return slices;
    }

    /** Makes the effects of a slice; where the position is if the sink refuses, else {@link Sink#HELD}. */
    long make(Log name, List<Batch.Item> slice) throws Sink.Failed {
        boolean inMemory = mode.equals("deduplicated-in-memory");
        List<Batch.Item> effects = new ArrayList<>();
        Set<Long> once = new HashSet<>();
        for (Batch.Item item : slice) {
            if (item.ours && !(inMemory && (seen.contains(value(item)) || !once.add(value(item))))) {
                effects.add(item);
            }
        }
        if (effects.isEmpty()) {
            return Sink.HELD;
        }
        int log = slice.get(0).log;
        Sink.Keep keep;
        long ttl = -1;
        switch (mode) {
            case "offset-in-sink": keep = Sink.Keep.CHECKED_POSITION; break;
            case "offset-in-sink-unchecked": keep = Sink.Keep.POSITION; break;
            case "deduplicated-expiring":
                keep = Sink.Keep.KEY;
                ttl = config.consumer.dedupTtlMs;
                break;
            case "deduplicated": keep = Sink.Keep.KEY; break;
            default: keep = Sink.Keep.NOTHING;
        }
        Sink.Write write = new Sink.Write(
                config.identity.group, name, config.process, effects, keep, left.getOrDefault(log, 0L), ttl);
        long answer = sink.store(write);
        if (answer == Sink.HELD) {
            left.put(log, write.next);
            if (inMemory) {
                effects.forEach(item -> seen.add(value(item)));
            }
        }
        return answer;
    }

    private static long value(Batch.Item item) {
        return (long) item.process << 32 | Integer.toUnsignedLong(item.seq);
    }
}
