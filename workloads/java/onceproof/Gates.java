package onceproof;

import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.function.Consumer;

/**
 * Gates: places between two named steps where a client is stopped, so that it can be killed exactly there
 * (`workloads/src/gate.rs`).
 *
 * <p>While nothing is armed a step costs one volatile read. The Java client has threads of its own: while the
 * application stands at a gate, callbacks on them wait too ({@link #standStill}), so that nothing later is done or
 * journalled.
 */
final class Gates {
    private static final class Armed {
        final Config.Gate gate;
        long passed;

        Armed(Config.Gate gate) {
            this.gate = gate;
        }
    }

    private volatile boolean armed;
    private volatile boolean held;
    private final List<Armed> gates = new ArrayList<>();
    private int holding;
    private long continues;
    private boolean disarmed;

    /** Why a client with these steps never passes this gate; null where it does. */
    static String problem(Config.Gate gate, Step[] steps) {
        int from = -1;
        int to = -1;
        StringBuilder names = new StringBuilder();
        for (int i = 0; i < steps.length; i++) {
            from = steps[i] == gate.from ? i : from;
            to = steps[i] == gate.to ? i : to;
            names.append(i == 0 ? "" : ", ").append(steps[i].text);
        }
        if (from >= 0 && from < to && gate.nth != 0) {
            return null;
        }
        return "no gate " + gate.from.text + ".." + gate.to.text + ": this client's steps are " + names + ", in this order";
    }

    /** Arms a gate. Passages count from here. */
    synchronized void arm(Config.Gate gate) {
        if (!disarmed) {
            gates.add(new Armed(gate));
            armed = true;
        }
    }

    /** Lets a client that waits at a gate go on. */
    synchronized void open() {
        continues++;
        notifyAll();
    }

    /** Lets the client go on and removes every gate, for good. */
    synchronized void disarm() {
        disarmed = true;
        gates.clear();
        armed = false;
        notifyAll();
    }

    /** Whether any gate is armed: then records are handled one by one, so that each is a passage. */
    boolean armed() {
        return armed;
    }

    /** Waits while another thread of the client stands at a gate. */
    void standStill() {
        if (held) {
            synchronized (this) {
                while (held) {
                    await();
                }
            }
        }
    }

    /** The client has made `step` for `count` records. Stops it where a gate says so, after `announce` told. */
    void pass(Step step, int count, Consumer<Config.Gate> announce) {
        if (armed) {
            for (Armed reached : reached(step, count)) {
                stand(reached.gate, announce);
            }
        }
    }

    private synchronized List<Armed> reached(Step step, int count) {
        List<Armed> reached = new ArrayList<>();
        for (Iterator<Armed> all = gates.iterator(); all.hasNext(); ) {
            Armed gate = all.next();
            if (gate.gate.from == step) {
                gate.passed += count;
                if (gate.passed >= Integer.toUnsignedLong(gate.gate.nth)) {
                    reached.add(gate);
                    all.remove();
                }
            }
        }
        armed = !gates.isEmpty();
        holding += reached.size();
        held = holding > 0;
        return reached;
    }

    private void stand(Config.Gate gate, Consumer<Config.Gate> announce) {
        long before;
        synchronized (this) {
            before = continues;
        }
        // Not under the lock: the announcement may wait for a slow reader.
        announce.accept(gate);
        synchronized (this) {
            while (continues == before && !disarmed) {
                await();
            }
            holding--;
            held = holding > 0;
            notifyAll();
        }
    }

    private void await() {
        try {
            wait();
        } catch (InterruptedException error) {
            // Nobody interrupts a worker's threads to say anything.
            return;
        }
    }
}
