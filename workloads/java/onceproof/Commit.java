package onceproof;

/** When a consumer commits its positions (`workloads/src/protocol.rs`). */
enum Commit {
    AFTER_SYNC("after-sync", true, false),
    AFTER_ASYNC("after-async", true, false),
    AFTER_OUT_OF_ORDER("after-out-of-order", true, false),
    BEFORE("before", true, false),
    AUTO("auto", false, true),
    AUTO_HANDED_OVER("auto-handed-over", false, true),
    IN_SINK("in-sink", false, false);

    final String text;
    /** Whether the application commits to Kafka. */
    final boolean explicit;
    /** Whether the client's timer does. */
    final boolean byTimer;

    Commit(String text, boolean explicit, boolean byTimer) {
        this.text = text;
        this.explicit = explicit;
        this.byTimer = byTimer;
    }

    static Commit read(String text) throws Json.Malformed {
        for (Commit commit : values()) {
            if (commit.text.equals(text)) {
                return commit;
            }
        }
        throw new Json.Malformed("unknown variant `" + text + "` of commit");
    }

    /** The steps that a consumer passes for each record, in order. */
    Step[] steps() {
        switch (this) {
            case AFTER_SYNC: case AFTER_ASYNC:
                return new Step[] {Step.POLLED, Step.PROCESSING, Step.EFFECT_BEGUN, Step.EFFECT_DONE,
                    Step.COMMIT_SENT, Step.COMMIT_KNOWN};
            case AFTER_OUT_OF_ORDER:
                // Of the record that takes longest.
                return new Step[] {Step.POLLED, Step.PROCESSING, Step.COMMIT_SENT, Step.COMMIT_KNOWN,
                    Step.EFFECT_BEGUN, Step.EFFECT_DONE};
            case BEFORE:
                return new Step[] {Step.POLLED, Step.COMMIT_SENT, Step.COMMIT_KNOWN, Step.PROCESSING,
                    Step.EFFECT_BEGUN, Step.EFFECT_DONE};
            case AUTO: case AUTO_HANDED_OVER: case IN_SINK:
                // When the client's timer commits is not the application's to know; a position in the sink is committed
                // with the effect.
                return new Step[] {Step.POLLED, Step.PROCESSING, Step.EFFECT_BEGUN, Step.EFFECT_DONE};
            default:
                throw new IllegalStateException(text);
        }
    }
}
