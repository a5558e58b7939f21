package onceproof;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * The outbox of a client: which records it has undertaken to send and has no acknowledgement of.
 *
 * <p>Stands for the table that an application keeps in its database. Each incarnation has a file of its own in the
 * client's folder, `PROCESS.outbox`: 4 bytes for each sequence number, the log's index plus 1 and whether it is settled,
 * both u16 little-endian; zeros where nothing was sent. The form is the same in `workloads/src/producer/outbox.rs`. It
 * survives the end of its process, which is what it is tested for, and not a power cut.
 */
final class Outbox {
    private static final int ENTRY = 4;
    private static final String END = ".outbox";

    private final Path path;
    private final FileChannel file;

    private Outbox(Path path, FileChannel file) {
        this.path = path;
        this.file = file;
    }

    /** The outbox of a new incarnation. */
    static Outbox create(Path folder, int process) {
        return open(folder.resolve(Integer.toUnsignedString(process) + END), StandardOpenOption.CREATE_NEW);
    }

    private static Outbox open(Path path, StandardOpenOption how) {
        try {
            return new Outbox(path, FileChannel.open(path, how, StandardOpenOption.READ, StandardOpenOption.WRITE));
        } catch (IOException error) {
            throw new Journal.Unwritable(path + ": cannot open the outbox: " + error);
        }
    }

    /** What an earlier incarnation left: a record that is to be sent again. */
    static final class Left {
        final Outbox of;
        final int process;
        final int seq;
        final int log;

        private Left(Outbox of, int process, int seq, int log) {
            this.of = of;
            this.process = process;
            this.seq = seq;
            this.log = log;
        }

        void settle() {
            of.settle(seq, 1);
        }
    }

    /** Everything that other incarnations left, oldest first. */
    static List<Left> left(Path folder, int process) {
        List<Left> left = new ArrayList<>();
        List<Integer> others;
        try (Stream<Path> files = Files.list(folder)) {
            others = files.map(file -> file.getFileName().toString()).filter(name -> name.endsWith(END))
                    .map(name -> Integer.parseUnsignedInt(name.substring(0, name.length() - END.length())))
                    .filter(other -> other != process).sorted(Integer::compareUnsigned).collect(Collectors.toList());
        } catch (IOException error) {
            throw new Journal.Unwritable(folder + ": cannot list the outbox: " + error);
        }
        for (int other : others) {
            Outbox outbox = open(folder.resolve(Integer.toUnsignedString(other) + END), StandardOpenOption.READ);
            ByteBuffer all = outbox.all();
            for (int seq = 0; all.remaining() >= ENTRY; seq++) {
                int log = Short.toUnsignedInt(all.getShort()) - 1;
                if (all.getShort() == 0 && log >= 0) {
                    left.add(new Left(outbox, other, seq, log));
                }
            }
        }
        return left;
    }

    private ByteBuffer all() {
        try {
            ByteBuffer all = ByteBuffer.wrap(Files.readAllBytes(path));
            return all.order(ByteOrder.LITTLE_ENDIAN);
        } catch (IOException error) {
            throw new Journal.Unwritable(path + ": cannot read the outbox: " + error);
        }
    }

    /** Records are undertaken. */
    void put(int first, int count, int log) {
        ByteBuffer entries = ByteBuffer.allocate(count * ENTRY).order(ByteOrder.LITTLE_ENDIAN);
        for (int i = 0; i < count; i++) {
            entries.putShort((short) (log + 1)).putShort((short) 0);
        }
        write(entries, (long) first * ENTRY);
    }

    /** Records are acknowledged, or known never to be. */
    void settle(int first, int count) {
        ByteBuffer settled = ByteBuffer.allocate(2).order(ByteOrder.LITTLE_ENDIAN);
        for (int i = 0; i < count; i++) {
            settled.putShort(0, (short) 1).rewind();
            write(settled, (long) (first + i) * ENTRY + 2);
        }
    }

    private void write(ByteBuffer bytes, long at) {
        try {
            bytes.rewind();
            for (long to = at; bytes.hasRemaining(); ) {
                to += file.write(bytes, to);
            }
        } catch (IOException error) {
            throw new Journal.Unwritable(path + ": cannot write the outbox: " + error);
        }
    }
}
