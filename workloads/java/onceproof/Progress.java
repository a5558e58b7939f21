package onceproof;

/** Counts since the worker began, and latencies; as `workloads/src/protocol.rs` documents them. */
final class Progress {
    long sent;
    long acked;
    long failed;
    long unknown;
    long resent;
    long queueFull;
    long polled;
    long processed;
    long skipped;
    long sinkErrors;
    long commits;
    long commitsFailed;
    long assigned;
    long rebalances;
    Latencies latencies;

    /** Its fields as JSON, without brackets. */
    StringBuilder fields(StringBuilder out) {
        out.append("\"sent\":").append(sent).append(",\"acked\":").append(acked);
        out.append(",\"failed\":").append(failed).append(",\"unknown\":").append(unknown);
        out.append(",\"resent\":").append(resent).append(",\"queue_full\":").append(queueFull);
        out.append(",\"polled\":").append(polled).append(",\"processed\":").append(processed);
        out.append(",\"skipped\":").append(skipped).append(",\"sink_errors\":").append(sinkErrors);
        out.append(",\"commits\":").append(commits);
        out.append(",\"commits_failed\":").append(commitsFailed).append(",\"assigned\":").append(assigned);
        out.append(",\"rebalances\":").append(rebalances);
        return latencies == null ? out : latencies.fields(out.append(",\"latency\":{")).append('}');
    }
}
