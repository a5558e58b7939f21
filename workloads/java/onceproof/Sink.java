package onceproof;

import java.util.List;

/**
 * Where "processed" becomes real: keeps effects of records, and with each what makes it count once. What a sink is asked,
 * what it answers and what its failures mean is `workloads/src/sink.rs`; both families share the tables, requests and
 * lines. No sink repeats anything by itself.
 */
interface Sink {
    /** How long a sink may take to accept a connection, and to answer a call. */
    int CONNECT_SECONDS = 2;
    int CALL_SECONDS = 3;

    /** A sink that did not do what it was asked for. */
    final class Failed extends Exception {
        private static final long serialVersionUID = 1;
        /** Whether it may have been stored all the same, now or later. */
        final boolean unknown;

        Failed(String sink, boolean unknown, Object why) {
            super(sink + ": " + why);
            this.unknown = unknown;
        }
    }

    /** What is kept with effects, in one transaction. */
    enum Keep {
        NOTHING,
        /** The position, whatever it was before. */
        POSITION,
        /** The position, if it still is where the member left it. */
        CHECKED_POSITION,
        /** Each record's key; a record whose key is there already has no further effect. */
        KEY
    }

    /** Effects of records of one log, to be stored together or not at all. */
    final class Write {
        final String group;
        final Log log;
        final int member;
        /** In the order of the log. At least one. */
        final List<Batch.Item> effects;
        final Keep keep;
        /** With a position: where it must be, and where it is then. */
        final long from;
        final long next;
        /** With a key: how long it counts, in milliseconds; negative is for ever. */
        final long ttlMs;

        Write(String group, Log log, int member, List<Batch.Item> effects, Keep keep, long from, long ttlMs) {
            this.group = group;
            this.log = log;
            this.member = member;
            this.effects = effects;
            this.keep = keep;
            this.from = from;
            this.next = effects.get(effects.size() - 1).offset + 1;
            this.ttlMs = ttlMs;
        }
    }

    /** Stores effects; where the position is if it refuses, negative where it holds them. */
    long store(Write write) throws Failed;

    /** A group's position in a log; 0 where none was ever stored. */
    long position(String group, Log log) throws Failed;

    /** Whether several effects may be stored at once. */
    default boolean takesBatches() {
        return true;
    }

    /** What {@link #store} answers where the sink holds the effects. */
    long HELD = -1;

    /** A member's own access to a sink. */
    static Sink open(Config.SinkConfig config, int member, String effect) throws Failed {
        switch (config.kind) {
            case "sqlite": return new SqlSink("sqlite", "jdbc:sqlite:" + config.place, null);
            case "postgres": return new SqlSink("postgres", "jdbc:postgresql://" + config.place, config.user);
            case "http": return new HttpSink(config.place);
            case "file": return new FileSink(config.place, member, config.sync, effect);
            default: throw new IllegalStateException(config.kind);
        }
    }
}
