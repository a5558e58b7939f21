package onceproof;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * JSON as the protocol and the journal use it: a strict reader, and the pieces of a writer.
 *
 * <p>The client's class path holds no JSON library, and a worker must not bring a dependency that could change what is
 * tested. The writer makes the same bytes as the Rust worker's, so that journals of both families can be compared byte by
 * byte. Numbers are kept as they are written, because a run's id needs all 64 bits.
 */
final class Json {
    /** What a text that is no JSON, or not of the expected form, is answered with. */
    static final class Malformed extends Exception {
        private static final long serialVersionUID = 1;

        Malformed(String message) {
            super(message);
        }
    }

    /** A number as it was written. */
    static final class Number {
        final String text;

        Number(String text) {
            this.text = text;
        }
    }

    /** Most brackets within brackets. */
    private static final int DEEPEST = 32;

    private final String text;
    private int at;
    private int depth;

    private Json(String text) {
        this.text = text;
    }

    /** Reads one value: a Map, a List, a String, a Number, a Boolean or null. */
    static Object read(String text) throws Malformed {
        Json json = new Json(text);
        Object value = json.value();
        json.space();
        if (json.at < text.length()) {
            throw json.malformed("trailing characters");
        }
        return value;
    }

    /** Appends a string with its quotes. */
    static StringBuilder string(StringBuilder out, String text) {
        out.append('"');
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            switch (c) {
                case '"': out.append("\\\""); break;
                case '\\': out.append("\\\\"); break;
                case '\b': out.append("\\b"); break;
                case '\f': out.append("\\f"); break;
                case '\n': out.append("\\n"); break;
                case '\r': out.append("\\r"); break;
                case '\t': out.append("\\t"); break;
                default:
                    if (c < ' ') {
                        out.append(String.format("\\u%04x", (int) c));
                    } else {
                        out.append(c);
                    }
            }
        }
        return out.append('"');
    }

    private Object value() throws Malformed {
        space();
        if (at == text.length()) {
            throw malformed("EOF while parsing a value");
        }
        char c = text.charAt(at);
        switch (c) {
            case '{': return object();
            case '[': return array();
            case '"': return string();
            case 't': return word("true", Boolean.TRUE);
            case 'f': return word("false", Boolean.FALSE);
            case 'n': return word("null", null);
            default:
                if (c == '-' || c >= '0' && c <= '9') {
                    return number();
                }
                throw malformed("expected value");
        }
    }

    private Map<String, Object> object() throws Malformed {
        Map<String, Object> object = new LinkedHashMap<>();
        enter();
        if (!closes('}')) {
            do {
                space();
                if (at == text.length() || text.charAt(at) != '"') {
                    throw malformed("expected a key");
                }
                String key = string();
                expect(':');
                Object value = value();
                if (object.containsKey(key)) {
                    throw malformed("duplicate field `" + key + "`");
                }
                object.put(key, value);
            } while (goesOn('}'));
        }
        depth--;
        return object;
    }

    private List<Object> array() throws Malformed {
        List<Object> array = new ArrayList<>();
        enter();
        if (!closes(']')) {
            do {
                array.add(value());
            } while (goesOn(']'));
        }
        depth--;
        return array;
    }

    private void enter() throws Malformed {
        at++;
        if (++depth > DEEPEST) {
            throw malformed("recursion limit exceeded");
        }
    }

    private boolean closes(char bracket) {
        space();
        if (at < text.length() && text.charAt(at) == bracket) {
            at++;
            return true;
        }
        return false;
    }

    private boolean goesOn(char bracket) throws Malformed {
        if (closes(bracket)) {
            return false;
        }
        expect(',');
        return true;
    }

    private void expect(char c) throws Malformed {
        space();
        if (at == text.length() || text.charAt(at) != c) {
            throw malformed("expected `" + c + "`");
        }
        at++;
    }

    private String string() throws Malformed {
        StringBuilder out = new StringBuilder();
        for (at++; at < text.length(); at++) {
            char c = text.charAt(at);
            if (c == '"') {
                at++;
                return out.toString();
            }
            if (c < ' ') {
                throw malformed("control character in a string");
            }
            out.append(c == '\\' ? escape() : c);
        }
        throw malformed("EOF while parsing a string");
    }

    private char escape() throws Malformed {
        at++;
        char c = at < text.length() ? text.charAt(at) : 0;
        switch (c) {
            case '"': case '\\': case '/': return c;
            case 'b': return '\b';
            case 'f': return '\f';
            case 'n': return '\n';
            case 'r': return '\r';
            case 't': return '\t';
            case 'u':
                if (at + 4 < text.length()) {
                    String digits = text.substring(at + 1, at + 5);
                    if (digits.chars().allMatch(digit -> Character.digit(digit, 16) >= 0)) {
                        at += 4;
                        return (char) Integer.parseInt(digits, 16);
                    }
                }
                throw malformed("invalid escape");
            default: throw malformed("invalid escape");
        }
    }

    private Object word(String word, Object value) throws Malformed {
        if (!text.startsWith(word, at)) {
            throw malformed("expected ident");
        }
        at += word.length();
        return value;
    }

    private Number number() throws Malformed {
        int start = at;
        while (at < text.length() && "+-.eE0123456789".indexOf(text.charAt(at)) >= 0) {
            at++;
        }
        String number = text.substring(start, at);
        if (!number.matches("-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][+-]?[0-9]+)?")) {
            throw malformed("invalid number");
        }
        return new Number(number);
    }

    private void space() {
        while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) >= 0) {
            at++;
        }
    }

    private Malformed malformed(String what) {
        return new Malformed(what + " at column " + (at + 1));
    }
}
