package onceproof;

/** The named steps of a client: the places between which a fault can be aimed (`workloads/src/step.rs`). */
enum Step {
    SENDING("sending"),
    SENT("sent"),
    ACKNOWLEDGED("acknowledged"),
    POLLED("polled"),
    PROCESSING("processing"),
    EFFECT_BEGUN("effect-begun"),
    EFFECT_DONE("effect-done"),
    COMMIT_SENT("commit-sent"),
    COMMIT_KNOWN("commit-known");

    /** The steps that a producer passes, in order. */
    static final Step[] PRODUCER = {SENDING, SENT, ACKNOWLEDGED};

    final String text;

    Step(String text) {
        this.text = text;
    }

    static Step read(String text) throws Json.Malformed {
        for (Step step : values()) {
            if (step.text.equals(text)) {
                return step;
            }
        }
        throw new Json.Malformed("unknown step `" + text + "`");
    }
}
