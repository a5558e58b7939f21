package onceproof;

import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** The fields of one JSON object, each taken once; what is left at the end is unknown and refused. */
final class Fields {
    private final String of;
    private final Map<String, Object> left;

    private Fields(String of, Map<String, Object> fields) {
        this.of = of;
        this.left = fields;
    }

    /** The fields of a value that must be an object; `of` is what it is, for messages. */
    @SuppressWarnings("unchecked")
    static Fields of(String of, Object value) throws Json.Malformed {
        if (!(value instanceof Map)) {
            throw new Json.Malformed("invalid type: " + of + " is a map");
        }
        return new Fields(of, (Map<String, Object>) value);
    }

    boolean has(String name) {
        return left.get(name) != null;
    }

    /** Refuses what was not taken: a typo must not silently change a run. */
    void end() throws Json.Malformed {
        Iterator<String> unknown = left.keySet().iterator();
        if (unknown.hasNext()) {
            throw new Json.Malformed("unknown field `" + unknown.next() + "` of " + of);
        }
    }

    String text(String name) throws Json.Malformed {
        return (String) typed(name, String.class);
    }

    String textOr(String name, String otherwise) throws Json.Malformed {
        return has(name) ? text(name) : nothing(name, otherwise);
    }

    boolean flag(String name) throws Json.Malformed {
        return (Boolean) typed(name, Boolean.class);
    }

    long number(String name) throws Json.Malformed {
        String text = ((Json.Number) typed(name, Json.Number.class)).text;
        try {
            return Long.parseLong(text);
        } catch (NumberFormatException error) {
            throw new Json.Malformed("invalid value: `" + name + "` is " + text);
        }
    }

    long numberOr(String name, long otherwise) throws Json.Malformed {
        return has(name) ? number(name) : nothing(name, otherwise);
    }

    /** A number of at most 32 bits. */
    int small(String name) throws Json.Malformed {
        long number = number(name);
        if (number < 0 || number > 0xffff_ffffL) {
            throw new Json.Malformed("invalid value: `" + name + "` is " + number);
        }
        return (int) number;
    }

    /** A number of 64 bits without sign. */
    long unsigned(String name) throws Json.Malformed {
        String text = ((Json.Number) typed(name, Json.Number.class)).text;
        try {
            return Long.parseUnsignedLong(text);
        } catch (NumberFormatException error) {
            throw new Json.Malformed("invalid value: `" + name + "` is " + text);
        }
    }

    double decimal(String name) throws Json.Malformed {
        return Double.parseDouble(((Json.Number) typed(name, Json.Number.class)).text);
    }

    Fields object(String name) throws Json.Malformed {
        return of(name, typed(name, Map.class));
    }

    @SuppressWarnings("unchecked")
    List<Object> list(String name) throws Json.Malformed {
        return (List<Object>) typed(name, List.class);
    }

    /** An object whose values are all strings. */
    Map<String, String> texts(String name) throws Json.Malformed {
        Map<String, String> texts = new TreeMap<>();
        for (Map.Entry<?, ?> entry : ((Map<?, ?>) typed(name, Map.class)).entrySet()) {
            if (!(entry.getValue() instanceof String)) {
                throw new Json.Malformed("invalid type: `" + entry.getKey() + "` is a string");
            }
            texts.put((String) entry.getKey(), (String) entry.getValue());
        }
        return texts;
    }

    /** Takes a field that is absent or null. */
    <T> T nothing(String name, T otherwise) {
        left.remove(name);
        return otherwise;
    }

    private Object typed(String name, Class<?> type) throws Json.Malformed {
        if (!left.containsKey(name)) {
            throw new Json.Malformed("missing field `" + name + "` of " + of);
        }
        Object value = left.remove(name);
        if (!type.isInstance(value)) {
            throw new Json.Malformed("invalid type: `" + name + "` of " + of);
        }
        return value;
    }
}
