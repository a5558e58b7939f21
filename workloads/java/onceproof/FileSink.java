package onceproof;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import java.util.zip.CRC32C;

/**
 * Files: effects as lines that are only appended, with the offset beside each, in the form of
 * `workloads/src/sink/file.rs`. What must be looked up before it is written is read and written under a lock on the folder.
 * Java's lock is a record lock and that of the Rust members a flock, which do not see each other: members of one group
 * that look things up are of one family.
 */
final class FileSink implements Sink {
    private static final String KIND = "file";
    private static final String END = ".effects";

    private final Path folder;
    private final Path own;
    private final FileChannel file;
    private final boolean sync;
    private final boolean keepsKeys;
    /** The last line of our own file, without its end. */
    private String last = "";
    private final Map<Path, Long> read = new HashMap<>();
    private final Map<String, Long> next = new HashMap<>();
    private final Set<String> keys = new HashSet<>();

    FileSink(String folder, int member, boolean sync, String effect) throws Failed {
        if (effect.equals("deduplicated-expiring")) {
            throw new Failed(KIND, false, "lines hold no time, so no key can be forgotten");
        }
        this.folder = Path.of(folder);
        this.own = this.folder.resolve(Integer.toUnsignedString(member) + END);
        this.sync = sync;
        this.keepsKeys = effect.equals("deduplicated");
        try {
            file = FileChannel.open(own, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
        } catch (IOException error) {
            throw new Failed(KIND, false, error);
        }
    }

    // The lock is held for what is done in the body, which does not name it.
    @SuppressWarnings("try")
    @Override
    public long store(Write write) throws Failed {
        boolean looksUp = write.keep == Keep.CHECKED_POSITION || write.keep == Keep.KEY;
        try (FileChannel lock = looksUp ? lock() : null; FileLock held = looksUp ? lock.lock() : null) {
            if (looksUp) {
                refresh();
            }
            long position = next.getOrDefault(place(write.group, write.log), 0L);
            if (write.keep == Keep.CHECKED_POSITION && position != write.from) {
                return position;
            }
            List<String> lines = new ArrayList<>();
            Set<String> once = new HashSet<>();
            String before = last;
            for (Batch.Item effect : write.effects) {
                String key = key(write.group, effect);
                if (write.keep == Keep.KEY && (keys.contains(key) || !once.add(key))) {
                    continue;
                }
                before = line(write, effect, before);
                lines.add(before);
            }
            append(lines);
            last = before;
            lines.forEach(this::take);
            return HELD;
        } catch (IOException error) {
            throw new Failed(KIND, false, error);
        }
    }

    @SuppressWarnings("try")
    @Override
    public long position(String group, Log log) throws Failed {
        try (FileChannel lock = lock(); FileLock held = lock.lock()) {
            refresh();
            return next.getOrDefault(place(group, log), 0L);
        } catch (IOException error) {
            throw new Failed(KIND, false, error);
        }
    }

    private FileChannel lock() throws IOException {
        return FileChannel.open(folder.resolve("lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
    }

    /** Appends whole lines, or nothing. */
    private void append(List<String> lines) throws IOException, Failed {
        long length = file.size();
        String text = lines.stream().map(line -> line + "\n").collect(Collectors.joining());
        ByteBuffer bytes = ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8));
        try {
            for (long at = length; bytes.hasRemaining(); ) {
                at += file.write(bytes, at);
            }
            if (sync) {
                file.force(false);
            }
        } catch (IOException error) {
            try {
                // What stands there in part must not be taken for the beginning of the next line.
                file.truncate(length);
                file.force(false);
            } catch (IOException worse) {
                throw new Failed(KIND, true, error);
            }
            throw error;
        }
    }

    /** Reads what the others have appended. */
    private void refresh() throws IOException {
        List<Path> others;
        try (Stream<Path> files = Files.list(folder)) {
            others = files.filter(path -> path.toString().endsWith(END) && !path.equals(own))
                    .collect(Collectors.toList());
        }
        for (Path other : others) {
            long from = read.getOrDefault(other, 0L);
            try (FileChannel in = FileChannel.open(other, StandardOpenOption.READ)) {
                ByteBuffer bytes = ByteBuffer.allocate((int) (in.size() - from));
                while (bytes.hasRemaining() && in.read(bytes, from + bytes.position()) >= 0) {
                    continue;
                }
                int whole = bytes.position();
                while (whole > 0 && bytes.get(whole - 1) != '\n') {
                    whole--;
                }
                new String(bytes.array(), 0, whole, StandardCharsets.UTF_8).lines().forEach(this::take);
                read.put(other, from + whole);
            }
        }
    }

    /** Takes note of a line. One that is none was written by somebody else, who is not asked here. */
    private void take(String line) {
        String[] fields = line.split("\t", -1);
        if (fields.length != 8) {
            return;
        }
        try {
            String place = fields[0] + "\t" + fields[1] + "\t" + fields[2];
            next.merge(place, Long.parseLong(fields[3]) + 1, Math::max);
            if (keepsKeys) {
                keys.add(fields[0] + "\t" + fields[4] + "\t" + fields[5]);
            }
        } catch (NumberFormatException error) {
            Worker.log("the file sink holds a line that is none: " + line);
        }
    }

    private static String place(String group, Log log) {
        return group + "\t" + log.topic + "\t" + log.partition;
    }

    private static String key(String group, Batch.Item effect) {
        return group + "\t" + Integer.toUnsignedString(effect.process) + "\t" + Integer.toUnsignedString(effect.seq);
    }

    private static String line(Write write, Batch.Item effect, String before) {
        CRC32C crc = new CRC32C();
        crc.update(before.getBytes(StandardCharsets.UTF_8));
        long checksum = before.isEmpty() ? 0 : crc.getValue();
        return place(write.group, write.log) + "\t" + effect.offset + "\t" + Integer.toUnsignedString(effect.process)
                + "\t" + Integer.toUnsignedString(effect.seq) + "\t" + Integer.toUnsignedString(write.member) + "\t"
                + checksum;
    }
}
