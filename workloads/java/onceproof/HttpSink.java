package onceproof;

import java.io.IOException;
import java.net.ConnectException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpConnectTimeoutException;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;

/**
 * HTTP: a service that is asked for each effect, with the requests of `workloads/src/sink/http.rs`. A request that was
 * sent and not answered may have been served; one that found nobody to connect to was not.
 */
final class HttpSink implements Sink {
    private static final String KIND = "http";

    private final HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1)
            .connectTimeout(Duration.ofSeconds(CONNECT_SECONDS)).build();
    private final String url;

    HttpSink(String url) {
        this.url = url.endsWith("/") ? url.substring(0, url.length() - 1) : url;
    }

    @Override
    public boolean takesBatches() {
        return false;
    }

    @Override
    public long store(Write write) throws Failed {
        if (write.effects.size() != 1) {
            throw new Failed(KIND, false, "one effect a request, not " + write.effects.size());
        }
        Batch.Item effect = write.effects.get(0);
        String producer = Integer.toUnsignedString(effect.process);
        String seq = Integer.toUnsignedString(effect.seq);
        StringBuilder body = new StringBuilder("{\"consumer_group\":");
        Json.string(body, write.group).append(",\"topic\":");
        Json.string(body, write.log.topic).append(",\"partition\":").append(write.log.partition);
        body.append(",\"record_offset\":").append(effect.offset).append(",\"producer\":").append(producer);
        body.append(",\"seq\":").append(seq).append(",\"member\":").append(Integer.toUnsignedString(write.member));
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(url + "/effects"))
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(body.append('}').toString()));
        switch (write.keep) {
            case NOTHING: break;
            case POSITION: request.header("Store-Offset", Long.toString(write.next)); break;
            case CHECKED_POSITION: request.header("Expected-Offset", Long.toString(write.from)); break;
            case KEY:
                request.header("Idempotency-Key", write.group + "/" + producer + "/" + seq);
                if (write.ttlMs >= 0) {
                    request.header("Idempotency-Expiry-Ms", Long.toString(write.ttlMs));
                }
                break;
            default: throw new IllegalStateException(write.keep.name());
        }
        HttpResponse<String> answer = send(request);
        switch (answer.statusCode()) {
            case 200: case 201: return HELD;
            case 409: return nextOffset(answer);
            default: throw new Failed(KIND, false, answer.statusCode() + ": " + answer.body());
        }
    }

    @Override
    public long position(String group, Log log) throws Failed {
        String query = "group=" + encoded(group) + "&topic=" + encoded(log.topic) + "&partition=" + log.partition;
        HttpResponse<String> answer = send(HttpRequest.newBuilder(URI.create(url + "/positions?" + query)).GET());
        if (answer.statusCode() != 200) {
            throw new Failed(KIND, false, answer.statusCode() + ": " + answer.body());
        }
        return nextOffset(answer);
    }

    private HttpResponse<String> send(HttpRequest.Builder request) throws Failed {
        try {
            HttpRequest whole = request.timeout(Duration.ofSeconds(CALL_SECONDS)).build();
            return client.send(whole, HttpResponse.BodyHandlers.ofString());
        } catch (ConnectException | HttpConnectTimeoutException error) {
            throw new Failed(KIND, false, error);
        } catch (IOException error) {
            throw new Failed(KIND, true, error);
        } catch (InterruptedException error) {
            throw new Failed(KIND, true, "interrupted: nobody does that");
        }
    }

    private static long nextOffset(HttpResponse<String> answer) throws Failed {
        try {
            return Fields.of("position", Json.read(answer.body())).number("next_offset");
        } catch (Json.Malformed error) {
            throw new Failed(KIND, false, error.getMessage());
        }
    }

    private static String encoded(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8);
    }
}
