package onceproof;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.zip.CRC32C;

/**
 * The crash-safe journal, written as `history/src/journal.rs` describes it; that file is the reference.
 *
 * <p>A frame of 32 bytes is published by storing its first word last into a mapped window of the file, so a journal
 * survives SIGKILL of its writer at any instruction. The methods are not safe for several threads; whoever shares a
 * journal holds a lock. The bytes are those of the Rust writer for the same events: a test compares them.
 *
 * <pre>
 * kind 8 | flags 8 | log 16 | sequence 32 || time ns 64 || offset 64 || count 32 | crc32c 32
 * kind 8 | 27 bytes of a blob                                          ||          crc32c 32
 * </pre>
 */
final class Journal {
    static final int FRAME = 32;
    private static final int BLOB = 27;
    private static final byte[] MAGIC = "1ceJrnl\n".getBytes(StandardCharsets.US_ASCII);
    private static final int VERSION = 1;
    /** Magic, version, length of the header, its checksum. */
    private static final int FIXED = 20;
    private static final int CHECKSUM = 16;

    /** Why the journal cannot be written. */
    static final class Unwritable extends RuntimeException {
        private static final long serialVersionUID = 1;

        Unwritable(String message) {
            super(message);
        }
    }

    /** How sends ended that were not acknowledged. */
    enum Unresolved {
        FAIL(1),
        INFO(2);

        private final int flags;

        Unresolved(int flags) {
            this.flags = flags;
        }
    }

    private final Space space;
    private final int salt;
    private final Map<Log, Integer> logs = new HashMap<>();
    private final ByteBuffer scratch = ByteBuffer.allocate(FRAME).order(ByteOrder.LITTLE_ENDIAN);
    private final CRC32C crc = new CRC32C();
    /** Index of the next frame, counted from the start of the file. */
    private long next;

    private Journal(Space space, int salt, long next) {
        this.space = space;
        this.salt = salt;
        this.next = next;
    }

    /** Creates the journal of a process. Its folder must exist and the journal must not. */
    static Journal create(Path path, long run, int process, Identity identity) {
        StringBuilder json = new StringBuilder("{\"run\":").append(Long.toUnsignedString(run));
        json.append(",\"process\":").append(Integer.toUnsignedString(process)).append(",\"identity\":{");
        identity.fields(json).append("}}");
        byte[] text = json.toString().getBytes(StandardCharsets.UTF_8);
        int length = (FIXED + text.length + FRAME - 1) / FRAME * FRAME;
        ByteBuffer header = ByteBuffer.allocate(length).order(ByteOrder.LITTLE_ENDIAN);
        header.put(MAGIC).putInt(VERSION).putInt(length).putInt(0).put(text);
        while (header.hasRemaining()) {
            header.put((byte) ' ');
        }
        CRC32C crc = new CRC32C();
        crc.update(header.array(), 0, CHECKSUM);
        crc.update(header.array(), FIXED, length - FIXED);
        int salt = (int) crc.getValue();
        header.putInt(CHECKSUM, salt).rewind();
        return new Journal(Space.create(path, header), salt, length / FRAME);
    }

    /** The journal's own number of a log; the first call for a log defines it in the journal. */
    int log(Log log) {
        Integer known = logs.get(log);
        if (known != null) {
            return known;
        }
        int id = logs.size();
        if (id > 0xffff) {
            throw new Unwritable(space.path() + ": a journal holds at most 65536 logs");
        }
        blob(word('L', 0, id, 0), 0, log.partition, log.topic.getBytes(StandardCharsets.UTF_8));
        logs.put(log, id);
        return id;
    }

    /** A burst of records to one log is about to be handed to the client library. */
    void sends(int log, int first, int count, long now) {
        single(word('S', 0, log, first), now, 0, count);
    }

    /** Records were acknowledged, the first at `offset` and the others after it; -1 where the protocol gives none. */
    void acked(int log, int first, int count, long offset, long now) {
        boolean known = offset >= 0;
        single(word('A', known ? 1 : 0, log, first), now, known ? offset : 0, count);
    }

    /** Sends ended otherwise, with the error's code. */
    void unresolved(int log, int first, int count, Unresolved how, int code, long now) {
        single(word('U', how.flags, log, first), now, code, count);
    }

    /** A poll returned these records, in this order. There whole or not at all. */
    void poll(long invoked, long returned, List<Batch.Run> runs) {
        space.reserve(next, runs.size() + 2L);
        long index = next + 1;
        for (Batch.Run run : runs) {
            publish(index++, word('r', 0, run.log, run.seq), Integer.toUnsignedLong(run.process), run.offset, run.count);
        }
        lead(word('P', 0, 0, 0), invoked, returned, runs.size(), runs.size());
    }

    /** Records are about to be handed over to processing. */
    void handedOver(List<Batch.Span> spans, long now) {
        space.reserve(next, spans.size() + 2L);
        long index = next + 1;
        for (Batch.Span span : spans) {
            publish(index++, word('s', 0, span.log, 0), span.first, span.last, 0);
        }
        lead(word('H', 0, 0, 0), now, 0, spans.size(), spans.size());
    }

    /** Any other event, as JSON. Its log ids are the journal's own. */
    void event(CharSequence json) {
        blob(word('E', 0, 0, 0), 0, 0, json.toString().getBytes(StandardCharsets.UTF_8));
    }

    /** Ends the journal in good order. Works on a full disk too: the end mark's place is always reserved. */
    void close() {
        publish(next, word('Z', 0, 0, 0), 0, 0, 0);
        space.finish(next + 1);
    }

    private static long word(char kind, int flags, int log, int seq) {
        return kind | (long) flags << 8 | (long) log << 16 | (long) seq << 32;
    }

    private void single(long first, long time, long offset, int count) {
        // The frame itself and the free one after it.
        space.reserve(next, 2);
        publish(next, first, time, offset, count);
        next++;
    }

    private void blob(long head, long time, long offset, byte[] bytes) {
        int followers = (bytes.length + BLOB - 1) / BLOB;
        space.reserve(next, followers + 2L);
        byte[] frame = new byte[FRAME];
        ByteBuffer words = ByteBuffer.wrap(frame).order(ByteOrder.LITTLE_ENDIAN);
        for (int i = 0; i < followers; i++) {
            int from = i * BLOB;
            int length = Math.min(BLOB, bytes.length - from);
            words.putLong(0, 0).putLong(8, 0).putLong(16, 0).putLong(24, 0);
            frame[0] = 'm';
            System.arraycopy(bytes, from, frame, 1, length);
            publish(next + 1 + i, words.getLong(0), words.getLong(8), words.getLong(16), words.getInt(24));
        }
        lead(head, time, offset, bytes.length, followers);
    }

    /** Publishes a group whose followers are written. */
    private void lead(long first, long time, long offset, int count, long followers) {
        publish(next, first, time, offset, count);
        next += followers + 1;
    }

    private void publish(long index, long first, long second, long third, int low) {
        scratch.putLong(0, first).putLong(8, second).putLong(16, third).putInt(24, low).putInt(28, (int) index ^ salt);
        crc.reset();
        crc.update(scratch.array(), 0, FRAME);
        space.publish(index, first, second, third, low & 0xffff_ffffL | crc.getValue() << 32);
    }
}
