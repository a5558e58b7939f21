package onceproof;

import java.util.List;
import java.util.Map;
import java.util.function.LongSupplier;

/** The rare events of a journal as JSON, with the fields in the order of `history/src/op.rs`. */
final class Events {
    private final int process;
    private final LongSupplier clock;

    Events(int process, LongSupplier clock) {
        this.process = process;
        this.clock = clock;
    }

    StringBuilder open(Identity identity) {
        return identity.fields(moment().append("\"open\",")).append("}}");
    }

    StringBuilder close() {
        return moment().append("\"close\"}}");
    }

    /** `op` is `assigned`, `revoked` or `lost`; a generation below 0 is none. */
    StringBuilder rebalanced(String op, Iterable<Integer> logs, long generation) {
        StringBuilder out = moment().append('"').append(op).append("\",\"logs\":[");
        String separator = "";
        for (int log : logs) {
            out.append(separator).append(log);
            separator = ",";
        }
        return out.append("],\"generation\":").append(generation < 0 ? "null" : generation).append("}}");
    }

    StringBuilder foreign(int log, long offset, String why) {
        StringBuilder out = moment().append("\"foreign\",\"log\":").append(log).append(",\"offset\":").append(offset);
        return out.append(",\"why\":").append(why).append("}}");
    }

    StringBuilder seek(int log, long offset) {
        StringBuilder out = moment().append("\"seek\",\"log\":").append(log);
        return out.append(",\"offset\":").append(offset).append("}}");
    }

    StringBuilder effect(List<Batch.Span> spans) {
        return effect(moment(), spans);
    }

    /** `outcome` is `fail` or `info`. */
    StringBuilder noEffect(List<Batch.Span> spans, String outcome, String message) {
        return effect(ended(outcome, 0, message), spans);
    }

    private static StringBuilder effect(StringBuilder out, List<Batch.Span> spans) {
        out.append("\"effect\",\"spans\":[");
        String separator = "";
        for (Batch.Span span : spans) {
            out.append(separator).append("{\"log\":").append(span.log).append(",\"first\":").append(span.first);
            out.append(",\"last\":").append(span.last).append('}');
            separator = ",";
        }
        return out.append("]}}");
    }

    StringBuilder committing(String mode, Map<Integer, Long> positions) {
        return commit(invoked(), mode, positions);
    }

    StringBuilder committed(String mode, Map<Integer, Long> positions) {
        return commit(moment(), mode, positions);
    }

    /** `outcome` is `fail` or `info`. */
    StringBuilder notCommitted(String mode, Map<Integer, Long> positions, String outcome, int code, String message) {
        return commit(ended(outcome, code, message), mode, positions);
    }

    StringBuilder fetching() {
        return invoked().append("\"fetch-committed\",\"positions\":[]}}");
    }

    StringBuilder fetched(Map<Integer, Long> positions) {
        return positions(moment().append("\"fetch-committed\""), positions);
    }

    StringBuilder notFetched(int code, String message) {
        return ended("info", code, message).append("\"fetch-committed\",\"positions\":[]}}");
    }

    private static StringBuilder commit(StringBuilder out, String mode, Map<Integer, Long> positions) {
        return positions(out.append("\"commit-offsets\",\"mode\":\"").append(mode).append('"'), positions);
    }

    private static StringBuilder positions(StringBuilder out, Map<Integer, Long> positions) {
        out.append(",\"positions\":[");
        String separator = "";
        for (Map.Entry<Integer, Long> position : positions.entrySet()) {
            out.append(separator).append("{\"log\":").append(position.getKey());
            out.append(",\"next\":").append(position.getValue()).append('}');
            separator = ",";
        }
        return out.append("]}}");
    }

    /** Something happened at this moment, or was answered ok. */
    private StringBuilder moment() {
        return event("complete\",\"outcome\":\"ok\",\"offset\":null}");
    }

    private StringBuilder invoked() {
        return event("invoke\"}");
    }

    private StringBuilder ended(String outcome, int code, String message) {
        StringBuilder out = new StringBuilder("complete\",\"outcome\":\"").append(outcome);
        Json.string(out.append("\",\"cause\":{\"code\":").append(code).append(",\"message\":"), message).append('}');
        return event(out.append(outcome.equals("info") ? ",\"offset\":null}" : "}").toString());
    }

    private StringBuilder event(String phase) {
        StringBuilder out = new StringBuilder(200).append("{\"time\":").append(clock.getAsLong());
        out.append(",\"process\":").append(Integer.toUnsignedString(process)).append(",\"phase\":{\"phase\":\"");
        return out.append(phase).append(",\"op\":{\"op\":");
    }
}
