package onceproof;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Scanner;
import java.util.TreeMap;

/** Writes with the worker's own classes what a script on stdin says, one call in each line. */
public final class Vectors {
    private static long time;

    public static void main(String[] arguments) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        Scanner create = new Scanner(in.readLine());
        Path path = Path.of(create.next());
        long run = create.nextLong();
        int process = create.nextInt();
        Identity identity = new Identity(
                word(create), word(create), word(create), word(create), word(create), word(create));
        Journal journal = Journal.create(path, run, process, identity);
        Events events = new Events(process, () -> time);
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            call(journal, events, run, identity, new Scanner(line));
        }
        journal.close();
    }

    private static void call(Journal journal, Events events, long run, Identity identity, Scanner in) {
        switch (in.next()) {
            case "log": journal.log(new Log(in.next(), in.nextInt())); break;
            case "sends": journal.sends(in.nextInt(), in.nextInt(), in.nextInt(), in.nextLong()); break;
            case "acked":
                journal.acked(in.nextInt(), in.nextInt(), in.nextInt(), in.nextLong(), in.nextLong());
                break;
            case "unresolved":
                journal.unresolved(in.nextInt(), in.nextInt(), in.nextInt(),
                        Journal.Unresolved.valueOf(in.next()), in.nextInt(), in.nextLong());
                break;
            case "poll":
                long invoked = in.nextLong();
                long returned = in.nextLong();
                List<Batch.Run> runs = new ArrayList<>();
                while (in.hasNext()) {
                    runs.add(new Batch.Run(in.nextInt(), in.nextLong(), in.nextInt(), in.nextInt(), in.nextInt()));
                }
                journal.poll(invoked, returned, runs);
                break;
            case "handed-over":
                long now = in.nextLong();
                journal.handedOver(spans(in), now);
                break;
            case "payload":
                byte[] bytes = Payload.encode(run, in.nextInt(), in.nextInt(), new Log(in.next(), in.nextInt()),
                        in.nextInt());
                StringBuilder hex = new StringBuilder();
                for (byte b : bytes) {
                    hex.append(String.format("%02x", b));
                }
                System.out.println(hex);
                break;
            case "event":
                time = in.nextLong();
                journal.event(event(events, run, identity, in));
                break;
            default: throw new IllegalArgumentException("no such call");
        }
    }

    private static CharSequence event(Events events, long run, Identity identity, Scanner in) {
        String kind = in.next();
        switch (kind) {
            case "open": return events.open(identity);
            case "close": return events.close();
            case "assigned": case "revoked": case "lost":
                long generation = in.nextLong();
                List<Integer> logs = new ArrayList<>();
                while (in.hasNext()) {
                    logs.add(in.nextInt());
                }
                return events.rebalanced(kind, logs, generation);
            case "foreign":
                int log = in.nextInt();
                long offset = in.nextLong();
                Log actual = new Log(in.next(), in.nextInt());
                String hex = in.hasNext() ? in.next() : "";
                byte[] bytes = new byte[hex.length() / 2];
                for (int i = 0; i < bytes.length; i++) {
                    bytes[i] = (byte) Integer.parseInt(hex.substring(2 * i, 2 * i + 2), 16);
                }
                return events.foreign(log, offset, Payload.decode(bytes, run, actual).foreign);
            case "seek": return events.seek(in.nextInt(), in.nextLong());
            case "effect": return events.effect(spans(in));
            case "committing": return events.committing(in.next(), positions(in));
            case "committed": return events.committed(in.next(), positions(in));
            case "info": case "fail":
                return events.notCommitted(in.next(), Map.of(3, 4L), kind, in.nextInt(), word(in));
            case "fetching": return events.fetching();
            case "fetched": return events.fetched(positions(in));
            case "not-fetched": return events.notFetched(in.nextInt(), word(in));
            default: throw new IllegalArgumentException("no such event");
        }
    }

    private static List<Batch.Span> spans(Scanner in) {
        List<Batch.Span> spans = new ArrayList<>();
        while (in.hasNext()) {
            spans.add(new Batch.Span(in.nextInt(), in.nextLong(), in.nextLong()));
        }
        return spans;
    }

    private static Map<Integer, Long> positions(Scanner in) {
        Map<Integer, Long> positions = new TreeMap<>();
        while (in.hasNext()) {
            positions.put(in.nextInt(), in.nextLong());
        }
        return positions;
    }

    /** A word in hexadecimal UTF-8; a lone dash is null. */
    private static String word(Scanner in) {
        String hex = in.next();
        if (hex.equals("-")) {
            return null;
        }
        byte[] bytes = new byte[hex.length() / 2 - 1];
        for (int i = 0; i < bytes.length; i++) {
            bytes[i] = (byte) Integer.parseInt(hex.substring(2 * i + 2, 2 * i + 4), 16);
        }
        return new String(bytes, StandardCharsets.UTF_8);
    }
}
