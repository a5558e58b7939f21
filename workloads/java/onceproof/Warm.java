package onceproof;

import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Loads the classes that a worker needs and ends in good order, so that the JVM writes a class archive of them. Nobody
 * listens on the address that is given; nothing is sent.
 */
public final class Warm {
    private static final Map<String, Object> NOWHERE = Map.of("bootstrap.servers", "127.0.0.1:1");

    private Warm() {}

    /** Makes one client of each kind. */
    public static void main(String[] arguments) {
        Map<String, Object> properties = new HashMap<>(NOWHERE);
        properties.put("max.block.ms", "50");
        try (KafkaProducer<byte[], byte[]> producer =
                new KafkaProducer<>(properties, new ByteArraySerializer(), new ByteArraySerializer())) {
            producer.send(new ProducerRecord<>("t", 0, null, new byte[1]), (metadata, error) -> { });
            producer.close(Duration.ofMillis(50));
        }
        properties = new HashMap<>(NOWHERE);
        properties.put("group.id", "g");
        try (KafkaConsumer<byte[], byte[]> consumer =
                new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.subscribe(List.of("t"));
            consumer.poll(Duration.ofMillis(100));
        }
    }
}
