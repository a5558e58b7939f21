package onceproof;

import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Properties;

/**
 * Databases: SQLite, a file that every member opens, and PostgreSQL, a server that is connected to when it is needed. The
 * tables are `SCHEMA` of `workloads/src/sink.rs`; the harness has made them.
 */
final class SqlSink implements Sink {
    private static final String INSERT =
            "INSERT INTO effects (consumer_group, topic, partition, record_offset, producer, seq, member) "
                    + "VALUES (?, ?, ?, ?, ?, ?, ?)";
    private static final String KEY = "INSERT INTO applied (consumer_group, producer, seq, at_ms) VALUES (?, ?, ?, ?) "
            + "ON CONFLICT (consumer_group, producer, seq) DO UPDATE SET at_ms = excluded.at_ms "
            + "WHERE applied.at_ms < ?";
    private static final String READ =
            "SELECT next_offset FROM positions WHERE consumer_group = ? AND topic = ? AND partition = ?";
    private static final String COMPARE_AND_SET = "UPDATE positions SET next_offset = ? "
            + "WHERE consumer_group = ? AND topic = ? AND partition = ? AND next_offset = ?";
    private static final String SET_FIRST = "INSERT INTO positions (next_offset, consumer_group, topic, partition) "
            + "VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING";
    private static final String SET = "INSERT INTO positions (next_offset, consumer_group, topic, partition) "
            + "VALUES (?, ?, ?, ?) ON CONFLICT (consumer_group, topic, partition) "
            + "DO UPDATE SET next_offset = excluded.next_offset";

    private final String kind;
    private final String url;
    private final Properties properties = new Properties();
    private final boolean embedded;
    private Connection connection;
    private boolean committing;

    SqlSink(String kind, String url, String user) throws Failed {
        this.kind = kind;
        this.url = url;
        embedded = user == null;
        if (embedded) {
            properties.setProperty("busy_timeout", Integer.toString(CALL_SECONDS * 1000));
            // Safe against the death of a process, which is what happens here; a power cut may take the last commits.
            properties.setProperty("synchronous", "NORMAL");
            connected();
        } else {
            properties.setProperty("user", user);
            properties.setProperty("connectTimeout", Integer.toString(CONNECT_SECONDS));
            properties.setProperty("socketTimeout", Integer.toString(CALL_SECONDS));
            properties.setProperty("ApplicationName", "onceproof");
        }
    }

    @Override
    public long store(Write write) throws Failed {
        connected();
        committing = false;
        try {
            begin();
            if (write.keep == Keep.POSITION || write.keep == Keep.CHECKED_POSITION) {
                if (!moved(write)) {
                    long position = read(write.group, write.log);
                    rollback();
                    return position;
                }
            }
            try (PreparedStatement insert = connection.prepareStatement(INSERT)) {
                for (Batch.Item effect : write.effects) {
                    if (write.keep != Keep.KEY || isNew(write, effect)) {
                        log(insert, 1, write.group, write.log);
                        insert.setLong(4, effect.offset);
                        insert.setLong(5, Integer.toUnsignedLong(effect.process));
                        insert.setLong(6, Integer.toUnsignedLong(effect.seq));
                        insert.setLong(7, Integer.toUnsignedLong(write.member));
                        insert.addBatch();
                    }
                }
                insert.executeBatch();
            }
            committing = true;
            commit();
            return HELD;
        } catch (SQLException error) {
            throw failed(error);
        }
    }

    @Override
    public long position(String group, Log log) throws Failed {
        connected();
        committing = false;
        try {
            return read(group, log);
        } catch (SQLException error) {
            throw failed(error);
        }
    }

    private void connected() throws Failed {
        if (connection != null) {
            return;
        }
        committing = false;
        try {
            connection = DriverManager.getConnection(url, properties);
        } catch (SQLException error) {
            throw new Failed(kind, false, error.getMessage());
        }
    }

    /** The error, and whether what was asked may have happened. The session is given up. */
    private Failed failed(SQLException error) {
        String state = error.getSQLState() == null ? "" : error.getSQLState();
        // Class 08 is the connection's, class 57 an operator's intervention: a commit that was under way may stand.
        boolean cut = embedded ? !isBusy(error) : state.isEmpty() || state.startsWith("08") || state.startsWith("57");
        boolean unknown = committing && cut;
        Connection old = connection;
        connection = null;
        try {
            old.close();
        } catch (SQLException worse) {
            Worker.log("closing the sink: " + worse.getMessage());
        }
        return new Failed(kind, unknown, error.getMessage());
    }

    /** Busy or locked (SQLite's codes 5 and 6): nothing was stored. */
    private static boolean isBusy(SQLException error) {
        int code = error.getErrorCode() & 0xff;
        return code == 5 || code == 6;
    }

    private void begin() throws SQLException {
        if (embedded) {
            // Takes the write lock first, so that what is read still holds at the commit.
            say("BEGIN IMMEDIATE");
        } else {
            connection.setAutoCommit(false);
        }
    }

    private void commit() throws SQLException {
        if (embedded) {
            say("COMMIT");
        } else {
            connection.commit();
            connection.setAutoCommit(true);
        }
    }

    private void rollback() throws SQLException {
        if (embedded) {
            say("ROLLBACK");
        } else {
            connection.rollback();
            connection.setAutoCommit(true);
        }
    }

    private void say(String words) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.execute(words);
        }
    }

    private long read(String group, Log log) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(READ)) {
            log(statement, 1, group, log);
            try (ResultSet rows = statement.executeQuery()) {
                return rows.next() ? rows.getLong(1) : 0;
            }
        }
    }

    /** Whether the position could be moved. */
    private boolean moved(Write write) throws SQLException {
        if (write.keep == Keep.POSITION) {
            return set(SET, write) == 1;
        }
        try (PreparedStatement statement = connection.prepareStatement(COMPARE_AND_SET)) {
            statement.setLong(1, write.next);
            log(statement, 2, write.group, write.log);
            statement.setLong(5, write.from);
            if (statement.executeUpdate() == 1) {
                return true;
            }
        }
        return write.from == 0 && set(SET_FIRST, write) == 1;
    }

    private int set(String words, Write write) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(words)) {
            statement.setLong(1, write.next);
            log(statement, 2, write.group, write.log);
            return statement.executeUpdate();
        }
    }

    /** Whether the effect is to be stored; its key is. */
    private boolean isNew(Write write, Batch.Item effect) throws SQLException {
        long now = System.currentTimeMillis();
        try (PreparedStatement statement = connection.prepareStatement(KEY)) {
            statement.setString(1, write.group);
            statement.setLong(2, Integer.toUnsignedLong(effect.process));
            statement.setLong(3, Integer.toUnsignedLong(effect.seq));
            statement.setLong(4, now);
            statement.setLong(5, write.ttlMs < 0 ? Long.MIN_VALUE : now - write.ttlMs);
            return statement.executeUpdate() == 1;
        }
    }

    private static void log(PreparedStatement statement, int at, String group, Log log) throws SQLException {
        statement.setString(at, group);
        statement.setString(at + 1, log.topic);
        statement.setInt(at + 2, log.partition);
    }
}
