package onceproof;

import java.io.BufferedReader;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.utils.AppInfoParser;

/**
 * A worker of the Java family: one incarnation of a client, as a process of its own.
 *
 * <p>It speaks the protocol of `workloads/src/protocol.rs` and does what `workloads/src/worker.rs` does, with the official
 * Java client in place of librdkafka: configuration and commands on stdin, reports on stdout, the client's log on stderr.
 * The main thread is the application under test; a second one listens to the controller. A worker never restarts
 * anything: what dies is replaced from outside, by a new process with a new identity.
 */
public final class Worker {
    /** How often progress is reported. */
    private static final long PROGRESS = TimeUnit.MILLISECONDS.toNanos(200);
    private static final int CONFIG_STATUS = 64;
    private static final int FAILED_STATUS = 70;

    /** The configuration is wrong. */
    static final class Refused extends RuntimeException {
        private static final long serialVersionUID = 1;

        Refused(String message) {
            super(message);
        }
    }

    /** The warm-up was not complete in time. */
    static final class Cold extends RuntimeException {
        private static final long serialVersionUID = 1;

        Cold(String message) {
            super(message);
        }
    }

    /** The client library declared itself unusable; a supervisor would restart the client. */
    static final class Unusable extends RuntimeException {
        private static final long serialVersionUID = 1;

        Unusable(String message) {
            super(message);
        }
    }

    /** Where a log ends. */
    static final class End {
        final Log log;
        final long end;

        private End(Fields fields) throws Json.Malformed {
            log = new Log(fields.text("topic"), (int) fields.number("partition"));
            end = fields.number("end");
            fields.end();
        }
    }

    /** What the controller ordered and the worker's own thread has to do: finish what can be finished. */
    static final class Drain {
        final long deadlineMs;
        final List<End> ends;

        private Drain(long deadlineMs, List<End> ends) {
            this.deadlineMs = deadlineMs;
            this.ends = ends;
        }
    }

    /** A topic that has more partitions than before. */
    static final class Growth {
        final String topic;
        final int partitions;

        private Growth(Fields fields) throws Json.Malformed {
            topic = fields.text("topic");
            partitions = (int) fields.number("partitions");
            fields.end();
        }
    }

    final Config config;
    final Link link;
    final ConcurrentLinkedQueue<Drain> orders = new ConcurrentLinkedQueue<>();
    /** For a producer; a consumer's client finds new partitions by itself. */
    final ConcurrentLinkedQueue<Growth> growths = new ConcurrentLinkedQueue<>();
    /** What makes a client that is stuck in a call come back from it. */
    volatile Runnable urge = () -> { };
    private long nextTick;

    private Worker(Config config, Link link) {
        this.config = config;
        this.link = link;
    }

    /** Version of the client library. */
    static String version() {
        return AppInfoParser.getVersion();
    }

    /** The worker's own words, beside the client's log. */
    static void log(String words) {
        System.err.println("worker: " + words);
    }

    /** Runs a worker to its end: reads stdin, writes stdout and the journal, talks to Kafka. */
    public static void main(String[] arguments) {
        BufferedReader stdin = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        Link link = new Link(new FileOutputStream(FileDescriptor.out));
        // The client's threads are daemons or not, as the version likes; this is the end for all of them.
        Runtime.getRuntime().halt(run(stdin, link));
    }

    private static int run(BufferedReader stdin, Link link) {
        try {
            String first = stdin.readLine();
            if (first == null) {
                return CONFIG_STATUS;
            }
            Worker worker = new Worker(read(first), link);
            Progress progress = worker.work(stdin);
            link.report(progress.fields(new StringBuilder("{\"report\":\"done\",")).append('}'));
            return 0;
        } catch (Refused error) {
            return error(link, "config", error.getMessage(), CONFIG_STATUS);
        } catch (Journal.Unwritable error) {
            return error(link, "journal", error.getMessage(), FAILED_STATUS);
        } catch (Cold error) {
            return error(link, "warm-up", error.getMessage(), FAILED_STATUS);
        } catch (Unusable error) {
            return error(link, "fatal", error.getMessage(), FAILED_STATUS);
        } catch (IOException | RuntimeException | Error error) {
            // Not foreseen. An error of the worker's own must not look like a client that a supervisor restarts.
            error.printStackTrace();
            return error(link, "journal", "the worker failed: " + error, FAILED_STATUS);
        }
    }

    private static Config read(String line) {
        try {
            return new Config(line);
        } catch (Json.Malformed error) {
            throw new Refused(misunderstood("worker configuration", line, error));
        }
    }

    private static String misunderstood(String expected, String line, Json.Malformed error) {
        String preview = line.substring(0, Math.min(line.length(), 80));
        String shown = Json.string(new StringBuilder(), preview).toString();
        return "line is not a " + expected + ": " + error.getMessage() + " (in " + shown + ")";
    }

    private static int error(Link link, String kind, String message, int status) {
        log(kind + ": " + message);
        StringBuilder line = new StringBuilder("{\"report\":\"error\",\"kind\":\"").append(kind);
        link.report(Json.string(line.append("\",\"message\":"), message).append('}'));
        return status;
    }

