package onceproof;

import java.util.Map;
import java.util.function.Consumer;
import org.apache.kafka.clients.consumer.ConsumerInterceptor;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;

/**
 * Hears of the commits of the client's own timer, for which there is no callback: the client makes it by name. It only
 * listens; records pass as they are.
 */
public final class CommitObserver implements ConsumerInterceptor<byte[], byte[]> {
    /** Who is told. A worker has one client, and the client makes the observer. */
    static volatile Consumer<Map<TopicPartition, OffsetAndMetadata>> told = offsets -> { };

    @Override
    public ConsumerRecords<byte[], byte[]> onConsume(ConsumerRecords<byte[], byte[]> records) {
        return records;
    }

    @Override
    public void onCommit(Map<TopicPartition, OffsetAndMetadata> offsets) {
        told.accept(offsets);
    }

    @Override
    public void close() {}

    @Override
    public void configure(Map<String, ?> configs) {}
}
