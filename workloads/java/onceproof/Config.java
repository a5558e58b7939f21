package onceproof;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** What a worker is told before it begins: the `WorkerConfig` of `workloads/src/protocol.rs`. */
final class Config {
    final long run;
    final int process;
    final Identity identity;
    final String journal;
    final String bootstrap;
    final List<Topic> topics = new ArrayList<>();
    final Map<String, String> properties;
    /** One of the two; the other is null. */
    final ProducerRole producer;
    final ConsumerRole consumer;
    /** Null is none. */
    final SinkConfig sink;
    final List<Gate> gates = new ArrayList<>();
    final long shutdownMs;

    /** A topic, with the number of partitions that it was created with. */
    static final class Topic {
        final String name;
        final int partitions;

        Topic(Fields fields) throws Json.Malformed {
            name = fields.text("name");
            partitions = (int) fields.number("partitions");
            fields.end();
        }
    }

    /** When the application sends a record again. */
    enum Resend {
        NEVER,
        AFTER_TIMEOUT,
        OUTBOX
    }

    /** How a producer sends. */
    static final class ProducerRole {
        /** Planned records per second; 0 is as fast as the client takes them. */
        final double rate;
        final int recordSize;
        final boolean seeded;
        final long seed;
        final int spreadRun;
        /** Stop after this many records, as a number without sign. */
        final long records;
        final Resend resend;
        final String outbox;
        /** -1 is none. */
        final long warmUpMs;

        ProducerRole(Fields fields) throws Json.Malformed {
            if (fields.has("rate")) {
                rate = fields.decimal("rate");
                if (!(rate > 0 && rate < Double.POSITIVE_INFINITY)) {
                    throw new Json.Malformed("rate must be a positive number of records per second");
                }
            } else {
                rate = fields.nothing("rate", 0.0);
            }
            recordSize = (int) fields.numberOr("record_size", 100);
            if (fields.has("spread")) {
                Fields spread = fields.object("spread");
                String by = spread.text("by");
                seeded = by.equals("seeded");
                if (!seeded && !by.equals("round-robin")) {
                    throw new Json.Malformed("unknown variant `" + by + "` of spread");
                }
                seed = seeded ? spread.unsigned("seed") : 0;
                spreadRun = spread.small("run");
                spread.end();
            } else {
                seeded = fields.nothing("spread", false);
                seed = 0;
                spreadRun = 16;
            }
            records = fields.numberOr("records", Long.MAX_VALUE);
            String again = fields.textOr("resend", "never");
            switch (again) {
                case "never": resend = Resend.NEVER; break;
                case "after-timeout": resend = Resend.AFTER_TIMEOUT; break;
                case "outbox": resend = Resend.OUTBOX; break;
                default: throw new Json.Malformed("unknown variant `" + again + "` of resend");
            }
            outbox = fields.textOr("outbox", null);
            if (resend == Resend.OUTBOX && outbox == null) {
                throw new Json.Malformed("missing field `outbox` of producer");
            }
            warmUpMs = fields.numberOr("warm_up_ms", -1);
            fields.end();
        }
    }

    /** How a group member consumes. */
    static final class ConsumerRole {
        final Commit commit;
        /** 0 is the client's own. */
        final int batch;
        final long processingNanos;
        /** -1 is none. */
        final long warmUpMs;
        /** What is kept with each effect, by its name; null is no effect at all. */
        final String effect;
        final long dedupTtlMs;

        ConsumerRole(Fields fields) throws Json.Malformed {
            commit = Commit.read(fields.text("commit"));
            batch = (int) Math.min(fields.numberOr("batch", 0), Integer.MAX_VALUE);
            processingNanos = fields.numberOr("processing_us", 0) * 1000;
            warmUpMs = fields.numberOr("warm_up_ms", -1);
            effect = fields.textOr("effect", null);
            dedupTtlMs = fields.numberOr("dedup_ttl_ms", 0);
            fields.end();
        }
    }

    /** Where the effects of processing are kept. */
    static final class SinkConfig {
        final String kind;
        /** A file, a folder, a URL, or `host:port/database`. */
        final String place;
        final String user;
        final boolean sync;

        SinkConfig(Fields fields) throws Json.Malformed {
            kind = fields.text("kind");
            String found;
            String who = null;
            boolean synced = false;
            switch (kind) {
                case "sqlite":
                    found = fields.text("path");
                    break;
                case "postgres":
                    found = fields.text("host") + ":" + fields.number("port") + "/" + fields.text("database");
                    who = fields.text("user");
                    break;
                case "http":
                    found = fields.text("url");
                    break;
                case "file":
                    found = fields.text("folder");
                    synced = fields.flag("sync");
                    break;
                default:
                    throw new Json.Malformed("unknown variant `" + kind + "` of sink");
            }
            place = found;
            user = who;
            sync = synced;
            fields.end();
        }
    }

    /** Where a client is to be stopped: after `from` and before `to`, for the `nth` time. */
    static final class Gate {
        final int id;
        final Step from;
        final Step to;
        final int nth;

        Gate(Fields fields) throws Json.Malformed {
            id = fields.small("id");
            from = Step.read(fields.text("from"));
            to = Step.read(fields.text("to"));
            nth = fields.small("nth");
            fields.end();
        }
    }

    Config(String line) throws Json.Malformed {
        Fields fields = Fields.of("worker configuration", Json.read(line));
        run = fields.unsigned("run");
        process = fields.small("process");
        Identity who = Identity.read(fields.object("identity"));
        journal = fields.text("journal");
        bootstrap = fields.text("bootstrap");
        for (Object topic : fields.list("topics")) {
            topics.add(new Topic(Fields.of("topic", topic)));
        }
        properties = fields.has("properties") ? fields.texts("properties") : fields.nothing("properties", Map.of());
        Fields role = fields.object("role");
        String kind = role.text("role");
        producer = kind.equals("producer") ? new ProducerRole(role) : null;
        consumer = kind.equals("consumer") ? new ConsumerRole(role) : null;
        if (producer == null && consumer == null) {
            throw new Json.Malformed("unknown variant `" + kind + "` of role");
        }
        sink = fields.has("sink") ? new SinkConfig(fields.object("sink")) : fields.nothing("sink", null);
        if (fields.has("gates")) {
            for (Object gate : fields.list("gates")) {
                gates.add(new Gate(Fields.of("gate", gate)));
            }
        } else {
            fields.nothing("gates", null);
        }
        shutdownMs = fields.numberOr("shutdown_ms", 30_000);
        fields.end();
        identity = who.version.isEmpty() ? who.withVersion(Worker.version()) : who;
    }

    Step[] steps() {
        return producer != null ? Step.PRODUCER : consumer.commit.steps();
    }
}
