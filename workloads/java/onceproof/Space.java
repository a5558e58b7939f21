package onceproof;

import java.io.IOException;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayDeque;
import java.util.Iterator;

/**
 * Where a journal's frames go: the file, grown and mapped window by window.
 *
 * <p>Blocks are reserved, by writing zeros, before a window is mapped, because Java has no `fallocate` and a store into a
 * page without a block would be a SIGBUS on a full disk. Writing them also fills the page cache, so that the first store
 * into a page is cheap.
 */
final class Space {
    /** Size of a window in bytes. */
    private static final int WINDOW = 1 << 20;
    private static final long FRAMES_PER_WINDOW = WINDOW / Journal.FRAME;

    private final Path path;
    private final FileChannel file;
    /** Usually one; more only while a group crosses a boundary. */
    private final ArrayDeque<ByteBuffer> mapped = new ArrayDeque<>();
    /** Index of the first mapped frame, and after the last. */
    private long base;
    private long end;
    private ByteBuffer first;

    private Space(Path path, FileChannel file, long frames) {
        this.path = path;
        this.file = file;
        this.base = frames / FRAMES_PER_WINDOW * FRAMES_PER_WINDOW;
        this.end = base;
    }

    /** Creates the file under another name, and renames it when its header is whole. */
    static Space create(Path path, ByteBuffer header) {
        if (Files.exists(path)) {
            throw new Journal.Unwritable(path + ": the journal exists already");
        }
        Path unfinished = path.resolveSibling(path.getFileName() + ".new");
        long frames = header.remaining() / Journal.FRAME;
        try {
            FileChannel file = FileChannel.open(
                    unfinished, StandardOpenOption.CREATE_NEW, StandardOpenOption.READ, StandardOpenOption.WRITE);
            try {
                while (header.hasRemaining()) {
                    file.write(header);
                }
                Space space = new Space(path, file, frames);
                space.reserve(frames, 1);
                Files.move(unfinished, path, StandardCopyOption.ATOMIC_MOVE);
                return space;
            } catch (IOException | RuntimeException error) {
                Files.deleteIfExists(unfinished);
                throw error;
            }
        } catch (FileAlreadyExistsException error) {
            throw new Journal.Unwritable(path + ": cannot create the journal: " + unfinished + " exists");
        } catch (IOException error) {
            throw new Journal.Unwritable(path + ": cannot create the journal: " + reason(error));
        }
    }

    Path path() {
        return path;
    }

    /** Makes `count` frames from `next` on writable, by reserving and mapping windows. */
    void reserve(long next, long count) {
        if (next + count > end) {
            grow(next, next + count);
        }
    }

    private void grow(long next, long until) {
        while (base + FRAMES_PER_WINDOW <= next) {
            mapped.pollFirst();
            base += FRAMES_PER_WINDOW;
        }
        while (end < until) {
            long offset = end * Journal.FRAME;
            try {
                writeZeros(offset);
                ByteBuffer window = file.map(FileChannel.MapMode.READ_WRITE, offset, WINDOW);
                mapped.addLast(window.order(ByteOrder.LITTLE_ENDIAN));
            } catch (IOException error) {
                String what = reason(error);
                boolean full = what.contains("No space left") || what.contains("quota exceeded");
                throw new Journal.Unwritable(full
                        ? path + ": no space left for the journal after " + offset + " bytes: " + what
                                + "; free space on that file system"
                        : path + ": cannot extend the journal: " + what);
            }
            end += FRAMES_PER_WINDOW;
        }
        first = mapped.peekFirst();
    }

    private void writeZeros(long offset) throws IOException {
        long at = Math.max(file.size(), offset);
        ByteBuffer zeros = ByteBuffer.allocateDirect((int) (offset + WINDOW - at));
        while (zeros.hasRemaining()) {
            at += file.write(zeros, at);
        }
    }

    /** Stores a frame: words 1 to 3, then the first word with release ordering. */
    void publish(long index, long word0, long word1, long word2, long word3) {
        long place = index - base;
        ByteBuffer window = first;
        if (place >= FRAMES_PER_WINDOW) {
            Iterator<ByteBuffer> windows = mapped.iterator();
            for (long skip = place / FRAMES_PER_WINDOW; skip >= 0; skip--) {
                window = windows.next();
            }
        }
        int at = (int) (place % FRAMES_PER_WINDOW) * Journal.FRAME;
        window.putLong(at + 8, word1).putLong(at + 16, word2).putLong(at + 24, word3);
        VarHandle.releaseFence();
        window.putLong(at, word0);
    }

    /** Gives the file its final length in frames. */
    void finish(long frames) {
        try {
            file.truncate(frames * Journal.FRAME);
            file.close();
        } catch (IOException error) {
            throw new Journal.Unwritable(path + ": cannot close the journal: " + reason(error));
        }
    }

    private static String reason(IOException error) {
        return error.getMessage() == null ? error.toString() : error.getMessage();
    }
}