    private Progress work(BufferedReader stdin) {
        for (Config.Gate gate : config.gates) {
            String problem = Gates.problem(gate, config.steps());
            if (problem != null) {
                throw new Refused(problem);
            }
            link.gates().arm(gate);
        }
        Journal journal = Journal.create(Path.of(config.journal), config.run, config.process, config.identity);
        Events events = new Events(config.process, Clock::now);
        journal.event(events.open(config.identity));
        Thread inbox = new Thread(() -> listen(stdin), "inbox");
        inbox.setDaemon(true);
        inbox.start();
        Progress progress;
        try {
            progress = config.producer != null
                    ? new Producer(this, journal).run()
                    : new Consumer(this, journal).run();
        } catch (Journal.Unwritable error) {
            throw error;
        } catch (RuntimeException error) {
            end(journal, events);
            throw error;
        }
        end(journal, events);
        return progress;
    }

    private static void end(Journal journal, Events events) {
        journal.event(events.close());
        journal.close();
    }

    /** What the client is given: what the worker needs, what its commit mode implies, and the spec's properties verbatim. */
    Map<String, Object> properties() {
        Map<String, Object> properties = new HashMap<>();
        properties.put("client.id", config.identity.name);
        properties.put("bootstrap.servers", config.bootstrap);
        if (config.consumer != null) {
            properties.put("group.id", config.identity.group);
            if (!config.consumer.commit.byTimer) {
                properties.put("enable.auto.commit", "false");
            }
            if (config.consumer.batch > 0) {
                properties.put("max.poll.records", Integer.toString(config.consumer.batch));
            }
        }
        properties.putAll(config.properties);
        return properties;
    }

    /** Makes a client; what it refuses is the configuration's fault. */
    <T> T refusable(Supplier<T> make) {
        try {
            return make.get();
        } catch (KafkaException error) {
            Throwable why = error;
            while (why.getCause() != null) {
                why = why.getCause();
            }
            throw new Refused("the Java client refuses the configuration: " + why.getMessage());
        }
    }

    /** Says, five times a second, how far the worker is. */
    void tick(Supplier<StringBuilder> progress) {
        long now = Clock.now();
        if (now >= nextTick) {
            nextTick = now + PROGRESS;
            StringBuilder line = new StringBuilder("{\"report\":\"progress\",").append(progress.get());
            link.report(line.append('}'));
        }
    }

    /** Listens to the controller until stdin ends, so that a worker that is stuck somewhere still hears. */
    private void listen(BufferedReader stdin) {
        try {
            for (String line = stdin.readLine(); line != null; line = stdin.readLine()) {
                if (!line.isBlank() && !heard(line)) {
                    return;
                }
            }
        } catch (IOException error) {
            log("reading stdin: " + error);
        }
        leave(Math.min(config.shutdownMs, Link.ORPHAN_DEADLINE_MS));
    }

    /** Obeys one line; false when the worker is to leave because of it. */
    private boolean heard(String line) {
        String problem;
        try {
            problem = obey(Fields.of("command", Json.read(line)));
        } catch (Json.Malformed error) {
            problem = misunderstood("command", line, error);
        }
        if (problem == null) {
            return true;
        }
        error(link, "protocol", problem, CONFIG_STATUS);
        leave(Math.min(config.shutdownMs, Link.ORPHAN_DEADLINE_MS));
        return false;
    }

    /** Does what is said; what is wrong with it, or null. */
    private String obey(Fields command) throws Json.Malformed {
        String name = command.text("command");
        switch (name) {
            case "gate":
                Config.Gate gate = new Config.Gate(command);
                String problem = Gates.problem(gate, config.steps());
                if (problem == null) {
                    link.gates().arm(gate);
                }
                return problem;
            case "continue":
                command.end();
                link.gates().open();
                return null;
            case "drain":
                List<End> ends = new ArrayList<>();
                if (command.has("ends")) {
                    for (Object end : command.list("ends")) {
                        ends.add(new End(Fields.of("end", end)));
                    }
                } else {
                    command.nothing("ends", null);
                }
                orders.add(new Drain(command.number("deadline_ms"), ends));
                command.end();
                return null;
            case "grow":
                growths.add(new Growth(command));
                return null;
            case "stop":
                command.end();
                leave(config.shutdownMs);
                return null;
            default:
                throw new Json.Malformed("unknown variant `" + name + "` of command");
        }
    }

    /** The worker is to leave; one that is not gone by then is urged, and at last ends itself and says so. */
    private void leave(long deadlineMs) {
        link.leave(deadlineMs);
        Thread watch = new Thread(() -> {
            Clock.pause(TimeUnit.MILLISECONDS.toNanos(deadlineMs) / 8 * 7);
            try {
                urge.run();
            } catch (RuntimeException error) {
                log("urging the client: " + error);
            }
            Clock.pause(TimeUnit.MILLISECONDS.toNanos(deadlineMs) / 8);
            link.tryReport("{\"report\":\"error\",\"kind\":\"hung\",\"message\":\"the stop took longer than "
                    + deadlineMs + " ms\"}");
            Runtime.getRuntime().halt(FAILED_STATUS);
        }, "deadline");
        watch.setDaemon(true);
        watch.start();
    }
}
