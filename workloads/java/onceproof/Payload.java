package onceproof;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.zip.CRC32C;

/**
 * What a record's value holds on the wire. The form is described in `history/src/payload.rs`, which decodes it too:
 *
 * <pre>
 *  0 magic "1ceR" | 4 version u16 | 6 topic length u16 | 8 crc32c u32 over all other bytes | 12 run u64
 * 20 process u32  | 24 sequence u32 | 28 partition i32  | 32 length of the whole u32 | 36 topic | padding
 * </pre>
 */
final class Payload {
    private static final byte[] MARK = "1ceR".getBytes(StandardCharsets.US_ASCII);
    private static final short VERSION = 1;
    private static final int FIXED = 36;
    private static final int CHECKSUM = 8;
    private static final byte PADDING = '.';
    /** How many bytes of a foreign record its preview shows. */
    private static final int PREVIEW = 64;

    private Payload() {}

    /** The payload of a value, padded to `size` bytes. The client keeps the array, so each record has its own. */
    static byte[] encode(long run, int process, int seq, Log meantFor, int size) {
        byte[] topic = meantFor.topic.getBytes(StandardCharsets.UTF_8);
        byte[] bytes = new byte[Math.max(size, FIXED + topic.length)];
        ByteBuffer out = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        out.put(MARK).putShort(VERSION).putShort((short) topic.length).putInt(0).putLong(run);
        out.putInt(process).putInt(seq).putInt(meantFor.partition).putInt(bytes.length).put(topic);
        Arrays.fill(bytes, out.position(), bytes.length, PADDING);
        out.putInt(CHECKSUM, checksum(bytes));
        return bytes;
    }

    /** What a record read from a log is: a value of this run, or what is wrong with it. */
    static final class Read {
        /** None where it is one of ours; else the JSON of what is wrong. */
        final String foreign;
        final int process;
        final int seq;

        private Read(String foreign, int process, int seq) {
            this.foreign = foreign;
            this.process = process;
            this.seq = seq;
        }
    }

    private static final Read CORRUPT = new Read("{\"kind\":\"corrupt\"}", 0, 0);

    /** The value of a record read from the log `actual` in run `run`. */
    static Read decode(byte[] bytes, long run, Log actual) {
        boolean ours = bytes.length >= MARK.length && Arrays.equals(bytes, 0, MARK.length, MARK, 0, MARK.length);
        if (bytes.length < FIXED) {
            return ours ? CORRUPT : phantom(bytes);
        }
        ByteBuffer in = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        long foundRun = in.getLong(12);
        if (in.getInt(CHECKSUM) != checksum(bytes)) {
            return ours || foundRun == run ? CORRUPT : phantom(bytes);
        }
        int topicEnd = FIXED + Short.toUnsignedInt(in.getShort(6));
        if (!ours || in.getShort(4) != VERSION || in.getInt(32) != bytes.length || topicEnd > bytes.length) {
            return phantom(bytes);
        }
        int process = in.getInt(20);
        int seq = in.getInt(24);
        String value = Integer.toUnsignedString(process) + ":" + Integer.toUnsignedString(seq);
        if (foundRun != run) {
            return phantom("value " + value + " of run " + String.format("%016x", foundRun));
        }
        String topic = new String(bytes, FIXED, topicEnd - FIXED, StandardCharsets.UTF_8);
        int partition = in.getInt(28);
        if (partition != actual.partition || !topic.equals(actual.topic)) {
            StringBuilder why = new StringBuilder("{\"kind\":\"misrouted\",\"value\":{\"process\":");
            why.append(Integer.toUnsignedString(process)).append(",\"seq\":").append(Integer.toUnsignedString(seq));
            why.append("},\"meant_for\":");
            return new Read(Json.string(why, topic + "/" + partition).append('}').toString(), 0, 0);
        }
        return new Read(null, process, seq);
    }

    /** crc32c over all bytes but the checksum's own. */
    private static int checksum(byte[] payload) {
        CRC32C crc = new CRC32C();
        crc.update(payload, 0, CHECKSUM);
        crc.update(payload, CHECKSUM + 4, payload.length - CHECKSUM - 4);
        return (int) crc.getValue();
    }

    private static Read phantom(String preview) {
        StringBuilder why = new StringBuilder("{\"kind\":\"phantom\",\"preview\":");
        return new Read(Json.string(why, preview).append('}').toString(), 0, 0);
    }

    /** The first bytes, escaped so that they can be printed anywhere. */
    private static Read phantom(byte[] bytes) {
        StringBuilder shown = new StringBuilder();
        for (int i = 0; i < Math.min(bytes.length, PREVIEW); i++) {
            byte b = bytes[i];
            switch (b) {
                case '\t': shown.append("\\t"); break;
                case '\r': shown.append("\\r"); break;
                case '\n': shown.append("\\n"); break;
                case '\'': shown.append("\\'"); break;
                case '"': shown.append("\\\""); break;
                case '\\': shown.append("\\\\"); break;
                default:
                    if (b >= 0x20 && b < 0x7f) {
                        shown.append((char) b);
                    } else {
                        shown.append(String.format("\\x%02x", b));
                    }
            }
        }
        return phantom(shown.append(bytes.length > PREVIEW ? "…" : "").toString());
    }
}
